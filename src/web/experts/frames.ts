// Frames by step, as a person scrubs: one request at a time, always for the newest wish, and what was read is kept. Whoever drags over
// 10,000 steps causes as many requests as the server answers, not 10,000.
import { Refused } from '../api/ask.ts'
import type { Frame } from './frame.ts'
import type { Granted, Wish } from './frame-worker.ts'

const KEPT_MAX = 200

export class Frames {
  readonly #kept = new Map<number, Frame>()
  readonly #run: string
  readonly #attempt: number
  readonly #set: number
  readonly #onFrame: (frame: Frame, wanted: number) => void
  readonly #onError: (error: unknown) => void
  #wanted: number | null = null
  #asked: number | null = null
  #worker: Worker | null = null

  constructor(
    run: string,
    attempt: number,
    set: number,
    onFrame: (frame: Frame, wanted: number) => void,
    onError: (error: unknown) => void,
  ) {
    this.#run = run
    this.#attempt = attempt
    this.#set = set
    this.#onFrame = onFrame
    this.#onError = onError
  }

  want(step: number): void {
    this.#wanted = step
    const kept = this.#kept.get(step)
    if (kept === undefined) this.#ask()
    else this.#onFrame(kept, step)
  }

  close(): void {
    this.#wanted = null
    this.#asked = null
    this.#worker?.terminate()
    this.#worker = null
  }

  #ask(): void {
    if (this.#asked !== null || this.#wanted === null || this.#kept.has(this.#wanted)) return
    this.#asked = this.#wanted
    const path = `/runs/${encodeURIComponent(this.#run)}/experts/frame`
    this.#worker ??= this.#start()
    // A worker has no origin to name: that is for windows.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    this.#worker.postMessage({ path, attempt: this.#attempt, set: this.#set, step: this.#wanted } satisfies Wish)
  }

  #start(): Worker {
    const worker = new Worker(new URL('./frame-worker.ts', import.meta.url), { type: 'module' })
    worker.addEventListener('message', (event: MessageEvent<Granted>) => this.#onGranted(event.data))
    worker.addEventListener('error', () => {
      this.close()
      this.#onError(new Error('The part of the page that reads frames could not start.'))
    })
    return worker
  }

  #onGranted(granted: Granted): void {
    const step = this.#asked
    this.#asked = null
    if (step === null) return
    if (granted.kind === 'refused') {
      this.#wanted = null
      this.#onError(new Refused(granted.status, granted.code, granted.detail, granted.whatToDo))
      return
    }
    this.#keep(step, granted.frame)
    // Wished for a kept frame meanwhile? Then that one is shown already, and this late one must not take its place.
    if (this.#wanted !== step && this.#wanted !== null && this.#kept.has(this.#wanted)) return
    this.#onFrame(granted.frame, step)
    this.#ask()
  }

  #keep(step: number, frame: Frame): void {
    this.#kept.set(step, frame)
    const oldest = this.#kept.keys().next()
    if (this.#kept.size > KEPT_MAX && oldest.done !== true) this.#kept.delete(oldest.value)
  }
}
