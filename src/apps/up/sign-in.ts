// Codes for the sign-in link: good once and for ten minutes. They live in this process: a new start prints a new link.
import { createHash, randomBytes } from 'node:crypto'
import type { SignIn } from '../../adapters/http/session.ts'
import { authenticate, endSession } from '../../control/requests/session.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Service } from '../parts/service.ts'

const CODE_MS = 600_000
const SESSION_MS = 30 * 86_400_000

export type SignInCodes = SignIn & { newCode(): string }

/** A session is a token of the same person with an end; its secret is in the browser's cookie alone. */
export function signInCodes(service: Service, who: Principal): SignInCodes {
  const codes = new Map<string, number>()
  const hash = (code: string): string => createHash('sha256').update(code).digest('hex')
  const now = (): number => service.control.clock.now()
  return {
    takes: 'link',
    newCode() {
      for (const [known, until] of codes) if (until <= now()) codes.delete(known)
      const code = randomBytes(24).toString('base64url')
      codes.set(hash(code), now() + CODE_MS)
      return code
    },
    async exchange(code) {
      const key = hash(code)
      const until = codes.get(key)
      // Used up at the first try, so that two at once do not both get in.
      codes.delete(key)
      if (until === undefined || until <= now()) return null
      const created = await service.requests.createToken(who, {
        name: 'browser session',
        subject: who.kind === 'user' ? who.name : 'local',
        role: 'admin',
        project: null,
        ttlMs: SESSION_MS,
      })
      return created.ok ? { secret: created.value.secret, expiresAt: now() + SESSION_MS } : null
    },
    async end(secret) {
      if ((await authenticate(service.context, secret)) !== null) await endSession(service.context, secret)
    },
  }
}
