// Sign-in by a real OpenID Connect provider, as a browser goes through it, against a real server over a real PostgreSQL.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { promisify } from 'node:util'
import { CookieJar } from '../parts/cookie-jar.ts'
import type { ProviderVariant, RunningProvider } from '../parts/identity-provider.ts'
import { CLIENT_SECRET, startIdentityProvider } from '../parts/identity-provider.ts'
import { Home, root } from '../parts/plimsoll.ts'
import type { Settings, SigningIn } from '../parts/signing-in.ts'
import { grantOf, readBy, serveSigningIn, SESSION_MS, signIn, toCallback, toldOf } from '../parts/signing-in.ts'
import { PostgresBenches } from '../parts/stores.ts'
import type { Things } from '../parts/two-projects.ts'
import { NOW, twoProjects } from '../parts/two-projects.ts'
import { routesOf } from './roles-routes.ts'

const run = promisify(execFile)
let benches: PostgresBenches
const closing: (() => Promise<void>)[] = []
before(async () => {
  benches = await PostgresBenches.start()
})
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})
after(() => benches.stop())

const RULES = {
  grants: [
    grantOf('alpha-people', 'member', 'alpha'),
    grantOf('beta-leads', 'lead', 'beta'),
    grantOf('platform', 'admin', null),
    grantOf('ghosts', 'member', 'gone'),
  ],
  contact: '#gpu-help',
} as const

const person = (name: string, groups: readonly string[], more: object = {}) => ({
  email: `${name}@lab.org`,
  email_verified: true,
  preferred_username: name,
  groups,
  ...more,
})

type World = SigningIn & {
  readonly idp: RunningProvider
  readonly pages: string
  readonly things: Record<'alpha' | 'beta', Things>
}

async function world(variant: ProviderVariant = {}, settings: Partial<Settings> = {}): Promise<World> {
  const idp = await startIdentityProvider(variant)
  closing.push(() => idp.close())
  const made = await serveSigningIn(benches, NOW, {
    issuer: idp.issuer,
    rules: RULES,
    ...(variant.authentication === 'none' ? { clientSecret: null } : {}),
    ...settings,
  })
  closing.push(() => made.served.close())
  const things = await twoProjects(made.served)
  idp.open(made.served.url)
  return { ...made, idp, pages: made.served.url, things }
}

const detailOf = (entry: { readonly detail: unknown } | undefined): Readonly<Record<string, unknown>> =>
  Object(entry?.detail)

const auditOf = async ({ served }: World, verb: string) =>
  (await served.control.store.audit(1_000, null)).filter((entry) => entry.verb === verb)

test('somebody in a group has its role in its project and in no other', async () => {
  const here = await world()
  const { idp, pages, things, served } = here
  idp.accounts.set('1-ada', person('Ada', ['alpha-people', 'chess']))
  const jar = new CookieJar()
  const landed = await signIn(jar, pages, '1-ada')
  assert.equal(landed.href, `${pages}/runs?q=x`, 'where she wanted to go, without a code')
  const session = jar.cookies.find(({ name }) => name === 'plimsoll_session')
  assert.match(session?.text ?? '', /; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/)
  const who = await readBy(jar, `${pages}/api/v1/session`)
  assert.deepEqual((who.body as { user: string }).user, 'ada@lab.org')
  assert.deepEqual((who.body as { grants: object }).grants, [{ role: 'member', project: 'alpha' }])

  // Every route that reads, about what is beta's: as if it were not there. Lists have what is alpha's, and no word of beta.
  let asked = 0
  for (const [route, all] of Object.entries(routesOf(served, things.beta)).filter(([each]) =>
    each.startsWith('GET /api'),
  ))
    for (const { about, of, query = '' } of all) {
      const ref = encodeURIComponent((await of?.()) ?? '')
      const path = `${route.slice('GET '.length)}?${query}`.replace(/:\w+/, ref)
      const { status, body } = await readBy(jar, `${pages}${path}`)
      const expected = about === 'thing' ? 404 : about === 'list' ? 200 : null
      if (expected === null) continue
      assert.equal(status, expected, path)
      if (about === 'list') assert.doesNotMatch(JSON.stringify(body), /beta-/, path)
      asked += 1
    }
  assert.ok(asked > 20, `${asked} were asked`)
  assert.ok(JSON.stringify((await readBy(jar, `${pages}/api/v1/table`)).body).includes('alpha-run-1'))
  assert.equal((await readBy(jar, `${pages}/api/v1/runs/${things.alpha.failed}`)).status, 200)
  assert.equal((await readBy(jar, `${pages}/api/v1/tokens`)).status, 403)

  const [entry] = await auditOf(here, 'session.create')
  assert.equal(entry?.actor, 'user:ada@lab.org')
  assert.deepEqual(detailOf(entry)['groups'], ['alpha-people'])
})

