// Server-sent events: rows of the table that changed, and the document of one run. Everybody who may see the same shares one look a
// second, however many watch; what did not change is not sent again. A missed event costs nothing: each carries the whole document.
import type { FastifyInstance, FastifyReply } from 'fastify'
import { toWire } from '../../contract/wire.ts'
import type { TableRow } from '../../domain/documents.ts'
import type { Principal } from '../../domain/principal.ts'
import type { Views } from '../../ports/views.ts'
import { problem, sendProblem } from './problem.ts'

const LOOK_MS = 1_000
/** One run is a few rows of the store, and whoever looks at it waits for its next step. */
const LOOK_AT_RUN_MS = 400
const BEAT_MS = 15_000
const RUNS_MAX = 500
const TOPICS_MAX = 8
/** A reader that does not read is let go: it comes back and reads afresh. */
const BUFFERED_BYTES_MAX = 4 * 1024 * 1024

type Listener = (event: string, data: string) => void

export function streamRoutes(app: FastifyInstance, views: Views): void {
  const looks = new Map<string, Look>()
  app.addHook('onClose', async () => {
    for (const look of looks.values()) look.stop()
  })
  app.get('/stream', { schema: { hide: true } }, async (request, reply) => {
    const { topics = 'runs' } = request.query as { topics?: string }
    const wanted = [...new Set(topics.split(','))]
    const bad = wanted.find((topic) => topic !== 'runs' && !/^run:[^,]{1,200}$/.test(topic))
    if (bad !== undefined || wanted.length > TOPICS_MAX)
      return sendProblem(reply, problem('invalid', `topics are runs and run:ID, at most ${TOPICS_MAX}`))
    reply.hijack()
    reply.raw.writeHead(200, {
      ...reply.getHeaders(),
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    } as Record<string, string>)
    const close = follow(reply, request.principal, wanted, looks, views)
    request.raw.on('close', close)
    return reply
  })
}

function follow(
  reply: FastifyReply,
  who: Principal,
  topics: readonly string[],
  looks: Map<string, Look>,
  views: Views,
): () => void {
  let id = 0
  const send: Listener = (event, data) => {
    if (reply.raw.writableLength > BUFFERED_BYTES_MAX) return void reply.raw.destroy()
    id += 1
    reply.raw.write(`id: ${id}\nevent: ${event}\ndata: ${data}\n\n`)
  }
  const beat = (): void => send('beat', JSON.stringify({ observedAt: new Date().toISOString() }))
  beat()
  const timer = setInterval(beat, BEAT_MS)
  const ends = topics.map((topic) => {
    const key = JSON.stringify([topic, who.kind === 'user' ? [who.name, who.grants] : who.attempt])
    const look = looks.get(key) ?? new Look(topic, who, views)
    looks.set(key, look)
    return look.join(send, () => looks.delete(key))
  })
  return () => {
    clearInterval(timer)
    for (const end of ends) end()
  }
}

/** One topic as one group of people may see it. */
class Look {
  readonly #topic: string
  readonly #who: Principal
  readonly #views: Views
  readonly #listeners = new Set<Listener>()
  readonly #sent = new Map<string, string>()
  #timer: NodeJS.Timeout | null = null
  #looking = false

  constructor(topic: string, who: Principal, views: Views) {
    this.#topic = topic
    this.#who = who
    this.#views = views
  }

  join(listener: Listener, empty: () => void): () => void {
    this.#listeners.add(listener)
    this.#timer ??= setInterval(() => void this.#look(), this.#topic === 'runs' ? LOOK_MS : LOOK_AT_RUN_MS)
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      this.stop()
      empty()
    }
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      if (this.#topic === 'runs') await this.#rows()
      else {
        const shown = await this.#views.show(this.#who, this.#topic.slice('run:'.length))
        if (shown.ok) this.#tell('run', this.#topic, JSON.stringify(toWire('show', shown.value)))
      }
    } catch {
      // The store is away: there is nothing to say, and the next look asks again. Who watches sees the silence.
    } finally {
      this.#looking = false
    }
  }

  async #rows(): Promise<void> {
    const table = await this.#views.table(this.#who, {
      states: null,
      project: null,
      user: null,
      text: null,
      sort: 'ended',
      descending: true,
      offset: 0,
      limit: RUNS_MAX,
    })
    if (!table.ok) return
    for (const row of table.value.rows) this.#tell('row', row.id, JSON.stringify(rowOnWire(row)))
  }

  /** What is seen for the first time was read by the page itself, which began with a list. */
  #tell(event: string, key: string, data: string): void {
    const before = this.#sent.get(key)
    this.#sent.set(key, data)
    if (before === data) return
    for (const listener of this.#listeners) listener(event, data)
  }
}

const rowOnWire = (row: TableRow): unknown => (toWire('table', { rows: [row] })['rows'] as unknown[])[0]
