import type { ClusterName, ProjectName } from '../../src/domain/ids.ts'
import { attemptIdOf, nodeIdOf, runIdFrom, workerIdOf } from '../../src/domain/ids.ts'
import { durationMs, epochMs } from '../../src/domain/units.ts'
import { SeededChance } from '../../src/sim/chance.ts'
import { SimulatedCluster } from '../../src/sim/cluster.ts'
import { Timeline } from '../../src/sim/timeline.ts'
import { clusterSuite } from './cluster-suite.ts'

const NAME = 'simulated' as ClusterName
const SHAPE = { nodes: 4, slots: 8 }

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