test('several groups give several roles, and a role everywhere comes first', async () => {
  const { idp, pages, served } = await world()
  idp.accounts.set('1', person('ada', ['alpha-people', 'beta-leads', 'platform']))
  const jar = new CookieJar()
  await signIn(jar, pages, '1')
  const who = (await readBy(jar, `${pages}/api/v1/session`)).body as { grants: object }
  const grants = [
    { role: 'admin', project: null },
    { role: 'member', project: 'alpha' },
    { role: 'lead', project: 'beta' },
  ]
  assert.deepEqual(who.grants, grants)
  const listed = (await readBy(jar, `${pages}/api/v1/tokens`)).body as {
    tokens: readonly { subject: string; role: string; grants: object; session?: object }[]
  }
  const mine = listed.tokens.find(({ subject }) => subject === 'ada@lab.org')
  assert.equal(mine?.role, 'admin')
  assert.deepEqual(mine.grants, grants)
  assert.equal(Object.hasOwn(mine, 'session'), false)
  // It ends by itself.
  served.clock.set(NOW + SESSION_MS)
  assert.equal((await readBy(jar, `${pages}/api/v1/session`)).status, 401)
})

test('each way of proving who the client is, and claims that only userinfo has', async () => {
  for (const variant of [
    { authentication: 'client_secret_post' },
    { authentication: 'none' },
    { thinIdTokens: true },
  ] as const) {
    const { idp, pages } = await world(variant)
    idp.accounts.set('1', person('ada', ['alpha-people']))
    const jar = new CookieJar()
    assert.equal((await signIn(jar, pages, '1')).pathname, '/runs', JSON.stringify(variant))
    assert.equal(idp.asked.includes('GET /me'), 'thinIdTokens' in variant)
  }
})

test('a group that is gone takes its role away: here at the next sign-in, and in other browsers with it', async () => {
  const here = await world()
  const { idp, pages } = here
  idp.accounts.set('1', person('ada', ['alpha-people', 'platform']))
  const [office, phone] = [new CookieJar(), new CookieJar()]
  for (const jar of [office, phone]) await signIn(jar, pages, '1')
  const grantsOf = async (jar: CookieJar) =>
    ((await readBy(jar, `${pages}/api/v1/session`)).body as { grants?: object }).grants
  idp.accounts.set('1', person('ada', ['alpha-people']))
  await signIn(phone, pages, '1')
  for (const jar of [office, phone]) assert.deepEqual(await grantsOf(jar), [{ role: 'member', project: 'alpha' }])
  assert.equal((await readBy(office, `${pages}/api/v1/tokens`)).status, 403)

  idp.accounts.set('1', person('ada', ['chess']))
  await signIn(phone, pages, '1')
  for (const jar of [office, phone]) assert.equal((await readBy(jar, `${pages}/api/v1/session`)).status, 401)
  const [refused] = await auditOf(here, 'session.refuse')
  assert.equal(detailOf(refused)['code'], 'sign-in-no-group')
})

test('a token that somebody made for the same person stays what it is', async () => {
  const { idp, pages, served } = await world()
  const token = await served.token({ role: 'viewer', project: 'beta', subject: 'ada@lab.org' })
  idp.accounts.set('1', person('ada', []))
  await signIn(new CookieJar(), pages, '1')
  const answer = await fetch(`${pages}/api/v1/session`, { headers: { authorization: `Bearer ${token}` } })
  assert.deepEqual(((await answer.json()) as { grants: object }).grants, [{ role: 'viewer', project: 'beta' }])
})

