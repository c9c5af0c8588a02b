// Tells people of findings: decides who is to be told what, and writes that to the outbox. What waits there is delivered by deliver.ts.
import type { AlertDecision, AlertLook } from '../core/alert/decide.ts'
import { BURST_MS, decideAlerts } from '../core/alert/decide.ts'
import { DIGEST, digestLines, digestsDue, weekToTell } from '../core/alert/digest.ts'
import type { KeptChannel, Outgoing, Told } from '../domain/alert.ts'
import type { RunId } from '../domain/ids.ts'
import type { Notice } from '../domain/notice.ts'
import { lineage } from '../domain/project.ts'
import { epochMs } from '../domain/units.ts'
import type { Chance } from '../ports/chance.ts'
import type { Control } from './control.ts'
import { epochNow } from './control.ts'
import { ledgerOf } from './views/ledger.ts'

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
  const newId = (): string => noticeId(control.chance)
  const decided = decideAlerts(look, newId)
  const digests = await digestsOf(control, look, newId)
  const outgoing = [...decided.outgoing, ...digests.outgoing]
  const told = [...decided.told, ...digests.told]
  if (told.length === 0) return true
  if (await alerting.store.tell(epoch, outgoing, told)) return true
  control.log.warn({ epoch }, 'nobody was told: another process leads')
  control.lead.epoch = null
  return false
}

/** Of the week that is over, for channels that want it; once a week the books are read for it. */
async function digestsOf(control: Control, look: AlertLook, newId: () => string): Promise<AlertDecision> {
  const week = weekToTell(look.now)
  const outgoing: Outgoing[] = []
  const told: Told[] = []
  for (const channel of digestsDue(look.channels, look.told, week)) {
    const projects = projectsOf(look, channel.project)
    const by = ['project', 'account', 'payer'] as const
    const rows = await ledgerOf(control, week, by, projects)
    const before = await ledgerOf(
      control,
      { from: epochMs(week.from - (week.to - week.from)), to: week.from },
      by,
      projects,
    )
    const open = look.open.filter(
      ({ subject }) => projects === 'all' || (subject.project !== null && projects.has(subject.project)),
    )
    const critical = open.filter(({ severity }) => severity === 'critical').length
    const notice: Notice = {
      id: newId(),
      kind: 'digest',
      at: look.now,
      title: `the week of ${new Date(week.from).toISOString().slice(0, 10)}${channel.project === null ? '' : ` in ${channel.project}`}`,
      text: digestLines(rows.rows, before.rows, { open: open.length, critical }),
      items: [],
      more: 0,
      link: `${look.pages}/cost`,
    }
    outgoing.push({ channel: channel.id, notice, runs: [] })
    told.push({
      channel: channel.id,
      key: DIGEST,
      finding: String(week.to),
      state: 'resolved',
      severity: 'warning',
      at: look.now,
    })
  }
  return { outgoing, told }
}

/** A project and all below it. */
function projectsOf({ projects }: AlertLook, above: KeptChannel['project']): 'all' | ReadonlySet<string> {
  if (above === null) return 'all'
  return new Set([...projects.keys()].filter((name) => lineage(projects, name).some((each) => each.name === above)))
}

async function notifyOf({ store }: Control, runs: readonly RunId[]): Promise<AlertLook['notify']> {
  if (runs.length === 0) return new Map()
  const specs = await store.specs(runs)
  return new Map([...specs].map(([run, { notify }]) => [run, notify]))
}

/** `n` and 24 characters of chance: nobody can guess the id of a message that he did not get. */
export const noticeId = (chance: Chance): string =>
  `n${[0, 0, 0, 0].map(() => chance.bits30().toString(32).padStart(6, '0')).join('')}`
