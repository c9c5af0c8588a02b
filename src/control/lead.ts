// Leadership: taken where it is free, renewed long before it ends, lost at the first doubt. Whoever loses it stops to decide at once;
// what it had under way is refused by the epoch in each commit.
import type { EpochMs } from '../domain/units.ts'
import { epochMs, plusMs } from '../domain/units.ts'
import type { Control } from './control.ts'

export type LeadOptions = {
  readonly holder: string
  /** The caller knows that the holder is dead: it has the lock of the holder's home. */
  readonly force: boolean
  /** Sets the base of this process's clock and tells by how many ms it jumped. */
  readonly rebase: (databaseNow: EpochMs) => number
}

/** One step of the lead: renew, or try to take it. Returns whether this process leads afterwards. */
export async function keepLead(control: Control, options: LeadOptions): Promise<boolean> {
  const { leaseMs } = control.settings.durations
  const asked = control.clock.now()
  if (control.lead.epoch !== null) {
    const renewed = await control.store.renewLead(control.lead.epoch, leaseMs)
    if (renewed) {
      // Counted from before the question: the lease in the store is never shorter than we think.
      control.lead.until = plusMs(asked, leaseMs)
      return true
    }
    control.log.warn({ epoch: control.lead.epoch }, 'another process took the lead; this one stands by')
    control.lead.epoch = null
    return false
  }
  const epoch = await control.store.takeLead(options.holder, leaseMs, options.force)
  if (epoch === null) return false
  const jumped = options.rebase(await databaseNow(control))
  control.lead.until = epochMs(control.clock.now() + leaseMs - Math.max(0, control.clock.now() - asked - jumped))
  control.lead.epoch = epoch
  control.log.info({ epoch, holder: options.holder }, 'leading')
  return true
}

/** An answer that took longer is asked for again: a process that stood still meanwhile would take an old moment for now. */
const ANSWER_MS_MAX = 500
const ASKED_TIMES_MAX = 5

/** The database's clock now: its answer is taken for the middle of the time that the question took. */
async function databaseNow({ clock, store }: Control): Promise<EpochMs> {
  for (let asked = 1; ; asked += 1) {
    const before = clock.now()
    const at = await store.now()
    const took = clock.now() - before
    if (took <= ANSWER_MS_MAX || asked === ASKED_TIMES_MAX) return plusMs(at, Math.floor(took / 2))
  }
}

/** A graceful end gives the lease back, so that the next one need not wait for it to run out. */
export async function giveUpLead(control: Control): Promise<void> {
  const { epoch } = control.lead
  control.lead.epoch = null
  if (epoch !== null) await control.store.giveUpLead(epoch)
}
