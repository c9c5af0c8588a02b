// Tells people of findings: decides who is to be told what, and writes that to the outbox. What waits there is delivered by deliver.ts.
import type { AlertLook } from '../core/alert/decide.ts'
import { BURST_MS, decideAlerts } from '../core/alert/decide.ts'
import type { RunId } from '../domain/ids.ts'
import type { Chance } from '../ports/chance.ts'
import type { Control } from './control.ts'
import { epochNow } from './control.ts'

/** False: somebody else leads, or nobody is to be told of anything. */
export async function tellTurn(control: Control): Promise<boolean> {
  const { alerting } = control
  const epoch = epochNow(control)
  if (alerting === null || epoch === null) return false
  const now = control.clock.now()
  const read = await alerting.store.readAlerts(now, BURST_MS)
  if (read.channels.length === 0) return false
  const { projects } = await control.store.shares()
  const runs = [...new Set([...read.open, ...read.ended.values()].flatMap(({ subject }) => subject.run ?? []))]
  const look: AlertLook = {
    ...read,
    now,
    projects,
    pages: alerting.pages(),
    runs: new Map((runs.length === 0 ? [] : await control.store.runsOf(runs)).map((run) => [run.id, run])),
    notify: await notifyOf(control, runs),
  }
  const { outgoing, told } = decideAlerts(look, () => noticeId(control.chance))
  if (told.length === 0) return true
  if (await alerting.store.tell(epoch, outgoing, told)) return true
  control.log.warn({ epoch }, 'nobody was told: another process leads')
  control.lead.epoch = null
  return false
}

async function notifyOf({ store }: Control, runs: readonly RunId[]): Promise<AlertLook['notify']> {
  if (runs.length === 0) return new Map()
  const specs = await store.specs(runs)
  return new Map([...specs].map(([run, { notify }]) => [run, notify]))
}

/** `n` and 24 characters of chance: nobody can guess the id of a message that he did not get. */
export const noticeId = (chance: Chance): string =>
  `n${[0, 0, 0, 0].map(() => chance.bits30().toString(32).padStart(6, '0')).join('')}`
