import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CLUSTER, nodeOf, t, worldOf } from '../domain/fixture.ts'
import { DEFAULT_DURATIONS } from '../domain/settings.ts'
import type { Cluster } from '../ports/cluster.ts'
import type { Store } from '../ports/store.ts'
import type { Control } from './control.ts'
import { observeTurn } from './observe.ts'

test('a cluster of which a third is silent does not look healthy to anybody between two looks', async () => {
  const now = t(DEFAULT_DURATIONS.nodeLostAfterMs * 2)
  const nodes = ['a', 'b', 'c'].map((name) => nodeOf(name, { lastObserved: name === 'c' ? now : t(0) }))
  const rung: string[] = []
  const told: unknown[] = []
  const store = {
    world: (health: Control['health']) => {
      told.push(health.get(CLUSTER)?.kind)
      return Promise.resolve(worldOf({ nodes }))
    },
    commit: () => Promise.resolve({ kind: 'committed', results: [] }),
  }
  const cluster = { name: CLUSTER, observe: () => Promise.resolve({ observedAt: now, nodes: [], workers: [] }) }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a turn asks of it
  const control = {
    store: store as unknown as Store,
    clusters: new Map([[CLUSTER, cluster as unknown as Cluster]]),
    clock: { now: () => now },
    doorbell: { ring: (loop: string) => rung.push(loop) },
    settings: { durations: DEFAULT_DURATIONS },
    health: new Map(),
    lead: { epoch: 1, until: t(now + 60_000) },
  } as unknown as Control
  for (let turn = 0; turn < 3; turn += 1) await observeTurn(control)
  assert.deepEqual(told, [undefined, 'unknown', 'unknown'])
  assert.deepEqual(rung, [])
})
