// What people may read afterwards. An event tells what happened to a run; an audit entry tells who did something. Both are written
// in the transaction of what they tell, so neither can be missing.
import type { RunId } from './ids.ts'
import type { EpochMs } from './units.ts'

export type RunEvent = {
  readonly run: RunId
  readonly at: EpochMs
  /** A stable word, e.g. `placed`, `started`, `worker-exited`. */
  readonly kind: string
  readonly message: string
}

/** Findings that there are. Each is also the kind of the event that tells it first. */
export const FINDING_KINDS = ['experts-unconserved', 'log-limit'] as const
export type FindingKind = (typeof FINDING_KINDS)[number]

export type AuditEntry = {
  readonly at: EpochMs
  /** `user:<name>`, or `rule:<name>` where a rule acted. */
  readonly actor: string
  readonly verb: string
  readonly target: string
  readonly detail: Readonly<Record<string, unknown>>
}
