// Who is told what now. Decided from how things stand, not from what happened: whoever was not told yet of what fires is told, whoever was told
// so of what is over is told that. So a message that could not be made at some moment is made at the next one, and nothing is lost by a restart.
import type { Acknowledgement, KeptChannel, Outgoing, Silence, Told } from '../../domain/alert.ts'
import type { Finding, Severity } from '../../domain/finding.ts'
import { keyOf, SEVERITIES } from '../../domain/finding.ts'
import type { ProjectName, RunId } from '../../domain/ids.ts'
import { NOTICE_ITEMS_MAX, OUTBOX_MAX } from '../../domain/limits.ts'
import type { NoticeItem } from '../../domain/notice.ts'
import type { Project } from '../../domain/project.ts'
import { lineage } from '../../domain/project.ts'
import type { Run } from '../../domain/run.ts'
import type { EpochMs } from '../../domain/units.ts'

/** What came back so soon after it was over is told only when it is worse, or lasts. */
export const FLAP_MS = 600_000
/** What still fires and nobody has acknowledged is told again; an Alertmanager that lost its memory soon, and whoever looks at it. */
export const REPEAT_MS = 4 * 3_600_000
export const ALERTMANAGER_REPEAT_MS = 600_000
/** An acknowledgement counts so long. */
export const ACKNOWLEDGED_MS = 24 * 3_600_000
/** So many messages of a channel within a minute go at once; what comes then waits for company until half a minute after the last one, but for what is critical. */
export const BURST = 5
export const BURST_MS = 60_000
const GROUP_MS = 30_000

export type AlertLook = {
  readonly now: EpochMs
  readonly channels: readonly KeptChannel[]
  readonly silences: readonly Silence[]
  readonly acknowledged: ReadonlyMap<string, Acknowledgement>
  readonly told: readonly Told[]
  readonly open: readonly Finding[]
  /** What somebody was told fires and is not open any more, by its id. */
  readonly ended: ReadonlyMap<string, Finding>
  /** Of each channel the messages of the last minute. */
  readonly recent: ReadonlyMap<string, { readonly count: number; readonly newestAt: EpochMs }>
  readonly runs: ReadonlyMap<RunId, Pick<Run, 'id' | 'name' | 'user'>>
  /** What specs name: `slack:pretraining`. */
  readonly notify: ReadonlyMap<RunId, readonly string[]>
  readonly projects: ReadonlyMap<ProjectName, Project>
  /** Where the pages are, without a slash at its end. */
  readonly pages: string
}

export type AlertDecision = { readonly outgoing: readonly Outgoing[]; readonly told: readonly Told[] }

export function decideAlerts(look: AlertLook, newId: () => string): AlertDecision {
  const outgoing: Outgoing[] = []
  const written: Told[] = []
  if (look.channels.length === 0) return { outgoing, told: written }
  const toldOf = Map.groupBy(look.told, ({ channel }) => channel)
  const awake = look.open.filter((finding) => !isSilenced(look, finding))
  const open = new Map(look.open.map((finding) => [keyOf(finding), finding]))
  for (const channel of look.channels) {
    if (channel.off !== null || channel.pending >= OUTBOX_MAX) continue
    const told = new Map((toldOf.get(channel.id) ?? []).map((each) => [each.key, each]))
    const news: { readonly told: Told | null; readonly item: NoticeItem }[] = []
    const tell = (finding: Finding, state: Told['state']): void => {
      const { id, severity } = finding
      const key = keyOf(finding)
      const row: Told = { channel: channel.id, key, finding: id, state, severity, at: look.now }
      news.push({ told: row, item: itemOf(look, finding, state) })
    }
    for (const finding of awake)
      if (takes(look, channel, finding) && isNews(look, channel, finding, told.get(keyOf(finding)) ?? null)) {
        const before = told.get(keyOf(finding))
        // There its severity is part of what it is: the milder one would fire on beside it.
        if (channel.kind === 'alertmanager' && before?.state === 'firing' && before.severity !== finding.severity)
          news.push({ told: null, item: itemOf(look, { ...finding, severity: before.severity }, 'resolved') })
        tell(finding, 'firing')
      }
    for (const before of told.values()) {
      if (before.state !== 'firing' || open.has(before.key)) continue
      const finding = look.ended.get(before.finding)
      if (finding !== undefined) tell(finding, 'resolved')
    }
    const isUrgent = news.some(({ item }) => item.state === 'firing' && item.severity === 'critical')
    if (!isUrgent && waitsForMore(look, channel)) continue
    news.sort((a, b) => worstFirst(a.item, b.item))
    for (let from = 0; from < news.length; from += NOTICE_ITEMS_MAX) {
      const some = news.slice(from, from + NOTICE_ITEMS_MAX)
      outgoing.push(
        noticeOf(
          look,
          channel,
          some.map(({ item }) => item),
          newId(),
        ),
      )
      written.push(...some.flatMap((each) => each.told ?? []))
    }
  }
  return { outgoing, told: written }
}

