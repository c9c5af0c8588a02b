// The stream of changes. What it brings is written into what the queries hold, in batches: a burst of rows must not keep the page from
// scrolling. When it is silent the pages say since when; they never look fresh on old numbers.
import type { QueryClient } from '@tanstack/react-query'
import { noteServerTime } from './clock.ts'
import type { Show, Table, TableRow } from './documents.ts'

export type LiveState = {
  readonly kind: 'opening' | 'live' | 'stale'
  /** When the server was last heard, by the clock of this browser; null: never. */
  readonly heardAt: number | null
}

/** The server says something every 15 s at least: three silences are not chance. */
const SILENCE_MS_MAX = 45_000
const BATCH_MS = 300
/** How soon a list is read again that a new or a moved row may have changed. */
const REREAD_MS = 3_000
const REOPEN_MS = [1_000, 2_000, 5_000, 15_000] as const

export class Live {
  #source: EventSource | null = null
  #run: string | null = null
  #state: LiveState = { kind: 'opening', heardAt: null }
  #listeners = new Set<() => void>()
  #rows = new Map<string, TableRow>()
  #failures = 0
  #batch: ReturnType<typeof setTimeout> | null = null
  #reread: ReturnType<typeof setTimeout> | null = null
  #reopen: ReturnType<typeof setTimeout> | null = null
  readonly #queries: QueryClient

  constructor(queries: QueryClient) {
    this.#queries = queries
    setInterval(() => this.#watch(), 1_000)
  }

  /** The rows of all runs, and the document of one run when its page is open. */
  follow(run: string | null): void {
    if (this.#source !== null && this.#run === run) return
    this.#run = run
    this.#open()
  }

  close(): void {
    this.#source?.close()
    this.#source = null
    if (this.#reopen !== null) clearTimeout(this.#reopen)
    this.#become({ kind: 'opening', heardAt: null })
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
  readonly state = (): LiveState => this.#state

  #open(): void {
    this.#source?.close()
    if (this.#reopen !== null) clearTimeout(this.#reopen)
    const topics = this.#run === null ? 'runs' : `runs,run:${this.#run}`
    const source = new EventSource(`/api/v1/stream?topics=${encodeURIComponent(topics)}`)
    this.#source = source
    source.addEventListener('open', () => {
      // What was said while nobody listened is lost to us, whether or not the server remembers it.
      if (this.#state.kind === 'stale') void this.#queries.invalidateQueries()
      this.#failures = 0
      this.#heard()
    })
    source.addEventListener('row', (event) => this.#onRow(JSON.parse(String(event.data)) as TableRow))
    source.addEventListener('run', (event) => this.#onRun(JSON.parse(String(event.data)) as Show))
    source.addEventListener('beat', (event) => {
      const { observedAt, stale } = JSON.parse(String(event.data)) as { observedAt: string; stale: boolean }
      noteServerTime(observedAt)
      // The server is there, and what it could tell is old: it has not heard its store, or something holds the feed back.
      if (stale) this.#become({ kind: 'stale', heardAt: this.#state.heardAt })
      else this.#heard()
    })
    source.addEventListener('reset', () => {
      this.#heard()
      void this.#queries.invalidateQueries()
    })
    source.addEventListener('error', () => this.#onError(source))
  }

  #onError(source: EventSource): void {
    if (source !== this.#source) return
    this.#become({ kind: 'stale', heardAt: this.#state.heardAt })
    // The browser tries again by itself unless the answer was a refusal: then we do, and ask whether we are still signed in.
    if (source.readyState !== EventSource.CLOSED) return
    void this.#queries.invalidateQueries({ queryKey: ['session'] })
    const pause = REOPEN_MS[Math.min(this.#failures, REOPEN_MS.length - 1)] ?? 15_000
    this.#failures += 1
    this.#reopen = setTimeout(() => this.#open(), pause)
  }

  #onRow(row: TableRow): void {
    this.#heard()
    this.#rows.set(row.id, row)
    if (this.#batch === null) this.#batch = setTimeout(() => this.#flush(), BATCH_MS)
  }

  #onRun(show: Show): void {
    this.#heard()
    this.#queries.setQueryData(['show', show.id], show)
  }

  #flush(): void {
    this.#batch = null
    const rows = this.#rows
    this.#rows = new Map()
    const seen = new Set<string>()
    let moved = false
    this.#queries.setQueriesData<Table>({ queryKey: ['table'] }, (table) => {
      if (table === undefined) return table
      if (!table.rows.some((row) => rows.has(row.id))) return table
      return {
        ...table,
        rows: table.rows.map((old) => {
          const row = rows.get(old.id)
          if (row === undefined) return old
          seen.add(row.id)
          if (row.state !== old.state) moved = true
          return row
        }),
      }
    })
    if (moved || seen.size < rows.size) this.#readSoon()
  }

  #readSoon(): void {
    if (this.#reread !== null) return
    this.#reread = setTimeout(() => {
      this.#reread = null
      void this.#queries.invalidateQueries({ queryKey: ['table'] })
    }, REREAD_MS)
  }

  #heard(): void {
    this.#become({ kind: 'live', heardAt: Date.now() })
  }

  #watch(): void {
    const { kind, heardAt } = this.#state
    if (kind === 'live' && heardAt !== null && Date.now() - heardAt > SILENCE_MS_MAX) {
      this.#become({ kind: 'stale', heardAt })
    }
  }

  #become(state: LiveState): void {
    this.#state = state
    for (const listener of this.#listeners) listener()
  }
}
