// A trace: jobs of some cluster as they were submitted, and the cluster on which they are replayed. Moments count from the first submit.
import type { Priority } from './reasons.ts'
import type { DurationMs } from './units.ts'

export type TraceJob = {
  readonly id: string
  /** Where it stands in its file. */
  readonly line: number
  readonly submitMs: DurationMs
  readonly gpus: number
  /** How long it computes once all of its workers run. */
  readonly durationMs: DurationMs
  /** What the trace does not say is null. */
  readonly user: string | null
  readonly project: string | null
  readonly priority: Priority | null
  readonly gpusPerNode: number | null
  readonly checkpointMs: DurationMs | null
  readonly model: string | null
}

/** Nodes of one GPU model. Racks are filled one after the other: the first `racks[0]` nodes stand in the first one. */
export type TraceCluster = {
  readonly name: string
  readonly gpuModel: string
  readonly gpusPerNode: number
  /** How many nodes each rack has. */
  readonly racks: readonly number[]
}

export const nodesOf = (cluster: TraceCluster): number => cluster.racks.reduce((sum, nodes) => sum + nodes, 0)
export const gpusOfCluster = (cluster: TraceCluster): number => nodesOf(cluster) * cluster.gpusPerNode
