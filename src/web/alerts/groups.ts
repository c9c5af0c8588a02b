// Alerts as the page groups them, worst first, and what they come to.
import { worstFirst } from '../../domain/finding.ts'
import type { Finding } from '../api/operate.ts'
import { gpuHours, money } from '../format/numbers.ts'
import type { Alert, Channel } from './api.ts'

/** What is over for longer stands in `plimsoll findings --all`. */
export const LATELY_MS = 24 * 3_600_000

export type Groups = {
  /** Nobody has said that they look at it. */
  readonly firing: readonly Alert[]
  readonly acknowledged: readonly Alert[]
  readonly silenced: readonly Alert[]
  readonly ended: readonly Finding[]
}

/** Who looks at a finding keeps it, also where a silence holds its messages back. */
export function groupsOf(alerts: readonly Alert[], over: readonly Finding[], now: number): Groups {
  const worst = alerts.toSorted(worstFirst)
  const ended = over.flatMap((finding) => {
    const at = finding.resolvedAt === null ? null : Date.parse(finding.resolvedAt)
    return at === null || at < now - LATELY_MS ? [] : [{ finding, at }]
  })
  return {
    firing: worst.filter(({ acknowledged, silence }) => acknowledged === null && silence === null),
    acknowledged: worst.filter(({ acknowledged }) => acknowledged !== null),
    silenced: worst.filter(({ acknowledged, silence }) => acknowledged === null && silence !== null),
    ended: ended.toSorted((a, b) => b.at - a.at).map(({ finding }) => finding),
  }
}

/** `1 fires, 2 are in somebody’s hands` */
export function sentenceOf(
  { firing, acknowledged, silenced, ended }: Groups,
  endedIsKnown: boolean,
): readonly [string, string] {
  const are = (count: number): string => (count === 1 ? 'is' : 'are')
  const [fire, hands, quiet] = [firing.length, acknowledged.length, silenced.length]
  const rest = [
    ...(hands > 0 ? [`${hands} ${are(hands)} in somebody’s hands`] : []),
    ...(quiet > 0 ? [`${quiet} ${are(quiet)} silenced`] : []),
  ]
  const over = endedIsKnown ? ` ${ended.length === 0 ? 'None' : ended.length} ended in the last 24 h.` : ''
  return [
    fire === 0 ? 'Nothing fires' : `${fire} ${fire === 1 ? 'fires' : 'fire'}`,
    `${rest.map((each) => `, ${each}`).join('')}.${over}`,
  ]
}

/** What is too little to be seen in digits is not nothing. */
export const hoursText = (gpuMs: number): string =>
  gpuMs > 0 && gpuMs < 1_800 ? '<0.001 GPU-h' : `${gpuHours(gpuMs)} GPU-h`

/** GPU-hours and money of those that have them, and how many have none: `12.3 GPU-h · $24 · 2 without a measure`. */
export function sumText(findings: readonly Finding[]): string {
  const measured = findings.filter(({ gpuMs }) => gpuMs !== null)
  if (measured.length === 0) return ''
  const micros = new Map<string, number>()
  for (const { money: paid } of measured)
    if (paid !== null) micros.set(paid.currency, (micros.get(paid.currency) ?? 0) + paid.micros)
  const gpuMs = measured.reduce((sum, each) => sum + (each.gpuMs ?? 0), 0)
  const rest = findings.length - measured.length
  return [
    hoursText(gpuMs),
    ...[...micros].map(([currency, sum]) => money({ micros: sum, currency })),
    ...(rest > 0 ? [`${rest} without a measure`] : []),
  ].join(' · ')
}

/** `oncall, vision`; in words where nobody knows of it. */
export function toldText({ told, silence }: Pick<Alert, 'told' | 'silence'>, channels: readonly Channel[]): string {
  const names = [...new Set(told.filter(({ state }) => state === 'firing').map(({ channel }) => channel))]
  if (names.length > 0) return `told ${names.join(', ')}`
  if (silence !== null) return 'told nobody: it is silenced'
  return channels.length === 0 ? 'told nobody: there is no channel' : 'told nobody: no channel has taken it'
}

/** Where it is seen: the page of its run, of machines, of budgets. */
export function placeOf({ run, rule }: Pick<Finding, 'run' | 'rule'>): { path: string; name: string } | null {
  if (run !== null) {
    const path = `/runs/${encodeURIComponent(run)}`
    return rule.startsWith('experts-') ? { path: `${path}/experts`, name: 'Experts' } : { path, name: 'Open run' }
  }
  if (rule === 'gpu-unpriced') return { path: '/projects', name: 'Open prices' }
  if (rule === 'node-away') return { path: '/nodes', name: 'Open nodes' }
  return rule.startsWith('budget-') ? { path: '/projects', name: 'Open budget' } : null
}
