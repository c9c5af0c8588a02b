// What the signed-in person may do about alerts, in one project or about all of them (null). The server decides; a test holds this against its
// own function.
import type { Session } from '../api/documents.ts'

const ROLES = {
  'alert.handle': ['member', 'lead', 'operator', 'payer', 'admin'],
  'channel.write': ['lead', 'admin'],
} as const satisfies Readonly<Record<string, readonly string[]>>

export type AlertVerb = keyof typeof ROLES
export type Grants = Pick<Session, 'grants'> | undefined

export const mayIn = (session: Grants, verb: AlertVerb, project: string | null): boolean =>
  session?.grants.some(
    (grant) => hasRole(grant.role, verb) && (grant.project === null || grant.project === project),
  ) === true

export const mayAnywhere = (session: Grants, verb: AlertVerb): boolean =>
  session?.grants.some(({ role }) => hasRole(role, verb)) === true

const hasRole = (role: string, verb: AlertVerb): boolean => (ROLES[verb] as readonly string[]).includes(role)
