// Runs the loops of this process. A loop never runs beside itself: whatever asks for a look during a run leads to one more run after
// it, however often it asked, because a look that began earlier may not have seen what the asking was about. Different loops do not
// wait for each other. A run that fails is logged and not repeated: the loop runs again at its timer.
import type { LoopName } from '../../ports/doorbell.ts'
import { LOOPS } from '../../ports/doorbell.ts'

export type LoopSpec = {
  /** How often the loop looks when nobody rings. */
  readonly everyMs: number
  readonly run: () => Promise<void>
}

export type Complain = (kind: string, level: 'warn' | 'error', fields: object, message: string) => void

type Turn = { running: Promise<void> | null; again: boolean }

export class Turns {
  readonly #loops: Record<LoopName, LoopSpec>
  readonly #complain: Complain
  readonly #turns: Record<LoopName, Turn>
  #closed = false

  constructor(loops: Record<LoopName, LoopSpec>, complain: Complain) {
    this.#loops = loops
    this.#complain = complain
    this.#turns = recordOfLoops(() => ({ running: null, again: false }))
  }

  /** Returns at once and never throws. */
  look(loop: LoopName): void {
    const turn = this.#turns[loop]
    if (this.#closed) return
    if (turn.running === null) turn.running = this.#go(loop, turn)
    else turn.again = true
  }

  /** Begins no further run, and resolves when those that run have ended. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(LOOPS.map((loop) => this.#turns[loop].running ?? Promise.resolve()))
  }

  async #go(loop: LoopName, turn: Turn): Promise<void> {
    do {
      turn.again = false
      try {
        await this.#loops[loop].run()
      } catch (error) {
        this.#report(loop, error)
      }
    } while (turn.again && !this.#closed)
    turn.running = null
  }

  #report(loop: LoopName, error: unknown): void {
    const code = codeOf(error)
    const retryable = error instanceof Error && 'retryable' in error && error.retryable === true
    const message = retryable
      ? 'a loop could not do its work; it looks again at its timer'
      : 'a loop failed with something that no fault of the outside explains; it looks again at its timer'
    this.#complain(`${loop} ${code}`, retryable ? 'warn' : 'error', { loop, code, err: error }, message)
  }
}

export function recordOfLoops<Value>(make: (loop: LoopName) => Value): Record<LoopName, Value> {
  return { place: make('place'), launch: make('launch'), observe: make('observe'), account: make('account') }
}

export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' && error.code !== '' ? error.code : error.name
}

/**
 * Something that goes on failing says so once in ten seconds for each kind, with how often it was left out: a queue that is down
 * fails ten times a second.
 */
export function seldom(
  log: (level: 'warn' | 'error', fields: object, message: string) => void,
  nowMs: () => number = () => performance.now(),
): Complain {
  const kinds = new Map<string, { saidAt: number; leftOut: number }>()
  return (kind, level, fields, message) => {
    const before = kinds.get(kind)
    const now = nowMs()
    if (before !== undefined && now - before.saidAt < COMPLAIN_EVERY_MS) {
      before.leftOut += 1
      return
    }
    // Kinds are codes, few and known; should a library invent one for each error, the memory stays bounded all the same.
    if (kinds.size >= KINDS_MAX) kinds.clear()
    kinds.set(kind, { saidAt: now, leftOut: 0 })
    log(level, { ...fields, leftOut: before?.leftOut ?? 0 }, message)
  }
}

const COMPLAIN_EVERY_MS = 10_000
const KINDS_MAX = 200
