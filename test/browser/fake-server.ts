// A FAKE server for the tests of the pages: it gives out the built pages under the real Content-Security-Policy and made-up answers. It
// knows no run, no book and no cluster; what it says about them is invented in fake-world.ts.
import { readFileSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SignInWays, TableRow } from '../../src/web/api/documents.ts'
import { books } from './fake-files.ts'
import { operateAnswer } from './fake-operate.ts'
import {
  countsAt,
  EXPERTS,
  expertsOf,
  HOUR,
  LAYERS,
  LAST_STEP,
  logOf,
  measuresOf,
  oddRows,
  rowOf,
  seriesOf,
  showOf,
  statementOf,
  TOKENS,
} from './fake-world.ts'

const DIST = fileURLToPath(new URL('../../src/web/dist/', import.meta.url))
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

export type FakeWorld = 'none' | 'one' | 'many' | 'odd'

export type FakeServer = {
  readonly url: string
  /** Whom the cookie is not asked of. */
  signedIn: boolean
  /** Another way in, on the sign-in page, and why somebody was not let in by it. */
  ways: SignInWays
  world: FakeWorld
  /** Of whom is signed in, in every project. */
  role: string
  /** What was posted, as `METHOD path`. */
  readonly changes: string[]
  /** What was sent with it, but for sessions. */
  readonly bodies: string[]
  /** Ends all streams and refuses new ones. */
  silence(on: boolean): void
  /** Says nothing on open streams and leaves new ones without an answer, as a way that was cut does. */
  hang(on: boolean): void
  /** Answers nothing but sessions and streams. */
  failing: boolean
  /** How long each answer takes. */
  delayMs: number
  /** Whether its reader of the change feed stands: before that no stream has a beat. */
  standing: boolean
  /** What its beats say of what it tells. */
  stale: boolean
  /** The topics of the streams that are open. */
  readonly topics: () => string[]
  say(event: string, data: unknown): void
  close(): Promise<void>
}

export const CODE = 'fake-code-1'

