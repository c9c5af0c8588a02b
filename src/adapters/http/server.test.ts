import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyInstance, InjectOptions } from 'fastify'
import type { DocumentName } from '../../contract/documents.ts'
import { DOCUMENTS } from '../../contract/documents.ts'
import { ERRORS } from '../../contract/errors.ts'
import type { ProblemDocument } from '../../contract/problem-document.ts'
import { problemDocument } from '../../contract/problem-document.ts'
import { REQUEST_BYTES_MAX } from '../../domain/limits.ts'
import { REFUSAL_CODES, refused } from '../../domain/refusal.ts'
import { Fault } from '../../ports/fault.ts'
import type { Fakes } from './fakes.fixture.ts'
import { fakes, POLICY, run, SECRET } from './fakes.fixture.ts'
import { openApiDocument } from './openapi.ts'
import { createServer } from './server.ts'

const AUTH = { authorization: `Bearer ${SECRET}` }
const SPEC = { name: 'moe', project: 'demo', command: ['python', 'train.py'], resources: { nodes: 2, gpusPerNode: 2 } }
const NODE = encodeURIComponent('local/node-0/1')
type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
type Case = readonly [Method, string, DocumentName, unknown?, number?]

const ROUTES: readonly Case[] = [
  ['POST', '/runs', 'run', SPEC, 201],
  ['POST', '/plan', 'plan', SPEC],
  ['GET', '/runs?project=demo&state=running&limit=2&after=r0123456789abcdef', 'runs'],
  ['GET', `/runs/${run.id}`, 'show'],
  ['GET', '/runs/demo%2Fmoe', 'show'],
  ['GET', `/runs/${run.id}/statement`, 'statement'],
  ['GET', `/runs/${run.id}/why`, 'why'],
  ['GET', `/runs/${run.id}/events?limit=5`, 'events'],
  ['GET', `/runs/${run.id}/logs?worker=1&attempt=1&offset=20`, 'logs'],
  ['GET', '/table?q=moe&state=running,queued&sort=gpus&order=asc&limit=2', 'table'],
  ['GET', `/runs/${run.id}/series?points=100`, 'series'],
  ['GET', `/runs/${run.id}/logs/search?q=error`, 'log-search'],
  ['GET', `/runs/${run.id}/experts?attempt=1&points=64`, 'experts'],
  ['GET', `/runs/${run.id}/experts/tile?measure=cv&from=8&points=64`, 'expert-tile'],
  ['GET', `/runs/${run.id}/experts/frame?step=120`, 'expert-frame'],
  ['GET', `/runs/${run.id}/experts/history?layer=0&expert=3`, 'expert-history'],
  ['POST', `/runs/${run.id}/stop`, 'run', { now: true }],
  ['POST', `/runs/${run.id}/stop`, 'run'],
  ['POST', `/runs/${run.id}/suspend`, 'run'],
  ['POST', `/runs/${run.id}/resume`, 'run', {}],
  ['GET', '/counts', 'counts'],
  ['GET', '/queue', 'queue'],
  ['POST', '/queue/pause', 'queue-steered', { reason: 'upgrade' }],
  ['POST', '/queue/resume', 'queue-steered'],
  ['GET', '/nodes', 'nodes'],
  ['POST', `/nodes/${NODE}/cordon`, 'node-steered', { reason: 'fan' }],
  ['POST', `/nodes/${NODE}/uncordon`, 'node-steered'],
  ['POST', `/nodes/${NODE}/forget`, 'node-steered', { reason: 'sold' }],
  ['GET', '/budgets', 'budgets'],
  ['GET', '/budgets/extensions?limit=2', 'extensions'],
  ['POST', '/budgets/lab@2026-11/extensions', 'extension', { amount: 5, reason: 'more' }, 201],
  ['POST', '/budgets/extensions/x1/grant', 'extension', { answer: 'yes' }],
  ['POST', '/budgets/extensions/x1/refuse', 'extension'],
  ['GET', '/ledger?by=project,account,label:team&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00%2B01:00', 'ledger'],
  ['GET', '/comparison?from=2026-01-01T00:00:00Z', 'comparison'],
  ['GET', '/findings', 'findings'],
  ['GET', `/findings?run=${run.id}&open=true&limit=2&after=1~x`, 'findings'],
  ['GET', '/alerts', 'alerts'],
  ['GET', '/alerts/deliveries?limit=2&after=1~n1', 'deliveries'],
  [
    'POST',
    '/alerts/channels',
    'channel-created',
    { name: 'oncall', address: { kind: 'webhook', url: 'https://hooks.test/in' } },
    201,
  ],
  ['DELETE', '/alerts/channels/oncall', 'channel'],
  ['POST', '/alerts/channels/oncall/test', 'channel-tested'],
  ['POST', '/alerts/channels/oncall/wake', 'channel'],
  ['POST', '/alerts/silences', 'silence', { rule: 'no-progress', forMs: 3_600_000, reason: 'known' }, 201],
  ['DELETE', '/alerts/silences/s1', 'silence'],
  ['POST', '/alerts/acknowledgements', 'acknowledgement', { finding: 'no-progress/x/1', note: 'mine' }],
  ['POST', '/alerts/acknowledgements/end', 'acknowledgement', { finding: 'no-progress/x/1' }],
  ['GET', '/audit', 'audit'],
  ['GET', '/policy', 'policy'],
  ['PUT', '/policy', 'policy-applied', POLICY],
  ['GET', '/tokens', 'tokens'],
  ['POST', '/tokens', 'token-created', { name: 'ci', subject: 'ada', role: 'member' }, 201],
  ['DELETE', '/tokens/t01', 'token'],
]

