// Who is told of findings, and what they were told. A channel is where messages of a project go; a silence keeps messages back for a while; an
// acknowledgement says that somebody looks. None of the three changes a finding.
import type { Rule, Severity } from './finding.ts'
import type { ProjectName, RunId } from './ids.ts'
import type { Address, Notice } from './notice.ts'
import type { EpochMs } from './units.ts'

export type Channel = {
  readonly id: string
  /** Of those that are not removed, one has it. */
  readonly name: string
  /** What is about this project or one below it goes here; null: about every project, and about none. */
  readonly project: ProjectName | null
  readonly kind: Address['kind']
  /** The address, sealed with the deployment key. */
  readonly sealed: string
  /** What may be shown of it: a host, recipients. */
  readonly shown: string
  /** At least so severe. */
  readonly severity: Severity
  /** Null: all rules. */
  readonly rules: readonly Rule[] | null
  /** What a week has cost, each Monday. */
  readonly digest: boolean
  readonly createdAt: EpochMs
  readonly createdBy: string
}

/** How its last tries went. */
export type ChannelState = {
  /** Tries in a row that failed. */
  readonly failures: number
  /** No try before then; null: at once. */
  readonly retryAt: EpochMs | null
  /** Why nothing is sent any more, until it is turned on again: the receiver said so. */
  readonly off: string | null
}

export type KeptChannel = Channel & ChannelState & { readonly pending: number }

export type Silence = {
  readonly id: string
  /** Each that is not null must be so. */
  readonly project: ProjectName | null
  readonly rule: Rule | null
  readonly run: RunId | null
  readonly startsAt: EpochMs
  readonly endsAt: EpochMs
  readonly reason: string
  readonly by: string
}

export type Acknowledgement = {
  readonly finding: string
  /** Where it gets worse than this it counts no more. */
  readonly severity: Severity
  readonly at: EpochMs
  readonly by: string
  readonly note: string
}

/** What a channel was told last of a key. */
export type Told = {
  readonly channel: string
  readonly key: string
  readonly finding: string
  readonly state: 'firing' | 'resolved'
  readonly severity: Severity
  readonly at: EpochMs
}

/** A message that waits in the outbox, or did. */
export type Outgoing = {
  readonly channel: string
  readonly notice: Notice
  /** For the statement of each. */
  readonly runs: readonly RunId[]
}

export type NoticeState = 'pending' | 'delivered' | 'failed'

/** One try. */
export type Delivery = {
  readonly notice: string
  /** From 1 on. */
  readonly try: number
  readonly at: EpochMs
  readonly tookMs: number
  readonly ok: boolean
  /** What the receiver said, or what went wrong. */
  readonly said: string
}
