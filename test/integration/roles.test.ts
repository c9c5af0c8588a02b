// Every route with every role, against a real server over a real PostgreSQL that has the same things in two projects. What is expected comes
// from the table of core/authorise and from what each route is about (roles-routes.ts); a route that is not there fails the walk.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TABLE } from '../../src/core/authorise/table.fixture.ts'
import { createIngestServer } from '../../src/adapters/http/ingest.ts'
import { attemptTokens } from '../../src/adapters/system/attempt-token.ts'
import type { Role, Verb } from '../../src/domain/principal.ts'
import { ROLES } from '../../src/domain/principal.ts'
import { epochMs } from '../../src/domain/units.ts'
import type { Served } from '../parts/served.ts'
import { serve } from '../parts/served.ts'
import { PostgresBenches } from '../parts/stores.ts'
import { lineOf, NOW, ownerOf, PROJECTS, twoProjects } from '../parts/two-projects.ts'
import type { Asked } from './roles-routes.ts'
import { ABSENT, routesOf, tidy } from './roles-routes.ts'

type Who = {
  readonly name: string
  readonly role: Role
  readonly project: string | null
  readonly owner: boolean
  readonly subject: string
  readonly secret: string
}

let benches: PostgresBenches
let served: Served
let things: Awaited<ReturnType<typeof twoProjects>>
let everybody: readonly Who[]
let nobody: readonly (readonly [string, string | null])[]
const tokens = attemptTokens([new Uint8Array(32)])

before(async () => {
  benches = await PostgresBenches.start()
  served = await serve(benches, NOW)
  things = await twoProjects(served)
  const made: Who[] = []
  for (const role of ROLES)
    for (const project of ['alpha', 'beta', null])
      // A member may more where the run is his: once he is its owner.
      for (const owner of role === 'member' ? [false, true] : [false]) {
        const subject = owner ? ownerOf('alpha') : 'bob'
        const name = `${role} of ${project ?? 'all'}${owner ? ', the owner' : ''}`
        made.push({ name, role, project, owner, subject, secret: await served.token({ role, project, subject }) })
      }
  everybody = made
  const dead = { role: 'admin', project: null, subject: 'dead' } as const
  nobody = [
    ['no token', null],
    ['a token that nobody made', 'plimsoll_x'],
    ['a revoked token', await served.token({ ...dead, revokedAt: epochMs(NOW - 1) })],
    ['an expired token', await served.token({ ...dead, expiresAt: epochMs(NOW) })],
    ['the token of an attempt', tokens.tokenOf(`${things.alpha.failed}-1`)],
  ]
})
after(async () => {
  await served.close()
  await benches.stop()
})

/** What the table says, read as a person would. */
function may(who: Who, verb: Verb | null, project: 'alpha' | 'beta' | null): boolean {
  if (verb === null) return true
  const cell = TABLE[verb][ROLES.indexOf(who.role)]
  if (cell === '-' || (cell === 'o' && !who.owner)) return false
  if (who.project === null) return true
  return cell !== 'g' && (project === null || project === who.project)
}

/** The status that an answer has, for something that is in alpha. */
function statusFor(who: Who, asked: Asked): number {
  const done = asked.done ?? 200
  const { verb, about, sees = 'run.read' } = asked
  if (about === 'list') return done
  if (about === 'installation') return may(who, verb, null) ? done : 403
  if (about === 'all') return who.project === null && may(who, verb, null) ? done : 403
  if (about === 'thing' && !may(who, sees, 'alpha')) return 404
  return may(who, verb, 'alpha') ? done : 403
}

type Said = { readonly status: number; readonly text: string }

