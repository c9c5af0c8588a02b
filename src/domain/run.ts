// A run: what somebody submitted, and where it stands.
//
//   queued -> admitted -> starting -> running -> succeeded | failed
//     ^          |           |           |
//     |          +-----------+-----------+--> stopping -> queued (restart) | cancelled | suspended | failed | succeeded
//     +-- suspended (by `resume`)
//
// `queued` is also where preempted and restarting runs wait; why is a reason, not another state. From the commit that admits it
// until the commit that releases its last slot a run has exactly one living attempt. A wish is what people asked for; it changes
// no state by itself: the loops read it and act.
import type { AvoidedNode } from './failure.ts'
import type { Fence } from './fence.ts'
import type { AttemptId, BudgetId, ClusterName, ProjectName, RunId } from './ids.ts'
import type { EndCause, FailureClass, Priority, WaitReason } from './reasons.ts'
import type { Resources } from './spec.ts'
import type { DurationMs, EpochMs, GpuMs } from './units.ts'
import { later } from './units.ts'

export type RunState =
  | {
      readonly kind: 'queued'
      readonly reason: WaitReason
      readonly message: string
      readonly notBefore: EpochMs | null
    }
  | { readonly kind: 'admitted'; readonly attempt: AttemptId }
  | { readonly kind: 'starting'; readonly attempt: AttemptId }
  | { readonly kind: 'running'; readonly attempt: AttemptId }
  | { readonly kind: 'stopping'; readonly attempt: AttemptId; readonly cause: EndCause }
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'suspended'; readonly by: 'person' | 'budget'; readonly message: string }

export const RUN_STATES = [
  'queued',
  'admitted',
  'starting',
  'running',
  'stopping',
  'succeeded',
  'failed',
  'cancelled',
  'suspended',
] as const satisfies readonly RunState['kind'][]

/**
 * The message of a waiting run that no turn has looked at: its reason stands for nothing yet, and the first look writes one whatever it
 * is.
 */
export const NOT_LOOKED_AT = ''

export type Wish = 'run' | 'stop' | 'stop-now' | 'suspend'

export type Run = {
  readonly id: RunId
  readonly project: ProjectName
  readonly name: string
  readonly user: string
  readonly cluster: ClusterName
  readonly priority: Priority
  readonly labels: Readonly<Record<string, string>>
  readonly resources: Resources
  readonly state: RunState
  readonly wish: Wish
  /** How many attempts there were, the living one included. */
  readonly attempts: number
  /** Restarts left of each class. */
  readonly restartsLeft: Readonly<Record<FailureClass, number>>
  /** Failures in a row without a newer durable step; sets the backoff. */
  readonly failuresInRow: number
  /** The eightieth percentile of what it will need in all, where it could be estimated. */
  readonly estimateP80: GpuMs | null
  readonly limits: { readonly timeMs: DurationMs | null; readonly gpuMs: GpuMs | null }
  readonly sequenceLength: number | null
  /** Whether a source of progress is known beforehand: the spec names a framework that prints steps. */
  readonly progressExpected: boolean
  /** GPU-ms that it paid in ended attempts; what the living one holds stands in the books. */
  readonly paidGpuMs: GpuMs
  /** Old workers of it that may still run on lost nodes, whatever became of the run since; absent: none. */
  readonly fence?: Fence
  /** Nodes on which an attempt of it failed in a way that is the node's; absent: none. */
  readonly avoided?: readonly AvoidedNode[]
  /** The budgets that cover it, in the order of their ids; fixed at submit. */
  readonly budgets: readonly BudgetId[]
  readonly createdAt: EpochMs
  readonly startedAt: EpochMs | null
  readonly endedAt: EpochMs | null
  readonly version: number
}

export function isEnded(state: RunState): boolean {
  return state.kind === 'succeeded' || state.kind === 'failed' || state.kind === 'cancelled'
}

/** When a waiting run has waited long enough, by its backoff and its fence; null: it waits for no moment. */
export function waitsUntil({ state, fence }: Run): EpochMs | null {
  if (state.kind !== 'queued') return null
  const { notBefore } = state
  if (fence === undefined) return notBefore
  return notBefore === null ? fence.until : later(notBefore, fence.until)
}

export function withoutFence(run: Run): Run {
  const { fence: _, ...free } = run
  return free
}

export function avoiding(run: Run, avoided: readonly AvoidedNode[]): Run {
  const { avoided: _, ...free } = run
  return avoided.length === 0 ? free : { ...free, avoided }
}

/** The attempt that holds slots now, if there is one. */
export function livingAttempt(state: RunState): AttemptId | null {
  switch (state.kind) {
    case 'admitted':
    case 'starting':
    case 'running':
    case 'stopping':
      return state.attempt
    case 'queued':
    case 'succeeded':
    case 'failed':
    case 'cancelled':
    case 'suspended':
      return null
  }
}
