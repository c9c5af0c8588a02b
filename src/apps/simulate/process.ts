// One process of the control plane in the other world. Its loops and its lease run side by side, as in production, and every call that
// it makes through a port goes over a wire (sim/faults.ts). A process that crashed is not told: its calls never come back.
import { accountTurn } from '../../control/account.ts'
import type { Control } from '../../control/control.ts'
import { keepLead } from '../../control/lead.ts'
import { followLogs } from '../../control/logs.ts'
import { observeTurn } from '../../control/observe.ts'
import { placeTurn } from '../../control/place.ts'
import type { LoopName } from '../../ports/doorbell.ts'
import { LOOPS } from '../../ports/doorbell.ts'
import { Fault } from '../../ports/fault.ts'
import { Wire } from '../../sim/faults.ts'
import type { SimulatedWorld, View } from './world.ts'

const RESTART_MS_MAX = 8_000

/** How often each loop looks of itself; whatever a ring tells comes sooner. */
export type Pace = Readonly<Record<LoopName, number>>

export type ProcessOptions = {
  readonly world: SimulatedWorld
  readonly holder: string
  readonly pace: Pace
  /** Something that no fault explains: a bug. */
  readonly bug: (error: unknown) => void
}

export class SimulatedProcess {
  #alive = true
  readonly #options: ProcessOptions
  readonly #view: View
  readonly #control: Control
  readonly #turns: Record<LoopName, { running: boolean; again: boolean }>
  #leading: Promise<void> = Promise.resolve()

  constructor(options: ProcessOptions) {
    const { world, pace } = options
    this.#options = options
    const idle = (): { running: boolean; again: boolean } => ({ running: false, again: false })
    this.#turns = { place: idle(), launch: idle(), observe: idle(), account: idle() }
    const { timeline, chance, faults } = world
    const wire = new Wire({ timeline, chance, faults, alive: () => this.#alive, crash: () => this.#crash() })
    const view = world.view()
    this.#view = view
    this.#control = world.control(
      { clock: view.clock, store: wire.wrap(view.store, 'store'), cluster: wire.wrap(view.cluster, 'cluster') },
      (loop) => this.ring(loop),
    )
    this.#every(world.durations.leaseRenewMs, () => void this.#lead())
    for (const loop of LOOPS) this.#every(pace[loop], () => this.#look(loop))
  }

  #every(ms: number, act: () => void): void {
    const { timeline, chance } = this.#options.world
    const again = (): void => {
      if (!this.#alive) return
      act()
      timeline.after(ms, again)
    }
    timeline.after(chance.between(0, ms), again)
  }

  /** A ring may be lost, or come twice. */
  ring(loop: LoopName): void {
    const { chance, faults, timeline } = this.#options.world
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
      else if (loop === 'launch') await this.#options.world.launch(this.#control)
      else if (loop === 'account') await accountTurn(this.#control)
      else {
        await observeTurn(this.#control)
        await followLogs(this.#control)
      }
    } catch (error) {
      if (!(error instanceof Fault)) this.#options.bug(error)
    }
  }

  /** One step of the lead after the other, as in production. */
  async #lead(): Promise<void> {
    const before = this.#leading
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#leading = promise
    await before
    try {
      const { clock } = this.#view
      await keepLead(this.#control, {
        holder: this.#options.holder,
        force: false,
        rebase: (databaseNow) => clock.rebase(databaseNow),
      })
    } catch (error) {
      if (!(error instanceof Fault)) this.#options.bug(error)
    }
    resolve()
  }

  #crash(): void {
    if (!this.#alive) return
    const { holder, world } = this.#options
    const { chance, faults, timeline, story } = world
    this.#alive = false
    faults.crashes += 1
    story?.world(`process ${holder} crashes`)
    timeline.after(chance.between(100, RESTART_MS_MAX), () => {
      void new SimulatedProcess({ ...this.#options, holder: `${holder}'` })
    })
  }
}
