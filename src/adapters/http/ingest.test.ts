import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import type { ReportBatch } from '../../domain/report.ts'
import { refused } from '../../domain/refusal.ts'
import type { Requests } from '../../ports/requests.ts'
import { fakes } from './fakes.fixture.ts'
import { createIngestServer } from './ingest.ts'

const page = readFileSync(new URL('../../../docs/ingest-v1.md', import.meta.url), 'utf8')
const example = /^\{"version":1,"source".*$/m.exec(page)?.[0] ?? ''
const ATTEMPT = 'r0123456789abcdef-1'
const HEADERS = { authorization: 'Bearer good', 'plimsoll-attempt': ATTEMPT, 'content-type': 'application/json' }

async function serving(work: (app: FastifyInstance, fake: ReturnType<typeof fakes>) => Promise<void>): Promise<void> {
  const fake = fakes()
  const isTokenOf = (attempt: string, token: string): boolean => attempt === ATTEMPT && token === 'good'
  const app = await createIngestServer({ requests: () => fake.requests, isTokenOf, log: null })
  try {
    await work(app, fake)
  } finally {
    await app.close()
  }
}

const post = (app: FastifyInstance, payload: string | Buffer, headers: object = {}) =>
  app.inject({ method: 'POST', url: '/ingest/v1/facts', headers: { ...HEADERS, ...headers }, payload })

test('the worked example is answered as the protocol says, gzipped as well', () =>
  serving(async (app, fake) => {
    const plain = await post(app, example)
    assert.deepEqual([plain.statusCode, plain.json()], [200, { version: 1, accepted: 3, refused: [], directives: [] }])
    const packed = await post(app, gzipSync(example), { 'content-encoding': 'gzip' })
    assert.equal(packed.statusCode, 200)
    const batches = fake.asked.map(({ with: [batch] }) => batch as ReportBatch)
    assert.deepEqual(batches[0], batches[1])
  }))

test('without the token of that attempt nothing is read', () =>
  serving(async (app, fake) => {
    for (const headers of [
      { authorization: 'Bearer bad' },
      { authorization: '' },
      { 'plimsoll-attempt': 'r0123456789abcdef-2' },
      { 'plimsoll-attempt': 'x' },
      { 'plimsoll-attempt': `${ATTEMPT},${ATTEMPT}` },
    ])
      assert.equal((await post(app, example, headers)).statusCode, 401)
    const bare = await app.inject({
      method: 'POST',
      url: '/ingest/v1/facts',
      headers: { authorization: 'Bearer good', 'content-type': 'application/json' },
      payload: example,
    })
    assert.equal(bare.statusCode, 401)
    assert.match(bare.json<{ whatToDo: string }>().whatToDo, /header Plimsoll-Attempt/)
    assert.deepEqual(fake.asked, [])
  }))

test('what cannot be read has the status that makes a reporter do the right thing', () =>
  serving(async (app, fake) => {
    const bomb = gzipSync(Buffer.alloc(5 * 2 ** 20))
    const rows: [string | Buffer, object, number][] = [
      ['{', {}, 422],
      ['{"version":2}', {}, 422],
      [Buffer.from([0xff, 0xfe]), {}, 422],
      ['not gzip', { 'content-encoding': 'gzip' }, 422],
      [example, { 'content-encoding': 'br' }, 415],
      [bomb, { 'content-encoding': 'gzip' }, 413],
      ['x'.repeat(2 ** 20 + 1), {}, 413],
    ]
    for (const [payload, headers, status] of rows) assert.equal((await post(app, payload, headers)).statusCode, status)
    assert.deepEqual(fake.asked, [])
    fake.answer = async () => refused('attempt-over', 'it is over')
    assert.equal((await post(app, example)).statusCode, 410)
    assert.equal((await app.inject('/')).statusCode, 404)
  }))

test('while the process starts, a reporter is asked to send again', async () => {
  const app = await createIngestServer({ requests: (): Requests | null => null, isTokenOf: () => true, log: null })
  const response = await post(app, example)
  assert.deepEqual([response.statusCode, response.headers['retry-after']], [503, '1'])
  await app.close()
})
