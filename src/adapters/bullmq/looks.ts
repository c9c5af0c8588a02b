// Wake-ups and timers of the loops. A message says "look at this loop" and nothing else; the truth is in the store, and a lost message
// costs as long as the loop's timer takes. One worker takes all messages one after the other and only begins a turn, without waiting
// for its end: so a slow turn holds no lock in the queue and delays no other loop, and three connections are enough for all of them.
//
// Three things bring a loop to look: a ring, its timer in the queue, and, when both are silent for two periods, a guard in this process.
// The guard is why no state of the queue (a Redis that is gone, a timer that was lost, a wall clock set back, by which the queue counts)
// can stop the control plane.
import type { Doorbell, LoopName } from '../../ports/doorbell.ts'
import { LOOPS } from '../../ports/doorbell.ts'
import { Flank } from './flank.ts'
import type { Connection, Line } from './line.ts'
import { openLine } from './line.ts'
import { codeOf, recordOfLoops, seldom, Turns } from './turns.ts'
import type { Complain, LoopSpec } from './turns.ts'

export type { LoopSpec } from './turns.ts'
export { QueueFault } from './line.ts'

export type LooksOptions = {
  readonly connection: Connection
  /** `redis://…`: the queue is there, and not in PostgreSQL. */
  readonly redisUrl: string | null
  readonly loops: Record<LoopName, LoopSpec>
  readonly log: (level: 'info' | 'warn' | 'error', fields: object, message: string) => void
  /** Tests: every ring is lost. */
  readonly dropRings?: boolean
  /** Tests: no timer in the queue, as if it had been lost. */
  readonly dropTimers?: boolean
}

export type Looks = Doorbell & {
  /** Begins nothing further and waits for the turns that run. */
  close(): Promise<void>
}

/** Beyond two periods, what a busy machine or a queue that was away for a moment may be late. */
const GUARD_SLACK_MS = 1_000
const GUARD_EVERY_MS_MAX = 1_000

export async function startLooks(options: LooksOptions): Promise<Looks> {
  const complain = seldom(options.log)
  const turns = new Turns(options.loops, complain)
  const guard = new Guard(options.loops, turns, complain)
  let line: Line | null = null
  const flanks = recordOfLoops((loop) => new Flank(() => send(loop)))

  function send(loop: LoopName): void {
    if (options.dropRings === true || line === null) return
    line.add(loop).catch((error: unknown) => {
      flanks[loop].failed()
      complain(
        `ring ${codeOf(error)}`,
        'warn',
        { loop, err: error },
        'a wake-up could not be sent; the loop looks at its timer',
      )
    })
  }

  const timed = options.dropTimers === true ? [] : LOOPS
  const timers = new Map(timed.map((loop) => [loop, options.loops[loop].everyMs]))
  const opened = await openLine(options.connection, options.redisUrl, timers, {
    message(name, from) {
      // Another release may have had other loops, whose timers are still there.
      const loop = LOOPS.find((candidate) => candidate === name)
      if (loop === undefined) return
      if (from === 'ring') flanks[loop].taken()
      else flanks[loop].timer()
      guard.seen(loop)
      turns.look(loop)
    },
    completed(name) {
      const loop = LOOPS.find((candidate) => candidate === name)
      if (loop !== undefined) flanks[loop].completed()
    },
    error(error) {
      const message =
        'the queue of wake-ups is disturbed; it is tried again all the time, and until then every loop looks by itself'
      complain(`queue ${codeOf(error)}`, 'warn', { code: codeOf(error), err: error }, message)
    },
  })
  line = opened
  const schedule = async (loop: LoopName): Promise<void> => {
    const everyMs = timers.get(loop)
    if (everyMs !== undefined) await opened.schedule(loop, everyMs)
  }
  guard.start(schedule, (loop) => flanks[loop].timer())

  let closing: Promise<void> | null = null
  const close = async (): Promise<void> => {
    guard.stop()
    await turns.close()
    await opened.close()
  }
  return {
    ring(loop) {
      if (closing === null) flanks[loop].ring()
    },
    close: () => (closing ??= close()),
  }
}

/** Lets a loop look when neither its timer nor a ring has made it do so, and repairs its timer. */
class Guard {
  readonly #loops: Record<LoopName, LoopSpec>
  readonly #turns: Turns
  readonly #complain: Complain
  readonly #seenAt = recordOfLoops(() => performance.now())
  /** Loops whose timer did not come: until it does, the guard keeps their period. */
  readonly #silent = new Set<LoopName>()
  readonly #repairing = new Set<LoopName>()
  #timer: ReturnType<typeof setInterval> | null = null

  constructor(loops: Record<LoopName, LoopSpec>, turns: Turns, complain: Complain) {
    this.#loops = loops
    this.#turns = turns
    this.#complain = complain
  }

  seen(loop: LoopName): void {
    this.#seenAt[loop] = performance.now()
    this.#silent.delete(loop)
  }

  start(schedule: (loop: LoopName) => Promise<void>, forget: (loop: LoopName) => void): void {
    for (const loop of LOOPS) this.seen(loop)
    const checkMs = Math.min(GUARD_EVERY_MS_MAX, ...LOOPS.map((loop) => this.#loops[loop].everyMs))
    this.#timer = setInterval(() => {
      for (const loop of LOOPS) {
        const silentMs = performance.now() - this.#seenAt[loop]
        const everyMs = this.#loops[loop].everyMs
        if (silentMs <= (this.#silent.has(loop) ? everyMs : 2 * everyMs + GUARD_SLACK_MS)) continue
        this.seen(loop)
        this.#silent.add(loop)
        forget(loop)
        this.#turns.look(loop)
        const message = 'the timer of a loop did not come; the loop looks by itself, and the timer is made anew'
        this.#complain(`timer ${loop}`, 'warn', { loop, silentMs: Math.round(silentMs) }, message)
        this.#repair(loop, schedule)
      }
    }, checkMs)
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** One try at a time: on a queue that is away an attempt may hang. */
  #repair(loop: LoopName, schedule: (loop: LoopName) => Promise<void>): void {
    if (this.#repairing.has(loop)) return
    this.#repairing.add(loop)
    schedule(loop)
      .catch((error: unknown) => {
        this.#complain(
          `schedule ${codeOf(error)}`,
          'warn',
          { loop, err: error },
          'the timer of a loop could not be made anew yet',
        )
      })
      .finally(() => this.#repairing.delete(loop))
  }
}
