// What a turn yields: independent items, each with the versions of what it relies on. A stale item is refused whole and the others
// stand (design: state, Items). The writes are whole new images; the store adds nothing of its own.
import type { Attempt } from './attempt.ts'
import type { Claim, Holder } from './claim.ts'
import type { AuditEntry, RunEvent } from './event.ts'
import type { Finding } from './finding.ts'
import type { BudgetId, NodeId, ProjectName, RunId } from './ids.ts'
import type { Node } from './node.ts'
import type { Run } from './run.ts'
import type { EpochMs } from './units.ts'

export type Expect =
  | { readonly kind: 'run'; readonly id: RunId; readonly version: number }
  | { readonly kind: 'node'; readonly id: NodeId; readonly version: number }
  /** Its quota, as it was read. */
  | { readonly kind: 'project'; readonly id: ProjectName; readonly version: number }

export type Write =
  | { readonly kind: 'run'; readonly run: Run }
  | { readonly kind: 'attempt'; readonly attempt: Attempt }
  /** A new claim, or a newer image of a living one. */
  | { readonly kind: 'claim'; readonly claim: Claim }
  /** The slots are free from the moment of this commit on. */
  | { readonly kind: 'release'; readonly node: NodeId; readonly holder: Holder; readonly paidUntil: EpochMs }
  /** `heartbeat` marks a write that changes nothing but `lastObserved`: it has no version. */
  | { readonly kind: 'node'; readonly node: Node; readonly heartbeat: boolean }
  /** Books the node up to the moment of the commit. */
  | { readonly kind: 'book'; readonly node: NodeId }
  /** In the row that counts `at`. Refused where a hard budget has not so much left: then the whole item is. */
  | {
      readonly kind: 'reserve'
      readonly run: RunId
      readonly budget: BudgetId
      readonly at: EpochMs
      readonly amount: number
    }
  | { readonly kind: 'give-back'; readonly run: RunId; readonly budgets: readonly BudgetId[] }
  | { readonly kind: 'event'; readonly event: RunEvent }
  | { readonly kind: 'finding'; readonly finding: Finding }
  | { readonly kind: 'audit'; readonly entry: AuditEntry }

export type Item = {
  /** For logs: what the item is about, e.g. `place r01...`. */
  readonly about: string
  readonly expects: readonly Expect[]
  readonly writes: readonly Write[]
}

export type ItemResult =
  | { readonly kind: 'applied' }
  | { readonly kind: 'stale'; readonly what: string }
  | { readonly kind: 'refused'; readonly reason: 'budget'; readonly budget: BudgetId; readonly short: number }

/** A commit of a leader that no longer leads: nothing of it was written. */
export type CommitResult =
  | { readonly kind: 'committed'; readonly results: readonly ItemResult[]; readonly at: EpochMs }
  | { readonly kind: 'deposed' }
