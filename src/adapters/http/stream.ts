// Server-sent events: rows of the table that changed, and the document of one run. The change feed says which; everybody who may see the
// same shares one read of it, however many watch. Each event carries the whole document, so that a missed one costs nothing, and its id is
// a position of the feed: whoever comes back with it is told what changed meanwhile, or to read everything.
import type { FastifyInstance, FastifyReply } from 'fastify'
import { toWire } from '../../contract/wire.ts'
import type { TableRow } from '../../domain/documents.ts'
import type { RunId } from '../../domain/ids.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Feed, FeedPosition } from '../../ports/feed.ts'
import type { Authenticate, Views } from '../../ports/views.ts'
import { CHANGES_PER_LOOK_MAX, Follower, runsOf } from './follower.ts'
import type { News, Reached } from './follower.ts'
import { problem, sendProblem } from './problem.ts'
import { whose } from './sight.ts'

const BEAT_MS = 15_000
const TOPICS_MAX = 8
const ROWS_PER_READ_MAX = 500
/** Beyond this what we show is called stale. */
const BEHIND_MS_MAX = 2_000
/** A reader that does not read is let go: it comes back and reads afresh. */
const BUFFERED_BYTES_MAX = 4 * 1024 * 1024

/** Some events, as they go over the wire, without a position. */
type Listener = (events: string) => void
const eventOf = (event: string, document: unknown): string => `event: ${event}\ndata: ${JSON.stringify(document)}\n\n`
const RESET = eventOf('reset', {})

const KEPT_MAX = 1_000
/** Streams that one person, and everybody together, may have open. */
const STREAMS_OF_ONE_MAX = 100
const STREAMS_MAX = 2_000

export function streamRoutes(
  app: FastifyInstance,
  views: Views,
  feed: Feed,
  authenticate: Authenticate,
  beatMs = BEAT_MS,
): void {
  const follower = new Follower(feed)
  const groups = new Map<string, Group>()
  const open = new Map<string, number>()
  let all = 0
  app.addHook('onClose', async () => follower.stop())
  app.get('/stream', { schema: { hide: true }, exposeHeadRoute: false }, async (request, reply) => {
    const { topics = 'runs' } = request.query as { topics?: string | string[] }
    const wanted = [...new Set([topics].flat().flatMap((each) => each.split(',')))]
    const bad = wanted.find((topic) => topic !== 'runs' && !/^run:[^,]{1,200}$/.test(topic))
    if (bad !== undefined || wanted.length > TOPICS_MAX)
      return sendProblem(reply, problem('invalid', `topics are runs and run:ID, at most ${TOPICS_MAX}`))
    const person = nameOf(request.principal)
    if (all >= STREAMS_MAX || (open.get(person) ?? 0) >= STREAMS_OF_ONE_MAX)
      return sendProblem(reply.header('retry-after', '60'), {
        ...problem(
          'unavailable',
          `at most ${STREAMS_OF_ONE_MAX} streams of one person, ${STREAMS_MAX} in all, are open`,
        ),
        status: 429,
      })
    all += 1
    open.set(person, (open.get(person) ?? 0) + 1)
    reply.hijack()
    reply.raw.writeHead(200, {
      ...reply.getHeaders(),
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    } as Record<string, string>)
    const mine = wanted.map((topic) => {
      const name = JSON.stringify([topic, whose(request.principal)])
      const group = groups.get(name) ?? new Group(topic, request.principal, views, follower, () => groups.delete(name))
      groups.set(name, group)
      return group
    })
    const secret = request.secret
    // Who was signed out, or may see something else now, comes back and is asked again.
    const isStill = async (): Promise<boolean> => {
      const now = secret === null ? null : await authenticate(secret)
      return now !== null && JSON.stringify(whose(now)) === JSON.stringify(whose(request.principal))
    }
    const client = new Client(reply, follower, mine, isStill, beatMs)
    request.raw.on('close', () => {
      client.close()
      all -= 1
      const left = (open.get(person) ?? 1) - 1
      if (left > 0) open.set(person, left)
      else open.delete(person)
    })
    const last = request.headers['last-event-id']
    void client.begin(feed, typeof last === 'string' ? last : null)
    return reply
  })
}

const nameOf = (principal: Principal): string => (principal.kind === 'user' ? principal.name : principal.attempt)

/** Somebody who listens to one topic or more. */
class Client {
  readonly #reply: FastifyReply
  readonly #follower: Follower
  readonly #groups: readonly Group[]
  readonly #ends: readonly (() => void)[]
  readonly #timers: readonly NodeJS.Timeout[]
  readonly #isStill: () => Promise<boolean>
  /** What goes out meanwhile, while it is told what he missed: it is the newer. */
  #kept: string[] | null = []
  #stale = false

  constructor(
    reply: FastifyReply,
    follower: Follower,
    groups: readonly Group[],
    isStill: () => Promise<boolean>,
    beatMs: number,
  ) {
    this.#reply = reply
    this.#follower = follower
    this.#groups = groups
    this.#isStill = isStill
    this.#ends = groups.map((group) => group.join(this.#send))
    this.#timers = [setInterval(() => void this.#look(), beatMs), setInterval(() => this.#watch(), BEHIND_MS_MAX / 2)]
  }

