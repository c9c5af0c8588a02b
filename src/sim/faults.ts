// What goes wrong between a process and the world. Every call that a process makes through a port takes time: it may be the last one of
// its process, before or after it had its effect; it may hang while the rest of the world goes on; its answer may be lost although it
// had its effect, or the call itself; it may arrive twice; a list may be older than the one before it.
import type { EpochMs } from '../domain/units.ts'
import { epochMs } from '../domain/units.ts'
import type { ClusterSeen } from '../ports/cluster.ts'
import type { FaultCode } from '../ports/fault.ts'
import { Fault } from '../ports/fault.ts'
import type { SeededChance } from './chance.ts'
import type { BaseClock } from './clocks.ts'
import type { SimulatedCluster } from './cluster.ts'
import type { Timeline } from './timeline.ts'

/** As probabilities of one call; all of it ends when `on` does. */
export type Faults = {
  on: boolean
  readonly crash: number
  readonly hang: number
  readonly lostAnswer: number
  readonly lostRing: number
  /** Half a call takes up to so long while the faults last. */
  readonly latencyMs: number
  /** A call that had its effect has it again a moment later. */
  readonly repeat: number
  /** An older list is told from a newer one by its moment: not while clocks step between them. */
  staleLook: number
  /** Until then the store answers nobody. */
  storeDownUntil: EpochMs
  /** Until then the store fails over: what is asked meanwhile is written or lost whole, and nobody is told which. */
  failOverUntil: EpochMs
  crashes: number
}

export function faultsOf(chance: SeededChance, begin: EpochMs): Faults {
  return {
    on: true,
    crash: chance.pick([0, 0.002, 0.01]),
    hang: chance.pick([0, 0.0005, 0.003]),
    lostAnswer: chance.pick([0, 0.002, 0.01]),
    lostRing: chance.pick([0, 0.2, 1]),
    latencyMs: chance.pick([5, 20, 100, 500]),
    repeat: chance.pick([0, 0.02, 0.1]),
    staleLook: chance.pick([0, 0, 0.05, 0.2]),
    storeDownUntil: begin,
    failOverUntil: begin,
    crashes: 0,
  }
}

const HANG_MS_MAX = 40_000
const QUIET_LATENCY_MS = 20
const REPEAT_MS_MAX = 2_000
/** Calls that may come twice, the second time late: another reader's, or a cluster's. What moves a deadline is sent in order. */
const REPEATED: ReadonlySet<PropertyKey> = new Set(['appendLogs', 'keepTail', 'forgotten', 'launch', 'end'])

export type WireOptions = {
  readonly timeline: Timeline
  readonly chance: SeededChance
  readonly faults: Faults
  /** Whether the process at this end lives. */
  readonly alive: () => boolean
  /** Ends it; null for one that never crashes. */
  readonly crash: (() => void) | null
}

export class Wire {
  readonly #options: WireOptions
  #hangsUntil: EpochMs

  constructor(options: WireOptions) {
    this.#options = options
    this.#hangsUntil = options.timeline.now()
  }

  /** The port as the process at this end has it. */
  wrap<Port extends object>(port: Port, what: 'store' | 'cluster'): Port {
    return new Proxy(port, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name)
        if (typeof method !== 'function') return method
        if (name === 'masterAddress' || name === 'watch') return method.bind(target) as unknown
        return (...args: unknown[]) =>
          this.#call(what, name, () => Reflect.apply(method, target, args) as Promise<unknown>)
      },
    })
  }

  async #call(what: 'store' | 'cluster', name: PropertyKey, effect: () => Promise<unknown>): Promise<unknown> {
    const { chance, faults, timeline, alive, crash } = this.#options
    await this.#passes()
    if (faults.on && chance.happens(faults.crash / 2)) crash?.()
    if (!alive()) return never()
    const failsOver = what === 'store' && timeline.now() < faults.failOverUntil
    if (what === 'store' && timeline.now() < faults.storeDownUntil) throw lost('store-unavailable')
    if (failsOver && chance.happens(0.5)) throw lost('store-unavailable')
    const result = await effect()
    if (failsOver) throw lost('store-unavailable')
    if (!faults.on) return result
    if (REPEATED.has(name) && chance.happens(faults.repeat))
      timeline.after(chance.between(1, REPEAT_MS_MAX), () => void effect().catch(() => {}))
    if (chance.happens(faults.crash / 2)) crash?.()
    await this.#passes()
    if (!alive()) return never()
    if (chance.happens(faults.lostAnswer)) throw lost(what === 'store' ? 'store-unavailable' : 'cluster-unreachable')
    return result
  }

  /** The time of half a call. A process that hangs does so as a whole: none of its calls goes on meanwhile. */
  async #passes(): Promise<void> {
    const { chance, faults, timeline } = this.#options
    if (faults.on && chance.happens(faults.hang)) {
      this.#hangsUntil = epochMs(timeline.now() + chance.between(1_000, HANG_MS_MAX))
    }
    await timeline.wait(chance.between(1, faults.on ? faults.latencyMs : QUIET_LATENCY_MS))
    while (timeline.now() < this.#hangsUntil) await timeline.wait(this.#hangsUntil - timeline.now())
  }
}

const lost = (code: FaultCode): Fault => new Fault(code, 'there was no answer', { retryable: true })
const never = (): Promise<never> => new Promise(() => {})

/** The cluster as an adapter of one process shows it: on that process's clock, sometimes by an older list, a log in short pieces. */
export function clusterSeenBy(
  cluster: SimulatedCluster,
  clock: BaseClock,
  chance: SeededChance,
  faults: Faults,
): SimulatedCluster {
  const refused = (): void => {
    if (faults.on && cluster.refuses())
      throw new Fault('cluster-unreachable', '429 TooManyRequests, or 409 Conflict', { retryable: true })
  }
  const own: Partial<SimulatedCluster> = {
    observe: async (): Promise<ClusterSeen> => {
      const stale = faults.on && chance.happens(faults.staleLook) ? cluster.staleLook() : null
      return clock.seen(stale ?? (await cluster.observe()))
    },
    launch: async (plan, deadlineAt, ingest) => {
      refused()
      await cluster.launch(plan, clock.meant(deadlineAt), ingest)
    },
    forget: async (attempt) => {
      refused()
      await cluster.forget(attempt)
    },
    deadline: async (attempt, deadlineAt) => {
      refused()
      await cluster.deadline(attempt, clock.meant(deadlineAt))
    },
    readLog: (id, offset, bytesMax) => {
      const short = faults.on && offset > 0 && chance.happens(0.1)
      return cluster.readLog(id, offset, short ? Math.min(bytesMax, SHORT_BYTES) : bytesMax)
    },
  }
  return new Proxy(cluster, {
    get(target, name) {
      const mine: unknown = Reflect.get(own, name)
      if (mine !== undefined) return mine
      const theirs: unknown = Reflect.get(target, name)
      return typeof theirs === 'function' ? (theirs.bind(target) as unknown) : theirs
    },
  })
}

const SHORT_BYTES = 1_000
