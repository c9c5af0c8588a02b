// Virtual time: a heap of events. What happens at the same moment happens in the order in which it was asked for, so that a seed
// gives one history and no other.
import type { EpochMs } from '../domain/units.ts'
import { epochMs } from '../domain/units.ts'
import type { Clock } from '../ports/clock.ts'

type Event = { readonly at: EpochMs; readonly order: number; readonly act: () => void }

export class Timeline implements Clock {
  readonly #heap: Event[] = []
  #now: EpochMs
  #order = 0

  constructor(begin: EpochMs) {
    this.#now = begin
  }

  now(): EpochMs {
    return this.#now
  }

  after(delayMs: number, act: () => void): void {
    this.at(epochMs(this.#now + Math.max(0, Math.round(delayMs))), act)
  }

  at(moment: EpochMs, act: () => void): void {
    this.#order += 1
    this.#push({ at: moment < this.#now ? this.#now : moment, order: this.#order, act })
  }

  /** A promise of a moment; what waits for it goes on when the event runs. */
  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve))
  }

  nextAt(): EpochMs | null {
    return this.#heap[0]?.at ?? null
  }

  /** Runs the next event. */
  step(): void {
    const event = this.#pop()
    if (event === null) return
    this.#now = event.at
    event.act()
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !isBefore(event, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = event
  }

  #pop(): Event | null {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined) return null
    if (heap.length === 0) return first
    let at = 0
    for (;;) {
      const left = heap[2 * at + 1]
      const right = heap[2 * at + 2]
      const child = right !== undefined && left !== undefined && isBefore(right, left) ? 2 * at + 2 : 2 * at + 1
      const below = heap[child]
      if (below === undefined || !isBefore(below, last)) break
      heap[at] = below
      at = child
    }
    heap[at] = last
    return first
  }
}

const isBefore = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