const rank = (severity: Severity): number => SEVERITIES.indexOf(severity)

function isNews(look: AlertLook, channel: KeptChannel, finding: Finding, before: Told | null): boolean {
  const isWorse = before !== null && rank(finding.severity) > rank(before.severity)
  if (isWorse) return true
  const repeats = channel.kind === 'alertmanager'
  // Whoever looks at it need not be told.
  if (!repeats && isAcknowledged(look, finding)) return false
  if (before === null) return true
  if (before.state === 'resolved') return look.now >= before.at + FLAP_MS
  return look.now >= before.at + (repeats ? ALERTMANAGER_REPEAT_MS : REPEAT_MS)
}

export function isAcknowledged(
  { acknowledged, now }: Pick<AlertLook, 'acknowledged' | 'now'>,
  finding: Finding,
): boolean {
  const by = acknowledged.get(finding.id)
  return by !== undefined && now < by.at + ACKNOWLEDGED_MS && rank(finding.severity) <= rank(by.severity)
}

export function isSilenced(
  { silences, projects, now }: Pick<AlertLook, 'silences' | 'projects' | 'now'>,
  { rule, subject }: Pick<Finding, 'rule' | 'subject'>,
): boolean {
  return silences.some(
    (silence) =>
      silence.startsAt <= now &&
      now < silence.endsAt &&
      (silence.rule === null || silence.rule === rule) &&
      (silence.run === null || silence.run === subject.run) &&
      (silence.project === null || isWithin(projects, subject.project, silence.project)),
  )
}

/** Its project and severity and rule; or the spec of its run names it. */
function takes(look: AlertLook, channel: KeptChannel, finding: Finding): boolean {
  const { project, run } = finding.subject
  if (channel.project !== null && !isWithin(look.projects, project, channel.project)) return false
  if (run !== null && look.notify.get(run)?.includes(`${channel.kind}:${channel.name}`) === true) return true
  return (
    rank(finding.severity) >= rank(channel.severity) && (channel.rules === null || channel.rules.includes(finding.rule))
  )
}

const isWithin = (
  projects: ReadonlyMap<ProjectName, Project>,
  project: ProjectName | null,
  above: ProjectName,
): boolean => project !== null && lineage(projects, project).some(({ name }) => name === above)

function waitsForMore({ recent, now }: AlertLook, { id }: KeptChannel): boolean {
  const last = recent.get(id)
  return last !== undefined && last.count >= BURST && now < last.newestAt + GROUP_MS
}

const worstFirst = (a: NoticeItem, b: NoticeItem): number =>
  Number(a.state === 'resolved') - Number(b.state === 'resolved') ||
  rank(b.severity) - rank(a.severity) ||
  a.since - b.since

function itemOf(look: AlertLook, finding: Finding, state: Told['state']): NoticeItem {
  const { rule, severity, message, gpuMs, money, since, resolvedAt, whatToTry, evidence, subject } = finding
  const run = subject.run === null ? undefined : look.runs.get(subject.run)
  return {
    key: keyOf(finding),
    rule,
    severity,
    state,
    what: message,
    cost: gpuMs === null ? null : { gpuMs, money },
    since,
    resolvedAt: state === 'resolved' ? (resolvedAt ?? look.now) : null,
    who: {
      project: subject.project,
      run: run === undefined ? null : { id: run.id, name: run.name, owner: run.user },
    },
    whatToDo: whatToTry,
    evidence: evidence.map(({ what, value }) => (value === '' ? what : `${what}: ${value}`)),
    link: subject.run === null ? `${look.pages}/alerts` : `${look.pages}/runs/${subject.run}`,
  }
}

function noticeOf(look: AlertLook, channel: KeptChannel, items: readonly NoticeItem[], id: string): Outgoing {
  const [first] = items
  const runs = new Set(items.flatMap(({ who }) => (who.run === null ? [] : [who.run.id])))
  const over = items.every(({ state }) => state === 'resolved')
  const title =
    items.length === 1 && first !== undefined
      ? `${over ? 'over' : first.severity}: ${whose(first)}${first.what}`
      : `${items.length} alerts${over ? ' are over' : ''}, first ${first === undefined ? '' : `${whose(first)}${first.what}`}`
  return {
    channel: channel.id,
    runs: [...runs],
    notice: {
      id,
      kind: 'alert',
      at: look.now,
      title,
      text: [],
      items,
      more: 0,
      link: items.length === 1 && first !== undefined ? first.link : `${look.pages}/alerts`,
    },
  }
}

const whose = ({ who }: NoticeItem): string =>
  who.run !== null ? `${who.project}/${who.run.name}: ` : who.project !== null ? `${who.project}: ` : ''
