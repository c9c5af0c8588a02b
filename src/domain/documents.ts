// What callers read, as nouns: the HTTP API and `-o json` print them as they are. GPU-time is `...GpuMs`, money `{micros, currency}`;
// moments are EpochMs here and ISO 8601 in UTC on the wire (contract/documents converts every key that ends in `At`, and `from`, `to`,
// `p50`, `p90` of an expected start).
import type { BudgetDocument } from './budget-documents.ts'
import type { Efficiency } from './efficiency.ts'
import type { FindingKind } from './event.ts'
import type { FailureDecision, FailureKind } from './failure.ts'
import type { Finding, Rule, Severity } from './finding.ts'
import type { Account, FailureClass, Outcome, Priority, WaitReason } from './reasons.ts'
import type { EpochMs, GpuMs, Money } from './units.ts'

export type * from './expert-documents.ts'

export type RunDocument = {
  readonly id: string
  readonly project: string
  readonly name: string
  readonly user: string
  readonly cluster: string
  readonly priority: Priority
  readonly state: string
  /** One of the waiting reasons while it waits; why it ended or stands otherwise. */
  readonly reason: string | null
  readonly message: string | null
  readonly gpus: number
  readonly nodes: number
  readonly gpusPerNode: number
  readonly labels: Readonly<Record<string, string>>
  readonly attempt: string | null
  readonly createdAt: EpochMs
  readonly startedAt: EpochMs | null
  readonly endedAt: EpochMs | null
}

export type RunsDocument = { readonly runs: readonly RunDocument[]; readonly next: string | null }

export type AttemptDocument = {
  readonly id: string
  readonly number: number
  readonly state: string
  readonly outcome: Outcome | null
  readonly failure: FailureClass | null
  readonly message: string | null
  /** Null: it did not fail, or before verdicts were kept. */
  readonly verdict: VerdictDocument | null
  readonly plannedAt: EpochMs
  readonly startedAt: EpochMs | null
  readonly endedAt: EpochMs | null
  readonly deadlineAt: EpochMs | null
  readonly resumedFromStep: number | null
  readonly lastStep: number | null
  readonly workers: readonly {
    readonly id: string
    readonly node: string
    /** What its cluster calls it, such as the name of its pod; null: it has no other name. */
    readonly knownAs: string | null
    readonly slots: readonly number[]
    readonly state: 'placed' | 'bound' | 'running' | 'ended'
    readonly startedAt: EpochMs | null
    readonly endedAt: EpochMs | null
    readonly exit: string | null
  }[]
}

/** What made an attempt fail, as far as it can be told. */
export type VerdictDocument = {
  readonly kind: FailureKind
  readonly decision: FailureDecision
  readonly meaning: string
  readonly whatToTry: string
  /** The culprit; null: nobody is accused. */
  readonly worker: string | null
  readonly node: string | null
  /** The decisive line first; `printedAt` is null where an exit says it, and no line. */
  readonly evidence: readonly { readonly worker: string; readonly printedAt: EpochMs | null; readonly text: string }[]
}

/** Progress of the living attempt, or of the last one. `null` means not known, never zero. */
export type ProgressDocument = {
  readonly recognised: boolean
  readonly step: number | null
  readonly totalSteps: number | null
  readonly loss: number | null
  readonly stepMs: number | null
  readonly tokensPerSecond: number | null
  readonly observedAt: EpochMs | null
  readonly etaMs: number | null
  readonly heldGpuMs: number
  /** What `money` is the price of: its restart holds included. */
  readonly paidGpuMs: number
  readonly money: Money | null
}

export type ShowDocument = RunDocument & {
  readonly attempts: readonly AttemptDocument[]
  readonly progress: ProgressDocument
  readonly findings: readonly FindingDocument[]
  readonly spec: unknown
}

export type StatementDocument = {
  readonly run: string
  readonly project: string
  readonly name: string
  readonly state: string
  readonly attempts: readonly {
    readonly id: string
    readonly outcome: Outcome | null
    readonly heldGpuMs: number
    readonly byAccount: Readonly<Partial<Record<Account, number>>>
  }[]
  readonly heldGpuMs: number
  readonly paidGpuMs: number
  readonly byAccount: Readonly<Partial<Record<Account, number>>>
  /** What of it is computed now and not posted yet. */
  readonly provisionalGpuMs: number
  readonly money: Money | null
  readonly goodput: number | null
  readonly ettr: number | null
  readonly tokens: number | null
  readonly tokensPerGpuHour: number | null
  readonly efficiency: Efficiency
  /** The balance of its experts in the last frames of the newest attempt that reported any: docs/cli.md says how. */
  readonly experts: {
    readonly layers: number
    readonly experts: number
    readonly maxVio: number | null
    readonly dead: number
  } | null
  readonly alerts: { readonly sent: number; readonly failed: number }
}

