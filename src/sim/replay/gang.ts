// How a job of a trace stands on a cluster: the gang that it asks for, and how many racks that takes.
import type { ClusterName, ProjectName } from '../../domain/ids.ts'
import type { Resources, RunSpec } from '../../domain/spec.ts'
import type { TraceCluster, TraceJob } from '../../domain/trace.ts'

/** Where a job without a project belongs. */
export const DEFAULT_PROJECT = 'default'

/**
 * All workers of a gang have as many GPUs. A trace that does not say how many gets the split that fills the fewest nodes, and of those
 * the one with the fewest workers: 60 GPUs on nodes of 8 are 15 x 4 on 8 nodes, not 10 x 6 on 10.
 */
export function gangOf(job: TraceJob, gpusPerNode: number): Pick<Resources, 'nodes' | 'gpusPerNode'> {
  const { gpus } = job
  if (job.gpusPerNode !== null) return { nodes: gpus / job.gpusPerNode, gpusPerNode: job.gpusPerNode }
  let best = { nodes: gpus, gpusPerNode: 1 }
  for (let each = 2; each <= Math.min(gpus, gpusPerNode); each += 1) {
    if (gpus % each !== 0) continue
    const gang = { nodes: gpus / each, gpusPerNode: each }
    if (nodesFilled(gang, gpusPerNode) <= nodesFilled(best, gpusPerNode)) best = gang
  }
  return best
}

type Gang = Pick<Resources, 'nodes' | 'gpusPerNode'>

/** How many empty nodes the gang takes: several workers may share one. */
export function nodesFilled(gang: Gang, gpusPerNode: number): number {
  const together = Math.floor(gpusPerNode / gang.gpusPerNode)
  return together === 0 ? Infinity : Math.ceil(gang.nodes / together)
}

/** The fewest racks that hold the gang on an empty cluster: the largest ones. */
export function racksAtLeast(gang: Gang, cluster: TraceCluster): number {
  let left = nodesFilled(gang, cluster.gpusPerNode)
  let racks = 0
  for (const nodes of cluster.racks.toSorted((a, b) => b - a)) {
    if (left <= 0) break
    left -= nodes
    racks += 1
  }
  return racks
}

/** The rack of each node, by the node's name. */
export function racksByNode(cluster: TraceCluster): ReadonlyMap<string, number> {
  const racks = cluster.racks.flatMap((nodes, rack) => Array.from({ length: nodes }, () => rack))
  return new Map(racks.map((rack, index) => [nodeName(index, racks.length), rack]))
}

/** Of one length, so that the order of names is the order of racks: where all else is equal, a gang gets neighbours. */
export const nodeName = (index: number, nodes: number): string =>
  `node-${String(index).padStart(String(nodes - 1).length, '0')}`

/** What is submitted for a job: no limits, no restarts, and progress only where the trace knows checkpoints. */
export function specOf(job: TraceJob, cluster: TraceCluster): RunSpec {
  return {
    version: 1,
    name: job.id,
    project: (job.project ?? DEFAULT_PROJECT) as ProjectName,
    priority: job.priority ?? 'normal',
    cluster: cluster.name as ClusterName,
    workdir: null,
    labels: {},
    image: null,
    command: ['replay'],
    env: {},
    secrets: [],
    resources: { ...gangOf(job, cluster.gpusPerNode), gpu: [], topology: null, parallelism: {} },
    training: {
      framework: job.checkpointMs === null ? 'custom' : 'megatron',
      tokens: null,
      sequenceLength: null,
      model: null,
    },
    checkpoints: { path: '/ckpt', everySteps: null },
    limits: { timeMs: null, gpuMs: null },
    restart: { infrastructure: 0, unknown: 0, user: 0 },
    watch: { stall: 'off', loss: 'off', experts: 'off' },
    notify: [],
    source: null,
  }
}
