// A browser signs in with a token: replicas share no memory in which a code could wait. The cookie gets a token of its own, of the same
// person and role, with an end; the one that was pasted stays out of the browser.
import type { SignIn } from '../../adapters/http/session.ts'
import { authenticate, endSession, exchangeable } from '../../control/requests/session.ts'
import type { Service } from '../parts/service.ts'

const SESSION_MS = 12 * 3_600_000

export function tokenSignIn({ context, requests, control }: Pick<Service, 'context' | 'requests' | 'control'>): SignIn {
  return {
    takes: 'token',
    whatToDo: 'paste a token that plimsoll token create has shown',
    async exchange(code) {
      const who = await exchangeable(context, code)
      const grant = who?.kind === 'user' ? who.grants[0] : undefined
      if (who?.kind !== 'user' || grant === undefined) return null
      // Whoever holds a token may have another of the same rights; to make one of other rights needs an admin.
      const asAdmin = { ...who, grants: [{ role: 'admin', project: null }] } as const
      const created = await requests.createToken(asAdmin, {
        name: 'browser session',
        subject: who.name,
        role: grant.role,
        project: grant.project,
        ttlMs: SESSION_MS,
      })
      return created.ok ? { secret: created.value.secret, expiresAt: control.clock.now() + SESSION_MS } : null
    },
    async end(secret) {
      if ((await authenticate(context, secret)) !== null) await endSession(context, secret)
    },
  }
}
