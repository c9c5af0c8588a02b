// A FAKE provider that says what a test wants it to say, true but for one thing. The real one is in identity-provider.ts; it cannot lie.
import type { KeyObject } from 'node:crypto'
import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { CLIENT, CLIENT_SECRET } from './identity-provider.ts'

export type Place = 'discovery' | 'authorization' | 'token' | 'keys' | 'userinfo'

export type Lie = {
  /** Over what discovery says. */
  readonly metadata?: object
  /** Over the claims of the ID token. `nonce` is that of the sign-in. */
  readonly claims?: (nowS: number, nonce: string) => object
  readonly signature?: 'another key' | 'none' | 'client secret' | 'cut'
  /** Over the answer of the token endpoint. */
  readonly tokens?: object
  /** Over what stands behind the callback. */
  readonly callback?: Readonly<Record<string, string>>
  readonly userinfo?: object
  /** In the place of an answer. */
  readonly instead?: Partial<Record<Place, (response: ServerResponse) => void>>
}

export type LyingProvider = {
  readonly issuer: string
  lie: Lie
  close(): Promise<void>
}

const pair = () => generateKeyPairSync('rsa', { modulusLength: 2_048 })
const base64 = (value: object | string): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

export async function startLyingProvider(): Promise<LyingProvider> {
  const [right, wrong] = [pair(), pair()]
  const nonces = new Map<string, string>()
  const self: LyingProvider = {
    issuer: '',
    lie: {},
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('bug: no port')
  const issuer = `http://127.0.0.1:${address.port}`

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', issuer)
    const place = PLACES[url.pathname]
    if (place === undefined) return void response.writeHead(404).end()
    const instead = self.lie.instead?.[place]
    if (instead !== undefined) return instead(response)
    switch (place) {
      case 'discovery':
        return json(response, { ...metadata(issuer), ...self.lie.metadata })
      case 'keys':
        return json(response, {
          keys: [{ ...right.publicKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig', alg: 'RS256' }],
        })
      case 'userinfo':
        return json(response, { sub: '1', ...self.lie.userinfo })
      case 'authorization': {
        const asked = url.searchParams
        const code = `code-${nonces.size}`
        nonces.set(code, asked.get('nonce') ?? '')
        const back = new URL(asked.get('redirect_uri') ?? '')
        const said = { code, state: asked.get('state') ?? '', iss: issuer, ...self.lie.callback }
        for (const [key, value] of Object.entries(said)) if (value !== '') back.searchParams.set(key, value)
        return void response.writeHead(303, { location: back.href }).end()
      }
      case 'token': {
        const form = new URLSearchParams(await text(request))
        const nonce = nonces.get(form.get('code') ?? '')
        if (nonce === undefined) return json(response, { error: 'invalid_grant' }, 400)
        const idToken = signed(self.lie, claimsOf(self.lie, issuer, nonce), right.privateKey, wrong.privateKey)
        const said = { access_token: 'access-token', token_type: 'Bearer', expires_in: 60, id_token: idToken }
        return json(response, { ...said, ...self.lie.tokens })
      }
    }
  }
  return Object.assign(self, { issuer })
}

const PLACES: Readonly<Record<string, Place>> = {
  '/.well-known/openid-configuration': 'discovery',
  '/auth': 'authorization',
  '/token': 'token',
  '/keys': 'keys',
  '/me': 'userinfo',
}

const metadata = (issuer: string) => ({
  issuer,
  authorization_endpoint: `${issuer}/auth`,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/keys`,
  userinfo_endpoint: `${issuer}/me`,
  response_types_supported: ['code'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
  authorization_response_iss_parameter_supported: true,
})

function claimsOf({ claims }: Lie, issuer: string, nonce: string): object {
  const nowS = Math.floor(Date.now() / 1_000)
  return {
    iss: issuer,
    aud: CLIENT,
    sub: '1',
    iat: nowS,
    exp: nowS + 300,
    nonce,
    email: 'ada@lab.org',
    email_verified: true,
    groups: ['platform'],
    ...claims?.(nowS, nonce),
  }
}

function signed({ signature }: Lie, claims: object, right: KeyObject, wrong: KeyObject): string {
  const alg = signature === 'none' ? 'none' : signature === 'client secret' ? 'HS256' : 'RS256'
  const body = `${base64({ alg, kid: 'k1' })}.${base64(claims)}`
  if (signature === 'none') return `${body}.`
  if (signature === 'cut') return `${body}.${base64('no signature')}`
  if (signature === 'client secret')
    return `${body}.${createHmac('sha256', CLIENT_SECRET).update(body).digest('base64url')}`
  return `${body}.${sign('sha256', Buffer.from(body), signature === 'another key' ? wrong : right).toString('base64url')}`
}

function json(response: ServerResponse, document: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(document))
}
