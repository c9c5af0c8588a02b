// Frames by step, as a person scrubs: one request at a time, always for the newest wish, and what was read is kept. Whoever drags over
// 10,000 steps causes as many requests as the server answers, not 10,000.
import { askFrame } from '../api/queries.ts'
import { decodeFrame, type Frame } from './frame.ts'

const KEPT_MAX = 200

export class Frames {
  readonly #kept = new Map<number, Frame>()
  readonly #run: string
  readonly #attempt: number
  readonly #onFrame: (frame: Frame, wanted: number) => void
  readonly #onError: (error: unknown) => void
  #wanted: number | null = null
  #asking: AbortController | null = null

  constructor(
    run: string,
    attempt: number,
    onFrame: (frame: Frame, wanted: number) => void,
    onError: (error: unknown) => void,
  ) {
    this.#run = run
    this.#attempt = attempt
    this.#onFrame = onFrame
    this.#onError = onError
  }

  want(step: number): void {
    this.#wanted = step
    const kept = this.#kept.get(step)
    if (kept === undefined) void this.#ask()
    else this.#onFrame(kept, step)
  }

  close(): void {
    this.#wanted = null
    this.#asking?.abort()
  }

  async #ask(): Promise<void> {
    if (this.#asking !== null) return
    while (this.#wanted !== null && !this.#kept.has(this.#wanted)) {
      const step: number = this.#wanted
      const asking = new AbortController()
      this.#asking = asking
      try {
        const frame = decodeFrame(await askFrame(this.#run, this.#attempt, step, asking.signal))
        this.#keep(step, frame)
        this.#onFrame(frame, step)
      } catch (error) {
        this.#wanted = null
        if (!asking.signal.aborted) this.#onError(error)
      } finally {
        this.#asking = null
      }
    }
  }

  #keep(step: number, frame: Frame): void {
    this.#kept.set(step, frame)
    const oldest = this.#kept.keys().next()
    if (this.#kept.size > KEPT_MAX && oldest.done !== true) this.#kept.delete(oldest.value)
  }
}
