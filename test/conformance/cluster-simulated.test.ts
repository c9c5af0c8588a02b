import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterName, ProjectName } from '../../src/domain/ids.ts'
import { attemptIdOf, nodeIdOf, runIdFrom, workerIdOf } from '../../src/domain/ids.ts'
import { durationMs, epochMs } from '../../src/domain/units.ts'
import { SeededChance } from '../../src/sim/chance.ts'
import { SimulatedCluster } from '../../src/sim/cluster.ts'
import { Timeline } from '../../src/sim/timeline.ts'
import { clusterSuite } from './cluster-suite.ts'

const NAME = 'simulated' as ClusterName
const SHAPE = { nodes: 4, slots: 8 }

const TRAINER = { steps: 1, stepMs: 1_000, saveEvery: 10, failure: 0, hang: 0 }

for (const [what, pods, gone] of [
  ['pods', new SeededChance(2), ['node-1']],
  ['processes', null, []],
] as const)
  test(`where workers are ${what}, of silent nodes those that were deleted are said to be gone: ${gone.length}`, async () => {
    const timeline = new Timeline(epochMs(1_800_000_000_000))
    const cluster = new SimulatedCluster(NAME, timeline, timeline, new SeededChance(1), SHAPE, () => TRAINER, pods)
    for (const node of ['node-0', 'node-1']) cluster.silence(node, true)
    for (const node of ['node-1', 'node-2']) cluster.remove(node)
    const ask = async () => [...(await cluster.goneNodes(new Set(cluster.nodeNames()))).keys()]
    assert.deepEqual(await ask(), gone)
    cluster.silence('node-1', false)
    assert.deepEqual(await ask(), [], 'another machine has its name')
  })

const manners = [
  ['simulated processes', null],
  ['simulated pods', new SeededChance(2)],
] as const
for (const [name, pods] of manners)
  clusterSuite(name, async () => {
    const timeline = new Timeline(epochMs(1_800_000_000_000))
    let failure = 0
    let steps = 3
    const trainer = () => ({ steps, stepMs: 1_000, saveEvery: 10_000, failure, hang: 0 })
    const cluster = new SimulatedCluster(NAME, timeline, timeline, new SeededChance(1), SHAPE, trainer, pods)
    let runs = 0
    return {
      cluster,
      now: () => timeline.now(),
      again: async () => cluster,
      async pass(ms) {
        const until = timeline.now() + ms
        timeline.after(ms, () => {})
        while ((timeline.nextAt() ?? Infinity) <= until) timeline.step()
      },
      // Its trainers are one program: where it fails, all of it does.
      codes: { bad: 1, neighbour: 1 },
      lines: { first: /iteration 1\//, last: /after training is done/ },
      plan(work, workers) {
        failure = work.kind === 'ends' && work.failing !== undefined ? 1 : 0
        steps = work.kind === 'stays' ? 1_000_000 : 3
        runs += 1
        const run = runIdFrom(timeline.now(), runs)
        const attempt = attemptIdOf(run, 1)
        return {
          attempt,
          run,
          project: 'default' as ProjectName,
          name: 'a-run',
          cluster: NAME,
          image: null,
          kubernetes: null,
          command: ['train'],
          env: {},
          secrets: [],
          workdir: null,
          folder: null,
          checkpointDir: '/ckpt',
          masterAddress: cluster.masterAddress(attempt),
          masterPort: 20_000,
          gpusPerNode: 2,
          workers: Array.from({ length: workers }, (_, index) => ({
            id: workerIdOf(attempt, index),
            index,
            node: nodeIdOf(NAME, `node-${index % SHAPE.nodes}`, 1),
            nodeName: `node-${index % SHAPE.nodes}`,
            slots: [0, 1],
          })),
          graceMs: durationMs(20_000),
        }
      },
    }
  })
