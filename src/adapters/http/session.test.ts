import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import { fakes, SECRET } from './fakes.fixture.ts'
import { createServer } from './server.ts'
import type { SignIn } from './session.ts'

const folder = mkdtempSync(join(tmpdir(), 'plimsoll-pages-'))
mkdirSync(join(folder, 'assets'))
writeFileSync(join(folder, 'index.html'), '<!doctype html><title>pages</title>')
writeFileSync(join(folder, 'assets', 'a-1.js'), 'export {}')
test.after(() => rmSync(folder, { recursive: true }))

/** One code, good once; it gives the session that the fakes know. */
function oneCode(): SignIn & { readonly ended: string[] } {
  const codes = new Set(['good'])
  const ended: string[] = []
  return {
    takes: 'link',
    ended,
    exchange: async (code) => (codes.delete(code) ? { secret: SECRET, expiresAt: Date.now() + 60_000 } : null),
    end: async (secret) => void ended.push(secret),
  }
}

async function serving(
  work: (app: FastifyInstance, signIn: ReturnType<typeof oneCode>, fake: ReturnType<typeof fakes>) => Promise<void>,
): Promise<void> {
  const [signIn, fake] = [oneCode(), fakes()]
  const app = await createServer({ ...fake, signIn, pages: folder })
  try {
    await work(app, signIn, fake)
  } finally {
    await app.close()
  }
}

const signInWith = (app: FastifyInstance, code: string) =>
  app.inject({ method: 'POST', url: '/api/v1/session', payload: { code } })

test('a code signs in once; its cookie is out of reach of scripts and of other sites', () =>
  serving(async (app) => {
    const first = await signInWith(app, 'good')
    assert.equal(first.statusCode, 204)
    const cookie = String(first.headers['set-cookie'])
    assert.match(cookie, /HttpOnly/)
    assert.match(cookie, /SameSite=Strict/)
    for (const code of ['good', 'bad', '']) assert.notEqual((await signInWith(app, code)).statusCode, 204)
    const headers = { cookie: cookie.split(';')[0] ?? '' }
    const session = await app.inject({ url: '/api/v1/session', headers })
    assert.equal(session.json<{ schema: string }>().schema, 'plimsoll.session/v1')
    assert.equal((await app.inject({ url: '/api/v1/session' })).statusCode, 401)
  }))

test('with nothing but a cookie, only our own page changes something', () =>
  serving(async (app, signIn, fake) => {
    const headers = { cookie: `other=1; plimsoll_session=${SECRET}` }
    const pause = { method: 'POST', url: '/api/v1/queue/pause', payload: {} } as const
    assert.equal((await app.inject({ ...pause, headers })).statusCode, 403)
    assert.deepEqual(fake.asked, [])
    assert.equal((await app.inject({ ...pause, headers: { ...headers, 'x-plimsoll': '1' } })).statusCode, 200)
    const out = await app.inject({
      method: 'DELETE',
      url: '/api/v1/session',
      headers: { ...headers, 'x-plimsoll': '1' },
    })
    assert.match(String(out.headers['set-cookie']), /Max-Age=0/)
    assert.deepEqual(signIn.ended, [SECRET])
  }))

test('every address that is no file is the page; an unknown one of the API is not', () =>
  serving(async (app) => {
    const html = { accept: 'text/html,*/*' }
    for (const url of ['/', '/runs', '/runs/demo%2Fmoe/experts?step=3']) {
      const page = await app.inject({ url, headers: html })
      assert.equal(page.statusCode, 200, url)
      assert.match(page.body, /<title>pages/)
      assert.match(String(page.headers['content-security-policy']), /script-src 'self'/)
      assert.equal(page.headers['cache-control'], 'no-cache')
    }
    const asset = await app.inject({ url: '/assets/a-1.js' })
    assert.match(String(asset.headers['cache-control']), /immutable/)
    for (const url of ['/assets/b.js', '/../package.json', '/assets/..%2f..%2fpackage.json'])
      assert.equal((await app.inject({ url })).statusCode, 404, url)
    assert.equal((await app.inject({ url: '/api/v1/nothing', headers: html })).statusCode, 401)
    assert.equal((await app.inject({ url: '/api', headers: html })).statusCode, 401)
  }))

test('without built pages a sentence says how they are made', async () => {
  const app = await createServer({ ...fakes(), pages: null })
  assert.match((await app.inject({ url: '/', headers: { accept: 'text/html' } })).body, /npm run build:web/)
  await app.close()
})
