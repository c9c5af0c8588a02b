// An attempt in a store in memory, and the request of production that takes its reports.
import assert from 'node:assert/strict'
import type { Control } from '../../src/control/control.ts'
import { requestsOf } from '../../src/control/requests/requests.ts'
import { nodeId, runOf } from '../../src/domain/fixture.ts'
import type { AttemptId, ClusterName } from '../../src/domain/ids.ts'
import type { Requests } from '../../src/ports/requests.ts'
import type { Store } from '../../src/ports/store.ts'
import { filled, placing, T0 } from '../conformance/things.ts'
import { openSimulated } from './stores.ts'

export async function reporting(): Promise<{ requests: Requests; store: Store; attempt: AttemptId }> {
  const { store, clock } = await openSimulated(T0)
  await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
  const world = await store.world(new Map())
  const [run, node] = [world.runs.get(runOf(1).id), world.nodes.get(nodeId('n1'))]
  assert.ok(run !== undefined && node !== undefined)
  const { attempt, item } = placing(run, [node], 0)
  await store.commit(null, [item])
  clock.set(T0 + 3_600_000)
  // A report reads nothing else of it.
  const control = { store, clock, doorbell: { ring: () => {} } } as Partial<Control> as Control
  const none = (): never => {
    throw new Error('bug: a report has no secrets')
  }
  const secrets = { create: none, hash: none }
  const requests = requestsOf({ control, defaultCluster: 'simulated' as ClusterName, peaks: new Map(), secrets })
  return { requests, store, attempt: attempt.id }
}
