// One reader of the change feed for all who watch: it looks a few times a second while anybody listens, and says which runs changed. It
// keeps nothing but its position; on any doubt everybody reads afresh.
import type { RunId } from '../../domain/ids.ts'
import type { Feed, FeedPosition, FeedRead } from '../../ports/feed.ts'

/** Of one item nobody is told more often. */
export const LOOK_MS = 250
export const CHANGES_PER_LOOK_MAX = 5_000

/** A position of the feed as this reader came to it: of two the higher `look` is the later. */
export type Reached = { readonly look: number; readonly position: FeedPosition }

export type News =
  | { readonly kind: 'changed'; readonly runs: ReadonlySet<RunId>; readonly before: Reached; readonly reached: Reached }
  /** Something was missed: what is known must be read again. */
  | { readonly kind: 'reset'; readonly reached: Reached }

type Listener = (news: News) => void

export class Follower {
  readonly #feed: Feed
  readonly #listeners = new Set<Listener>()
  #position: FeedPosition | null = null
  #timer: NodeJS.Timeout | null = null
  #looks = 0
  #looking = false
  #heardAt = 0
  /** Those who wait for the first look. */
  readonly #waiting = new Set<() => void>()
  #lagMs = 0

  constructor(feed: Feed) {
    this.#feed = feed
  }

  /** Null before the first look. */
  get reached(): Reached | null {
    return this.#position === null ? null : { look: this.#looks, position: this.#position }
  }

  /** How far what is told may be behind: since the last look that was answered, and what waited then. */
  behindMs(now: number): number {
    return this.#heardAt === 0 ? 0 : this.#lagMs + Math.max(0, now - this.#heardAt - LOOK_MS)
  }

  /** From the first look after this on; what came before must be read. */
  follow(listener: Listener): () => void {
    this.#listeners.add(listener)
    if (this.#timer === null) {
      // What was committed while nobody listened is no news to anybody.
      this.#position = null
      this.#heardAt = Date.now()
      this.#timer = setInterval(() => void this.#look(), LOOK_MS)
      void this.#look()
    }
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.stop()
    }
  }

  /** Until the first look is over: what is committed after this is told. */
  async ready(): Promise<void> {
    if (this.#position === null) await new Promise<void>((resolve) => this.#waiting.add(resolve))
  }

  #isReady(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      if (this.#position === null) this.#position = await this.#feed.feedPosition()
      const read = await this.#feed.feedAfter(this.#position, CHANGES_PER_LOOK_MAX, false)
      this.#heardAt = Date.now()
      this.#lagMs = read?.lagMs ?? 0
      if (read === null) return await this.#afresh()
      const before = { look: this.#looks, position: this.#position }
      this.#position = read.position
      this.#looks += 1
      const runs = runsOf(read)
      const reached = { look: this.#looks, position: read.position }
      if (runs.size > 0) this.#tell({ kind: 'changed', runs, before, reached })
      this.#isReady()
    } catch {
      // The store is away: there is nothing to say, and the next look asks again. Whoever watches sees the silence.
    } finally {
      this.#looking = false
    }
  }

  async #afresh(): Promise<void> {
    this.#position = await this.#feed.feedPosition()
    this.#looks += 1
    this.#tell({ kind: 'reset', reached: { look: this.#looks, position: this.#position } })
    this.#isReady()
  }

  #tell(news: News): void {
    for (const listener of this.#listeners) listener(news)
  }
}

export const runsOf = ({ changes }: FeedRead): Set<RunId> =>
  new Set(changes.flatMap(({ run }) => (run === null ? [] : [run])))