/** Routes whose answer is no document. */
const FILES: readonly string[] = ['/ledger/export?format=csv&by=account']

async function serving(work: (app: FastifyInstance, fake: Fakes) => Promise<void>, more: object = {}): Promise<void> {
  const fake = Object.assign(fakes(), more)
  const app = await createServer(fake)
  try {
    await work(app, fake)
  } finally {
    await app.close()
  }
}

const call = (method: Method, path: string, body?: unknown): InjectOptions => ({
  method,
  url: path,
  headers: AUTH,
  ...(body === undefined ? {} : { payload: body as object }),
})

async function problemOf(app: FastifyInstance, request: InjectOptions, status: number): Promise<ProblemDocument> {
  const response = await app.inject(request)
  assert.equal(response.statusCode, status, response.body)
  assert.match(String(response.headers['content-type']), /^application\/problem\+json/)
  const problem = problemDocument.parse(response.json())
  assert.equal(problem.status, status)
  assert.equal(response.headers['cache-control'], 'no-store')
  assert.equal(response.headers['x-content-type-options'], 'nosniff')
  return problem
}

test('every route answers with the document that its schema promises', () =>
  serving(async (app) => {
    for (const [method, path, name, body, status] of ROUTES) {
      const response = await app.inject(call(method, `/api/v1${path}`, body))
      assert.equal(response.statusCode, status ?? 200, `${method} ${path}: ${response.body}`)
      const parsed = DOCUMENTS[name].safeParse(response.json())
      assert.ok(parsed.success, `${method} ${path}: ${parsed.error?.message}`)
      assert.match(String(response.headers['content-security-policy']), /default-src 'none'/)
    }
  }))

test('no route answers without a token, and a wrong one is no better', () =>
  serving(async (app, fake) => {
    const all = [...ROUTES, ...FILES.map((path) => ['GET', path, null, undefined] as const)]
    for (const [method, path, , body] of all) {
      for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: SECRET }]) {
        const problem = await problemOf(app, { ...call(method, `/api/v1${path}`, body), headers }, 401)
        assert.equal(problem.code, 'unauthenticated')
      }
    }
    assert.deepEqual(fake.asked, [])
    const documented = (await openApiDocument('1')) as { paths: Record<string, object> }
    const routes = Object.entries(documented.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const covered = new Set(
      all.map(([method, path]) => {
        const bare = (path.split('?')[0] ?? '').replace(
          /^(\/alerts|\/budgets)?\/(runs|nodes|tokens|channels|silences|extensions|budgets(?!\/extensions))\/[^/]+/,
          (_, above: string | undefined, of: string) =>
            `${above ?? ''}/${of}/{${['tokens', 'silences', 'extensions'].includes(of) ? 'id' : of.slice(0, -1)}}`,
        )
        return `${method} /api/v1${bare}`
      }),
    )
    assert.deepEqual([...covered].toSorted(), routes.toSorted(), 'a route is not in the table of this test')
  }))

