// A server whose people sign in by an identity provider, and the way of a browser through both.
import assert from 'node:assert/strict'
import { oidcProvider } from '../../src/adapters/oidc/provider.ts'
import { sealWith } from '../../src/adapters/system/seal.ts'
import { providerSignIn } from '../../src/control/requests/provider-sign-in.ts'
import type { ProjectName } from '../../src/domain/ids.ts'
import type { GroupGrant, SignInRules } from '../../src/domain/sign-in.ts'
import { durationMs } from '../../src/domain/units.ts'
import type { CookieJar } from './cookie-jar.ts'
import { CLIENT, CLIENT_SECRET } from './identity-provider.ts'
import type { Served } from './served.ts'
import { serve } from './served.ts'
import type { PostgresBenches } from './stores.ts'

export const SESSION_MS = 12 * 3_600_000
/** The same for every replica, as a deployment key is. */
const KEY = new Uint8Array(32).fill(7)

export const grantOf = (group: string, role: GroupGrant['role'], project: string | null): GroupGrant => ({
  group,
  role,
  project: project as ProjectName | null,
})

export type SigningIn = {
  readonly served: Served
  /** Everything that was logged, as text. */
  readonly logged: string[]
}

export type Settings = {
  readonly issuer: string
  readonly rules?: Partial<SignInRules>
  readonly clientSecret?: string | null
  readonly timeoutMs?: number
  /** The address that people use, where it is not that of this server. */
  readonly pages?: () => string
  readonly database?: string
}

export async function serveSigningIn(benches: PostgresBenches, now: number, settings: Settings): Promise<SigningIn> {
  const logged: string[] = []
  const keep = (fields: object, message: string): void => void logged.push(`${message} ${JSON.stringify(fields)}`)
  const rules: SignInRules = { user: 'email', groups: 'groups', grants: [], contact: null, ...settings.rules }
  const provider = oidcProvider({
    name: 'Lab login',
    issuer: settings.issuer,
    clientId: CLIENT,
    clientSecret: settings.clientSecret === undefined ? CLIENT_SECRET : settings.clientSecret,
    scopes: ['openid', 'email', 'profile'],
    wanted: [rules.user, ...(rules.user === 'email' ? ['email_verified'] : []), rules.groups],
    ...(settings.timeoutMs === undefined ? {} : { timeoutMs: settings.timeoutMs }),
  })
  const served = await serve(benches, now, {
    log: { info: keep, warn: keep, error: keep },
    ...(settings.database === undefined ? {} : { database: settings.database }),
    provider: (context, pages) =>
      providerSignIn(context, {
        provider,
        rules,
        sessionMs: durationMs(SESSION_MS),
        seal: sealWith([KEY]),
        pages: settings.pages ?? pages,
      }),
  })
  return { served, logged }
}

/** From the button to the callback, which is not asked yet. */
export async function toCallback(jar: CookieJar, pages: string, account: string, to = '/runs?q=x'): Promise<string> {
  const begun = await jar.ask(`${pages}/sign-in/oidc?to=${encodeURIComponent(to)}`)
  const isCallback = (url: string): boolean => url.startsWith(`${pages}/sign-in/oidc/callback`)
  const first = await jar.follow(begun, isCallback)
  const last = first.at(-1)
  assert.ok(last !== undefined)
  if (isCallback(last.url)) return last.url
  assert.match(await last.response.text(), /Who are you/)
  const chosen = await jar.ask(last.url, {
    method: 'POST',
    body: new URLSearchParams({ account }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  const url = (await jar.follow(chosen, isCallback)).at(-1)?.url ?? ''
  assert.ok(isCallback(url), url)
  return url
}

/** The whole way; returns where it ended. */
export async function signIn(jar: CookieJar, pages: string, account: string, to?: string): Promise<URL> {
  const { response } = await jar.ask(await toCallback(jar, pages, account, to))
  assert.equal(response.status, 303)
  return new URL(response.headers.get('location') ?? '', pages)
}

export type Told = {
  readonly provider: { readonly name: string; readonly url: string } | null
  readonly refusal: { readonly code: string; readonly message: string; readonly whatToDo: string } | null
}

/** What the sign-in page would say. */
export const toldOf = async (jar: CookieJar, pages: string): Promise<Told> =>
  (await (await jar.ask(`${pages}/api/v1/sign-in`)).response.json()) as Told

export async function readBy(
  jar: CookieJar,
  url: string,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const { response } = await jar.ask(url, { headers: { accept: 'application/json' } })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') === true
  return { status: response.status, body: text === '' ? null : isJson ? JSON.parse(text) : text }
}
