// Who a secret belongs to, and the end of a session. A session is a token with an end, whose secret only a browser has.
import type { TokenDocument } from '../../domain/documents.ts'
import type { Grant, Principal } from '../../domain/principal.ts'
import type { StoredToken } from '../../ports/token-store.ts'
import type { RequestContext } from './context.ts'

/** What it may, the widest first. */
const grantsOf = ({ session, role, project }: StoredToken): readonly Grant[] => session?.grants ?? [{ role, project }]

export function tokenDocument(token: StoredToken): TokenDocument {
  const { session: _, ...shown } = token
  return { ...shown, grants: grantsOf(token) }
}

const isOver = (token: StoredToken, now: number): boolean =>
  token.revokedAt !== null || (token.expiresAt !== null && token.expiresAt <= now)

/** Who a secret belongs to; null for nobody: not known, expired or revoked. */
export async function authenticate(context: RequestContext, secret: string): Promise<Principal | null> {
  const { store, clock } = context.control
  const token = await store.findToken(context.secrets.hash(secret))
  if (token === null || isOver(token, clock.now())) return null
  return { kind: 'user', name: token.subject, grants: grantsOf(token) }
}

/** The token of a program or a person that may become a session; not a session, which would outlive its end in another one. */
export async function exchangeable(context: RequestContext, secret: string): Promise<Principal | null> {
  const token = await context.control.store.findToken(context.secrets.hash(secret))
  return token === null || token.session !== null ? null : authenticate(context, secret)
}

/** Whoever has a secret may make it worthless. */
export async function endSession(context: RequestContext, secret: string): Promise<void> {
  const { store, clock } = context.control
  const token = await store.findToken(context.secrets.hash(secret))
  if (token === null) return
  const now = clock.now()
  const verb = token.session === null ? 'token.revoke' : 'session.end'
  const audit = { at: now, actor: `user:${token.subject}`, verb, target: token.id, detail: {} }
  await store.revokeToken(token.id, now, audit)
}