test('the books are a file: named after their time, of the type of their format, and as they are asked for', () =>
  serving(async (app, fake) => {
    const file = (query: string) => app.inject(call('GET', `/api/v1/ledger/export?${query}`))
    const csv = await file('format=csv&by=account')
    assert.equal(csv.headers['content-type'], 'text/csv; charset=utf-8')
    const named = /^attachment; filename="plimsoll-ledger-2026-01-02-to-2026-01-02\.csv"$/
    assert.match(String(csv.headers['content-disposition']), named)
    assert.equal(csv.body, 'account,gpu_ms,micros,currency\nproductive,13000000,9000000,EUR\nfree,15800000,,\n')
    const parquet = await file('format=parquet&by=account')
    assert.equal(parquet.headers['content-type'], 'application/vnd.apache.parquet')
    assert.equal(parquet.rawPayload.subarray(0, 4).toString(), 'PAR1')
    const focus = await file('format=focus&by=user,label:team')
    assert.equal(focus.body.split('\n').length, 4)
    assert.deepEqual(fake.asked.at(-1)?.with[1], ['project', 'user', 'run', 'account', 'gpu', 'payer', 'label:team'])
    await problemOf(app, call('GET', '/api/v1/ledger/export?by=account'), 422)
    await problemOf(app, call('GET', '/api/v1/ledger/export?format=xlsx'), 422)
  }))

test('what lives is open to all, and says little', () =>
  serving(async (app) => {
    assert.deepEqual((await app.inject('/healthz')).json(), { alive: true })
    assert.deepEqual((await app.inject('/readyz')).json(), { ready: true, checks: { store: 'ok', lead: 'leading' } })
    assert.equal((await app.inject('/openapi.json')).json<{ openapi: string }>().openapi, '3.1.0')
  }))

test('what cannot be meant is refused with its place, and never reaches the store', () =>
  serving(async (app, fake) => {
    const bad: [Method, string, string, unknown?][] = [
      ['GET', '/runs?state=runing', '/state'],
      ['GET', '/runs?after=7', '/after'],
      ['GET', '/audit?after=zzz', '/after'],
      ['GET', `/runs/${run.id}/events?after=9999999999999999`, '/after'],
      ['GET', '/ledger?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', '/from'],
      ['GET', '/runs/%00', '/run'],
      ['GET', '/runs?project=%00', '/project'],
      ['POST', '/queue/pause', '/reason', { reason: 'a\0b' }],
      ['POST', '/tokens', '/name', { name: '\0', subject: 'ada', role: 'member' }],
    ]
    for (const [method, path, pointer, body] of bad) {
      const problem = await problemOf(app, call(method, `/api/v1${path}`, body), 422)
      assert.deepEqual([problem.code, problem.errors[0]?.pointer], ['invalid', pointer], path)
    }
    assert.deepEqual(fake.asked, [])
  }))

test('a policy has its version as its ETag, and If-Match goes with a change', () =>
  serving(async (app, fake) => {
    const read = await app.inject(call('GET', '/api/v1/policy'))
    assert.match(String(read.headers.etag), /^"\d+"$/)
    const put = (etag: string) => {
      const request = call('PUT', '/api/v1/policy', POLICY)
      return { ...request, headers: { ...request.headers, 'if-match': etag } }
    }
    assert.equal((await app.inject(put('"3"'))).headers.etag, '"4"')
    assert.equal(fake.asked.at(-1)?.with[1], 3)
    assert.equal((await problemOf(app, put('W/"3"'), 422)).errors[0]?.pointer, '/if-match')
    fake.answer = async () => refused('version-mismatch', 'the policy is version 4, not 3')
    assert.equal((await problemOf(app, put('"3"'), 412)).code, 'version-mismatch')
  }))

test('metrics are for a collector with a token that sees every project', () =>
  serving(async (app, fake) => {
    const response = await app.inject(call('GET', '/metrics'))
    assert.equal(response.statusCode, 200)
    assert.match(String(response.headers['content-type']), /^text\/plain; version=0\.0\.4/)
    assert.equal(response.body, 'plimsoll_runs 0\n')
    assert.equal((await problemOf(app, { method: 'GET', url: '/metrics' }, 401)).code, 'unauthenticated')
    fake.answer = async () => refused('not-allowed', 'metrics are about every project')
    assert.equal((await problemOf(app, call('GET', '/metrics'), 403)).code, 'not-allowed')
  }))

