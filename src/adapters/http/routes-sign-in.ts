// Sign-in by an identity provider: a browser is sent there, comes back, and has a session. What it carries on the way is sealed and bound to
// it by a cookie; the code of the provider leaves the address before any page is shown, also where it is refused.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { SIGN_IN_MS_MAX } from '../../domain/limits.ts'
import type { SignInRefusal } from '../../domain/sign-in.ts'
import { signInRefused } from '../../domain/sign-in.ts'
import type { ProviderSignIn } from '../../ports/identity.ts'
import { problem, sendProblem } from './problem.ts'
import type { SignIn } from './session.ts'
import { setSession } from './session.ts'

/** Where a sign-in begins; the callback is below it, and nothing else gets its cookie. */
const BEGIN = '/sign-in/oidc'
const WAY = 'plimsoll_sign_in'
const REFUSED = 'plimsoll_refused'
/** So long a reload of the sign-in page still says why. */
const REFUSED_S = 300

const NONE = signInRefused(
  'sign-in-not-configured',
  'Nobody signs in here by an identity provider.',
  'sign in with a link or a token',
)

export type SignInOptions = { readonly provider: ProviderSignIn | null; readonly signIn: SignIn | null }

export function signInRoutes(app: FastifyInstance, { provider, signIn }: SignInOptions): void {
  const hide = { schema: { hide: true } }
  app.get<{ Querystring: { to?: unknown } }>(BEGIN, hide, async (request, reply) => {
    if (provider === null) return refuse(request, reply, null, NONE)
    const { to } = request.query
    const refused = provider.keptRefusal(cookieOf(request, REFUSED))
    const begun = await provider.begin(typeof to === 'string' ? to : undefined, refused)
    if (!begun.ok) return refuse(request, reply, provider, begun)
    setWay(reply, provider, begun.value.kept, SIGN_IN_MS_MAX / 1_000)
    setRefusal(reply, provider, '', 0)
    return reply.redirect(begun.value.location, 303)
  })
  app.get(`${BEGIN}/callback`, hide, async (request, reply) => {
    if (provider === null) return refuse(request, reply, null, NONE)
    const [, query = ''] = request.url.split(/\?(.*)/s)
    let done: Awaited<ReturnType<ProviderSignIn['finish']>>
    try {
      done = await provider.finish(new URLSearchParams(query), cookieOf(request, WAY))
    } catch (error) {
      if (!isBrowser(request)) throw error
      // PostgreSQL is away, or we are wrong: the page says so itself, at an address without the code.
      request.log.error({ err: error, reqId: request.id }, 'a sign-in failed')
      return reply.redirect(`${provider.pages()}/`, 303)
    }
    // Whatever came of it: it is not tried again with the same.
    setWay(reply, provider, '', 0)
    if (!done.ok) return refuse(request, reply, provider, done)
    setRefusal(reply, provider, '', 0)
    const { secret, seconds, to } = done.value
    return setSession(reply, secret, seconds, isSecure(provider)).redirect(to, 303)
  })
  /** For the sign-in page, so whoever asks is nobody yet. */
  app.get('/api/v1/sign-in', hide, async (request, reply) => {
    const refusal = provider?.keptRefusal(cookieOf(request, REFUSED)) ?? null
    return reply.send({
      schema: 'plimsoll.sign-in/v1',
      takes: signIn?.takes ?? 'link',
      provider: provider === null ? null : { name: provider.name, url: `${provider.pages()}${BEGIN}` },
      refusal: refusal === null ? null : { code: refusal.code, message: refusal.message, whatToDo: refusal.whatToDo },
    })
  })
}

/** A browser gets the sign-in page, which says it, at an address without a code; a program gets the problem. */
function refuse(
  request: FastifyRequest,
  reply: FastifyReply,
  provider: ProviderSignIn | null,
  refusal: SignInRefusal,
): FastifyReply {
  if (!isBrowser(request) || provider === null)
    return sendProblem(reply, problem(refusal.code, refusal.message, { whatToDo: refusal.whatToDo }))
  setRefusal(reply, provider, provider.keepRefusal(refusal), REFUSED_S)
  return reply.redirect(`${provider.pages()}/`, 303)
}

const isBrowser = ({ headers }: FastifyRequest): boolean => (headers.accept ?? '').includes('text/html')
const isSecure = ({ pages }: ProviderSignIn): boolean => pages().startsWith('https://')
const pathOf = ({ pages }: ProviderSignIn): string => new URL(pages()).pathname.replace(/\/$/, '')

/** Lax, not Strict: the browser comes back from another site, and has to bring it along. */
const setWay = (reply: FastifyReply, provider: ProviderSignIn, value: string, seconds: number): void =>
  setCookie(reply, provider, `${WAY}=${value}; Path=${pathOf(provider)}${BEGIN}; SameSite=Lax`, seconds)

const setRefusal = (reply: FastifyReply, provider: ProviderSignIn, value: string, seconds: number): void =>
  setCookie(reply, provider, `${REFUSED}=${value}; Path=/; SameSite=Strict`, seconds)

const setCookie = (reply: FastifyReply, provider: ProviderSignIn, cookie: string, seconds: number): void =>
  void reply.header('set-cookie', `${cookie}; HttpOnly; Max-Age=${seconds}${isSecure(provider) ? '; Secure' : ''}`)

/** Longer than what is sealed can be. */
const COOKIE_CHARS_MAX = 4_096

function cookieOf(request: FastifyRequest, name: string): string | undefined {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim())
  const found = pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1)
  return found === undefined || found === '' || found.length > COOKIE_CHARS_MAX ? undefined : found
}
