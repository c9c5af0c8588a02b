// A provider that lies, is slow, or speaks nonsense: each time a clear "no", no session, no crash, and nothing secret in a log.
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { after, before, test } from 'node:test'
import { CookieJar } from '../parts/cookie-jar.ts'
import { CLIENT_SECRET } from '../parts/identity-provider.ts'
import type { Lie, LyingProvider } from '../parts/lying-provider.ts'
import { startLyingProvider } from '../parts/lying-provider.ts'
import { grantOf, readBy, serveSigningIn, toldOf } from '../parts/signing-in.ts'
import { PostgresBenches } from '../parts/stores.ts'
import { NOW } from '../parts/two-projects.ts'

let benches: PostgresBenches
before(async () => {
  benches = await PostgresBenches.start()
})
after(() => benches.stop())

const silent = (): void => {}
const html = (response: ServerResponse): void =>
  void response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Login</h1>')
const failing = (response: ServerResponse): void => void response.writeHead(502).end('<h1>Bad gateway</h1>')
const elsewhere = (response: ServerResponse): void =>
  void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
function endless(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.on('error', silent)
  const more = (): void => {
    if (!response.destroyed && response.write('x'.repeat(65_536))) setImmediate(more)
    else response.once('drain', more)
  }
  more()
}
/** An answer that never ends, a byte now and then. */
function dripping(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  const timer = setInterval(() => response.write(' '), 20)
  response.on('close', () => clearInterval(timer))
}
const refusing = (error: string, status: number, headers: Record<string, string> = {}) => {
  return (response: ServerResponse): void =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ error }))
}

const WRONG = 'sign-in-provider-wrong'
const AWAY = 'sign-in-provider-away'
const LIES: readonly (readonly [string, Lie, string])[] = [
  ['another issuer in its own description', { metadata: { issuer: 'https://other.test' } }, WRONG],
  ['an issuer that is no address', { metadata: { issuer: 'nonsense' } }, WRONG],
  ['no issuer', { metadata: { issuer: undefined } }, WRONG],
  ['no endpoint to send people to', { metadata: { authorization_endpoint: undefined } }, WRONG],
  ['no keys', { metadata: { jwks_uri: undefined } }, WRONG],
  ['a page in the place of its description', { instead: { discovery: html } }, WRONG],
  ['a redirect in its place', { instead: { discovery: elsewhere } }, WRONG],
  ['an error of a proxy', { instead: { discovery: failing } }, AWAY],
  ['no answer', { instead: { discovery: silent } }, AWAY],
  ['an answer that drips', { instead: { discovery: dripping } }, AWAY],
  ['an answer without end', { instead: { discovery: endless } }, AWAY],
  ['another issuer behind the callback', { callback: { iss: 'https://other.test' } }, WRONG],
  ['no issuer behind the callback', { callback: { iss: '' } }, WRONG],
  ['another state', { callback: { state: 'other' } }, 'sign-in-mismatch'],
  ['no state', { callback: { state: '' } }, 'sign-in-mismatch'],
  ['no code', { callback: { code: '' } }, WRONG],
  ['a code that it does not know', { callback: { code: 'old' } }, 'sign-in-used'],
  ['error=access_denied', { callback: { code: '', error: 'access_denied' } }, 'sign-in-cancelled'],
  ['error=temporarily_unavailable', { callback: { code: '', error: 'temporarily_unavailable' } }, AWAY],
  ['error=unauthorized_client', { callback: { code: '', error: 'unauthorized_client' } }, 'sign-in-provider-refused'],
  ['a script as an error', { callback: { code: '', error: '<script>alert(1)</script>' } }, 'sign-in-provider-refused'],
  ['a token of another issuer', { claims: () => ({ iss: 'https://other.test' }) }, WRONG],
  ['a token for another client', { claims: () => ({ aud: 'other' }) }, WRONG],
  ['a token for several clients', { claims: () => ({ aud: ['plimsoll-test', 'other'], azp: 'other' }) }, WRONG],
  ['a token with another nonce', { claims: () => ({ nonce: 'other' }) }, WRONG],
  ['a token without a nonce', { claims: () => ({ nonce: undefined }) }, WRONG],
  ['a token without a subject', { claims: () => ({ sub: undefined }) }, WRONG],
  ['a token that is over', { claims: (nowS) => ({ exp: nowS - 120 }) }, WRONG],
  ['a token of the day after', { claims: (nowS) => ({ nbf: nowS + 86_400 }) }, WRONG],
  ['a token signed with another key', { signature: 'another key' }, WRONG],
  ['a token with no signature', { signature: 'none' }, WRONG],
  ['a token signed with the secret of the client', { signature: 'client secret' }, WRONG],
  ['a token whose signature is cut', { signature: 'cut' }, WRONG],
  ['no token at all', { tokens: { id_token: undefined } }, WRONG],
  ['a token that is none', { tokens: { id_token: 'a.b.c' } }, WRONG],
  ['tokens as a page', { instead: { token: html } }, WRONG],
  ['tokens that are elsewhere', { instead: { token: elsewhere } }, WRONG],
  ['tokens never', { instead: { token: silent } }, AWAY],
  ['tokens without end', { instead: { token: endless } }, AWAY],
  ['tokens of a proxy', { instead: { token: failing } }, AWAY],
  [
    'a client that it does not know',
    { instead: { token: refusing('invalid_client', 401) } },
    'sign-in-provider-refused',
  ],
  [
    'the same, as the header has it',
    { instead: { token: refusing('invalid_client', 401, { 'www-authenticate': 'Basic realm="x"' }) } },
    'sign-in-provider-refused',
  ],
  ['keys never', { instead: { keys: silent } }, AWAY],
  ['keys as a page', { instead: { keys: html } }, WRONG],
  [
    'somebody else at userinfo',
    { claims: () => ({ email: undefined }), userinfo: { sub: '2', email: 'x@y.z' } },
    WRONG,
  ],
  [
    'an address that is verified elsewhere',
    {
      claims: () => ({ email: 'boss@lab.org', email_verified: undefined }),
      userinfo: { email: 'ada@lab.org', email_verified: true },
    },
    'sign-in-no-name',
  ],
  ['a subject that cannot be stored', { claims: () => ({ sub: 'a\0b', groups: [] }) }, 'sign-in-no-name'],
  ['a subject without end', { claims: () => ({ sub: 'x'.repeat(300) }) }, 'sign-in-no-name'],
  ['a name that cannot be stored', { claims: () => ({ email: 'a\0@lab.org' }) }, 'sign-in-no-name'],
  ['half of a character as a subject', { claims: () => ({ sub: '\ud800' }) }, 'sign-in-no-name'],
  ['half of a character in a name', { claims: () => ({ email: 'a\ud800@lab.org' }) }, 'sign-in-no-name'],
  ['groups that cannot be stored', { claims: () => ({ groups: ['a\0b', '\ud800'] }) }, 'sign-in-no-group'],
  ['a name that is a number', { claims: () => ({ email: 7 }) }, 'sign-in-no-name'],
  ['groups that are an object', { claims: () => ({ groups: { platform: true } }) }, 'sign-in-no-group'],
  ['groups that are numbers', { claims: () => ({ groups: [1, null, {}] }) }, 'sign-in-no-group'],
  ['a verified address in words', { claims: () => ({ email_verified: 'true' }) }, 'sign-in-no-name'],
]