test('a look at readiness that fails is not ready, without details', () =>
  serving(
    async (app) => {
      const response = await app.inject('/readyz')
      assert.equal(response.statusCode, 503)
      assert.doesNotMatch(response.body, /hunter2/)
    },
    { readiness: () => Promise.reject(new Error('password hunter2 refused')) },
  ))

test('parameters arrive as they were meant', () =>
  serving(async (app, fake) => {
    await app.inject(call('GET', '/api/v1/runs/demo%2Fmoe/logs?worker=3'))
    await app.inject(call('POST', `/api/v1/nodes/${NODE}/cordon`, { reason: 'fan' }))
    await app.inject(call('GET', '/api/v1/ledger?from=2026-01-02T00:00:00%2B01:00&by=project,label:team'))
    await app.inject(call('GET', '/api/v1/runs'))
    assert.deepEqual(fake.asked, [
      { what: 'logs', with: ['demo/moe', { attempt: null, index: 3 }, 0] },
      { what: 'cordon', with: ['local/node-0/1', true, 'fan'] },
      { what: 'ledger', with: [{ from: Date.UTC(2026, 0, 1, 23), to: null }, ['project', 'label:team']] },
      {
        what: 'runs',
        with: [
          { project: null, state: null },
          { limit: 100, after: null },
        ],
      },
    ])
  }))

test('a repeated submit is 200, and the order of keys does not make another request', () =>
  serving(async (app, fake) => {
    const reversed = Object.fromEntries(Object.entries(SPEC).toReversed())
    for (const body of [SPEC, reversed, { ...SPEC, name: 'other' }]) {
      const headers = { ...AUTH, 'idempotency-key': 'again' }
      const response = await app.inject({ method: 'POST', url: '/api/v1/runs', headers, payload: body })
      assert.equal(response.statusCode, 200)
      assert.equal(response.json<{ repeated: boolean }>().repeated, true)
    }
    const hashes = fake.asked.map((each) => (each.with[1] as { hash: string }).hash)
    assert.equal(hashes[0], hashes[1])
    assert.notEqual(hashes[0], hashes[2])
    assert.match(hashes[0] ?? '', /^[0-9a-f]{64}$/)
  }))

test('every refusal has the status of the table', () =>
  serving(async (app, fake) => {
    for (const code of REFUSAL_CODES) {
      fake.answer = async () => refused(code, `no: ${code}`, 'do that', '/resources/nodes')
      const problem = await problemOf(app, call('POST', '/api/v1/runs', SPEC), ERRORS[code].status)
      assert.equal(problem.code, code)
      assert.equal(problem.detail, `no: ${code}`)
      assert.equal(problem.whatToDo, 'do that')
      assert.deepEqual(problem.errors, [
        { pointer: '/resources/nodes', message: `no: ${code}`, line: null, column: null, hint: null },
      ])
    }
  }))

test('a fault is 503 with Retry-After, a bug 500, and neither says more than it must', () =>
  serving(async (app, fake) => {
    fake.answer = () => Promise.reject(new Fault('store-unavailable', 'db.internal hunter2', { retryable: true }))
    const response = await app.inject(call('GET', '/api/v1/runs'))
    assert.equal(response.statusCode, 503)
    assert.ok(Number(response.headers['retry-after']) > 0)
    assert.equal(response.json<ProblemDocument>().code, 'unavailable')
    fake.answer = () => Promise.reject(new Error('hunter2 at line 3'))
    const bug = await problemOf(app, call('GET', '/api/v1/runs'), 500)
    assert.equal(bug.code, 'internal')
    assert.doesNotMatch(JSON.stringify(bug) + response.body, /hunter2|line 3/)
  }))

