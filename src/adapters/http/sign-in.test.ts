import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import type { SignInRefusal } from '../../domain/sign-in.ts'
import { signInRefused } from '../../domain/sign-in.ts'
import { Fault } from '../../ports/fault.ts'
import type { ProviderSignIn } from '../../ports/identity.ts'
import { fakes } from './fakes.fixture.ts'
import { createServer } from './server.ts'

const HTML = { accept: 'text/html,*/*' }
const NO = signInRefused('sign-in-no-group', 'You have no group.', 'ask ada', 'only for the log')

function fakeProvider(pages: string, answer: SignInRefusal | null = null) {
  const seen: { to?: string | undefined; query?: string; kept?: string | undefined } = {}
  const provider: ProviderSignIn = {
    name: 'Lab',
    pages: () => pages,
    async begin(to) {
      seen.to = to
      return answer ?? { ok: true, value: { location: 'https://login.test/auth?x=1', kept: 'sealed+/=' } }
    },
    async finish(query, kept) {
      Object.assign(seen, { query: query.toString(), kept })
      return answer ?? { ok: true, value: { secret: 'secret', seconds: 60, to: '/runs' } }
    },
    keepRefusal: ({ code }) => `kept-${code}`,
    keptRefusal: (kept) => (kept === `kept-${NO.code}` ? NO : null),
  }
  return { provider, seen }
}

async function serving(provider: ProviderSignIn | null, work: (app: FastifyInstance) => Promise<void>): Promise<void> {
  const app = await createServer({ ...fakes(), provider })
  try {
    await work(app)
  } finally {
    await app.close()
  }
}

test('cookies of pages that are read by https go by https alone, and those of the way to its addresses alone', async () => {
  for (const [pages, path, secure] of [
    ['https://gpu.lab.org', '/sign-in/oidc', '; Secure'],
    ['https://lab.org/gpu', '/gpu/sign-in/oidc', '; Secure'],
    ['http://127.0.0.1:7420', '/sign-in/oidc', ''],
  ] as const)
    await serving(fakeProvider(pages).provider, async (app) => {
      const begun = await app.inject({ url: '/sign-in/oidc', headers: HTML })
      assert.equal(begun.statusCode, 303)
      assert.equal(begun.headers.location, 'https://login.test/auth?x=1')
      assert.equal(begun.headers['cache-control'], 'no-store')
      assert.equal(begun.headers['referrer-policy'], 'no-referrer')
      assert.deepEqual(begun.headers['set-cookie'], [
        `plimsoll_sign_in=sealed+/=; Path=${path}; SameSite=Lax; HttpOnly; Max-Age=600${secure}`,
        `plimsoll_refused=; Path=/; SameSite=Strict; HttpOnly; Max-Age=0${secure}`,
      ])
      const done = await app.inject({ url: '/sign-in/oidc/callback?code=c&state=s', headers: HTML })
      assert.deepEqual([done.statusCode, done.headers.location], [303, '/runs'])
      const cookies = [done.headers['set-cookie']].flat()
      assert.ok(cookies.includes(`plimsoll_session=secret; Path=/; HttpOnly; SameSite=Strict; Max-Age=60${secure}`))
      assert.ok(cookies.includes(`plimsoll_sign_in=; Path=${path}; SameSite=Lax; HttpOnly; Max-Age=0${secure}`))
    })
})

test('what the provider put behind the callback and what was kept arrive as they were sent', async () => {
  const { provider, seen } = fakeProvider('http://127.0.0.1:7420')
  await serving(provider, async (app) => {
    const headers = { cookie: 'a=1; plimsoll_sign_in=sealed+/=; plimsoll_session=x' }
    await app.inject({ url: '/sign-in/oidc/callback?code=a%2Fb&state=s?t', headers })
    assert.deepEqual({ ...seen }, { query: 'code=a%2Fb&state=s%3Ft', kept: 'sealed+/=' })
    await app.inject({ url: '/sign-in/oidc/callback', headers: { cookie: `plimsoll_sign_in=${'x'.repeat(5_000)}` } })
    assert.deepEqual({ ...seen }, { query: '', kept: undefined })
    await app.inject({ url: '/sign-in/oidc?to=%2Fruns&to=%2Fnow' })
    assert.equal(seen.to, undefined, 'two of them are none')
  })
})

test('a browser that is refused lands on the sign-in page, and a program has the problem', async () => {
  await serving(fakeProvider('https://gpu.lab.org', NO).provider, async (app) => {
    for (const url of ['/sign-in/oidc', '/sign-in/oidc/callback?code=c']) {
      const page = await app.inject({ url, headers: HTML })
      assert.deepEqual([page.statusCode, page.headers.location], [303, 'https://gpu.lab.org/'])
      assert.match(
        String(page.headers['set-cookie']),
        /plimsoll_refused=kept-sign-in-no-group; Path=\/; SameSite=Strict/,
      )
      const program = await app.inject({ url })
      assert.equal(program.statusCode, 403)
      const problem = program.json<{ code: string; detail: string; whatToDo: string }>()
      assert.deepEqual([problem.code, problem.detail, problem.whatToDo], [NO.code, NO.message, NO.whatToDo])
      assert.doesNotMatch(program.body, /only for the log/)
    }
    const headers = { cookie: 'plimsoll_refused=kept-sign-in-no-group' }
    const told = await app.inject({ url: '/api/v1/sign-in', headers })
    assert.deepEqual(told.json(), {
      schema: 'plimsoll.sign-in/v1',
      takes: 'link',
      provider: { name: 'Lab', url: 'https://gpu.lab.org/sign-in/oidc' },
      refusal: { code: NO.code, message: NO.message, whatToDo: NO.whatToDo },
    })
  })
})

test('where the store is away, no code stays in the address of a browser', async () => {
  const { provider } = fakeProvider('https://gpu.lab.org')
  const away = new Fault('store-unavailable', 'no connection', { retryable: true })
  await serving({ ...provider, finish: () => Promise.reject(away) }, async (app) => {
    const page = await app.inject({ url: '/sign-in/oidc/callback?code=c', headers: HTML })
    assert.deepEqual([page.statusCode, page.headers.location], [303, 'https://gpu.lab.org/'])
    const program = await app.inject({ url: '/sign-in/oidc/callback?code=c' })
    assert.equal(program.json<{ code: string }>().code, 'unavailable')
  })
})

test('without a provider there is no sign-in by one, and the page knows', () =>
  serving(null, async (app) => {
    for (const url of ['/sign-in/oidc', '/sign-in/oidc/callback?code=c'])
      assert.equal((await app.inject({ url, headers: HTML })).statusCode, 404)
    const told = await app.inject({ url: '/api/v1/sign-in' })
    assert.deepEqual(told.json(), { schema: 'plimsoll.sign-in/v1', takes: 'link', provider: null, refusal: null })
  }))
