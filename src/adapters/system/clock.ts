// The leader's clock (design: books, Time): the database's clock at one moment, plus the time that this machine has been up since.
// Time since boot never steps and goes on while the machine sleeps; the wall clock of this machine is never asked.
import { readFileSync } from 'node:fs'
import type { EpochMs } from '../../domain/units.ts'
import { epochMs, integer } from '../../domain/units.ts'
import type { Clock } from '../../ports/clock.ts'

/** What a boot time is made of. `uptimeMs` is null where the system does not tell. */
export type BootSources = { readonly uptimeMs: () => number | null; readonly steadyMs: () => number }

/** Beyond this the two sources have parted: the machine slept. /proc/uptime has steps of 10 ms, the rest is for being interrupted. */
const PARTED_MS = 50
/** A pair of readings with a longer pause between them says nothing about each other. */
const PAIR_MS_MAX = 5
const PAIR_TRIES_MAX = 5

/**
 * Milliseconds since boot, sleep included (CLOCK_BOOTTIME), never decreasing. Node reads only the monotonic clock, which stands still
 * while the machine sleeps: it gives the fine steps, and /proc/uptime says when they have to be moved.
 */
export class BootTime {
  readonly #sources: BootSources
  #offset: number | null = null
  #last = 0

  constructor(sources: BootSources) {
    this.#sources = sources
  }

  read(): number {
    const { steady, uptime } = this.#pair()
    if (uptime === null) this.#offset ??= 0
    else if (this.#offset === null || Math.abs(steady + this.#offset - uptime) > PARTED_MS)
      this.#offset = uptime - steady
    this.#last = Math.max(this.#last, Math.floor(steady + this.#offset))
    return integer(this.#last, 'time since boot')
  }

  /** Both clocks at nearly one moment: to be interrupted between the two readings would look like a sleep. */
  #pair(): { steady: number; uptime: number | null } {
    for (let tries = 1; ; tries++) {
      const before = this.#sources.steadyMs()
      const uptime = this.#sources.uptimeMs()
      const steady = this.#sources.steadyMs()
      if (uptime === null || steady - before <= PAIR_MS_MAX || tries === PAIR_TRIES_MAX) return { steady, uptime }
    }
  }
}

const machine = new BootTime({ uptimeMs: readUptime, steadyMs: () => Number(process.hrtime.bigint() / 1_000n) / 1_000 })

export function bootMs(): number {
  return machine.read()
}

function readUptime(): number | null {
  let text: string
  try {
    text = readFileSync('/proc/uptime', 'latin1')
  } catch {
    return null
  }
  const seconds = Number.parseFloat(text)
  return Number.isFinite(seconds) ? seconds * 1_000 : null
}

export class BootClock implements Clock {
  readonly #boot: () => number
  #base: { readonly at: EpochMs; readonly boot: number } | null = null
  #last: EpochMs | null = null

  constructor(boot: () => number = bootMs) {
    this.#boot = boot
  }

  /**
   * `databaseNow` was the database's clock when this machine had been up for `bootAtThatMoment`. Returns by how much that moves the
   * clock, forwards or (negative) back; the first base moves nothing. The caller decides what a jump means, and logs it.
   */
  setBase(databaseNow: EpochMs, bootAtThatMoment: number): number {
    const base = { at: databaseNow, boot: integer(bootAtThatMoment, 'time since boot') }
    const before = this.#base
    this.#base = base
    this.#last = null
    return before === null ? 0 : base.at - base.boot - (before.at - before.boot)
  }

  /**
   * Asks the database and takes its answer for the middle of the time that the question took. `unsureMs` is half of that time: the
   * answer may be wrong by so much, and a smaller jump says nothing.
   */
  async askBase(databaseNow: () => Promise<EpochMs>): Promise<{ readonly jumpMs: number; readonly unsureMs: number }> {
    const asked = this.#boot()
    const at = await databaseNow()
    const answered = this.#boot()
    const middle = Math.round((asked + answered) / 2)
    return { jumpMs: this.setBase(at, middle), unsureMs: Math.ceil((answered - asked) / 2) }
  }

  now(): EpochMs {
    if (this.#base === null) throw new Error('bug: the clock was read before the database had told the time')
    const at = epochMs(this.#base.at + this.#boot() - this.#base.boot)
    this.#last = this.#last === null || at > this.#last ? at : this.#last
    return this.#last
  }
}