async function ask(method: string, path: string, secret: string | null, body?: unknown): Promise<Said> {
  const answer = await fetch(`${served.url}${path}`, {
    method,
    headers: {
      ...(secret === null ? {} : { authorization: `Bearer ${secret}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const headers = [...answer.headers].flatMap(([name, value]) =>
    name === 'location' || name === 'link' ? [value] : [],
  )
  return { status: answer.status, text: [...headers, await answer.text()].join('\n') }
}

function addressOf(route: string, query = '', ref = ''): readonly [string, string] {
  const [method = '', path = ''] = route.split(' ')
  const asked = query === '' ? '' : `?${query.replace(/:\w+/, encodeURIComponent(ref))}`
  return [method, `${path.replace(/:\w+/, ref)}${asked}`]
}

/** All pages of a list, as one text. */
async function allOf(route: string, asked: Asked, who: Who, ref: string, body: unknown): Promise<Said> {
  const [method, path] = addressOf(route, asked.query, ref)
  const first = await ask(method, path, who.secret, body)
  let text = first.text
  if (method !== 'GET' || asked.query?.includes('limit=1') !== true) return first
  for (let page = first.text, pages = 1; pages < 500; pages += 1) {
    const { next = null } = JSON.parse(page) as { next?: string | null }
    if (next === null) return { ...first, text }
    page = (await ask(method, `${path}&after=${encodeURIComponent(next)}`, who.secret)).text
    text += page
  }
  assert.fail(`${route}: its pages have no end`)
}

/** Of what he may not see there is nothing in an answer: no name, no id, no line of a log. `ref` is what he asked for himself. */
function seesNothingElse(who: Who, what: string, text: string, ref: string): void {
  // His own name is no secret to him.
  const known = [who.subject, ...(ref === '' ? [] : [ref])]
  const said = known.reduce((left, each) => left.replaceAll(each, ''), text)
  for (const project of PROJECTS) {
    if (who.project === null || who.project === project) {
      if (!may(who, 'run.logs', project as 'alpha')) assert.ok(!said.includes('swordfish'), `${what}: a line of a log`)
      continue
    }
    for (const mark of [project, ...Object.values(things[project as 'alpha'])])
      assert.ok(!said.includes(mark), `${what}: ${mark} of ${project} in ${said.slice(0, 2_000)}`)
  }
}

/** Paths as the running server has them, `GET /api/v1/runs/:run`; HEAD goes with GET. */
function routesOfServer(): Set<string> {
  const routes = new Set<string>()
  const above: string[] = []
  for (const line of served.app.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, indent = '', part = '', methods = ''] = /^([│ ]*)[├└]── (\S+)(?: \((.*)\))?$/.exec(line) ?? []
    if (part === '') continue
    const depth = indent.length / 4
    above[depth] = part
    const path = above.slice(0, depth + 1).join('')
    for (const method of methods.split(', ')) if (method !== '' && method !== 'HEAD') routes.add(`${method} ${path}`)
  }
  return routes
}

test('every route stands in the walk, those of the OpenAPI document among them', async () => {
  const walked = new Set(Object.keys(routesOf(served, things.alpha)))
  assert.deepEqual(walked, routesOfServer())
  const document = (await (await fetch(`${served.url}/openapi.json`)).json()) as { paths: Record<string, object> }
  const told = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/, ':$1')}`),
  )
  assert.ok(told.length > 30)
  for (const route of told) assert.ok(walked.has(route), route)
})

test('nobody reads or changes what his grants do not name, whatever the route', async () => {
  for (const [route, all] of Object.entries(routesOf(served, things.alpha))) {
    for (const asked of all) {
      for (const who of everybody) {
        const ref = asked.about === 'project' ? 'alpha' : ((await asked.of?.()) ?? '')
        const body = asked.body?.(ref)
        const what = `${who.name}: ${route} ${asked.query ?? ''} ${JSON.stringify(body) ?? ''}`
        const { status, text } = await allOf(route, asked, who, ref, body)
        assert.equal(status, statusFor(who, asked), `${what}: ${text}`)
        seesNothingElse(who, what, text, ref)
        const isHidden = asked.about === 'project' && who.project === 'beta'
        if (status === 404 || isHidden) {
          // As if it were not there: to the letter what is said of something that is not.
          const [method, path] = addressOf(route, asked.query, ABSENT)
          const absent = await ask(method, path, who.secret, asked.body?.(ABSENT))
          assert.deepEqual([absent.status, absent.text.replaceAll(ABSENT, ref)], [status, text], what)
        }
      }
      await tidy(served)
    }
  }
})

test('who has no right token is told nothing by any route', async () => {
  const marks = PROJECTS.flatMap((project) => [project, ...Object.values(things[project as 'alpha'])])
  for (const [route, all] of Object.entries(routesOf(served, things.alpha))) {
    for (const [name, secret] of nobody) {
      const [method, path] = addressOf(route, all[0]?.query, ABSENT)
      const { status, text } = await ask(method, path, secret, method === 'GET' ? undefined : {})
      const isOpen = /\/(?:healthz|readyz|openapi\.json|sign-in)$/.test(route)
      // Whoever signs in has a code, and no token; this one has none.
      const others = route.includes('/sign-in/oidc') ? 404 : 401
      const expected = isOpen ? 200 : route.startsWith('POST') && route.endsWith('/session') ? 422 : others
      assert.equal(status, expected, `${name}: ${route}`)
      for (const mark of marks) assert.ok(!text.includes(mark), `${name}: ${route} says ${mark}`)
    }
  }
})

test('lists have everything that one may see', async () => {
  const lists: readonly (readonly [string, keyof typeof things.alpha])[] = [
    ['GET /api/v1/runs', 'failed'],
    ['GET /api/v1/table', 'running'],
    ['GET /api/v1/queue', 'waiting'],
    ['GET /api/v1/findings', 'finding'],
    ['GET /api/v1/alerts', 'channel'],
    ['GET /api/v1/alerts', 'silence'],
  ]
  for (const who of everybody)
    for (const [route, thing] of lists) {
      const { text } = await allOf(route, { verb: null, about: 'list' }, who, '', undefined)
      for (const project of PROJECTS)
        if (who.project === null || who.project === project)
          assert.ok(
            text.includes(things[project as 'alpha'][thing]),
            `${who.name}: ${route} lacks ${thing} of ${project}`,
          )
    }
})

test('the lines of a log are for whoever may read logs, and for him they are there', async () => {
  const places = ['', '/events', '/why', '/logs', '/logs/search?q=line'].map(
    (part) => `/runs/${things.alpha.failed}${part}`,
  )
  for (const who of everybody)
    for (const path of [...places, '/table?q=alpha', '/runs?project=alpha', '/queue']) {
      const { text } = await ask('GET', `/api/v1${path}`, who.secret)
      const sees = (who.project === null || who.project === 'alpha') && who.role !== 'payer'
      assert.equal(text.includes(lineOf('alpha')), sees, `${who.name}: ${path}`)
    }
})

test('a stream has the runs that one may see, without lines for whoever may not read logs', async () => {
  const streams = await Promise.all(everybody.map((who) => follow(who)))
  for (const project of PROJECTS) {
    const run = await served.control.store.run(things[project as 'alpha'].failed)
    assert.ok(run !== null)
    const write = { kind: 'run', run: { ...run, priority: 'low' } } as const
    await served.control.store.commit(null, [{ about: 'change', expects: [], writes: [write] }])
  }
  for (const [index, who] of everybody.entries()) {
    const text = (await streams[index]?.until(who.project === null ? PROJECTS : [who.project])) ?? ''
    seesNothingElse(who, `${who.name}: stream`, text, '')
    assert.equal(text.includes('swordfish'), may(who, 'run.logs', (who.project ?? 'alpha') as 'alpha'), who.name)
  }
})

/** Both topics: the list, and the failed run of either project. */
async function follow(who: Who) {
  const ended = new AbortController()
  const topics = ['runs', ...PROJECTS.map((project) => `run:${things[project as 'alpha'].failed}`)].join(',')
  const answer = await fetch(`${served.url}/api/v1/stream?topics=${topics}`, {
    headers: { authorization: `Bearer ${who.secret}` },
    signal: ended.signal,
  })
  assert.equal(answer.status, 200)
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const has = (event: string, project: string): boolean =>
    new RegExp(`event: ${event}\ndata: [^\n]*${things[project as 'alpha'].failed}`).test(text)
  const read = async (until: () => boolean): Promise<string> => {
    while (!until()) {
      const part = await reader?.read()
      assert.ok(part !== undefined && !part.done, `${who.name}: the stream ended`)
      text += part.value
    }
    return text
  }
  // The first beat: what is committed from now on is told.
  await read(() => text.includes('event: beat'))
  return {
    async until(projects: readonly string[]) {
      const said = await read(() => projects.every((each) => has('row', each) && has('run', each)))
      ended.abort()
      return said
    },
  }
}

test('the port for reports takes the token of an attempt for its own reports, and nobody else', async () => {
  const ingest = await createIngestServer({
    requests: () => served.requests,
    isTokenOf: (attempt, token) => tokens.matches(attempt, token),
    log: null,
  })
  const [mine, theirs] = [`${things.alpha.failed}-1`, `${things.beta.failed}-1`]
  const post = async (attempt: string, secret: string): Promise<number> => {
    const headers = { 'plimsoll-attempt': attempt, authorization: `Bearer ${secret}` }
    return (await ingest.inject({ method: 'POST', url: '/ingest/v1/facts', headers, payload: {} })).statusCode
  }
  assert.equal(await post(theirs, tokens.tokenOf(mine)), 401)
  for (const { secret } of everybody) assert.equal(await post(mine, secret), 401)
  // Let in, and the batch is none.
  assert.equal(await post(mine, tokens.tokenOf(mine)), 422)
  await ingest.close()
})
