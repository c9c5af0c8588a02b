// The first admin, without whom nobody could make a token: the operator chooses a secret and gives its hash to the store.
import type { Store } from '../../ports/store.ts'
import type { RequestContext } from './context.ts'

/** Made by a person or a program, not by us: so long that nobody guesses it. */
export const BOOTSTRAP_CHARS_MIN = 32

/** True: it is a token of an admin from now on. False: it was one before, and where it was revoked it stays so. */
export async function bootstrapToken(
  store: Pick<Store, 'findToken' | 'addToken' | 'now'>,
  { secrets }: Pick<RequestContext, 'secrets'>,
  secret: string,
): Promise<boolean> {
  const hash = secrets.hash(secret)
  if ((await store.findToken(hash)) !== null) return false
  const { id } = secrets.create()
  const at = await store.now()
  const token = {
    id,
    name: 'bootstrap',
    subject: 'bootstrap',
    role: 'admin',
    project: null,
    createdAt: at,
    expiresAt: null,
    lastUsedAt: null,
    revokedAt: null,
    session: null,
  } as const
  const detail = { role: 'admin', subject: 'bootstrap' }
  await store.addToken(token, hash, { at, actor: 'rule:bootstrap', verb: 'token.create', target: id, detail })
  return true
}
