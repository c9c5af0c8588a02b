// The stream over a feed that a test moves: what is told, to whom, with which position, and what somebody gets who comes back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import type { RunId } from '../../domain/ids.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Feed, FeedRead } from '../../ports/feed.ts'
import { BOSS, fakes, SECRET } from './fakes.fixture.ts'
import { createServer } from './server.ts'
import { streamRoutes } from './stream.ts'

const FEED = '00000000-0000-4000-8000-000000000000'

/** A feed of run ids; its positions are how many there are. Below `floor` nothing is kept. */
class FakeFeed implements Feed {
  readonly changes: RunId[] = []
  floor = 0
  lagMs = 0
  away = false
  onAway = (): void => undefined

  async feedPosition(): Promise<string> {
    return this.#at(this.changes.length)
  }

  async feedAfter(position: string, limit: number): Promise<FeedRead | null> {
    if (this.away) {
      this.onAway()
      throw new Error('away')
    }
    const from = Number(/^[0-9a-f-]{36}\.0\.(\d+)$/.exec(position)?.[1] ?? -1)
    if (from < this.floor) return null
    const some = this.changes.slice(from, from + limit)
    return {
      changes: some.map((run, index) => ({ kind: 'run', id: run, run, version: from + index + 1, image: null })),
      position: this.#at(from + some.length),
      more: from + some.length < this.changes.length,
      lagMs: this.lagMs,
    }
  }

  #at = (place: number): string => `${FEED}.0.${place}`
}

type Heard = { readonly id: string | null; readonly event: string; readonly data: unknown }

class Listening {
  readonly heard: Heard[] = []
  readonly #stop = new AbortController()
  #waiting: (() => void) | null = null

  static async to(address: string, topics: string, last: string | null = null): Promise<Listening> {
    const listening = new Listening()
    const response = await fetch(`${address}/api/v1/stream?topics=${encodeURIComponent(topics)}`, {
      headers: { authorization: `Bearer ${SECRET}`, ...(last === null ? {} : { 'last-event-id': last }) },
      signal: listening.#stop.signal,
    })
    assert.match(String(response.headers.get('content-type')), /^text\/event-stream/)
    assert.ok(response.body !== null)
    void listening.#read(response.body)
    return listening
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder()
    let text = ''
    try {
      for await (const bytes of body) {
        text += decoder.decode(bytes, { stream: true })
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          if (!text.startsWith(':')) this.heard.push(eventOf(text.slice(0, end)))
          text = text.slice(end + 2)
          this.#waiting?.()
        }
      }
    } catch {
      // We hung up.
    }
  }

  async until(holds: (heard: readonly Heard[]) => boolean): Promise<void> {
    while (!holds(this.heard)) await new Promise<void>((resolve) => (this.#waiting = resolve))
  }

  get events(): readonly string[] {
    return this.heard.map(({ event }) => event)
  }

  stop(): void {
    this.#stop.abort()
  }
}

function eventOf(text: string): Heard {
  const field = (name: string): string | null => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1] ?? null
  return { id: field('id'), event: field('event') ?? '', data: JSON.parse(field('data') ?? 'null') }
}

async function serving(
  work: (address: string, feed: FakeFeed, fake: ReturnType<typeof fakes>) => Promise<void>,
): Promise<void> {
  const [feed, fake] = [new FakeFeed(), fakes()]
  const app = await createServer({ ...fake, feed })
  try {
    await work(await app.listen({ host: '127.0.0.1', port: 0 }), feed, fake)
  } finally {
    await app.close()
  }
}

const RUN = 'r000000000000001' as RunId
const OTHER = 'r000000000000002' as RunId
const ids = (heard: readonly Heard[]): unknown[] =>
  heard.filter(({ event }) => event === 'row').map(({ data }) => (data as { id: string }).id)

test('topics that there are not are refused', () =>
  serving(async (address) => {
    const headers = { authorization: `Bearer ${SECRET}` }
    for (const topics of ['moon', 'run:', 'runs,run:a,run:b,run:c,run:d,run:e,run:f,run:g,run:h'])
      assert.equal((await fetch(`${address}/api/v1/stream?topics=${topics}`, { headers })).status, 422)
  }))

test('two topics parameters are two topics; a HEAD is refused at once', () =>
  serving(async (address) => {
    const headers = { authorization: `Bearer ${SECRET}` }
    const twice = new AbortController()
    const response = await fetch(`${address}/api/v1/stream?topics=runs&topics=runs`, { headers, signal: twice.signal })
    assert.equal(response.status, 200)
    twice.abort()
    assert.equal((await fetch(`${address}/api/v1/stream`, { headers, method: 'HEAD' })).status, 404)
  }))

test('a hundred streams of one person are enough', () =>
  serving(async (address) => {
    const all = await Promise.all(Array.from({ length: 100 }, () => Listening.to(address, 'runs')))
    const headers = { authorization: `Bearer ${SECRET}` }
    const more = await fetch(`${address}/api/v1/stream`, { headers })
    assert.deepEqual([more.status, more.headers.get('retry-after')], [429, '60'])
    for (const each of all) each.stop()
  }))

test('the first event of a stream has a position', () =>
  serving(async (address, feed) => {
    const one = await Listening.to(address, 'runs')
    await one.until((heard) => heard.length > 0)
    feed.changes.push(RUN)
    await one.until((heard) => heard.some(({ id }) => id !== null))
    assert.deepEqual(ids(one.heard), [RUN])
    one.stop()
  }))