export type WhyDocument = {
  readonly run: string
  readonly state: string
  readonly reason: WaitReason | null
  readonly message: string
  readonly position: number | null
  readonly counterfactual: string | null
  readonly expectedStart: { readonly p50: EpochMs; readonly p90: EpochMs } | null
}

export type PlanDocument = {
  readonly gpus: number
  readonly cluster: string
  readonly flops: { readonly total: number; readonly method: string } | null
  readonly gpuMs: { readonly p10: number; readonly p50: number; readonly p90: number } | null
  readonly money: { readonly p10: Money; readonly p50: Money; readonly p90: Money } | null
  readonly reserveGpuMs: number
  readonly budgets: readonly BudgetDocument[]
  readonly wouldStart: boolean
  readonly reason: WaitReason | null
  readonly message: string
  readonly expectedStart: { readonly p50: EpochMs; readonly p90: EpochMs } | null
  readonly notes: readonly string[]
}

/** `unknown`: it cannot be asked, for the reason in `message`; what is on it is not known, which is not the same as nothing. */
export type ClusterDocument = {
  readonly name: string
  readonly health: 'reachable' | 'unknown'
  readonly message: string | null
}

export type NodeDocument = {
  readonly id: string
  readonly cluster: string
  readonly name: string
  readonly state: string
  readonly reason: string | null
  readonly message: string | null
  /** Since when it takes nothing new; null: it takes, or that was not written down. */
  readonly since: EpochMs | null
  readonly cordonedBy: string | null
  /** The machine itself is at fault: its GPUs, its kernel, what is left on it. */
  readonly unhealthy: boolean
  /** The taint that it has by the policy of its cluster, as Kubernetes writes it. */
  readonly taint: string | null
  readonly rack: string | null
  readonly block: string | null
  readonly gpuModel: string
  readonly declared: boolean
  readonly gpus: number
  readonly held: number
  readonly foreign: number
  /** Whose runs hold how many of its slots: those that the caller may see. */
  readonly holders: readonly {
    readonly run: string
    readonly project: string
    readonly name: string
    readonly gpus: number
  }[]
  readonly observedAt: EpochMs
}

/** Numbers of the whole installation as they are now. */
export type Gauges = {
  readonly runs: readonly Count<{ readonly state: string }>[]
  readonly waiting: readonly Count<{ readonly reason: string }>[]
  readonly nodes: readonly Count<{ readonly cluster: string; readonly state: string }>[]
  readonly gpus: readonly Count<{ readonly cluster: string; readonly gpu: string; readonly holder: string }>[]
  readonly budgets: readonly BudgetDocument[]
  /** Those that are open. */
  readonly findings: readonly Count<{ readonly rule: string; readonly severity: string }>[]
  /** How far the books of the node that is booked least are behind the clock. */
  readonly bookedBehindMs: number
  readonly queuePaused: boolean
  readonly clusters: readonly { readonly cluster: string; readonly reachable: boolean }[]
  /** Whether this process leads. */
  readonly leads: boolean
  /** Messages about alerts that wait, by the kind of their channel. */
  readonly messages: readonly Count<{ readonly kind: string }>[]
  /** How long the oldest of them has waited; null: none waits. */
  readonly oldestMessageMs: number | null
  readonly channels: readonly Count<{ readonly kind: string; readonly state: ChannelHealth }>[]
}
/** `failing`: the last try was in vain; `off`: its receiver wants nothing any more. */
export type ChannelHealth = 'ok' | 'failing' | 'off'
type Count<Labels> = { readonly labels: Labels; readonly count: number }

export type QueueDocument = {
  readonly paused: boolean
  readonly reason: string | null
  readonly waiting: readonly (RunDocument & { readonly position: number })[]
}

export type LedgerKey = 'project' | 'user' | 'run' | 'account' | 'gpu' | 'payer' | `label:${string}`

export type LedgerDocument = {
  readonly from: EpochMs
  readonly to: EpochMs
  readonly capacityGpuMs: number
  readonly rows: readonly LedgerRow[]
}

