// Who is told when something of a cluster may have changed.

/** What changes is told at once, and then not again for a while: pods of a gang change by the hundred. */
const FIRST_MS = 5
const NEXT_MS = 100

export class Watchers {
  readonly #told = new Set<() => void>()
  #timer: NodeJS.Timeout | null = null
  #at = Number.NEGATIVE_INFINITY

  /** Returns the end of it. */
  add(changed: () => void): () => void {
    this.#told.add(changed)
    return () => void this.#told.delete(changed)
  }

  tell(): void {
    if (this.#timer !== null) return
    const wait = Math.max(FIRST_MS, this.#at + NEXT_MS - performance.now())
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#at = performance.now()
      for (const changed of this.#told) changed()
    }, wait)
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#told.clear()
  }
}
