import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { claimOf, nodeId, nodeOf, projectOf, runId, runOf, t, worldOf } from '../../domain/fixture.ts'
import type { RunId } from '../../domain/ids.ts'
import { attemptIdOf, workerIdOf } from '../../domain/ids.ts'
import type { World } from '../../domain/world.ts'
import { candidatesOf } from '../admit/admit.ts'
import { counterfactual } from './counterfactual.ts'
import { SETTINGS, worlds } from './fixture.ts'
import { planPlacements } from './place.ts'

/** The turn itself: those before it take what they can first. */
function places(world: World, id: RunId): boolean {
  return planPlacements(world, candidatesOf(world), SETTINGS).report.placed.some((placed) => placed.run === id)
}

const running = claimOf(nodeId('a'), workerIdOf(attemptIdOf(runId(2), 1), 0), [0, 1, 2, 3, 4, 5, 6, 7])
const RUNNING = runOf(2, { state: { kind: 'running', attempt: attemptIdOf(runId(2), 1) } })
const later = runOf(1, { state: { kind: 'queued', reason: 'restarting', message: '', notBefore: t(90_500) } })
const FENCE = { until: t(120_000), workers: [{ worker: workerIdOf(attemptIdOf(runId(1), 1), 0), nodeName: 'b' }] }
const ROWS: readonly [text: string | null, world: World][] = [
  [
    'starts if the queue is resumed',
    worldOf({ nodes: [nodeOf('a')], runs: [runOf(1)] }, { queue: { paused: true, reason: '' } }),
  ],
  ['starts by itself in 91 s', worldOf({ nodes: [nodeOf('a')], runs: [later] })],
  ['starts by itself in 120 s', worldOf({ nodes: [nodeOf('a')], runs: [{ ...later, fence: FENCE }] })],
  [
    'starts if node a is uncordoned',
    worldOf({ nodes: [nodeOf('a', { cordon: { by: 'ada', reason: '' } })], runs: [runOf(1)] }),
  ],
  ['starts if run default/run-2 ends', worldOf({ nodes: [nodeOf('a')], runs: [runOf(1), RUNNING], claims: [running] })],
  ['starts if 1 more node with 1 free GPU (declared) comes', worldOf({ runs: [runOf(1)] })],
  [null, worldOf({ runs: [runOf(1)] }, { queue: { paused: true, reason: '' } })],
  [null, worldOf({ nodes: [nodeOf('a')], runs: [runOf(1)] }, { clusters: new Map() })],
  [null, worldOf({ runs: [RUNNING] })],
]
for (const [text, world] of ROWS) {
  void test(`a counterfactual says: ${text ?? 'nothing, since no single change is enough'}`, () => {
    assert.equal(
      counterfactual(world, [...world.runs.keys()][0] ?? runId(1), candidatesOf, SETTINGS)?.text ?? null,
      text,
    )
  })
}

void test('a run behind another one is told what is enough for both, or that the other one is stopped', () => {
  const project = projectOf('default', { quotaGpus: 1 })
  const runs = [runOf(1), runOf(3, { createdAt: t(1) })]
  const world = worldOf({
    nodes: [nodeOf('a')],
    runs: [...runs, RUNNING],
    claims: [{ ...running, slots: [0] }],
    projects: [project],
  })
  assert.equal(
    counterfactual(world, runId(3), candidatesOf, SETTINGS)?.text,
    'starts if the quota of project default is 3 GPUs instead of 1',
  )
  const full = worldOf({ nodes: [nodeOf('a', { inventory: 1 })], runs })
  assert.equal(
    counterfactual(full, runId(3), candidatesOf, SETTINGS)?.text,
    'starts if the run before it in the queue is stopped',
  )
})

void test('safety: whatever is printed, the very decision places the run once that is true', () => {
  let printed = 0
  fc.assert(
    fc.property(worlds, (world) => {
      for (const { run } of candidatesOf(world)) {
        if (places(world, run)) continue
        const found = counterfactual(world, run, candidatesOf, SETTINGS)
        if (found === null) continue
        printed += 1
        assert.ok(places(found.change(world), run), found.text)
      }
    }),
    { numRuns: 150 },
  )
  assert.ok(printed > 50, `only ${printed} were printed`)
})
