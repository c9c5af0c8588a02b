// Sign-in by an identity provider, from the click to the session. What a browser brings along on the way is sealed, so that any process of
// the deployment reads what another one kept; what is made of it is one session for a sign-in, in one transaction.
import { isSubject, signedIn } from '../../core/authorise/claims.ts'
import { RETURN_CHARS_MAX, SIGN_IN_MS_MAX } from '../../domain/limits.ts'
import type { Claims, SignInAnswer, SignInCode, SignInRefusal, SignInRules } from '../../domain/sign-in.ts'
import { SIGN_IN_CODES, signInRefused } from '../../domain/sign-in.ts'
import type { DurationMs } from '../../domain/units.ts'
import { plusMs } from '../../domain/units.ts'
import type { Begun, IdentityProvider, NewSession, ProviderSignIn } from '../../ports/identity.ts'
import type { Seal } from '../../ports/seal.ts'
import type { RequestContext } from './context.ts'

/** Below the address of the pages. */
export const CALLBACK = '/sign-in/oidc/callback'

export type ProviderSettings = {
  readonly provider: IdentityProvider
  readonly rules: SignInRules
  readonly sessionMs: DurationMs
  readonly seal: Seal
  /** Where people find the pages, without a slash at its end. */
  readonly pages: () => string
}

/** Without a question the provider would send the same person again. */
const OF_A_PERSON: ReadonlySet<SignInCode> = new Set(['sign-in-no-name', 'sign-in-no-group', 'sign-in-too-many-groups'])

const BEGIN_AGAIN = 'sign in again from the sign-in page'

export function providerSignIn(context: RequestContext, settings: ProviderSettings): ProviderSignIn {
  const { provider, seal, pages } = settings
  const { clock, log } = context.control
  const callback = (): string => `${pages()}${CALLBACK}`
  /** The words of a refusal are the person's; what was behind it is the operator's. */
  const told = (refusal: SignInRefusal): SignInRefusal => {
    const { code, message, cause } = refusal
    log.warn({ code, message, ...(cause === undefined ? {} : { cause }) }, 'a sign-in was refused')
    return refusal
  }
  return {
    name: provider.name,
    pages,
    async begin(to, refused) {
      const begun = await provider.begin(callback(), refused !== null && OF_A_PERSON.has(refused.code))
      if (!begun.ok) return told(begun)
      const kept: Kept = { kind: 'sign-in', ...begun.value.begun, to: ownPath(to), until: clock.now() + SIGN_IN_MS_MAX }
      return { ok: true, value: { location: begun.value.location, kept: seal.seal(JSON.stringify(kept)) } }
    },
    async finish(query, text) {
      const answer = new URL(callback())
      answer.search = query.toString()
      const kept = keptOf(text, seal, answer, clock.now())
      if (!kept.ok) return told(kept)
      const claims = await provider.finish(answer, kept.value)
      if (!claims.ok) return told(claims)
      const session = await openSession(context, settings, claims.value, kept.value)
      return session.ok ? session : told(session)
    },
    keepRefusal: ({ code, message, whatToDo }) =>
      seal.seal(JSON.stringify({ kind: 'refusal', code, message, whatToDo } satisfies KeptRefusal)),
    keptRefusal(text) {
      const opened = opening<KeptRefusal>(text, seal, 'refusal')
      if (opened === null || !isCode(opened.code)) return null
      return signInRefused(opened.code, opened.message, opened.whatToDo)
    },
  }
}

type Kept = Begun & { readonly kind: 'sign-in'; readonly to: string; readonly until: number }
type KeptRefusal = {
  readonly kind: 'refusal'
  readonly code: SignInCode
  readonly message: string
  readonly whatToDo: string
}

const isCode = (code: string): code is SignInCode => (SIGN_IN_CODES as readonly string[]).includes(code)

/** Null for what we did not seal, or sealed for something else. */
function opening<Value extends { readonly kind: string }>(
  text: string | undefined,
  seal: Seal,
  kind: Value['kind'],
): Value | null {
  const opened = text === undefined ? null : seal.open(text)
  if (opened === null || !opened.startsWith('{')) return null
  // Only what we wrote opens, whole, under a key that nobody else has.
  const value = JSON.parse(opened) as Value
  return value.kind === kind ? value : null
}

