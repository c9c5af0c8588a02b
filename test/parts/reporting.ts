// An attempt in a store, in memory unless another one is given, and the request of production that takes its reports.
import assert from 'node:assert/strict'
import { readSpool } from '../../src/adapters/system/spool.ts'
import type { Control } from '../../src/control/control.ts'
import { requestsOf } from '../../src/control/requests/requests.ts'
import { viewsOf } from '../../src/control/views/views.ts'
import { nodeId, runOf } from '../../src/domain/fixture.ts'
import type { AttemptId, ClusterName } from '../../src/domain/ids.ts'
import { DEFAULT_DURATIONS, DEFAULT_LOG_BYTES_MAX } from '../../src/domain/settings.ts'
import { epochMs } from '../../src/domain/units.ts'
import type { Requests } from '../../src/ports/requests.ts'
import type { Store } from '../../src/ports/store.ts'
import type { Views } from '../../src/ports/views.ts'
import { SeededChance } from '../../src/sim/chance.ts'
import { filled, placing, T0 } from '../conformance/things.ts'
import type { Bench } from './stores.ts'
import { openSimulated } from './stores.ts'
import { DEFAULT_THRESHOLDS } from '../../src/domain/thresholds.ts'

export type Reporting = {
  readonly requests: Requests
  readonly views: Views
  readonly store: Store
  readonly attempt: AttemptId
  readonly control: Control
}

export async function reporting(bench?: Bench): Promise<Reporting> {
  const { store, clock } = bench ?? (await openSimulated(T0))
  await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
  const world = await store.world(new Map())
  const [run, node] = [world.runs.get(runOf(1).id), world.nodes.get(nodeId('n1'))]
  assert.ok(run !== undefined && node !== undefined)
  const { attempt, item } = placing(run, [node], 0)
  await store.commit(null, [item])
  clock.set(T0 + 3_600_000)
  const silent = (): void => {}
  const control: Control = {
    store,
    clock,
    clusters: new Map(),
    doorbell: { ring: silent },
    chance: new SeededChance(1),
    log: { info: silent, warn: silent, error: silent },
    settings: { durations: DEFAULT_DURATIONS, logBytesMax: DEFAULT_LOG_BYTES_MAX, thresholds: DEFAULT_THRESHOLDS },
    health: new Map(),
    lead: { epoch: null, until: epochMs(0) },
    ingest: null,
    readSpool,
    alerting: null,
  }
  const none = (): never => {
    throw new Error('bug: a report has no secrets')
  }
  const context = {
    control,
    defaultCluster: 'simulated' as ClusterName,
    peaks: new Map<string, number | null>(),
    secrets: { create: none, hash: none, signing: none },
  }
  return { requests: requestsOf(context), views: viewsOf(context), store, attempt: attempt.id, control }
}
