// How far a replay is, on stderr: a bar that is drawn over itself on a terminal, else a line now and then.
const BAR_MS = 100
const LINE_MS = 10_000
const BAR_CHARS = 24

export type ProgressTo = { readonly isTTY: boolean; readonly columns: number; write(text: string): void }

export class Progress {
  readonly #to: ProgressTo
  readonly #jobs: number
  readonly #now: () => number
  readonly #quiet: boolean
  #last: number
  #drawn = false

  /** `quiet`: a program reads the answer, and nobody watches. */
  constructor(to: ProgressTo, jobs: number, quiet: boolean, now: () => number) {
    this.#to = to
    this.#jobs = jobs
    this.#now = now
    this.#quiet = quiet && !to.isTTY
    this.#last = now()
  }

  tell(done: number, virtualMs: number): void {
    const now = this.#now()
    if (this.#quiet || now - this.#last < (this.#to.isTTY ? BAR_MS : LINE_MS)) return
    this.#last = now
    const days = (virtualMs / 86_400_000).toFixed(1)
    if (!this.#to.isTTY) {
      this.#to.write(`${done} of ${this.#jobs} jobs, day ${days}\n`)
      return
    }
    const filled = Math.round((done / Math.max(1, this.#jobs)) * BAR_CHARS)
    const bar = '#'.repeat(filled) + '.'.repeat(BAR_CHARS - filled)
    const text = `[${bar}] ${done} of ${this.#jobs} jobs, day ${days}`
    // A bar that wraps would scroll.
    this.#to.write(`\r\u001b[K${text.slice(0, Math.max(1, this.#to.columns - 1))}`)
    this.#drawn = true
  }

  /** Takes the bar away: what comes after it begins in a clean line. */
  end(): void {
    if (this.#drawn) this.#to.write('\r\u001b[K')
    this.#drawn = false
  }
}
