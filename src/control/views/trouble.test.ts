import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attemptOf, CLUSTER, runOf, t } from '../../domain/fixture.ts'
import type { ClusterName } from '../../domain/ids.ts'
import { DEFAULT_DURATIONS } from '../../domain/settings.ts'
import type { ClusterHealth } from '../../domain/world.ts'
import type { SeenHealth } from '../../ports/store.ts'
import type { Control } from '../control.ts'
import { troubleOf, troubles } from './trouble.ts'

const { attempt } = attemptOf(runOf(1), 1, [{ node: 'n1', slots: [0] }])
const RUNNING = runOf(1, { state: { kind: 'running', attempt: attempt.id } })

async function told(
  own: readonly (readonly [ClusterName, ClusterHealth])[],
  stored: ReadonlyMap<ClusterName, SeenHealth> = new Map(),
): Promise<string | null> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is asked of it
  const control = {
    health: new Map(own),
    clusters: new Map([[CLUSTER, {}]]),
    clock: { now: () => t(100_000) },
    settings: { durations: DEFAULT_DURATIONS },
    store: { health: () => Promise.resolve(stored) },
  } as unknown as Control
  return troubleOf(RUNNING, await troubles(control))
}

test('a run says that its cluster cannot be asked, as its own process or the one that leads saw it', async () => {
  const unknown = { kind: 'unknown', message: 'no answer within 5000 ms' } as const
  const words = 'what it does now is unknown: no answer within 5000 ms'
  assert.equal(await told([[CLUSTER, unknown]]), words)
  assert.equal(await told([[CLUSTER, { kind: 'reachable' }]]), null)
  assert.equal(await told([], new Map([[CLUSTER, { health: unknown, observedAt: t(90_000) }]])), words)
  const old = new Map<ClusterName, SeenHealth>([[CLUSTER, { health: { kind: 'reachable' }, observedAt: t(0) }]])
  assert.match((await told([], old)) ?? '', /no controller has looked at it for 100 s/)
})

test('a run that has nothing on a cluster says nothing of it', () => {
  const found = new Map([[CLUSTER, 'gone']])
  assert.equal(troubleOf(runOf(2), found), null)
  assert.equal(troubleOf(runOf(2, { state: { kind: 'succeeded' } }), found), null)
  assert.match(troubleOf(RUNNING, found) ?? '', /unknown: gone/)
})
