// What the signed-in person may do with the whole installation, as far as a page has to know before it offers it. The server decides; what it
// refuses says so. A test holds this against what the server's own function says of each role.
import type { Verb } from '../../domain/principal.ts'
import type { Session } from './documents.ts'

const BY_ROLE: Readonly<Partial<Record<Verb, readonly string[]>>> = {
  'node.cordon': ['operator', 'admin'],
  'node.forget': ['operator', 'admin'],
  'queue.pause': ['operator', 'admin'],
  'policy.read': ['lead', 'operator', 'payer', 'admin'],
  'audit.read': ['lead', 'operator', 'payer', 'admin'],
  'token.list': ['admin'],
  'token.create': ['admin'],
  'token.revoke': ['admin'],
}

/** A grant for one project is not enough for any of these. */
export const mayDo = (session: Pick<Session, 'grants'> | undefined, verb: Verb): boolean =>
  session?.grants.some(({ role, project }) => project === null && BY_ROLE[verb]?.includes(role) === true) === true

const IN_PROJECT: Readonly<Partial<Record<Verb, readonly string[]>>> = {
  'budget.ask': ['member', 'lead', 'payer', 'admin'],
  'budget.extend': ['payer', 'admin'],
}

/** What a grant for a project is enough for; of what has no project only a grant for all of them. */
export const mayIn = (session: Pick<Session, 'grants'> | undefined, verb: Verb, of: string | null): boolean =>
  session?.grants.some(
    ({ role, project }) => (project === null || project === of) && IN_PROJECT[verb]?.includes(role) === true,
  ) === true

export const ASKED_IN = Object.keys(IN_PROJECT) as readonly Verb[]
export const ASKED = Object.keys(BY_ROLE) as readonly Verb[]