test('that what is told is old is said when it begins, and when it is over', () =>
  serving(async (address, feed) => {
    const one = await Listening.to(address, 'runs')
    const stale = (heard: readonly Heard[]): unknown[] =>
      heard.filter(({ event }) => event === 'beat').map(({ data }) => (data as { stale: boolean }).stale)
    await one.until((heard) => stale(heard).length === 1)
    feed.lagMs = 5_000
    await one.until((heard) => stale(heard).at(-1) === true)
    feed.lagMs = 0
    await one.until((heard) => stale(heard).at(-1) === false)
    one.stop()
  }))

test('it begins with a beat; a row comes when its run changed, with the position of the feed', () =>
  serving(async (address, feed) => {
    const one = await Listening.to(address, 'runs')
    await one.until((heard) => heard.length === 1)
    assert.equal(one.heard[0]?.event, 'beat')
    assert.equal(one.heard[0]?.id, null)
    feed.changes.push(RUN, RUN, OTHER)
    await one.until((heard) => ids(heard).length >= 2)
    // Two changes of a run between two looks are one event.
    assert.deepEqual(ids(one.heard), [RUN, OTHER])
    feed.changes.push(OTHER)
    await one.until((heard) => ids(heard).length >= 3)
    // The position comes after what it stands for.
    await one.until((heard) => heard.at(-1)?.id != null)
    assert.equal(one.heard.at(-1)?.id, `${FEED}.0.4`)
    assert.equal(one.heard.at(-1)?.event, '')
    one.stop()
  }))

test('the document of a run comes when that run changed, and not for others', () =>
  serving(async (address, feed, fake) => {
    const one = await Listening.to(address, 'run:demo/moe')
    feed.changes.push(OTHER)
    // Which run it is, is not known before it was read once.
    await one.until((heard) => heard.some(({ event }) => event === 'run'))
    const shown = one.heard.find(({ event }) => event === 'run')?.data as { schema: string; id: RunId }
    assert.equal(shown.schema, 'plimsoll.show/v1')
    const asked = fake.asked.filter(({ what }) => what === 'show').length
    feed.changes.push(OTHER)
    feed.changes.push(shown.id)
    await one.until((heard) => heard.filter(({ event }) => event === 'run').length === 2)
    assert.ok(fake.asked.filter(({ what }) => what === 'show').length <= asked + 1)
    one.stop()
  }))

test('who comes back with his position is told what changed meanwhile; an unknown or too old one is told to read afresh', () =>
  serving(async (address, feed) => {
    feed.changes.push(RUN, OTHER, RUN)
    const back = await Listening.to(address, 'runs', `${FEED}.0.1`)
    await back.until((heard) => ids(heard).length >= 2)
    assert.deepEqual(new Set(ids(back.heard)), new Set([OTHER, RUN]))
    back.stop()
    feed.floor = 2
    for (const last of [`${FEED}.0.1`, 'nonsense', '1']) {
      const lost = await Listening.to(address, 'runs', last)
      await lost.until((heard) => heard.some(({ event }) => event === 'reset'))
      assert.deepEqual(ids(lost.heard), [])
      lost.stop()
    }
  }))

test('a reader that falls out of the feed resets everybody; a store that is away resets nobody before it is back', () =>
  serving(async (address, feed) => {
    const [one, other] = [await Listening.to(address, 'runs'), await Listening.to(address, `run:${RUN}`)]
    feed.changes.push(RUN)
    await one.until((heard) => ids(heard).length === 1)
    feed.away = true
    feed.changes.push(OTHER)
    await new Promise<void>((resolve) => (feed.onAway = resolve))
    assert.ok(!one.events.includes('reset'))
    feed.floor = 2
    feed.away = false
    for (const each of [one, other]) await each.until((heard) => heard.some(({ event }) => event === 'reset'))
    feed.changes.push(OTHER)
    await one.until((heard) => ids(heard).at(-1) === OTHER)
    one.stop()
    other.stop()
  }))

test('a hundred who watch the same cost one read of it', () =>
  serving(async (address, feed, fake) => {
    const row = await fake.views.rows(BOSS, [RUN])
    let reads = 0
    Object.assign(fake.views, {
      rows: async () => {
        reads += 1
        return row
      },
    })
    const all = await Promise.all(Array.from({ length: 100 }, () => Listening.to(address, 'runs')))
    feed.changes.push(RUN)
    for (const each of all) await each.until((heard) => ids(heard).length === 1)
    assert.equal(reads, 1)
    for (const each of all) each.stop()
  }))

test('a stream ends with the right to it', async () => {
  let now: Principal | null = BOSS
  const app = Fastify({ forceCloseConnections: true })
  app.decorateRequest('principal')
  app.decorateRequest('secret', SECRET)
  app.addHook('onRequest', async (request) => {
    request.principal = BOSS
  })
  app.register(async (scope) => streamRoutes(scope, fakes().views, new FakeFeed(), async () => now, 20), {
    prefix: '/api/v1',
  })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  for (const after of [null, { kind: 'user', name: 'ada', grants: [] } as const]) {
    now = BOSS
    const response = await fetch(`${address}/api/v1/stream`)
    const body = response.body?.getReader()
    now = after
    await assert.doesNotReject(async () => {
      // The server hangs up: cleanly or not is the same to a browser.
      for (;;) if ((await body?.read().catch(() => ({ done: true })))?.done === true) break
    })
  }
  await app.close()
})
