// One connection to the stream of changes. A topic is watched since the first beat after its connection opened: the server says that beat
// once its reader stands, and what changed earlier was told to nobody here. Other topics are asked for by another connection, and the
// first one stays until that one stands, so that what is watched already has no gap.

/** Since when the changes of each topic have come without a gap, by the clock of this machine. */
export type Since = Readonly<Partial<Record<string, number>>>

export type Status = {
  readonly kind: 'opening' | 'live' | 'stale'
  /** When the server last said that what it tells is new; null: never. */
  readonly heardAt: number | null
  readonly since: Since
}

export type Told =
  | { readonly kind: 'status'; readonly status: Status }
  | { readonly kind: 'beat'; readonly observedAt: string }
  | { readonly kind: 'row' | 'run'; readonly data: string }
  /** The server let a connection go with a refusal: perhaps nobody is signed in any more. */
  | { readonly kind: 'refused' }

type Connection = { readonly source: EventSource; readonly topics: readonly string[]; stands: boolean }

/** The server says something every 15 s at least: three silences are not chance. */
export const SILENCE_MS_MAX = 45_000
const REOPEN_MS = [1_000, 2_000, 5_000, 15_000] as const

export class Stream {
  readonly #tell: (told: Told) => void
  readonly #watch = setInterval(() => this.#look(), 1_000)
  #status: Status = { kind: 'opening', heardAt: null, since: {} }
  #topics: readonly string[] = []
  #current: Connection | null = null
  /** Asked for, and it does not stand yet. */
  #next: Connection | null = null
  #failures = 0
  /** When the stream was last asked for, or heard. */
  #contactAt = 0
  #reopen: ReturnType<typeof setTimeout> | undefined

  constructor(tell: (told: Told) => void) {
    this.#tell = tell
  }

  get status(): Status {
    return this.#status
  }

  want(topics: readonly string[]): void {
    if (topics.join() === this.#topics.join()) return
    this.#topics = topics
    this.#open()
  }

  close(): void {
    clearInterval(this.#watch)
    clearTimeout(this.#reopen)
    this.#next?.source.close()
    this.#current?.source.close()
    this.#next = this.#current = null
  }

  #open(): void {
    clearTimeout(this.#reopen)
    this.#next?.source.close()
    this.#contactAt = Date.now()
    const source = new EventSource(`/api/v1/stream?topics=${encodeURIComponent(this.#topics.join(','))}`)
    const connection: Connection = { source, topics: this.#topics, stands: false }
    this.#next = connection
    source.addEventListener('open', () => {
      // Also when the browser opened it again by itself.
      connection.stands = false
    })
    source.addEventListener('beat', (event) => {
      const { observedAt, stale } = JSON.parse(String(event.data)) as { observedAt: string; stale: boolean }
      if (!connection.stands) this.#onStanding(connection)
      this.#contactAt = Date.now()
      this.#tell({ kind: 'beat', observedAt })
      // The server is there, and what it could tell is old: it has not heard its store, or something holds the feed back.
      if (stale) this.#become({ kind: 'stale' })
      else this.#become({ kind: 'live', heardAt: Date.now() })
    })
    for (const kind of ['row', 'run'] as const)
      source.addEventListener(kind, (event) => {
        this.#contactAt = Date.now()
        this.#tell({ kind, data: String(event.data) })
      })
    source.addEventListener('reset', () => this.#watchedSince(connection.topics, {}))
    source.addEventListener('error', () => this.#onError(connection))
  }

  #onStanding(connection: Connection): void {
    connection.stands = true
    this.#failures = 0
    if (connection === this.#next) {
      this.#current?.source.close()
      this.#current = connection
      this.#next = null
    }
    this.#watchedSince(connection.topics, this.#status.since)
  }

  /** From now on, but for those that were watched before without a gap. */
  #watchedSince(topics: readonly string[], before: Since): void {
    const since = Object.fromEntries(topics.map((topic) => [topic, before[topic] ?? Date.now()]))
    this.#become({ since })
  }

  #onError(connection: Connection): void {
    connection.stands = false
    if (connection === this.#current || this.#current === null) this.#become({ kind: 'stale', since: {} })
    // The browser tries again by itself unless the answer was a refusal: then we do.
    if (connection.source.readyState !== EventSource.CLOSED) return
    this.#tell({ kind: 'refused' })
    const pause = REOPEN_MS[Math.min(this.#failures, REOPEN_MS.length - 1)] ?? 15_000
    this.#failures += 1
    clearTimeout(this.#reopen)
    this.#reopen = setTimeout(() => this.#open(), pause)
  }

  #look(): void {
    const { kind, heardAt } = this.#status
    const now = Date.now()
    if (kind === 'live' && heardAt !== null && now - heardAt > SILENCE_MS_MAX) this.#become({ kind: 'stale' })
    // A machine that slept, or a way that was cut without a word, leaves a connection on which nothing comes and nothing fails.
    if (this.#status.kind !== 'live' && this.#topics.length > 0 && now - this.#contactAt > SILENCE_MS_MAX) {
      this.#current?.source.close()
      this.#current = null
      this.#become({ since: {} })
      this.#open()
    }
  }

  #become(change: Partial<Status>): void {
    this.#status = { ...this.#status, ...change }
    this.#tell({ kind: 'status', status: this.#status })
  }
}
