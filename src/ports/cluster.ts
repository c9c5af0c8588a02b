// A cluster starts, keeps and ends processes on nodes; it decides nothing. Every call may be repeated: names are derived from run
// and attempt, and a second call with the same name changes nothing. What it tells is a fact with the moment of the look.
import type { AttemptId, ClusterName, WorkerId } from '../domain/ids.ts'
import type { Place } from '../domain/node.ts'
import type { AttemptPlan, EndRequest } from '../domain/plan.ts'
import type { Refusal } from '../domain/refusal.ts'
import type { Taint, TaintPolicy } from '../domain/taint.ts'
import type { EpochMs } from '../domain/units.ts'

/** A node as it was seen. `slots` is what exists, not what is free; `foreign` are slots that somebody else uses. */
export type NodeSeen = {
  readonly name: string
  readonly gpuModel: string
  readonly slots: number
  /** Slots without a device behind them: declared by configuration, and shown so everywhere. */
  readonly declared: boolean
  /** Where it stands, where the cluster knows. */
  readonly place?: Place
  readonly foreign: number
  readonly condition:
    | { readonly kind: 'ready' }
    | {
        readonly kind: 'not-ready'
        readonly reason: 'preparing-environment' | 'nodes-not-ready'
        readonly message: string
        /** As the books have it: the machine itself, and not what others do with it. */
        readonly unhealthy?: true
      }
}

export type WorkerExit =
  | { readonly kind: 'code'; readonly code: number }
  | { readonly kind: 'signal'; readonly signal: string }

/**
 * A worker as it was seen. `waiting`: something of it exists and starts only when `launch` is called again, with the attempt read
 * anew. `claimed`: its supervisor or pod exists, the process not yet. `message` says what keeps it, in the cluster's words. `gone`:
 * nothing of it is left and nobody can say how it ended. Times are on the leader's clock.
 */
export type WorkerSeen = {
  /** The cluster's own name of it, such as that of a pod, where it has one. */
  readonly name?: string
  /** The name of the node that it is on, where that is not known from its placement alone. */
  readonly node?: string
} & (
  | { readonly worker: WorkerId; readonly phase: 'waiting'; readonly message?: string | null }
  | {
      readonly worker: WorkerId
      readonly phase: 'claimed'
      readonly message?: string | null
      /** Its node has it, and pulls its image or mounts its volumes: that may take long and is no fault. */
      readonly preparing?: boolean
    }
  | { readonly worker: WorkerId; readonly phase: 'running'; readonly startedAt: EpochMs }
  | {
      readonly worker: WorkerId
      readonly phase: 'exited'
      readonly startedAt: EpochMs | null
      readonly endedAt: EpochMs
      readonly exit: WorkerExit
      /** Why it was ended, where it was: `stop` and `deadline` are ours, `evicted` the cluster's; or what kept it from starting. */
      readonly cause: 'itself' | 'stop' | 'deadline' | 'evicted' | 'could-not-start'
      readonly message: string | null
    }
  | { readonly worker: WorkerId; readonly phase: 'gone' }
)

export type ClusterSeen = {
  readonly observedAt: EpochMs
  readonly nodes: readonly NodeSeen[]
  /**
   * Every worker that the cluster knows, also of attempts that we have forgotten. A worker of an attempt that was asked to end and
   * that is missing here, or shows no start, never started and never will.
   */
  readonly workers: readonly WorkerSeen[]
}

/** Bytes of a worker's log from `offset` on, in whole CRI lines (`time stream P|F text`). */
export type LogSlice = {
  readonly offset: number
  readonly bytes: Uint8Array
  readonly nextOffset: number
  /** What the cluster needs, beside the offset, to go on from there after a restart; opaque to everybody else. */
  readonly mark?: string | null
  /** More may follow: its process lives, or may still start. */
  readonly open: boolean
  /** It was not looked at this time: that nothing came is no silence. */
  readonly skipped?: true
}

export interface Cluster {
  readonly name: ClusterName
  /** Below it a run without `checkpoints.path` keeps them; all its workers see this folder. */
  readonly checkpointRoot: string
  /** Where worker 0 of an attempt is reached by the others. */
  masterAddress(attempt: string): string
  /** A full look, the judge of what exists. Throws a fault when the cluster cannot be asked; never an empty answer instead. */
  observe(): Promise<ClusterSeen>
  /**
   * Of these nodes, which were not heard, those on which nothing can run any more, each with how that is known, as in `was deleted`. That
   * a list does not show one is no proof. Absent where nothing ever proves it.
   */
  goneNodes?(nodes: ReadonlySet<string>): Promise<ReadonlyMap<string, string>>
  /** Calls back when something may have changed; it says "look", never "what". Returns the end of it. */
  watch(changed: () => void): () => void
  /** Starts the gang. Workers that exist already are left as they are. `deadlineAt` is the wall that holds while we are dead. */
  launch(plan: AttemptPlan, deadlineAt: EpochMs | null, ingest: IngestAddress | null): Promise<void>
  /**
   * Whether the cluster would take a run like this, asked before it is submitted; absent where it takes all. Nothing is made. Throws a
   * fault when the cluster cannot be asked: then nobody knows, and the run may wait for it.
   */
  rehearse?(plan: AttemptPlan): Promise<Refusal | null>
  /** Moves the deadline of a living attempt. */
  deadline(attempt: AttemptId, deadlineAt: EpochMs | null): Promise<void>
  /** Asks all workers of an attempt to end, those that never started included: none of them starts after this. */
  end(request: EndRequest): Promise<void>
  /** Whether others' work is kept off a node that is cordoned here; absent where nobody else places work. */
  readonly cordons?: boolean
  /** Which nodes are to be tainted, and how; null and absent: none. */
  readonly taints?: TaintPolicy | null
  /** Keeps others' work off these nodes, by a cordon where `cordons` is true and by these taints, and off no other that was kept free by us. */
  keepOff?(cordoned: ReadonlySet<string>, tainted: ReadonlyMap<string, Taint>): Promise<void>
  /** A negative offset counts from the end: the tail. A log that does not exist is empty. `mark` is that of the slice before. */
  readLog(worker: WorkerId, offset: number, bytesMax: number, mark?: string | null): Promise<LogSlice>
  /** Removes what is left of an attempt whose logs are stored and whose slots are released. */
  forget(attempt: AttemptId): Promise<void>
}

export type IngestAddress = { readonly url: string; readonly token: string }
