// One process of the control plane in the other world. Its loops and its lease run side by side, as in production, and every call that
// it makes through a port takes time: it may be the last one of its process, before or after it had its effect; it may hang while the
// rest of the world goes on; its answer may be lost. A process that crashed is not told: its calls never come back.
import { accountTurn } from '../../control/account.ts'
import type { Control } from '../../control/control.ts'
import { launchTurn } from '../../control/launch.ts'
import { keepLead } from '../../control/lead.ts'
import { followLogs } from '../../control/logs.ts'
import { observeTurn } from '../../control/observe.ts'
import { placeTurn } from '../../control/place.ts'
import { DEFAULT_DURATIONS } from '../../domain/settings.ts'
import type { EpochMs } from '../../domain/units.ts'
import { epochMs } from '../../domain/units.ts'
import type { Cluster } from '../../ports/cluster.ts'
import type { LoopName } from '../../ports/doorbell.ts'
import { LOOPS } from '../../ports/doorbell.ts'
import { Fault } from '../../ports/fault.ts'
import type { Store } from '../../ports/store.ts'
import type { SeededChance } from '../../sim/chance.ts'
import type { Timeline } from '../../sim/timeline.ts'

/** What goes wrong, as probabilities of one call; all of it ends when `on` does. */
export type Faults = {
  on: boolean
  readonly crash: number
  readonly hang: number
  readonly lostAnswer: number
  readonly lostRing: number
  /** Until then the store answers nobody. */
  storeDownUntil: EpochMs
  crashes: number
}

export type Outside = {
  readonly store: Store
  readonly cluster: Cluster
  readonly timeline: Timeline
  readonly chance: SeededChance
  readonly faults: Faults
  /** Something that no fault explains: a bug. */
  readonly bug: (error: unknown) => void
}

const TIMERS_MS: Readonly<Record<LoopName, number>> = { place: 2_000, launch: 2_000, observe: 1_000, account: 5_000 }
const RESTART_MS_MAX = 8_000
const HANG_MS_MAX = 40_000
const LATENCY_MS_MAX = 20

export class SimulatedProcess {
  #alive = true
  readonly #outside: Outside
  readonly #holder: string
  readonly #control: Control
  readonly #turns: Record<LoopName, { running: boolean; again: boolean }>
  #hangsUntil: EpochMs
  #leading: Promise<void> = Promise.resolve()

  constructor(outside: Outside, holder: string) {
    this.#outside = outside
    this.#holder = holder
    this.#hangsUntil = outside.timeline.now()
    const idle = (): { running: boolean; again: boolean } => ({ running: false, again: false })
    this.#turns = { place: idle(), launch: idle(), observe: idle(), account: idle() }
    const silent = (): void => {}
    this.#control = {
      store: this.#wrap(outside.store, 'store'),
      clusters: new Map([[outside.cluster.name, this.#wrap(outside.cluster, 'cluster')]]),
      clock: outside.timeline,
      doorbell: { ring: (loop) => this.#ring(loop) },
      chance: outside.chance,
      log: { info: silent, warn: silent, error: silent },
      settings: { durations: DEFAULT_DURATIONS, checkpointRoot: '/ckpt' },
      health: new Map(),
      lead: { epoch: null, until: epochMs(0) },
    }
    this.#every(DEFAULT_DURATIONS.leaseRenewMs, () => void this.#lead())
    for (const loop of LOOPS) this.#every(TIMERS_MS[loop], () => this.#look(loop))
  }

  /** Whoever rings from outside, as a request or a watch does. */
  ring(loop: LoopName): void {
    this.#ring(loop)
  }

  #every(ms: number, act: () => void): void {
    const { timeline } = this.#outside
    const again = (): void => {
      if (!this.#alive) return
      act()
      timeline.after(ms, again)
    }
    timeline.after(this.#outside.chance.between(0, ms), again)
  }

  /** A ring may be lost, or come twice. */
  #ring(loop: LoopName): void {
    const { chance, faults, timeline } = this.#outside
    const times = !faults.on ? 1 : chance.happens(faults.lostRing) ? 0 : chance.happens(0.1) ? 2 : 1
    for (let time = 0; time < times; time += 1) timeline.after(chance.between(1, 50), () => this.#look(loop))
  }

  /** A loop never runs beside itself; asked meanwhile, it runs once more. */
  #look(loop: LoopName): void {
    const turn = this.#turns[loop]
    if (!this.#alive) return
    if (turn.running) {
      turn.again = true
      return
    }
    turn.running = true
    void this.#run(loop)
  }

  async #run(loop: LoopName): Promise<void> {
    const turn = this.#turns[loop]
    do {
      turn.again = false
      await this.#turn(loop)
    } while (turn.again)
    turn.running = false
  }

  async #turn(loop: LoopName): Promise<void> {
    try {
      if (loop === 'place') await placeTurn(this.#control)
      else if (loop === 'launch') await launchTurn(this.#control)
      else if (loop === 'account') await accountTurn(this.#control)
      else {
        await observeTurn(this.#control)
        await followLogs(this.#control)
      }
    } catch (error) {
      if (!(error instanceof Fault)) this.#outside.bug(error)
    }
  }

  /** One step of the lead after the other, as in production. */
  async #lead(): Promise<void> {
    const before = this.#leading
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#leading = promise
    await before
    try {
      await keepLead(this.#control, { holder: this.#holder, force: false, rebase: () => 0 })
    } catch (error) {
      if (!(error instanceof Fault)) this.#outside.bug(error)
    }
    resolve()
  }

  #crash(): void {
    const { chance, faults, timeline } = this.#outside
    this.#alive = false
    faults.crashes += 1
    timeline.after(chance.between(100, RESTART_MS_MAX), () => {
      void new SimulatedProcess(this.#outside, `${this.#holder}'`)
    })
  }

  #wrap<Port extends object>(port: Port, what: 'store' | 'cluster'): Port {
    return new Proxy(port, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name)
        if (typeof method !== 'function') return method
        if (name === 'masterAddress' || name === 'watch') return method.bind(target) as unknown
        return (...args: unknown[]) => this.#call(what, () => Reflect.apply(method, target, args) as Promise<unknown>)
      },
    })
  }

  async #call(what: 'store' | 'cluster', effect: () => Promise<unknown>): Promise<unknown> {
    const { chance, faults, timeline } = this.#outside
    await this.#passes()
    if (faults.on && chance.happens(faults.crash / 2)) this.#crash()
    if (!this.#alive) return never()
    if (what === 'store' && timeline.now() < faults.storeDownUntil) {
      throw new Fault('store-unavailable', 'the store does not answer', { retryable: true })
    }
    const result = await effect()
    if (faults.on && chance.happens(faults.crash / 2)) this.#crash()
    await this.#passes()
    if (!this.#alive) return never()
    if (faults.on && chance.happens(faults.lostAnswer)) {
      const code = what === 'store' ? 'store-unavailable' : 'cluster-unreachable'
      throw new Fault(code, 'the answer was lost', { retryable: true })
    }
    return result
  }

  /** The time of half a call. A process that hangs does so as a whole: none of its calls goes on meanwhile. */
  async #passes(): Promise<void> {
    const { chance, faults, timeline } = this.#outside
    if (faults.on && chance.happens(faults.hang)) {
      this.#hangsUntil = epochMs(timeline.now() + chance.between(1_000, HANG_MS_MAX))
    }
    await timeline.wait(chance.between(1, LATENCY_MS_MAX))
    while (timeline.now() < this.#hangsUntil) await timeline.wait(this.#hangsUntil - timeline.now())
  }
}

const never = (): Promise<never> => new Promise(() => {})