/** Keys that were asked for with `by`; null where nobody's run holds the slots. */
export type LedgerRow = {
  readonly project?: string | null
  readonly user?: string | null
  readonly run?: string | null
  /** Beside `run`. */
  readonly runName?: string | null
  readonly gpu?: string
  /** The run until `paidUntil` of its workers and for its restart holds; the platform for all else. */
  readonly payer?: 'run' | 'platform'
  readonly label?: string | null
  readonly account: Account | null
  readonly gpuMs: number
  /** What runs pay of it; null where none does, or where a GPU model has no price. */
  readonly money: Money | null
}

/** A row of the table of runs: what a list says of each without opening it. */
export type TableRow = RunDocument & {
  /** In the queue; null where it does not wait. */
  readonly position: number | null
  readonly step: number | null
  readonly totalSteps: number | null
  readonly loss: number | null
  readonly tokensPerSecond: number | null
  readonly etaMs: number | null
  readonly observedAt: EpochMs | null
  readonly heldGpuMs: number
  readonly paidGpuMs: number
  readonly money: Money | null
  /** Attempts after the first. */
  readonly restarts: number
  /** The worst that is open of it, the newest of those. */
  readonly finding: { readonly kind: Rule; readonly severity: Severity; readonly text: string } | null
}

export type TableDocument = {
  readonly rows: readonly TableRow[]
  /** Of the filter, whatever the page. */
  readonly total: number
  readonly offset: number
  /** By state, of what matches in all but the states that were asked for: what another choice of them would show. */
  readonly counts: Readonly<Record<string, number>>
  readonly observedAt: EpochMs
}

/** Arrays of one attempt have one length and are sorted by step. */
export type SeriesDocument = {
  readonly run: string
  readonly attempts: readonly {
    readonly number: number
    readonly step: readonly number[]
    readonly at: readonly EpochMs[]
    readonly loss: readonly (number | null)[]
    readonly stepMs: readonly (number | null)[]
  }[]
  readonly marks: readonly {
    readonly kind: 'saved' | 'resumed'
    readonly attempt: number
    readonly step: number
    readonly at: EpochMs
  }[]
  /** Not every step is there. */
  readonly thinned: boolean
}

export type LogHit = {
  readonly attempt: number
  readonly worker: number
  readonly offset: number
  readonly at: EpochMs
  readonly stream: string
  readonly text: string
}

export type LogSearchDocument = {
  readonly hits: readonly LogHit[]
  /** The earliest line of any worker that looks like an error. */
  readonly firstError: LogHit | null
  readonly searchedBytes: number
  /** There are more hits, or logs beyond what one search reads. */
  readonly more: boolean
}

/** Something that a person should look at, on the page of its run. */
export type FindingDocument = {
  readonly kind: FindingKind | Rule
  readonly attempt: number
  readonly severity: Severity
  /** Null: that is not known. */
  readonly since: EpochMs | null
  readonly text: string
  readonly whatToDo: string
  readonly gpuMs: GpuMs | null
  readonly money: Money | null
}

/** A finding of a detector as it stands. */
export type FindingRow = Pick<
  Finding,
  | 'id'
  | 'rule'
  | 'severity'
  | 'since'
  | 'seenAt'
  | 'resolvedAt'
  | 'message'
  | 'evidence'
  | 'gpuMs'
  | 'money'
  | 'whatToTry'
> & {
  readonly project: string | null
  readonly run: string | null
  readonly runName: string | null
  readonly attempt: number | null
  readonly budget: string | null
}

export type EventDocument = { readonly at: EpochMs; readonly kind: string; readonly message: string }
export type AuditDocument = {
  readonly id: number
  readonly at: EpochMs
  readonly actor: string
  readonly verb: string
  readonly target: string
  readonly detail: unknown
}

export type LogDocument = {
  readonly worker: string
  readonly lines: readonly {
    readonly offset: number
    readonly at: EpochMs
    readonly stream: string
    readonly text: string
    /** The line goes on in the next one. */
    readonly partial: boolean
  }[]
  readonly nextOffset: number
  /** Nothing will follow. */
  readonly complete: boolean
  /** What the worker printed after the last of its lines is not stored, and will not be. */
  readonly cut: boolean
}

export type TokenDocument = {
  readonly id: string
  readonly name: string
  readonly subject: string
  readonly role: string
  readonly project: string | null
  /** A session of an identity provider has those of its person's groups; `role` and `project` are the first. */
  readonly grants: readonly { readonly role: string; readonly project: string | null }[]
  readonly createdAt: EpochMs
  readonly expiresAt: EpochMs | null
  readonly lastUsedAt: EpochMs | null
  readonly revokedAt: EpochMs | null
}