test('what is wrong with a request is named by its place', () =>
  serving(async (app, fake) => {
    const spec = await problemOf(app, call('POST', '/api/v1/runs', { ...SPEC, resorces: {}, command: [] }), 422)
    assert.deepEqual(spec.errors.map((each) => each.pointer).toSorted(), ['/command', '/resorces'])
    const cases: readonly [InjectOptions, string, RegExp][] = [
      [call('GET', '/api/v1/runs?limit=0'), '/limit', /query/],
      [call('GET', '/api/v1/runs?limit=1001'), '/limit', /query/],
      [call('GET', '/api/v1/runs?projct=x'), '', /query/],
      [call('GET', `/api/v1/runs/${'x'.repeat(201)}`), '/run', /path/],
      [call('GET', '/api/v1/ledger?from=yesterday'), '/from', /query/],
      [call('GET', '/api/v1/ledger?by=moon'), '/by/0', /query/],
      [call('GET', '/api/v1/ledger?by=label:a,label:b'), '/by', /query/],
      [call('POST', `/api/v1/runs/${run.id}/stop`, { now: 'yes' }), '/now', /body/],
      [call('POST', '/api/v1/tokens', { name: 'x', subject: 'y', role: 'king' }), '/role', /body/],
      // Its end would be a year of five digits, which is no time of ISO 8601 to whoever reads the list.
      [call('POST', '/api/v1/tokens', { name: 'x', subject: 'y', role: 'viewer', ttlMs: 2 ** 52 }), '/ttlMs', /body/],
      [call('PUT', '/api/v1/policy', { ...POLICY, currency: 'gold' }), '/currency', /policy/],
    ]
    for (const [request, pointer, detail] of cases) {
      const problem = await problemOf(app, request, 422)
      assert.equal(problem.code, 'invalid')
      assert.match(problem.detail, detail)
      assert.equal(problem.errors[0]?.pointer, pointer, JSON.stringify(problem))
    }
    assert.deepEqual(fake.asked, [])
  }))

test('bodies that are not JSON, too large or for nobody are problems too', () =>
  serving(async (app) => {
    const json = { ...AUTH, 'content-type': 'application/json' }
    const post = { method: 'POST', url: '/api/v1/runs' } as const
    assert.equal((await problemOf(app, { ...post, headers: json, payload: '{"a":' }, 422)).code, 'invalid')
    assert.equal((await problemOf(app, { ...post, headers: json, payload: '' }, 422)).code, 'invalid')
    const xml = { ...AUTH, 'content-type': 'application/xml' }
    assert.match((await problemOf(app, { ...post, headers: xml, payload: '<a/>' }, 422)).detail, /JSON/)
    const large = JSON.stringify({ name: 'x'.repeat(REQUEST_BYTES_MAX) })
    assert.equal((await problemOf(app, { ...post, headers: json, payload: large }, 413)).code, 'too-large')
    assert.equal((await problemOf(app, call('GET', '/api/v1/nothing'), 404)).code, 'unknown-route')
    assert.equal((await problemOf(app, call('GET', '/api/v1/runs/%zz'), 404)).code, 'unknown-route')
    assert.equal((await problemOf(app, call('GET', '/api/v1/runs/none'), 404)).code, 'not-found')
    // A method that Fastify knows and no route takes, without the content type that it must have.
    const query = { ...call('GET', '/api/v1/runs?project=a'), method: 'QUERY' } as unknown as InjectOptions
    assert.equal((await problemOf(app, query, 404)).detail, 'there is no QUERY /api/v1/runs')
  }))

test('only the hosts that are ours are served, and pages of other sites are not', () =>
  serving(
    async (app) => {
      const ask = (headers: Record<string, string>): InjectOptions => ({ url: '/healthz', headers })
      assert.equal((await app.inject(ask({ host: 'localhost:7420' }))).statusCode, 200)
      assert.equal((await app.inject(ask({ host: 'LOCALHOST:7420' }))).statusCode, 200)
      assert.equal((await app.inject(ask({ host: 'localhost:7420', origin: 'http://localhost:7420' }))).statusCode, 200)
      for (const headers of [
        { host: 'evil.example:7420' },
        { host: 'localhost:7420', origin: 'http://evil.example' },
        { host: 'localhost:7420', origin: 'null' },
      ]) {
        assert.equal((await problemOf(app, ask(headers), 421)).code, 'wrong-host')
      }
    },
    { hosts: () => ['localhost:7420'] },
  ))
