import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CLUSTER, t, worldOf } from '../domain/fixture.ts'
import { DEFAULT_DURATIONS } from '../domain/settings.ts'
import type { Cluster } from '../ports/cluster.ts'
import type { Store } from '../ports/store.ts'
import type { Control } from './control.ts'
import { launchTurn } from './launch.ts'

test('a cluster that cannot be told what is kept off is asked at each turn, and a reason is logged once until it changes', async () => {
  const answers = ['no right', 'no right', null, 'no right', 'away', 'away']
  let asked = 0
  const keepOff = (): Promise<void> => {
    const answer = answers[asked] ?? null
    asked += 1
    return answer === null ? Promise.resolve() : Promise.reject(new Error(answer))
  }
  const warned: unknown[] = []
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a turn asks of it
  const control = {
    store: { world: () => Promise.resolve(worldOf({})) } as unknown as Store,
    clusters: new Map([[CLUSTER, { name: CLUSTER, keepOff } as unknown as Cluster]]),
    clock: { now: () => t(0) },
    lead: { epoch: 1, until: t(60_000) },
    health: new Map(),
    log: { warn: (fields: { error: string }) => warned.push(fields.error) },
    settings: { durations: DEFAULT_DURATIONS },
  } as unknown as Control
  for (const _ of answers) await launchTurn(control)
  assert.equal(asked, answers.length)
  assert.deepEqual(warned, ['Error: no right', 'Error: no right', 'Error: away'])
})
