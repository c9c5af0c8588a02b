// An attempt: one launch of the gang of a run. planned -> launching -> running -> stopping -> ended. Its placement never changes, its
// name is never used again, and it ends exactly once: in the commit that sees its last worker gone.
import type { Verdict } from './failure.ts'
import type { AttemptId, ClusterName, RunId } from './ids.ts'
import type { Placement } from './plan.ts'
import type { EndCause, FailureClass, Outcome } from './reasons.ts'
import type { DurationMs, EpochMs } from './units.ts'

export type AttemptState =
  | { readonly kind: 'planned' }
  | {
      readonly kind: 'launching'
      /** What keeps a worker of it from starting, in the cluster's words. */
      readonly waits?: string
    }
  | { readonly kind: 'running' }
  | {
      readonly kind: 'stopping'
      readonly cause: EndCause
      readonly since: EpochMs
      readonly graceMs: DurationMs
      /** Until then it is asked for a checkpoint and goes on; once it is absent its workers are asked to end. */
      readonly checkpointUntil?: EpochMs
    }
  | {
      readonly kind: 'ended'
      readonly outcome: Outcome
      readonly failure: FailureClass | null
      readonly message: string | null
      /** What its failure was; absent where it did not fail, and of attempts that are older than verdicts. */
      readonly verdict?: Verdict
    }

export type Attempt = {
  readonly id: AttemptId
  readonly run: RunId
  readonly number: number
  readonly cluster: ClusterName
  readonly placement: Placement
  readonly state: AttemptState
  readonly plannedAt: EpochMs
  /** When its last worker started. */
  readonly startedAt: EpochMs | null
  /** When a failure of it became known; from then on its time is `recovery`. */
  readonly failureAt: EpochMs | null
  readonly endedAt: EpochMs | null
  /** The wall outside Plimsoll, as it was last told to the cluster. */
  readonly deadlineAt: EpochMs | null
}

/** What keeps a worker of an attempt from starting, in the cluster's words. */
export const waitsOf = (attempt: Attempt | undefined): string | null =>
  attempt?.state.kind === 'launching' ? (attempt.state.waits ?? null) : null
