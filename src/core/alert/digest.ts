// The weekly digest: what a week has cost, by project, how much of it was wasted on what, and what is open. Weeks are of ISO 8601, in UTC.
import type { KeptChannel, Told } from '../../domain/alert.ts'
import type { LedgerDocument } from '../../domain/documents.ts'
import { isWaste } from '../../domain/waste.ts'
import { counted } from '../../domain/words.ts'
import type { EpochMs } from '../../domain/units.ts'
import { epochMs, MS_PER_HOUR } from '../../domain/units.ts'

const DAY_MS = 86_400_000
const WEEK_MS = 7 * DAY_MS
/** 1970-01-05 was a Monday. */
const MONDAY_MS = 4 * DAY_MS
/** It is sent on Monday at eight: who reads it has had his coffee, and the books of Sunday are posted. */
const SENT_AFTER_MS = 8 * MS_PER_HOUR

export type Week = { readonly from: EpochMs; readonly to: EpochMs }

/** The week that is to be told about at a moment: the last one that was whole at Monday, 08:00 UTC. */
export function weekToTell(now: EpochMs): Week {
  const to = Math.floor((now - SENT_AFTER_MS - MONDAY_MS) / WEEK_MS) * WEEK_MS + MONDAY_MS
  return { from: epochMs(to - WEEK_MS), to: epochMs(to) }
}

export const DIGEST = 'digest'

/** Channels that want a digest and did not get that of the week. One that was made since then waits for the next Monday. */
export function digestsDue(channels: readonly KeptChannel[], told: readonly Told[], { to }: Week): KeptChannel[] {
  const last = new Map(
    told.filter(({ key }) => key === DIGEST).map(({ channel, finding }) => [channel, Number(finding)]),
  )
  return channels.filter(
    ({ id, digest, off, createdAt }) =>
      digest && off === null && createdAt < to + SENT_AFTER_MS && (last.get(id) ?? Number.NEGATIVE_INFINITY) < to,
  )
}

type Row = Pick<LedgerDocument['rows'][number], 'project' | 'account' | 'payer' | 'gpuMs' | 'money'>

/** Rows by project, account and payer; lines for people. `open` findings, of which so many are critical. */
export function digestLines(
  rows: readonly Row[],
  before: readonly Row[],
  { open, critical }: { readonly open: number; readonly critical: number },
): string[] {
  const ofRuns = rows.filter(({ project }) => project != null)
  const held = sumOf(ofRuns)
  const heldBefore = sumOf(before.filter(({ project }) => project != null))
  const waste = sumOf(ofRuns.filter(isWasted))
  const lines = [
    `Runs held ${hours(held)} (${changeOf(held, heldBefore)})${moneyOf(ofRuns)}.`,
    held === 0
      ? 'Nothing was wasted.'
      : `${hours(sumOf(ofRuns.filter(({ account }) => account === 'productive')))} of it trained, ${hours(waste)} was wasted${causesOf(ofRuns)}.`,
    ...[...Map.groupBy(ofRuns, ({ project }) => project ?? '')]
      .map(([project, of]) => ({ project, of, held: sumOf(of) }))
      .toSorted((a, b) => b.held - a.held || (a.project < b.project ? -1 : 1))
      .slice(0, PROJECTS_MAX)
      .map(
        (each) =>
          `${each.project}: ${hours(each.held)}${moneyOf(each.of)}, ${shareOf(sumOf(each.of.filter(isWasted)), each.held)} wasted`,
      ),
    open === 0 ? 'Nothing fires now.' : `${counted(open, 'finding')} fire now, ${critical} of them critical.`,
  ]
  return lines
}

const PROJECTS_MAX = 10
const CAUSES_MAX = 3

const isWasted = ({ account }: Row): boolean => isWaste(account)
const sumOf = (rows: readonly Row[]): number => rows.reduce((sum, { gpuMs }) => sum + gpuMs, 0)
const hours = (gpuMs: number): string =>
  `${(gpuMs / MS_PER_HOUR).toLocaleString('en-US', { minimumFractionDigits: 1, maximumFractionDigits: 1 })} GPU-h`
const shareOf = (part: number, whole: number): string => (whole === 0 ? '0 %' : `${Math.round((100 * part) / whole)} %`)

function changeOf(now: number, before: number): string {
  if (before === 0) return 'nothing the week before'
  const change = Math.round((100 * (now - before)) / before)
  return change === 0
    ? 'as much as the week before'
    : `${Math.abs(change)} % ${change > 0 ? 'more' : 'less'} than the week before`
}

/** Null as soon as a part has no price: unknown is never 0. */
function moneyOf(rows: readonly Row[]): string {
  const paid = rows.filter(({ gpuMs, payer }) => gpuMs > 0 && payer !== 'platform')
  const [first] = paid
  if (first === undefined) return ''
  if (paid.some(({ money }) => money === null || money.currency !== first.money?.currency))
    return ', of which some has no price'
  const micros = paid.reduce((sum, { money }) => sum + (money?.micros ?? 0), 0)
  return `, ${(micros / 1_000_000).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })} ${first.money?.currency ?? ''}`
}

function causesOf(rows: readonly Row[]): string {
  const causes = [...Map.groupBy(rows.filter(isWasted), ({ account }) => account ?? '')]
    .map(([account, of]) => ({ account, held: sumOf(of) }))
    .filter(({ held }) => held > 0)
    .toSorted((a, b) => b.held - a.held)
    .slice(0, CAUSES_MAX)
  return causes.length === 0
    ? ''
    : `, most on ${causes.map(({ account, held }) => `${account} (${hours(held)})`).join(', ')}`
}