/** What this browser began, if the answer belongs to it. */
function keptOf(text: string | undefined, seal: Seal, answer: URL, now: number): SignInAnswer<Kept> {
  const kept = opening<Kept>(text, seal, 'sign-in')
  if (kept === null)
    return signInRefused(
      'sign-in-not-begun',
      'This browser did not begin a sign-in here, or does not keep cookies.',
      `begin on ${answer.origin}, in the same browser, and let it keep cookies of this site`,
    )
  if (now > kept.until)
    return signInRefused('sign-in-too-late', 'The sign-in took longer than ten minutes.', BEGIN_AGAIN)
  if (answer.searchParams.get('state') !== kept.state)
    return signInRefused(
      'sign-in-mismatch',
      'The identity provider answered another sign-in than this browser began last.',
      `${BEGIN_AGAIN}, in one window`,
    )
  return { ok: true, value: kept }
}

async function openSession(
  context: RequestContext,
  { provider, rules, sessionMs }: ProviderSettings,
  claims: Claims,
  { state, to }: Kept,
): Promise<SignInAnswer<NewSession>> {
  const { store, clock, log } = context.control
  const now = clock.now()
  const { projects } = await store.shares()
  const unknown = rules.grants.flatMap(({ project }) => (project === null || projects.has(project) ? [] : [project]))
  if (unknown.length > 0)
    log.warn({ projects: [...new Set(unknown)] }, 'signIn.oidc.grants names projects that the policy does not have')
  const who = signedIn(claims, rules, new Set(projects.keys()))
  if (!who.ok) {
    await tellRefusal(context, provider, claims, who)
    return who
  }
  const { user, subject, groups, grants } = who.value
  const [first] = grants
  if (first === undefined) throw new Error('bug: somebody without a role was let in')
  const { id, secret, hash } = context.secrets.create()
  const added = await store.addSession(
    {
      id,
      name: 'browser session',
      subject: user,
      role: first.role,
      project: first.project,
      createdAt: now,
      expiresAt: plusMs(now, sessionMs),
      lastUsedAt: null,
      revokedAt: null,
      session: { identity: identityOf(provider, subject), grants },
    },
    hash,
    context.secrets.hash(state),
    {
      at: now,
      actor: `user:${user}`,
      verb: 'session.create',
      target: id,
      detail: { issuer: provider.issuer, subject, groups, grants },
    },
  )
  if (!added) return signInRefused('sign-in-used', 'This sign-in was used before.', BEGIN_AGAIN)
  return { ok: true, value: { secret, seconds: Math.floor(sessionMs / 1_000), to } }
}

const identityOf = ({ issuer }: IdentityProvider, subject: string): string => `${issuer} ${subject}`

/** Somebody whom the provider knows and who may nothing here: what he has from before ends now. */
async function tellRefusal(
  { control }: RequestContext,
  provider: IdentityProvider,
  { sub }: Claims,
  { code, message }: SignInRefusal,
): Promise<void> {
  if (!isSubject(sub)) return
  const at = control.clock.now()
  const identity = identityOf(provider, sub)
  const detail = { issuer: provider.issuer, subject: sub, code, message }
  await control.store.endSessions(identity, at, {
    at,
    actor: 'rule:sign-in',
    verb: 'session.refuse',
    target: identity,
    detail,
  })
}

/** A path of our own: whatever else a link names, a sign-in does not lead to another site. */
export function ownPath(to: string | undefined): string {
  if (to === undefined || to.length > RETURN_CHARS_MAX || !/^\/(?![/\\])[\x21-\x7e]*$/.test(to)) return '/'
  const base = 'http://pages.invalid'
  const url = URL.parse(to, base)
  if (url === null || url.origin !== base || url.pathname.startsWith('//')) return '/'
  return /^\/(?:sign-in|api)(?:\/|$)/.test(url.pathname) ? '/' : `${url.pathname}${url.search}${url.hash}`
}
