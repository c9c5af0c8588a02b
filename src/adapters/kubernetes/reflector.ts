// Keeps in memory what an API server has of one kind: a list, then a watch from there on, and from time to time a whole list again as
// the judge. Objects are cut down to what is needed when they come, so that 10,000 pods are some megabytes.
import { setTimeout as pause } from 'node:timers/promises'
import { ApiError, isExpired, isStatus } from './api-error.ts'
import type { Api, Query } from './api.ts'
import { linesOf } from './lines.ts'
import type { List, Meta } from './objects.ts'

export type ReflectorOptions<Raw extends { readonly metadata: Meta }, Item> = {
  readonly api: Api
  readonly path: string
  readonly query?: Query
  /** Null: of no interest. `before`: what was known of it. */
  readonly itemOf: (raw: Raw, before: Item | null) => Item | null
  /** Told of each difference, with what was known before; both null never. */
  readonly changed: (key: string, before: Item | null, after: Item | null) => void
  readonly log: (level: 'info' | 'warn', fields: object, message: string) => void
  /** How often the whole list is read again. */
  readonly relistMs: number
}

export type Reflector<Item> = {
  readonly items: ReadonlyMap<string, Item>
  /** Resolves when the first list has been read; throws when it is refused for good, however late that is said, or stopped before. */
  synced(): Promise<void>
  /** Null: the watch goes on. Else what went wrong last, and since when (monotonic ms). */
  trouble(): { readonly error: unknown; readonly since: number } | null
  stop(): Promise<void>
}

const PAGE = 500
/** The server sends a bookmark each minute or so: a watch that says nothing for longer is dead. */
const IDLE_MS = 150_000
const LATE_S = 10
const LINE_BYTES_MAX = 8 * 1024 * 1024
const BACKOFF_MS = [100, 300, 1_000, 3_000, 5_000]

/**
 * Who is refused over HTTP/2 has his connection closed as well, and what else was under way on it fails without a word: the refusal is
 * what is wrong.
 */
const moreTelling = (before: unknown, now: unknown): unknown =>
  before instanceof ApiError && before.status !== 0 && now instanceof ApiError && now.status === 0 ? before : now

export const keyOf = ({ namespace, name }: Meta): string => (namespace === undefined ? name : `${namespace}/${name}`)

type WatchEvent<Raw> = { readonly type: string; readonly object: Raw }

export function startReflector<Raw extends { readonly metadata: Meta }, Item>(
  options: ReflectorOptions<Raw, Item>,
): Reflector<Item> {
  const { api, path, query = {}, itemOf, changed, log, relistMs } = options
  const items = new Map<string, Item>()
  const stopping = new AbortController()
  const first = Promise.withResolvers<void>()
  first.promise.catch(() => null)
  let version = ''
  let failures = 0
  let listedAt = Number.NEGATIVE_INFINITY
  let trouble: { error: unknown; since: number } | null = {
    error: new Error('it has not answered yet'),
    since: performance.now(),
  }

  function put(key: string, item: Item | null): void {
    const before = items.get(key) ?? null
    if (item === null) items.delete(key)
    else items.set(key, item)
    if (before !== null || item !== null) changed(key, before, item)
  }

  async function list(): Promise<void> {
    const seen = new Set<string>()
    let token: string | undefined
    let newest = ''
    do {
      // No resourceVersion: the newest there is, whichever server answers. A list from a cache may be older than what was seen.
      const page: List<Raw> = await api.get(path, { ...query, limit: PAGE, continue: token })
      for (const raw of page.items) {
        const item = itemOf(raw, items.get(keyOf(raw.metadata)) ?? null)
        if (item === null) continue
        seen.add(keyOf(raw.metadata))
        put(keyOf(raw.metadata), item)
      }
      newest = page.metadata.resourceVersion
      token = page.metadata.continue === '' ? undefined : page.metadata.continue
    } while (token !== undefined && !stopping.signal.aborted)
    for (const key of items.keys()) if (!seen.has(key)) put(key, null)
    version = newest
    listedAt = performance.now()
  }

  /** Returns when the server ends the watch, or when it is time for a list. */
  async function watch(): Promise<void> {
    const seconds = Math.max(1, Math.round((relistMs - (performance.now() - listedAt)) / 1000))
    const asked = {
      ...query,
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: version,
      timeoutSeconds: seconds,
    }
    // The server ends the watch in time; where its end does not reach us, we do.
    const late = AbortSignal.timeout((seconds + LATE_S) * 1000)
    const signal = AbortSignal.any([stopping.signal, late])
    const chunks = await api.stream(path, asked, { signal, idleMs: IDLE_MS })
    well()
    for await (const line of linesOf(chunks, LINE_BYTES_MAX)) {
      if (line === '') continue
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the API server sends
      const event = JSON.parse(line) as WatchEvent<Raw>
      if (event.type === 'ERROR') {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of an error the object is a Status
        const status = event.object as unknown as { code?: number; reason?: string; message?: string }
        throw new ApiError(status.code ?? 0, status.reason ?? 'Unreachable', status.message ?? 'the watch ended')
      }
      version = event.object.metadata.resourceVersion
      if (event.type === 'BOOKMARK') continue
      const key = keyOf(event.object.metadata)
      put(key, event.type === 'DELETED' ? null : itemOf(event.object, items.get(key) ?? null))
    }
  }

  function well(): void {
    failures = 0
    if (trouble !== null) first.resolve()
    trouble = null
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        if (version === '' || performance.now() - listedAt >= relistMs) await list()
        await watch()
      } catch (error) {
        if (stopping.signal.aborted) return
        if (isExpired(error)) {
          // Too old to go on from: what happened meanwhile is in a list.
          version = ''
          continue
        }
        failures += 1
        trouble ??= { error, since: performance.now() }
        trouble = { ...trouble, error: moreTelling(trouble.error, error) }
        if (failures === 1) log('warn', { path, error: String(error) }, 'a watch broke; it is taken up again')
        if (isStatus(error, 403)) first.reject(error)
        // A position that keeps failing is given up: the list is the judge.
        if (failures % 3 === 0) version = ''
        await pause(BACKOFF_MS[Math.min(failures, BACKOFF_MS.length) - 1], null, { signal: stopping.signal }).catch(
          () => null,
        )
      }
    }
  }

  const running = run()
  return {
    items,
    synced: () => first.promise,
    trouble: () => trouble,
    async stop() {
      stopping.abort()
      first.reject(new Error('it was stopped'))
      await running
    },
  }
}