export async function startFakeServer(world: FakeWorld): Promise<FakeServer> {
  const streams = new Map<ServerResponse, string>()
  const now = Date.now()
  const many = Array.from({ length: 10_000 }, (_, index) => rowOf(index, now))
  const waiting = new Set<ServerResponse>()
  let silent = false
  let hanging = false
  const fake: FakeServer = {
    url: '',
    signedIn: true,
    ways: { takes: 'link', provider: null, refusal: null },
    world,
    role: 'admin',
    changes: [],
    bodies: [],
    failing: false,
    delayMs: 0,
    standing: true,
    stale: false,
    topics: () => [...streams.values()],
    silence(on) {
      silent = on
      if (on) for (const stream of streams.keys()) stream.destroy()
    },
    hang(on) {
      hanging = on
      for (const response of waiting) response.destroy()
      waiting.clear()
    },
    say(event, data) {
      if (hanging) return
      for (const stream of streams.keys())
        stream.write(`id: ${Date.now()}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    },
    close: async () => {
      clearInterval(beat)
      for (const stream of streams.keys()) stream.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  /** What lives is heard of as lately as when the server began: a test that takes its time finds no run silent that was not. */
  const heard = (row: TableRow): TableRow =>
    row.endedAt === null && row.observedAt !== null
      ? { ...row, observedAt: new Date(Date.parse(row.observedAt) + Date.now() - now).toISOString() }
      : row
  const rows = (): TableRow[] =>
    fake.world === 'none'
      ? []
      : fake.world === 'one'
        ? [rowOf(0, Date.now())]
        : fake.world === 'odd'
          ? oddRows(now).map(heard)
          : many.map(heard)
  const beatOf = () => ({ observedAt: new Date().toISOString(), stale: fake.stale })
  const beat = setInterval(() => {
    if (fake.standing) fake.say('beat', beatOf())
  }, 5_000)
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://fake')
    response.setHeader('Content-Security-Policy', POLICY)
    response.setHeader('X-Content-Type-Options', 'nosniff')
    if (!url.pathname.startsWith('/api/')) return file(url.pathname, response)
    if (request.method !== 'GET')
      fake.changes.push(`${request.method} ${url.pathname} ${String(request.headers['x-plimsoll'])}`)
    if (url.pathname === '/api/v1/session') return session(fake, request, response)
    if (url.pathname === '/api/v1/sign-in') return json(response, { schema: 'plimsoll.sign-in/v1', ...fake.ways })
    if (!fake.signedIn) return problem(response, 401, 'unauthenticated', 'There is no session.', 'Sign in.')
    if (url.pathname === '/api/v1/stream') {
      if (silent) return void response.destroy()
      if (hanging) return void waiting.add(response)
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      response.write(fake.standing ? `event: beat\ndata: ${JSON.stringify(beatOf())}\n\n` : ':\n\n')
      streams.set(response, url.searchParams.get('topics') ?? '')
      response.on('close', () => streams.delete(response))
      return undefined
    }
    if (fake.failing) return problem(response, 503, 'unavailable', 'The store is away.', 'Wait.')
    if (request.method !== 'GET') request.on('data', (chunk: Buffer) => fake.bodies.push(chunk.toString()))
    return void setTimeout(() => answer(url, fake.world, rows(), response), fake.delayMs)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return Object.assign(fake, { url: `http://127.0.0.1:${port}` })
}

function file(path: string, response: ServerResponse): void {
  const wanted = join(DIST, normalize(path))
  const isFile =
    wanted.startsWith(DIST) && extname(wanted) !== '' && statSync(wanted, { throwIfNoEntry: false })?.isFile() === true
  const name = isFile ? wanted : join(DIST, 'index.html')
  response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream' })
  response.end(readFileSync(name))
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}

function problem(response: ServerResponse, status: number, code: string, detail: string, whatToDo: string): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' })
  response.end(JSON.stringify({ type: 'about:blank', title: code, status, code, detail, whatToDo, errors: [] }))
}

function session(fake: FakeServer, request: IncomingMessage, response: ServerResponse): void {
  if (request.method === 'GET') {
    if (!fake.signedIn) return problem(response, 401, 'unauthenticated', 'There is no session.', 'Sign in.')
    return json(response, {
      schema: 'plimsoll.session/v1',
      user: 'lin',
      grants: [{ role: fake.role, project: null }],
      expiresAt: null,
      version: '0.1.0',
      cluster: 'fake',
    })
  }
  let body = ''
  request.on('data', (chunk: Buffer) => (body += chunk.toString()))
  request.on('end', () => {
    if (request.method === 'POST' && !body.includes(CODE)) {
      return problem(
        response,
        401,
        'unauthenticated',
        'The code is not known, or was used.',
        'start plimsoll up again: it prints another link',
      )
    }
    fake.signedIn = request.method === 'POST'
    response.writeHead(204).end()
  })
}

function answer(url: URL, world: FakeWorld, rows: readonly TableRow[], response: ServerResponse): void {
  const now = Date.now()
  const query = url.searchParams
  const of = (name: string, fields: object): void => json(response, { schema: `plimsoll.${name}/v1`, ...fields })
  if (url.pathname === '/api/v1/table') return of('table', table(rows, query, now))
  if (url.pathname === '/api/v1/ledger/export') return books(query, world, rows, now, response)
  const operate = operateAnswer(url.pathname, world, rows, query, now)
  if (operate !== null) return of(operate.name, operate.fields)
  const [, id = '', rest = ''] = /^\/api\/v1\/runs\/([^/]+)(\/.*)?$/.exec(url.pathname) ?? []
  const row = rows.find((each) => each.id === decodeURIComponent(id))
  if (row === undefined)
    return problem(response, 404, 'not-found', `There is no run ${id}.`, 'plimsoll runs lists them.')
  switch (rest) {
    case '':
      return of('show', showOf(row, now))
    case '/stop':
    case '/suspend':
    case '/resume':
      return of('run', row)
    case '/statement':
      return of('statement', statementOf(row))
    case '/series':
      return of('series', seriesOf(row, now))
    case '/why':
      return of('why', {
        run: row.id,
        state: row.state,
        reason: row.reason,
        message: row.message ?? '',
        position: row.position,
        counterfactual: `would start now with ${Math.max(1, row.gpus / 2)} GPUs`,
        expectedStart: { p50: new Date(now + HOUR).toISOString(), p90: new Date(now + 4 * HOUR).toISOString() },
      })
    case '/events':
      return of('events', {
        events: [
          { at: row.createdAt, kind: 'submitted', message: `by ${row.user}` },
          { at: row.createdAt, kind: 'placed', message: row.message ?? `attempt 1 on ${row.nodes} nodes` },
        ],
        next: null,
      })
    case '/logs':
      return of(
        'logs',
        logOf(Number(query.get('worker') ?? 0), Number(query.get('offset') ?? 0), row.endedAt !== null, now),
      )
    case '/logs/search':
      return of('log-search', logSearch(row, query, now))
    case '/experts':
      return row.name.startsWith('moe')
        ? of('experts', expertsOf(row.id))
        : problem(
            response,
            404,
            'not-found',
            'This run reported no expert load.',
            'Import plimsoll_reporter in its script.',
          )
    case '/experts/frame':
      return of('expert-frame', frame(Number(query.get('step') ?? LAST_STEP)))
    case '/experts/history':
      return of('expert-history', history(Number(query.get('layer') ?? 0), Number(query.get('expert') ?? 0)))
    default:
      return problem(response, 404, 'not-found', 'There is nothing here.', 'Look at /openapi.json.')
  }
}

function table(rows: readonly TableRow[], query: URLSearchParams, now: number) {
  const q = (query.get('q') ?? '').toLowerCase()
  const state = query.get('state') ?? ''
  const found = rows.filter(
    (row) =>
      (q === '' || `${row.project}/${row.name} ${row.user} ${row.id}`.toLowerCase().includes(q)) &&
      (query.get('project') ?? row.project) === row.project &&
      (query.get('user') ?? row.user) === row.user,
  )
  const counts: Record<string, number> = {}
  for (const row of found) counts[row.state] = (counts[row.state] ?? 0) + 1
  const key = {
    created: 'createdAt',
    name: 'name',
    state: 'state',
    gpus: 'gpus',
    held: 'heldGpuMs',
    paid: 'paidGpuMs',
    ended: 'endedAt',
  }[query.get('sort') ?? 'created'] as keyof TableRow
  const sign = query.get('order') === 'asc' ? 1 : -1
  const shown = found
    .filter((row) => state === '' || state.split(',').includes(row.state))
    .toSorted((a, b) => sign * ((a[key] ?? '') < (b[key] ?? '') ? -1 : (a[key] ?? '') > (b[key] ?? '') ? 1 : 0))
  const offset = Number(query.get('offset') ?? 0)
  const limit = Math.min(500, Number(query.get('limit') ?? 100))
  return {
    rows: shown.slice(offset, offset + limit),
    total: shown.length,
    offset,
    counts,
    observedAt: new Date(now).toISOString(),
  }
}

function logSearch(row: TableRow, query: URLSearchParams, now: number) {
  const at = new Date(now - 60_000).toISOString()
  const firstError =
    row.startedAt === null
      ? null
      : {
          attempt: 2,
          worker: 0,
          offset: 120_000,
          at,
          stream: 'stderr',
          text: '[rank541]: RuntimeError: CUDA error: unspecified launch failure <b>not bold</b>',
        }
  const q = query.get('q')
  const hits =
    q === null || firstError === null
      ? []
      : [
          firstError,
          ...Array.from({ length: 150 }, (_, index) => ({
            ...firstError,
            worker: 0,
            offset: 130_000 + index * 100,
            text: `line with ${q} in it, number ${index}`,
          })),
        ]
  return { hits, firstError, searchedBytes: 4_194_304, more: hits.length > 100 }
}

const frames = new Map<number, ReturnType<typeof makeFrame>>()

/** Made once: the time that it takes is not what is measured. */
function frame(step: number) {
  const shown = Math.ceil(step / 100) * 100
  const made = frames.get(shown) ?? makeFrame(shown)
  frames.set(shown, made)
  return made
}

function makeFrame(step: number) {
  const counts = countsAt(step)
  return {
    step,
    layers: Array.from({ length: LAYERS }, (_, index) => String(index + 3)),
    experts: EXPERTS,
    topK: 8,
    tokens: TOKENS,
    counts: Buffer.from(counts.buffer).toString('base64'),
    ...measuresOf(counts),
    observedAt: new Date().toISOString(),
  }
}

function history(layer: number, expert: number) {
  const buckets = Array.from({ length: 200 }, (_, index) => ({ from: 1 + index * 100, to: (index + 1) * 100 }))
  const mean = buckets.map(({ to }) => {
    const counts = countsAt(to).subarray(layer * EXPERTS, (layer + 1) * EXPERTS)
    return ((counts[expert] ?? 0) * EXPERTS) / counts.reduce((sum, each) => sum + each, 0)
  })
  return {
    layer,
    expert,
    buckets,
    mean,
    min: mean.map((each) => each * 0.85),
    max: mean.map((each) => each * 1.15),
    p99: mean.map((each) => each * 1.1),
  }
}
