// Who asks. Every request has a principal from the first route on; what it may do is decided in core/authorise, nowhere else.
import type { AttemptId, ProjectName } from './ids.ts'

export const ROLES = ['viewer', 'member', 'lead', 'operator', 'payer', 'admin'] as const
export type Role = (typeof ROLES)[number]

export type Grant = { readonly role: Role; /** Null: in every project. */ readonly project: ProjectName | null }

export type Principal =
  | { readonly kind: 'user'; readonly name: string; readonly grants: readonly Grant[] }
  /** A token of an attempt: writes its own reports, reads its own directives and nothing else. */
  | { readonly kind: 'attempt'; readonly attempt: AttemptId }

/** What a caller may ask; each route names exactly one. */
export const VERBS = [
  'run.submit',
  'run.read',
  'run.logs',
  'run.stop',
  'run.suspend',
  'run.resume',
  'queue.read',
  'queue.pause',
  'node.read',
  'node.cordon',
  'node.forget',
  'ledger.read',
  'budget.read',
  'budget.ask',
  'budget.extend',
  'alert.read',
  'alert.handle',
  'channel.write',
  'policy.read',
  'policy.apply',
  'audit.read',
  'token.create',
  'token.list',
  'token.revoke',
  'system.read',
] as const
export type Verb = (typeof VERBS)[number]

export const actorOf = (principal: Principal): string =>
  principal.kind === 'user' ? `user:${principal.name}` : `attempt:${principal.attempt}`
