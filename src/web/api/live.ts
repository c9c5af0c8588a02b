// What the stream of changes brings, written into what the queries hold, in batches: a burst of rows must not keep the page from
// scrolling. What was asked for before its changes were told is asked for again. When the stream is silent the pages say since when; they
// never look fresh on old numbers. A window that nobody looks at keeps no stream, and rereads when it is looked at again.
import type { Query, QueryClient } from '@tanstack/react-query'
import { noteServerTime } from './clock.ts'
import type { Show, Table, TableRow } from './documents.ts'
import { Share } from './share.ts'
import { SILENCE_MS_MAX, type Since, type Status, type Told } from './stream.ts'

export type LiveState = Pick<Status, 'kind' | 'heardAt'>

const BATCH_MS = 300
/** How soon a list is read again that a new or a moved row may have changed. */
const REREAD_MS = 3_000
/** Who looks at another tab for a moment comes back to a page that is still live. */
const HIDDEN_MS_MAX = 5_000
/** Not of a run, or read on by themselves. */
const APART: readonly unknown[] = ['session', 'log', 'follow']

export class Live {
  readonly #queries: QueryClient
  readonly #share = new Share((told) => this.#onTold(told))
  readonly #listeners = new Set<() => void>()
  #state: LiveState = { kind: 'opening', heardAt: null }
  /** null: nothing is followed. */
  #followed: { readonly run: string | null } | null = null
  #since: Since = {}
  /** What was told before, this window did not hear. */
  #awakeAt = Date.now()
  #hiddenAt: number | null = document.visibilityState === 'hidden' ? Date.now() : null
  #asleep = false
  /** When what is under way was asked for, and what was answered last. */
  readonly #askedAt = new WeakMap<Query, number>()
  readonly #answeredAt = new WeakMap<Query, number>()
  #rows = new Map<string, TableRow>()
  #batch: ReturnType<typeof setTimeout> | null = null
  #reread: ReturnType<typeof setTimeout> | null = null
  #rereadRun: ReturnType<typeof setTimeout> | null = null

  constructor(queries: QueryClient) {
    this.#queries = queries
    setInterval(() => this.#look(), 1_000)
    document.addEventListener('visibilitychange', () => this.#onVisibility())
    queries.getQueryCache().subscribe((event) => {
      if (event.type !== 'updated') return
      const { query, action } = event
      if (action.type === 'fetch') this.#askedAt.set(query, Date.now())
      if (action.type === 'success' && action.manual !== true) {
        const asked = this.#askedAt.get(query)
        if (asked !== undefined) this.#answeredAt.set(query, asked)
      }
      // A first answer may have been under way when its changes began to be told.
      if (action.type === 'success' && action.manual !== true && this.#isOld(query))
        queueMicrotask(() => this.#readOld())
    })
  }

  /** The rows of all runs, and the document of one run when its page is open. */
  follow(run: string | null): void {
    this.#followed = { run }
    if (this.#asleep) return
    this.#share.join(run)
    this.#readOld()
  }

  close(): void {
    this.#followed = null
    this.#share.leave()
    this.#become({ kind: 'opening', heardAt: null })
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
  readonly state = (): LiveState => this.#state

  #onTold(told: Told): void {
    switch (told.kind) {
      case 'status':
        return this.#onStatus(told.status)
      case 'beat':
        return noteServerTime(told.observedAt)
      case 'row':
        return this.#onRow(JSON.parse(told.data) as TableRow)
      case 'run':
        return this.#onRun(JSON.parse(told.data) as Show)
      case 'refused':
        // Are we still signed in?
        return void this.#queries.invalidateQueries({ queryKey: ['session'] })
    }
  }

  #onStatus({ kind, heardAt, since }: Status): void {
    this.#since = since
    // Another window begins to lead: what we show is as fresh as it was.
    if (kind !== 'opening' || this.#state.kind === 'opening')
      this.#become({ kind, heardAt: heardAt ?? this.#state.heardAt })
    this.#readOld()
  }

  /** Asked for before its changes were told: it may lack some. What could not be answered lacks them, too, and is asked for again. */
  #isOld(query: Query): boolean {
    const [name, run] = query.queryKey
    if (APART.includes(name)) return false
    const { fetchStatus, status } = query.state
    const answered = status === 'error' ? 0 : this.#answeredAt.get(query)
    const asked = fetchStatus === 'fetching' ? this.#askedAt.get(query) : answered
    if (asked === undefined) return false
    const topic = name === 'table' ? 'runs' : run === this.#followed?.run ? `run:${String(run)}` : null
    return topic !== null && asked < Math.max(this.#awakeAt, this.#since[topic] ?? 0)
  }

  #readOld(): void {
    // A first answer that is under way is not cut off: the page has nothing else to show. It is looked at when it is there.
    const predicate = (query: Query): boolean =>
      this.#isOld(query) && !(query.state.data === undefined && query.state.fetchStatus === 'fetching')
    void this.#queries.invalidateQueries({ predicate })
  }

  #onRow(row: TableRow): void {
    // More windows than the stream takes runs: then the row says that there is a newer document.
    if (row.id === this.#followed?.run && this.#since[`run:${row.id}`] === undefined) this.#readRunSoon(row.id)
    this.#rows.set(row.id, row)
    if (this.#batch === null) this.#batch = setTimeout(() => this.#flush(), BATCH_MS)
  }

  #onRun(show: Show): void {
    const queryKey = ['show', show.id]
    const state = this.#queries.getQueryState(queryKey)
    if (state === undefined) return
    this.#queries.setQueryData(queryKey, show)
    // An answer that is under way may be older than this, and would take its place.
    if (state.fetchStatus === 'fetching') void this.#queries.invalidateQueries({ queryKey })
  }

  #flush(): void {
    this.#batch = null
    const rows = this.#rows
    this.#rows = new Map()
    const seen = new Set<string>()
    // An answer that is under way may be older than these, and will take their place.
    let moved = this.#queries.isFetching({ queryKey: ['table'] }) > 0
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

  /** Rows come faster than a document may be answered: one that is under way is not asked for anew, it would never come. */
  #readRunSoon(run: string): void {
    if (this.#rereadRun !== null) return
    this.#rereadRun = setTimeout(() => {
      this.#rereadRun = null
      const queryKey = ['show', run]
      if (this.#queries.isFetching({ queryKey }) > 0) this.#readRunSoon(run)
      else void this.#queries.invalidateQueries({ queryKey })
    }, BATCH_MS)
  }

  #look(): void {
    const { kind, heardAt } = this.#state
    const now = Date.now()
    if (kind === 'live' && heardAt !== null && now - heardAt > SILENCE_MS_MAX) this.#become({ kind: 'stale', heardAt })
    if (!this.#asleep && this.#hiddenAt !== null && now - this.#hiddenAt > HIDDEN_MS_MAX) this.#sleep()
  }

  #onVisibility(): void {
    if (document.visibilityState === 'hidden') {
      this.#hiddenAt = Date.now()
      return
    }
    // A browser may have stopped the clock that would have put us to sleep.
    this.#look()
    this.#hiddenAt = null
    if (this.#asleep) this.#wake()
  }

  #sleep(): void {
    this.#asleep = true
    this.#share.leave()
    this.#become({ kind: 'stale', heardAt: this.#state.heardAt })
  }

  #wake(): void {
    this.#asleep = false
    this.#awakeAt = Date.now()
    this.#readOld()
    if (this.#followed !== null) this.follow(this.#followed.run)
  }

  #become(state: LiveState): void {
    this.#state = state
    for (const listener of this.#listeners) listener()
  }
}
