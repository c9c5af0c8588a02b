// An OpenID Connect provider: authorization code with PKCE. openid-client speaks the protocol and checks state, nonce, issuer, audience, times
// and, since it is told to, the signature; here is when it is asked, for how long, and what becomes of what it throws.
import type { ClientAuth, Configuration } from 'openid-client'
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  ClientSecretBasic,
  ClientSecretPost,
  clockTolerance,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client'
import { PROVIDER_MS_MAX, PROVIDER_SKEW_S_MAX } from '../../domain/limits.ts'
import type { Claims, SignInAnswer, SignInRefusal } from '../../domain/sign-in.ts'
import type { Begun, IdentityProvider } from '../../ports/identity.ts'
import { boundedFetch } from './fetch.ts'
import { OtherIssuer, refusalOf } from './refusal.ts'

export type ProviderOptions = {
  readonly name: string
  readonly issuer: string
  readonly clientId: string
  /** Null: a public client, for which PKCE alone proves that the code is ours. */
  readonly clientSecret: string | null
  readonly scopes: readonly string[]
  /** Claims that are asked of the userinfo endpoint where the ID token has them not. */
  readonly wanted: readonly string[]
  readonly timeoutMs?: number
  readonly nowMs?: () => number
}

/** What was discovered is asked for again after so long: endpoints move seldom, and never at once. Keys are read anew by the library. */
const KNOWN_MS = 3_600_000

export function oidcProvider(options: ProviderOptions): IdentityProvider {
  const { name, issuer, scopes } = options
  const known = new Known(options)
  const asking = async <Value>(ask: (config: Configuration) => Promise<Value>): Promise<SignInAnswer<Value>> => {
    try {
      return { ok: true, value: await ask(await known.config()) }
    } catch (error) {
      return refusalOf(error, name)
    }
  }
  return {
    name,
    issuer,
    begin: (callback, another) =>
      asking(async (config) => {
        const begun: Begun = { state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier() }
        const location = buildAuthorizationUrl(config, {
          redirect_uri: callback,
          scope: scopes.join(' '),
          state: begun.state,
          nonce: begun.nonce,
          code_challenge: await calculatePKCECodeChallenge(begun.verifier),
          code_challenge_method: 'S256',
          ...(another ? promptOf(config) : {}),
        })
        return { location: location.href, begun }
      }),
    finish: (answer, begun) => asking((config) => claimsOf(config, options, answer, begun)),
    async check(): Promise<SignInRefusal | null> {
      try {
        await known.ask()
        return null
      } catch (error) {
        return refusalOf(error, name)
      }
    },
  }
}

/** Some refuse a word that they do not know; to ask again for who is there is what a certified one can, also where it names none. */
function promptOf(config: Configuration): { readonly prompt?: string } {
  const known = config.serverMetadata()['prompt_values_supported']
  if (!Array.isArray(known)) return { prompt: 'login' }
  const prompt = ['select_account', 'login'].find((each) => known.includes(each))
  return prompt === undefined ? {} : { prompt }
}

async function claimsOf(
  config: Configuration,
  { wanted }: ProviderOptions,
  answer: URL,
  { state, nonce, verifier }: Begun,
): Promise<Claims> {
  const tokens = await authorizationCodeGrant(config, answer, {
    expectedState: state,
    expectedNonce: nonce,
    pkceCodeVerifier: verifier,
    idTokenExpected: true,
  })
  const claims: Claims | undefined = tokens.claims()
  if (claims === undefined) throw new Error('bug: an ID token was demanded, and there is none')
  // A reference to groups that are elsewhere is an answer, too.
  const has = (claim: string): boolean =>
    Object.hasOwn(claims, claim) ||
    Object.hasOwn(claims, claim.split('.')[0] ?? '') ||
    Object.hasOwn(Object(claims['_claim_names']), claim)
  if (wanted.every(has) || config.serverMetadata().userinfo_endpoint === undefined) return claims
  return merged(claims, await fetchUserInfo(config, tokens.access_token, String(claims['sub'])))
}

/** What is signed goes before what is not; that an address is verified counts for that address alone. */
function merged(claims: Claims, more: Claims): Claims {
  const both = { ...more, ...claims }
  return both['email'] === more['email'] || Object.hasOwn(claims, 'email_verified')
    ? both
    : { ...both, email_verified: false }
}

/** What the provider says of itself: asked at the first sign-in, so that one that is away keeps nobody from starting, and kept. */
class Known {
  readonly #options: ProviderOptions
  readonly #now: () => number
  #config: Configuration | null = null
  #until = 0
  #asking: Promise<Configuration> | null = null

  constructor(options: ProviderOptions) {
    this.#options = options
    this.#now = options.nowMs ?? Date.now
  }

  async config(): Promise<Configuration> {
    if (this.#config !== null && this.#now() < this.#until) return this.#config
    try {
      return await this.ask()
    } catch (error) {
      // What it said of itself an hour ago is better than nothing; whether it answers shows with the next request.
      if (this.#config === null) throw error
      return this.#config
    }
  }

  /** However many wait: it is asked once. What failed is not kept, so that the next sign-in asks again. */
  ask(): Promise<Configuration> {
    this.#asking ??= discovered(this.#options)
      .then((config) => {
        this.#config = config
        this.#until = this.#now() + KNOWN_MS
        return config
      })
      .finally(() => {
        this.#asking = null
      })
    return this.#asking
  }
}

async function discovered(options: ProviderOptions): Promise<Configuration> {
  const { issuer, clientId, clientSecret, timeoutMs = PROVIDER_MS_MAX } = options
  const url = new URL(issuer)
  const config = await discovery(
    url,
    clientId,
    { [clockTolerance]: PROVIDER_SKEW_S_MAX, ...(clientSecret === null ? {} : { client_secret: clientSecret }) },
    clientSecret === null ? None() : withSecret(clientSecret),
    {
      timeout: timeoutMs / 1_000,
      [customFetch]: boundedFetch(timeoutMs),
      execute: [enableNonRepudiationChecks, ...(url.protocol === 'http:' ? [allowInsecureRequests] : [])],
    },
  )
  // The library takes any tenant of Entra where the address of all tenants is given: then everybody in the world could be somebody here.
  const told = config.serverMetadata().issuer
  if (URL.parse(told)?.href !== url.href) throw new OtherIssuer(told)
  return config
}

/** In the header, as the standard has it where a provider names no way; in the body where it names that alone. */
function withSecret(secret: string): ClientAuth {
  const [basic, post] = [ClientSecretBasic(secret), ClientSecretPost(secret)]
  return (server, client, body, headers) => {
    const ways = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    return (ways.includes('client_secret_basic') ? basic : post)(server, client, body, headers)
  }
}
