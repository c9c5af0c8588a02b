// The clocks of the other world (design: books, Time). Virtual time is what is so. The machine of the database has a clock that may
// step; each process takes it for its base when it starts and when it takes the lead, and goes by boot time after that.
import type { EpochMs } from '../domain/units.ts'
import { epochMs } from '../domain/units.ts'
import type { Clock } from '../ports/clock.ts'
import type { ClusterSeen, WorkerSeen } from '../ports/cluster.ts'

/** The clock of the database's machine. */
export class SteppingClock implements Clock {
  readonly #truth: Clock
  #offset = 0
  /** The furthest that it ever was from the truth. */
  worstMs = 0

  constructor(truth: Clock) {
    this.#truth = truth
  }

  now(): EpochMs {
    return epochMs(this.#truth.now() + this.#offset)
  }

  step(ms: number): void {
    this.#offset += ms
    this.worstMs = Math.max(this.worstMs, Math.abs(this.#offset))
  }
}

/** The clock of one process. */
export class BaseClock implements Clock {
  readonly #truth: Clock
  #offset: number

  constructor(truth: Clock, database: Clock) {
    this.#truth = truth
    this.#offset = database.now() - truth.now()
  }

  now(): EpochMs {
    return epochMs(this.#truth.now() + this.#offset)
  }

  /** Returns by how much that moves the clock. */
  rebase(databaseNow: EpochMs): number {
    const jump = databaseNow - this.now()
    this.#offset += jump
    return jump
  }

  /** A true moment as this process tells it. */
  told<Moment extends EpochMs | null>(at: Moment): Moment {
    return (at === null ? null : epochMs(at + this.#offset)) as Moment
  }

  /** A moment of this process in true time. */
  meant<Moment extends EpochMs | null>(at: Moment): Moment {
    return (at === null ? null : epochMs(at - this.#offset)) as Moment
  }

  /** What a cluster tells comes with boot times, which an adapter puts on the leader's clock. */
  seen(look: ClusterSeen): ClusterSeen {
    if (this.#offset === 0) return look
    const workers = look.workers.map((worker): WorkerSeen => {
      if (worker.phase === 'running') return { ...worker, startedAt: this.told(worker.startedAt) }
      if (worker.phase !== 'exited') return worker
      return { ...worker, startedAt: this.told(worker.startedAt), endedAt: this.told(worker.endedAt) }
    })
    return { ...look, observedAt: this.told(look.observedAt), workers }
  }
}