  /** The first beat says that from now on nothing is missed; before it comes what changed since his last event, told to him alone. */
  async begin(feed: Feed, last: string | null): Promise<void> {
    // Something must go over the wire before a proxy, or a browser, calls it open.
    this.#write(': plimsoll\n\n')
    try {
      await this.#follower.ready()
      const read = last === null ? undefined : await feed.feedAfter(last, CHANGES_PER_LOOK_MAX, false)
      if (read === null || read?.more === true) this.#write(RESET)
      else if (read !== undefined) for (const group of this.#groups) this.#write(await group.eventsOf(runsOf(read)))
      this.#beat()
      const kept = this.#kept ?? []
      this.#kept = null
      for (const events of kept) this.#send(events)
    } catch {
      // The store is away: he has his old position still, and comes back with it.
      this.close()
    }
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer)
    for (const end of this.#ends) end()
    this.#reply.raw.destroy()
  }

  async #look(): Promise<void> {
    const isStill = await this.#isStill().catch(() => true)
    if (!isStill) return this.close()
    this.#beat()
  }

  /** Staleness is told when it begins and when it is over, not at the next beat. */
  #watch(): void {
    if (this.#follower.behindMs(Date.now()) > BEHIND_MS_MAX !== this.#stale) this.#beat()
  }

  /** One write for all of them: many listen. The position comes after what it stands for, alone, which is no event to a browser. */
  readonly #send: Listener = (events) => {
    if (this.#kept !== null) {
      // A catch-up that lasts: he reads everything instead.
      if (this.#kept.length >= KEPT_MAX) return this.close()
      return void this.#kept.push(events)
    }
    const position = this.#position()
    this.#write(position === null ? events : `${events}id: ${position}\n\n`)
  }

  /** What all his topics have told him up to; what one is still reading would be missed otherwise. */
  #position(): FeedPosition | null {
    const told = this.#groups.map((group) => group.told)
    const least = told.reduce((one, other) =>
      one === null || other === null ? null : one.look < other.look ? one : other,
    )
    return least?.position ?? null
  }

  /** Without an id: a beat moves nobody's position. Stale: what is told is older than it looks. */
  #beat(): void {
    const now = Date.now()
    const behindMs = this.#follower.behindMs(now)
    this.#stale = behindMs > BEHIND_MS_MAX
    const beat = { observedAt: new Date(now).toISOString(), behindMs, stale: this.#stale }
    this.#write(eventOf('beat', beat))
  }

  #write(text: string): void {
    const { raw } = this.#reply
    if (raw.writableLength > BUFFERED_BYTES_MAX) raw.destroy()
    else raw.write(text)
  }
}

/** One topic as those see it who may see the same. */
class Group {
  readonly #topic: string
  readonly #who: Principal
  readonly #views: Views
  readonly #follower: Follower
  readonly #onEmpty: () => void
  readonly #listeners = new Set<Listener>()
  readonly #due = new Set<RunId>()
  #end: (() => void) | null = null
  #reading = false
  #reached: Reached | null = null
  #told: Reached | null = null
  /** A topic may name its run as project/name: which that is, once it was read. */
  #run: RunId | null = null

  constructor(topic: string, principal: Principal, views: Views, follower: Follower, onEmpty: () => void) {
    this.#topic = topic
    this.#who = principal
    this.#views = views
    this.#follower = follower
    this.#onEmpty = onEmpty
  }

  /** All up to here was told to everybody who listens. */
  get told(): Reached | null {
    return this.#told
  }

  join(listener: Listener): () => void {
    this.#listeners.add(listener)
    this.#end ??= this.#follower.follow((news) => this.#onNews(news))
    this.#told ??= this.#follower.reached
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      this.#end?.()
      this.#end = null
      this.#onEmpty()
    }
  }

  /** The documents of some runs. */
  async eventsOf(runs: ReadonlySet<RunId>): Promise<string> {
    if (this.#topic !== 'runs') {
      if (this.#run !== null && !runs.has(this.#run)) return ''
      const shown = await this.#views.show(this.#who, this.#topic.slice('run:'.length))
      if (!shown.ok) return ''
      this.#run = shown.value.id as RunId
      return eventOf('run', toWire('show', shown.value))
    }
    let events = ''
    const all = [...runs]
    for (let first = 0; first < all.length; first += ROWS_PER_READ_MAX) {
      const rows = await this.#views.rows(this.#who, all.slice(first, first + ROWS_PER_READ_MAX))
      for (const row of rows) events += eventOf('row', rowOnWire(row))
    }
    return events
  }

  #onNews(news: News): void {
    this.#reached = news.reached
    if (news.kind === 'reset') {
      // Whoever reads everything afresh needs nothing of what was due.
      this.#due.clear()
      this.#told = news.reached
      return this.#toAll(RESET)
    }
    this.#told ??= news.before
    for (const run of news.runs) this.#due.add(run)
    void this.#read()
  }

  /** One read at a time: what changes meanwhile is merged into the next. */
  async #read(): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    try {
      while (this.#due.size > 0 && this.#listeners.size > 0) {
        const [runs, reached] = [new Set(this.#due), this.#reached]
        this.#due.clear()
        const events = await this.eventsOf(runs)
        this.#told = reached
        if (events !== '') this.#toAll(events)
      }
    } catch {
      // The store is away: what was due is not told later, so everybody reads afresh when it is back.
      this.#toAll(RESET)
    } finally {
      this.#reading = false
    }
  }

  #toAll(events: string): void {
    for (const listener of this.#listeners) listener(events)
  }
}

const rowOnWire = (row: TableRow): unknown => (toWire('table', { rows: [row] })['rows'] as unknown[])[0]
