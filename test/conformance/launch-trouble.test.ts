// What keeps an attempt from being launched is shown until a try of it has come through: whoever looks while one is under way sees no change.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Control } from '../../src/control/control.ts'
import { launchTrouble, launchTurn } from '../../src/control/launch.ts'
import { CLUSTER, nodeId, runOf } from '../../src/domain/fixture.ts'
import { DEFAULT_DURATIONS, DEFAULT_LOG_BYTES_MAX } from '../../src/domain/settings.ts'
import { DEFAULT_THRESHOLDS } from '../../src/domain/thresholds.ts'
import { epochMs } from '../../src/domain/units.ts'
import { openSimulated } from '../parts/stores.ts'
import { filled, placing, T0 } from './things.ts'

test('the trouble of a launch stands while the next try is under way', async () => {
  const { store, clock } = await openSimulated(T0)
  await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
  const world = await store.world(new Map())
  const [run, node] = [world.runs.get(runOf(1).id), world.nodes.get(nodeId('n1'))]
  assert.ok(run !== undefined && node !== undefined)
  const { attempt, item } = placing(run, [node], 0)
  await store.commit(null, [item])
  const silent = (): void => {}
  let launch: () => Promise<void> = () => Promise.reject(new Error('the namespace is not there'))
  const cluster = { name: CLUSTER, checkpointRoot: '/checkpoints', launch: () => launch() }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a turn asks of it
  const control = {
    store,
    clock,
    clusters: new Map([[CLUSTER, cluster]]),
    doorbell: { ring: silent },
    log: { info: silent, warn: silent, error: silent },
    settings: { durations: DEFAULT_DURATIONS, logBytesMax: DEFAULT_LOG_BYTES_MAX, thresholds: DEFAULT_THRESHOLDS },
    health: new Map(),
    ingest: null,
    lead: { epoch: await store.takeLead('me', 10 ** 9, true), until: epochMs(10 ** 15) },
  } as unknown as Control
  await launchTurn(control)
  assert.match(launchTrouble(control, attempt.id) ?? '', /the namespace is not there/)
  const under = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  launch = () => {
    begun.resolve()
    return under.promise
  }
  const turn = launchTurn(control)
  await begun.promise
  assert.match(launchTrouble(control, attempt.id) ?? '', /the namespace is not there/)
  under.resolve()
  await turn
  assert.equal(launchTrouble(control, attempt.id), null)
})
