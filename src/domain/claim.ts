// A claim: slots of a node that are ours, from the commit that placed them to the commit that saw them free. A worker holds one; a
// run that is being restarted holds its surviving slots by claims of its own. What was held is never revised; only what the holder
// did with it is learnt later (design: books).
import type { AttemptId, NodeId, RunId, WorkerId } from './ids.ts'
import type { WorkerExitSeen } from './exit.ts'
import type { EpochMs, Price } from './units.ts'

/** `<worker>` or `restart:<run>`: with the node the key of a claim, and the name of the holder in the books. */
export type Holder = WorkerId | `restart:${string}`

export type Claim = {
  readonly holder: Holder
  readonly node: NodeId
  readonly run: RunId
  /** Null for the hold of a run that is being restarted. */
  readonly attempt: AttemptId | null
  readonly slots: readonly number[]
  /** What the run pays, frozen when it was placed; null where the GPU model has no price. */
  readonly price: Price | null
  readonly placedAt: EpochMs
  /** When a process or pod of it was first seen. */
  readonly boundAt: EpochMs | null
  readonly startedAt: EpochMs | null
  /** The supervisor's or the kubelet's word. */
  readonly endedAt: EpochMs | null
  readonly exit: WorkerExitSeen | null
  /** What the cluster calls it, such as the name of its pod; absent where it has no other name. */
  readonly knownAs?: string
  readonly releasedAt: EpochMs | null
  /** The run pays before this moment, the platform after it. Fixed by the commit that releases. */
  readonly paidUntil: EpochMs | null
  /** A restart hold ends by itself. */
  readonly until: EpochMs | null
}

export const restartHolder = (run: RunId): Holder => `restart:${run}`

/** The run that a holder of the books belongs to, or null for a pool such as `free`. */
export function isRestartHolder(holder: string): boolean {
  return holder.startsWith('restart:')
}