const TRUE: readonly (readonly [string, Lie])[] = [
  ['the truth', {}],
  ['a clock that is a minute ahead', { claims: (nowS) => ({ iat: nowS + 60, nbf: nowS + 60, exp: nowS + 360 }) }],
  ['a clock that is a minute behind', { claims: (nowS) => ({ iat: nowS - 360, exp: nowS - 60 }) }],
  ['one group as a text', { claims: () => ({ groups: 'platform' }) }],
  [
    'an address that userinfo verifies',
    { claims: () => ({ email_verified: undefined }), userinfo: { email: 'ada@lab.org', email_verified: true } },
  ],
  [
    'groups that userinfo has',
    { claims: () => ({ groups: undefined }), userinfo: { groups: ['platform'], email: 'ada@lab.org' } },
  ],
]

async function tried(provider: LyingProvider, lie: Lie) {
  provider.lie = lie
  const { served, logged } = await serveSigningIn(benches, NOW, {
    issuer: provider.issuer,
    rules: { grants: [grantOf('platform', 'admin', null)] },
    timeoutMs: 300,
  })
  try {
    const jar = new CookieJar()
    const steps = await jar.follow(await jar.ask(`${served.url}/sign-in/oidc`), (url) => url === `${served.url}/`)
    const ended = steps.at(-1)?.url
    const { refusal } = await toldOf(jar, served.url)
    const { status } = await readBy(jar, `${served.url}/api/v1/session`)
    return {
      ended: ended?.slice(served.url.length),
      refusal,
      status,
      text: [...logged, ...served.faults].join('\n'),
      served,
    }
  } finally {
    await served.close()
  }
}

test('the truth is believed, also where clocks differ by a minute', async () => {
  const provider = await startLyingProvider()
  try {
    for (const [what, lie] of TRUE) {
      const { ended, refusal, status } = await tried(provider, lie)
      assert.deepEqual([ended, refusal, status], ['/', null, 200], what)
    }
  } finally {
    await provider.close()
  }
})

for (const [what, lie, code] of LIES)
  test(`${what}: ${code}`, async () => {
    const provider = await startLyingProvider()
    try {
      const { ended, refusal, status, text, served } = await tried(provider, lie)
      assert.equal(refusal?.code, code, text)
      assert.deepEqual([ended, status], ['/', 401])
      assert.match(text, new RegExp(code), 'it is in the log')
      assert.deepEqual(served.faults, [])
      for (const secret of [CLIENT_SECRET, 'code-0', 'access-token', 'eyJ', '<script>'])
        assert.ok(!text.includes(secret), text)
      assert.doesNotMatch(`${refusal.message} ${refusal.whatToDo}`, /code-0|eyJ|<script>|undefined/)
    } finally {
      await provider.close()
    }
  })
