// What many look at is read once. Two ways, both for all who may see the same:
//
// `recent`: an answer is read at most once a second, and not again while the feed says that nothing changed. Time alone changes some of what it
// says (a node that is silent, the end of a ledger), so that nothing is older than a few seconds. What somebody changes here, he sees at once.
//
// `latest`: never older than the question.
import type { FastifyRequest } from 'fastify'
import type { DocumentName } from '../../contract/documents.ts'
import { toWire } from '../../contract/wire.ts'
import type { Answer, Refusal } from '../../domain/refusal.ts'
import type { Feed, FeedPosition } from '../../ports/feed.ts'
import { Together } from '../../ports/together.ts'
import { whose } from './sight.ts'

export const FRESH_MS = 1_000
export const RECENT_MS_MAX = 5_000
/** Several kinds of sight, each with what its pages ask. */
export const RECENT_MAX = 128
const CHANGES_MAX = 100

/** A document as its text: what is shared is not written out for each. */
export type Text = { readonly ok: true; readonly text: string } | Refusal

export async function textOf<Value extends object>(name: DocumentName, answer: Promise<Answer<Value>>): Promise<Text> {
  const made = await answer
  return made.ok ? { ok: true, text: JSON.stringify(toWire(name, made.value)) } : made
}

/** One answer for all of one sight. Who says `no-cache` (the command line; a page after somebody changed something in it) is answered with what is true now. */
export function asked(
  shared: Shared,
  { principal, headers }: Pick<FastifyRequest, 'principal' | 'headers'>,
  what: readonly unknown[],
  make: Make,
  freshMs = FRESH_MS,
): Promise<Text> {
  const key = JSON.stringify([whose(principal), ...what])
  return headers['cache-control'] === 'no-cache' ? shared.latest(key, make) : shared.recent(key, make, freshMs)
}

type Make = () => Promise<Text>
type Entry = {
  readonly at: number
  readonly until: number
  generation: number
  isPending: boolean
  readonly made: Promise<Text>
}

export class Shared {
  readonly #watch: FeedWatch
  readonly #now: () => number
  readonly #recent = new Map<string, Entry>()
  readonly #latest = new Together<Text>()

  constructor(feed: Feed, now: () => number = Date.now) {
    this.#now = now
    this.#watch = new FeedWatch(feed, now)
  }

  /** `freshMs`: as old it may be though the feed moved. */
  async recent(key: string, make: Make, freshMs = FRESH_MS): Promise<Text> {
    const known = this.#recent.get(key)
    if (known !== undefined) {
      const now = this.#now()
      if (known.isPending || now - known.at < freshMs) return known.made
      if (now < known.until && (await this.#watch.generation()) === known.generation) return known.made
      const newer = this.#recent.get(key)
      if (newer !== undefined && newer !== known) return newer.made
    }
    return this.#read(key, make, freshMs)
  }

  latest(key: string, make: Make): Promise<Text> {
    return this.#latest.ask(key, make)
  }

  /** Something was changed by a request: whoever asks after it reads anew. */
  forget(): void {
    this.#recent.clear()
  }

  #read(key: string, make: Make, freshMs: number): Promise<Text> {
    const at = this.#now()
    for (const [old, entry] of this.#recent) if (at >= entry.until) this.#recent.delete(old)
    const oldest = this.#recent.keys().next()
    if (this.#recent.size >= RECENT_MAX && oldest.done !== true) this.#recent.delete(oldest.value)
    const work = async (): Promise<Text> => {
      try {
        // Before what is read: a change that comes between the two is read twice, and never missed.
        entry.generation = await this.#watch.generation()
        return await make()
      } catch (error) {
        if (this.#recent.get(key) === entry) this.#recent.delete(key)
        throw error
      } finally {
        entry.isPending = false
      }
    }
    // The entry is there before its work begins, which is in a later turn.
    const until = at + Math.max(freshMs, RECENT_MS_MAX)
    const entry: Entry = { at, until, generation: -1, isPending: true, made: Promise.resolve().then(work) }
    this.#recent.set(key, entry)
    return entry.made
  }
}

/** Whether anything changed, looked for once a second at most and only when somebody asks. */
class FeedWatch {
  readonly #feed: Feed
  readonly #now: () => number
  #position: FeedPosition | null = null
  #generation = 0
  #lookedAt = Number.NEGATIVE_INFINITY
  #looking: Promise<void> | null = null

  constructor(feed: Feed, now: () => number) {
    this.#feed = feed
    this.#now = now
  }

  async generation(): Promise<number> {
    if (this.#now() - this.#lookedAt >= FRESH_MS) {
      this.#looking ??= this.#look().finally(() => (this.#looking = null))
      await this.#looking
    }
    return this.#generation
  }

  async #look(): Promise<void> {
    const began = this.#now()
    const read = this.#position === null ? null : await this.#feed.feedAfter(this.#position, CHANGES_MAX, false)
    if (read === null || read.changes.length > 0) this.#generation += 1
    this.#position = read === null || read.more ? await this.#feed.feedPosition() : read.position
    this.#lookedAt = began
  }
}
