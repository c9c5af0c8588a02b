// A real OpenID Connect provider on loopback (oidc-provider, certified): whoever is in its list signs in by a click. Its pages are this file's.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { Provider } from 'oidc-provider'

export const CLIENT = 'plimsoll-test'
export const CLIENT_SECRET = 'client-secret-of-the-tests-0123456789'

/** Claims by subject; `sub` is added. They may change between two sign-ins. */
export type Accounts = Map<string, Readonly<Record<string, unknown>>>

export type RunningProvider = {
  readonly issuer: string
  readonly accounts: Accounts
  /** The provider begins to answer, for a Plimsoll whose pages are there. */
  open(pages: string): void
  /** Requests that it got, as `METHOD path`. */
  readonly asked: string[]
  close(): Promise<void>
}

export type ProviderVariant = {
  /** `none`: a public client. */
  readonly authentication?: 'client_secret_basic' | 'client_secret_post' | 'none'
  /** Claims only by the userinfo endpoint, as the standard has it where there is an access token. */
  readonly thinIdTokens?: boolean
  readonly port?: number
}

export async function startIdentityProvider(variant: ProviderVariant = {}): Promise<RunningProvider> {
  let answer = (_request: IncomingMessage, response: ServerResponse): void => void response.writeHead(503).end()
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url?.split('?')[0]}`)
    answer(request, response)
  })
  await listening(server, variant.port ?? 0)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('bug: no port')
  const issuer = `http://127.0.0.1:${address.port}`
  const accounts: Accounts = new Map()
  return {
    issuer,
    accounts,
    asked,
    open(pages) {
      const provider = providerOf(issuer, pages, accounts, variant)
      const standard = provider.callback()
      answer = (request, response) => {
        const [, uid] = /^\/interaction\/([\w-]+)/.exec(request.url ?? '') ?? []
        if (uid === undefined) standard(request, response)
        else void interact(provider, accounts, request, response)
      }
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const listening = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })

function providerOf(
  issuer: string,
  pages: string,
  accounts: Accounts,
  { authentication = 'client_secret_basic', thinIdTokens = false }: ProviderVariant,
): Provider {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const provider: Provider = quietly(
    () =>
      new Provider(issuer, {
        clients: [
          {
            client_id: CLIENT,
            ...(authentication === 'none' ? {} : { client_secret: CLIENT_SECRET }),
            token_endpoint_auth_method: authentication,
            redirect_uris: [`${pages}/sign-in/oidc/callback`],
            post_logout_redirect_uris: [`${pages}/`],
          },
        ],
        jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig', alg: 'RS256' }] },
        cookies: { keys: [randomBytes(16).toString('hex')] },
        claims: {
          openid: ['sub'],
          email: ['email', 'email_verified'],
          profile: ['preferred_username', 'groups', 'realm_access', '_claim_names', 'hasgroups'],
        },
        conformIdTokenClaims: thinIdTokens,
        pkce: { required: () => true },
        features: { devInteractions: { enabled: false } },
        ...(authentication === 'client_secret_post' ? { clientAuthMethods: ['client_secret_post'] } : {}),
        interactions: { url: (_context: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
        findAccount: (_context: unknown, sub: string) =>
          accounts.has(sub) ? { accountId: sub, claims: () => ({ ...accounts.get(sub), sub }) } : undefined,
        // Nobody is asked whether he agrees: the organisation has agreed for him.
        async loadExistingGrant({ oidc }: { oidc: { session: { accountId: string }; client: { clientId: string } } }) {
          const grant = new provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId })
          grant.addOIDCScope('openid email profile')
          await grant.save()
          return grant
        },
        ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 3_600, IdToken: 3_600, Interaction: 600, Session: 3_600 },
      }),
  )
  return provider
}

/** It says on the console that it keeps everything in memory, which is what is wanted here. */
function quietly<Value>(make: () => Value): Value {
  const { warn, info } = console
  Object.assign(console, { warn: () => {}, info: () => {} })
  try {
    return make()
  } finally {
    Object.assign(console, { warn, info })
  }
}

/** Its sign-in page: a button for each account, and one that gives up. */
async function interact(
  provider: Provider,
  accounts: Accounts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method === 'GET') {
    const buttons = [...accounts.keys()].map((sub) => `<button name="account" value="${sub}">${sub}</button>`)
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    response.end(
      `<!doctype html><title>Provider</title><h1>Who are you?</h1><form method="post">${buttons.join('')}<button name="account" value="">Give up</button></form>`,
    )
    return
  }
  const account = new URLSearchParams(await text(request)).get('account') ?? ''
  await provider.interactionFinished(
    request,
    response,
    account === ''
      ? { error: 'access_denied', error_description: 'the person gave up' }
      : { login: { accountId: account } },
  )
}