test('who may not come in is told what is missing and whom to ask, at an address without a code', async () => {
  const { idp, pages, logged } = await world()
  const rows: readonly (readonly [string, object, string, RegExp])[] = [
    ['none', person('a', []), 'sign-in-no-group', /names no group of yours \(the claim groups is missing or empty\)/],
    [
      'one',
      person('b', ['chess']),
      'sign-in-no-group',
      /You are b@lab\.org, but your group \(chess\) has no role here/,
    ],
    ['two', person('c', ['chess', 'go']), 'sign-in-no-group', /none of your 2 groups \(chess, go\) has a role here/],
    ['ghost', person('d', ['ghosts']), 'sign-in-no-group', /a role only in gone, which the policy does not have/],
    ['unverified', person('e', ['platform'], { email_verified: false }), 'sign-in-no-name', /not verified/],
    ['nameless', { groups: ['platform'] }, 'sign-in-no-name', /the claim email is missing/],
    ['odd', person('f', ['platform'], { email: 'a\u202eb@lab.org' }), 'sign-in-no-name', /cannot be one here/],
    [
      'many',
      person(
        'g',
        Array.from({ length: 1_001 }, (_, index) => `g${index}`),
      ),
      'sign-in-too-many-groups',
      /You are in 1001 groups/,
    ],
    [
      'overage',
      { ...person('h', []), groups: undefined, _claim_names: { groups: 'src1' } },
      'sign-in-too-many-groups',
      /more groups than the identity provider tells of/,
    ],
  ]
  for (const [sub, claims, code, message] of rows) {
    idp.accounts.set(sub, { ...claims })
    const jar = new CookieJar()
    assert.equal((await signIn(jar, pages, sub)).href, `${pages}/`, sub)
    const { refusal, provider } = await toldOf(jar, pages)
    assert.deepEqual(provider, { name: 'Lab login', url: `${pages}/sign-in/oidc` })
    assert.equal(refusal?.code, code, sub)
    assert.match(refusal.message, message)
    assert.match(refusal.whatToDo, /^ask #gpu-help\b/)
    assert.equal((await readBy(jar, `${pages}/api/v1/session`)).status, 401)
    assert.ok(logged.some((line) => line.includes(code)))
  }
})

test('giving up at the provider is no error of anybody', async () => {
  const { pages, idp } = await world()
  idp.accounts.set('1', person('ada', ['platform']))
  const jar = new CookieJar()
  assert.equal((await signIn(jar, pages, '')).href, `${pages}/`)
  assert.equal((await toldOf(jar, pages)).refusal?.code, 'sign-in-cancelled')
  // And it says so no longer once she has come in.
  await signIn(jar, pages, '1')
  assert.equal((await toldOf(jar, pages)).refusal, null)
})

test('what is kept is bound to its browser, used once, and good for ten minutes', async () => {
  const { pages, idp, served } = await world()
  idp.accounts.set('1', person('ada', ['platform']))
  const codeOf = async (jar: CookieJar): Promise<string | undefined> => (await toldOf(jar, pages)).refusal?.code
  const jar = new CookieJar()
  const callback = await toCallback(jar, pages, '1')
  const way = jar.cookies.find(({ name }) => name === 'plimsoll_sign_in')
  assert.match(way?.text ?? '', /; Path=\/sign-in\/oidc; SameSite=Lax; HttpOnly; Max-Age=600$/)
  const query = new URL(callback).searchParams
  for (const secret of [query.get('state'), query.get('code'), CLIENT_SECRET])
    assert.ok(secret !== null && !(way?.value ?? '').includes(secret) && !atob(way?.value ?? '').includes(secret))

  const other = new CookieJar()
  await other.ask(callback)
  assert.equal(await codeOf(other), 'sign-in-not-begun', 'a link that another browser is lured to')
  const second = new CookieJar()
  await toCallback(second, pages, '1')
  await second.ask(callback)
  assert.equal(await codeOf(second), 'sign-in-mismatch', 'and one that began a sign-in of its own')

  const stolen = { accept: 'text/html', cookie: `plimsoll_sign_in=${way?.value}` }
  const first = await fetch(callback, { headers: stolen, redirect: 'manual' })
  assert.match(first.headers.getSetCookie().join('\n'), /plimsoll_session=plimsoll_/)
  const again = await fetch(callback, { headers: { ...stolen, accept: 'application/json' }, redirect: 'manual' })
  assert.equal(again.status, 409)
  assert.equal(((await again.json()) as { code: string }).code, 'sign-in-used')
  assert.equal((await fetch(callback, { headers: { cookie: 'plimsoll_sign_in=nonsense' } })).status, 400)

  const slow = new CookieJar()
  const late = await toCallback(slow, pages, '1')
  served.clock.set(NOW + 600_001)
  await slow.ask(late)
  assert.equal(await codeOf(slow), 'sign-in-too-late')
})

test('another replica takes the answer', async () => {
  const { pages, idp, served } = await world()
  const replica = await serveSigningIn(benches, NOW, {
    issuer: idp.issuer,
    rules: RULES,
    pages: () => pages,
    database: served.database,
  })
  closing.push(() => replica.served.close())
  idp.accounts.set('1', person('ada', ['platform']))
  const jar = new CookieJar()
  const callback = new URL(await toCallback(jar, pages, '1'))
  const cookie = jar.cookies.find(({ name }) => name === 'plimsoll_sign_in')
  const there = `${replica.served.url}${callback.pathname}${callback.search}`
  const headers = { cookie: `plimsoll_sign_in=${cookie?.value}`, accept: 'text/html' }
  const answer = await fetch(there, { headers, redirect: 'manual' })
  assert.equal(answer.headers.get('location'), '/runs?q=x')
  const session = /plimsoll_session=([^;]+)/.exec(answer.headers.getSetCookie().join())?.[1]
  const seen = await fetch(`${pages}/api/v1/session`, { headers: { cookie: `plimsoll_session=${session}` } })
  assert.equal(seen.status, 200)
})

test('it leads to a path of our own, whatever a link says', async () => {
  const { pages, idp } = await world()
  idp.accounts.set('1', person('ada', ['platform']))
  const jar = new CookieJar()
  for (const [to, landed] of [
    ['/cost?by=run', '/cost?by=run'],
    ['https://evil.test/', '/'],
    ['//evil.test/', '/'],
    ['/\\evil.test/', '/'],
    ['/a/..//evil.test', '/'],
    ['/%0d%0aset-cookie:x', '/%0d%0aset-cookie:x'],
    ['/\r\nx', '/'],
    ['/sign-in/oidc', '/'],
    [`/${'x'.repeat(1_000)}`, '/'],
  ] as const)
    assert.equal((await signIn(jar, pages, '1', to)).href, new URL(landed, pages).href, to)
})

test('signing out ends the session and is in the audit log', async () => {
  const here = await world()
  const { pages, idp } = here
  idp.accounts.set('1', person('ada', ['platform']))
  const jar = new CookieJar()
  await signIn(jar, pages, '1')
  const secret = jar.cookies.find(({ name }) => name === 'plimsoll_session')?.value
  const out = await jar.ask(`${pages}/api/v1/session`, { method: 'DELETE', headers: { 'x-plimsoll': '1' } })
  assert.equal(out.response.status, 204)
  assert.equal(
    jar.cookies.some(({ name }) => name === 'plimsoll_session'),
    false,
  )
  const kept = await fetch(`${pages}/api/v1/session`, { headers: { cookie: `plimsoll_session=${secret}` } })
  assert.equal(kept.status, 401)
  const [entry] = await auditOf(here, 'session.end')
  assert.equal(entry?.actor, 'user:ada@lab.org')
})

test('a session does not become another one, which would outlive it; a token does', async () => {
  const { pages, idp, served } = await world()
  idp.accounts.set('1', person('ada', ['platform']))
  const jar = new CookieJar()
  await signIn(jar, pages, '1')
  const exchanged = async (code: string): Promise<number> => {
    const headers = { 'content-type': 'application/json' }
    return (await fetch(`${pages}/api/v1/session`, { method: 'POST', body: JSON.stringify({ code }), headers })).status
  }
  const secret = jar.cookies.find(({ name }) => name === 'plimsoll_session')?.value ?? ''
  assert.equal(await exchanged(secret), 401)
  assert.equal(await exchanged(await served.token({ role: 'viewer', project: 'alpha', subject: 'ada' })), 204)
})

test('a provider that is away keeps nobody else out, and is asked again', async () => {
  const idp = await startIdentityProvider()
  const { served, logged } = await serveSigningIn(benches, NOW, { issuer: idp.issuer, rules: RULES })
  closing.push(() => served.close())
  const { url: pages } = served
  await twoProjects(served)
  const jar = new CookieJar()
  const tried = async () => {
    const { response } = await jar.ask(`${pages}/sign-in/oidc`)
    return { location: response.headers.get('location') ?? '', code: (await toldOf(jar, pages)).refusal?.code }
  }
  // It answers 503, then not at all, then as it should.
  assert.deepEqual(await tried(), { location: `${pages}/`, code: 'sign-in-provider-away' })
  const port = Number(new URL(idp.issuer).port)
  await idp.close()
  assert.equal((await tried()).code, 'sign-in-provider-away')
  assert.ok(
    logged.some((line) => line.includes('ECONNREFUSED')),
    logged.join('\n'),
  )
  assert.equal((await fetch(`${pages}/readyz`)).status, 200)
  const program = await fetch(`${pages}/sign-in/oidc`, { headers: { accept: 'application/json' } })
  assert.equal(program.status, 503)
  assert.equal(((await program.json()) as { code: string }).code, 'sign-in-provider-away')

  const back = await startIdentityProvider({ port })
  closing.push(() => back.close())
  back.accounts.set('1', person('ada', ['platform']))
  back.open(pages)
  assert.equal((await signIn(jar, pages, '1', '/now')).href, `${pages}/now`)
  assert.equal((await toldOf(jar, pages)).refusal, null)
})

test('doctor says whether the provider answers, and is who it should be', async () => {
  const idp = await startIdentityProvider()
  closing.push(() => idp.close())
  const said = async (issuer: string) => {
    const home = new Home(`signIn: { oidc: { issuer: '${issuer}', name: Lab login, clientId: a } }\n`)
    try {
      const { stdout } = await run(process.execPath, [join(root, 'bin/plimsoll.mjs'), 'doctor', '-o', 'json'], {
        env: home.env,
      }).catch((error: { stdout: string }) => error)
      const { checks } = JSON.parse(stdout) as { checks: readonly { name: string; state: string; detail: string }[] }
      return checks.find(({ name }) => name === 'sign-in')
    } finally {
      await home.remove()
    }
  }
  assert.equal((await said(idp.issuer))?.state, 'wrong')
  idp.open('http://127.0.0.1:1')
  assert.deepEqual(await said(idp.issuer), {
    name: 'sign-in',
    state: 'good',
    detail: `Lab login answers as ${idp.issuer}`,
    whatToDo: null,
  })
})

test('no code, no token and no secret is in any log', async () => {
  const { pages, idp, logged, served } = await world({}, { clientSecret: 'another-secret-than-the-provider-has' })
  idp.accounts.set('1', person('ada', ['platform']))
  const jar = new CookieJar()
  const callback = await toCallback(jar, pages, '1')
  await jar.ask(callback)
  assert.equal((await toldOf(jar, pages)).refusal?.code, 'sign-in-provider-refused')
  const text = [...logged, ...served.faults].join('\n')
  assert.match(text, /invalid_client/)
  const query = new URL(callback).searchParams
  for (const secret of [query.get('code'), query.get('state'), 'another-secret-than-the-provider-has'])
    assert.ok(secret !== null && !text.includes(secret))
  assert.deepEqual(served.faults, [])
})
