// What a caller may ask. The HTTP adapter translates to and from this; nothing else of it decides anything.
import type { ExtensionDocument } from '../domain/budget-documents.ts'
import type { RunDocument, PlanDocument, TokenDocument } from '../domain/documents.ts'
import type { Policy } from '../domain/policy.ts'
import type { Principal, Role } from '../domain/principal.ts'
import type { ReportAnswer, ReportBatch } from '../domain/report.ts'
import type { Answer } from '../domain/refusal.ts'
import type { RunSpec } from '../domain/spec.ts'

/** `note`: what else the caller should know; null: nothing. */
export type Steered = { readonly node: string; readonly note: string | null }

export interface Requests {
  /** `hash` is of the request as it came, so that the same key with another body is refused. */
  submit(
    who: Principal,
    spec: RunSpec,
    key: { readonly key: string; readonly hash: string } | null,
  ): Promise<Answer<{ readonly run: RunDocument; readonly repeated: boolean }>>
  /** What submit would do, without doing it. */
  plan(who: Principal, spec: RunSpec): Promise<Answer<PlanDocument>>
  stop(who: Principal, run: string, now: boolean): Promise<Answer<RunDocument>>
  suspend(who: Principal, run: string): Promise<Answer<RunDocument>>
  resume(who: Principal, run: string): Promise<Answer<RunDocument>>
  /** What a reporter inside a job sends, by the token of its attempt. */
  report(who: Principal, batch: ReportBatch): Promise<Answer<ReportAnswer>>
  pauseQueue(who: Principal, paused: boolean, reason: string): Promise<Answer<{ readonly paused: boolean }>>
  cordon(who: Principal, node: string, cordoned: boolean, reason: string): Promise<Answer<Steered>>
  /** Ends this incarnation of a node that holds nothing of ours. If it is still there, the next look registers it as it then is. */
  forgetNode(who: Principal, node: string, reason: string): Promise<Answer<Steered>>
  /** `ifVersion`: only while the policy is still this one. */
  applyPolicy(
    who: Principal,
    policy: Policy,
    document: unknown,
    ifVersion: number | null,
  ): Promise<Answer<{ readonly version: number }>>
  /** More than the limit of a budget, or of one of its periods: `amount` in its unit. */
  askExtension(who: Principal, budget: string, amount: number, reason: string): Promise<Answer<ExtensionDocument>>
  decideExtension(who: Principal, id: string, granted: boolean, answer: string): Promise<Answer<ExtensionDocument>>
  createToken(
    who: Principal,
    token: NewToken,
  ): Promise<Answer<{ readonly token: TokenDocument; readonly secret: string }>>
  revokeToken(who: Principal, id: string): Promise<Answer<TokenDocument>>
}

export type NewToken = {
  readonly name: string
  readonly subject: string
  readonly role: Role
  readonly project: string | null
  readonly ttlMs: number | null
}
