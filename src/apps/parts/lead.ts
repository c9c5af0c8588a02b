// The lead of a process: taken where it is free, kept while it lives, given back at its end; and loops that run only while it is had.
import type { BootClock } from '../../adapters/system/clock.ts'
import { bootMs } from '../../adapters/system/clock.ts'
import type { Control } from '../../control/control.ts'
import { giveUpLead, keepLead } from '../../control/lead.ts'

export type End = () => Promise<void> | void

export type LeadOptions = {
  readonly holder: string
  /** The home's lock proves that whoever held the lead under this name is dead. */
  readonly force: boolean
  /** Told after each step whether this process leads. */
  readonly leads?: (leads: boolean) => void
}

/** Tries at once, and then as often as the lease is renewed. */
export async function startLeading(control: Control, clock: BootClock, options: LeadOptions): Promise<End> {
  const rebase = (now: Parameters<BootClock['setBase']>[0]): number => clock.setBase(now, bootMs())
  let { force } = options
  const step = async (): Promise<void> => {
    try {
      await keepLead(control, { holder: options.holder, force, rebase })
      force = false
    } catch (error) {
      control.log.warn({ error: String(error) }, 'the lead could not be renewed')
    }
    options.leads?.(control.lead.epoch !== null)
  }
  await step()
  let running: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    running = running.then(step)
  }, control.settings.durations.leaseRenewMs)
  return async () => {
    clearInterval(timer)
    await running
    await giveUpLead(control).catch((error: unknown) =>
      control.log.warn({ error: String(error) }, 'the lead could not be given back; it runs out'),
    )
  }
}

/** Starts and ends something as the lead comes and goes, one after the other. What could not be started is tried at the next step. */
export class WhileLeading {
  readonly #start: () => Promise<End>
  readonly #failed: (error: unknown) => void
  #end: End | null = null
  #doing: Promise<void> = Promise.resolve()
  #over = false

  constructor(start: () => Promise<End>, failed: (error: unknown) => void) {
    this.#start = start
    this.#failed = failed
  }

  leads(leads: boolean): void {
    this.#doing = this.#doing.then(() => this.#follow(leads)).catch(this.#failed)
  }

  async #follow(leads: boolean): Promise<void> {
    if (leads && !this.#over && this.#end === null) this.#end = await this.#start()
    else if (!leads) await this.#stop()
  }

  async end(): Promise<void> {
    this.#over = true
    await this.#doing
    await this.#stop()
  }

  async #stop(): Promise<void> {
    const end = this.#end
    this.#end = null
    await end?.()
  }
}
