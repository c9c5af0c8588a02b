// Sign-in of a browser: a code that is good once becomes a cookie that no script can read. Who only has a cookie must also prove that the
// request is from our own page: other sites can make a browser send cookies, but not headers of ours.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Principal } from '../../domain/principal.ts'
import { problem, sendProblem } from './problem.ts'

export type SignIn = {
  /** The secret of a new session, for a code that was not used yet; null for any other. */
  exchange(code: string): Promise<{ readonly secret: string; readonly expiresAt: number } | null>
  end(secret: string): Promise<void>
  /** What stands in the field of the sign-in page: the code of a link, or a token. */
  readonly takes: 'link' | 'token'
  /** What to do about a code that is not taken; what `up` needs where it is absent. */
  readonly whatToDo?: string
}

export type SessionOptions = { readonly signIn: SignIn | null; readonly version: string; readonly cluster: string }

const COOKIE = 'plimsoll_session'
const PAIR = /(?:^|; *)plimsoll_session=([\x21-\x3a\x3c-\x7e]{1,200})(?:;|$)/

/** The secret that a browser brings along. */
export const sessionOf = (request: FastifyRequest): string | undefined => PAIR.exec(request.headers.cookie ?? '')?.[1]

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Whether a request with nothing but a cookie may change something. */
export const isOurPage = (request: FastifyRequest): boolean =>
  SAFE.has(request.method) || request.headers['x-plimsoll'] === '1'

const ANOTHER_LINK = 'start plimsoll up again: it prints another link'

const body = z.strictObject({ code: z.string().min(1).max(200) })

export function sessionRoutes(app: FastifyInstance, { signIn, version, cluster }: SessionOptions): void {
  app.post('/session', { schema: { hide: true } }, async (request, reply) => {
    const read = body.safeParse(request.body)
    if (!read.success) return sendProblem(reply, problem('invalid', 'a sign-in has a code'))
    const session = (await signIn?.exchange(read.data.code)) ?? null
    if (session === null)
      return sendProblem(
        reply,
        problem('unauthenticated', 'this code is used up, too old or none', {
          whatToDo: signIn?.whatToDo ?? ANOTHER_LINK,
        }),
      )
    const seconds = Math.max(1, Math.floor((session.expiresAt - Date.now()) / 1_000))
    return setSession(reply, session.secret, seconds, false).code(204).send()
  })
  app.get('/session', { schema: { hide: true } }, async ({ principal }, reply) => reply.send(document(principal)))
  app.delete('/session', { schema: { hide: true } }, async (request, reply) => {
    const secret = sessionOf(request)
    if (secret !== undefined) await signIn?.end(secret)
    return setSession(reply, '', 0, false).code(204).send()
  })

  const document = (who: Principal) => ({
    schema: 'plimsoll.session/v1',
    user: who.kind === 'user' ? who.name : who.attempt,
    grants: who.kind === 'user' ? who.grants : [],
    expiresAt: null,
    version,
    cluster,
  })
}

/** `secure`: where it is known that the pages are never read in the clear. */
export const setSession = (reply: FastifyReply, secret: string, seconds: number, secure: boolean): FastifyReply =>
  reply.header(
    'set-cookie',
    `${COOKIE}=${secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${secure ? '; Secure' : ''}`,
  )
