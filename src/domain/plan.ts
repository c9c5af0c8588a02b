// A placement says where each worker of a gang runs; it is stored with the attempt and never changes, a restart is another attempt
// with another one. Together with the frozen spec it gives the plan that a cluster carries out, which leaves it no choice: nodes,
// slots, ports and every variable are named.
import type { AttemptId, ClusterName, NodeId, ProjectName, RunId, WorkerId } from './ids.ts'
import { workerIdOf } from './ids.ts'
import type { PodOptions } from './pod-options.ts'
import type { DurationMs, EpochMs } from './units.ts'

/** One worker of the gang: the index is its node rank, slots are GPU indices of the node. */
export type PlannedWorker = {
  readonly id: WorkerId
  readonly index: number
  readonly node: NodeId
  readonly nodeName: string
  readonly slots: readonly number[]
}

export type Placement = {
  readonly workers: readonly PlannedWorker[]
  readonly masterAddress: string
  readonly masterPort: number
}

export type AttemptPlan = {
  readonly attempt: AttemptId
  readonly run: RunId
  readonly project: ProjectName
  /** Of the run, within its project: for people who look at the cluster. */
  readonly name: string
  readonly cluster: ClusterName
  /** For clusters that run containers. */
  readonly image: string | null
  readonly kubernetes: PodOptions | null
  /** Executed without a shell; `$PLIMSOLL_*` and `$MASTER_*` are substituted for each worker, `$$` is a dollar. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Names of secrets; the cluster mounts or reads their values, which are never stored. */
  readonly secrets: readonly string[]
  readonly workdir: string | null
  /** Where the spec lay, on the machine of whoever submitted it. */
  readonly folder: string | null
  readonly checkpointDir: string
  readonly masterAddress: string
  readonly masterPort: number
  readonly gpusPerNode: number
  readonly workers: readonly PlannedWorker[]
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: DurationMs
}

/** The variables that a worker sees. `ingest` is null where no reports are taken. */
export function workerVariables(
  plan: AttemptPlan,
  index: number,
  ingest: { readonly url: string; readonly token: string } | null,
): Record<string, string> {
  return {
    PLIMSOLL_RUN: plan.run,
    PLIMSOLL_ATTEMPT: plan.attempt,
    PLIMSOLL_WORKER: workerIdOf(plan.attempt, index),
    PLIMSOLL_NODES: String(plan.workers.length),
    PLIMSOLL_NODE_RANK: String(index),
    PLIMSOLL_GPUS_PER_NODE: String(plan.gpusPerNode),
    MASTER_ADDR: plan.masterAddress,
    MASTER_PORT: String(plan.masterPort),
    PLIMSOLL_CHECKPOINT_DIR: plan.checkpointDir,
    ...(ingest === null ? {} : { PLIMSOLL_INGEST_URL: ingest.url, PLIMSOLL_INGEST_TOKEN: ingest.token }),
  }
}

/** Only our own names are substituted: a script that wants `$HOME` says so in a shell that it starts itself. */
export function substitute(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$(PLIMSOLL_[A-Z_]+|MASTER_[A-Z]+)/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (variables[name] ?? whole),
  )
}

/** What the cluster is told when an attempt is to end; repeated until it has ended. */
export type EndRequest = {
  readonly attempt: AttemptId
  /** A grace of 0 is SIGKILL at once (`stop --now`). */
  readonly graceMs: DurationMs
  readonly askedAt: EpochMs
}
