// Alertmanager, by its API of version 2: it groups, silences and routes by itself. Its identity of an alert is its set of labels, so that
// nothing is among them that changes while an alert lasts, but for the severity, by which people route: where that changes, the notice has the
// end of the one that was told before (core/alert/decide.ts).
import { NOTICE_LINE_CHARS_MAX } from '../../domain/limits.ts'
import type { Address, Notice, NoticeItem, NoticeText } from '../../domain/notice.ts'
import type { Outcome } from './answer.ts'
import { problemOfUrl } from './guard.ts'
import type { World } from './post.ts'
import { post } from './post.ts'

type Alertmanager = Extract<Address, { kind: 'alertmanager' }>

const PATH = '/api/v2/alerts'
/**
 * Without an end Alertmanager takes an alert for over after its `resolve_timeout`, five minutes: its other clients say everything again each
 * minute. We say when it is over; if we never do, it ends a day after the last word about it.
 */
const LASTS_MS = 24 * 3_600_000
/** A test shows that it arrives, and goes by itself. */
const TEST_LASTS_MS = 300_000

export function problemOfAlertmanager({ url, bearer }: Alertmanager, { ruling }: World): string | null {
  if (bearer !== null && !/^[\u0021-\u007e]{1,4096}$/.test(bearer))
    return 'a bearer token is printable and has no spaces'
  return problemOfUrl(url, ruling)
}

export async function sendAlertmanager(
  world: World,
  { url, bearer }: Alertmanager,
  notice: Notice,
  text: NoticeText,
  signal: AbortSignal,
): Promise<Outcome> {
  const alerts = alertsOf(notice, text, world.nowMs())
  if (alerts.length === 0)
    return { kind: 'delivered', said: 'nothing was sent: an Alertmanager takes alerts, not a digest' }
  const headers = {
    'content-type': 'application/json',
    ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
  }
  const message = { url: apiOf(url), headers, body: JSON.stringify(alerts), secrets: bearer === null ? [] : [bearer] }
  return post(world, message, signal)
}

/** An Alertmanager may be served below a path; some give the address of the API itself. */
function apiOf(text: string): string {
  const url = new URL(text)
  url.pathname = `${url.pathname.replace(/\/+$/, '').replace(new RegExp(`${PATH}$`), '')}${PATH}`
  return url.href
}

export function alertsOf(notice: Notice, text: NoticeText, nowMs: number): object[] {
  if (notice.kind === 'test') return [testAlert(notice, text)]
  if (notice.kind === 'digest') return []
  return notice.items.map((item, index) => alertOf(item, text.items[index], nowMs))
}

function alertOf(item: NoticeItem, words: NoticeText['items'][number] | undefined, nowMs: number): object {
  const { project, run } = item.who
  return {
    labels: filled({
      alertname: `Plimsoll${item.rule
        .split(/[^A-Za-z0-9]+/)
        .map(capital)
        .join('')}`,
      severity: item.severity,
      project: project ?? '',
      run: run?.name ?? '',
      run_id: run?.id ?? '',
      owner: run?.owner ?? '',
      plimsoll_key: item.key,
    }),
    annotations: filled({
      summary: words?.what ?? '',
      cost: words?.howMuch ?? '',
      who: words?.who ?? '',
      what_to_do: words?.whatToDo ?? '',
      evidence: words?.evidence.join('\n') ?? '',
    }),
    startsAt: iso(item.since),
    // An end before the beginning is refused, and with it all alerts of the request.
    endsAt: iso(
      item.resolvedAt === null ? Math.max(nowMs, item.since) + LASTS_MS : Math.max(item.resolvedAt, item.since),
    ),
    generatorURL: item.link,
  }
}

const testAlert = (notice: Notice, { title, link }: NoticeText): object => ({
  labels: { alertname: 'PlimsollTest', severity: 'info', plimsoll_key: 'test' },
  annotations: { summary: title },
  startsAt: iso(notice.at),
  endsAt: iso(notice.at + TEST_LASTS_MS),
  generatorURL: link,
})

/** Alertmanager drops empty values, and refuses what is not UTF-8. */
const filled = (values: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values)
      .map(([key, value]) => [key, value.slice(0, 12 * NOTICE_LINE_CHARS_MAX).toWellFormed()] as const)
      .filter(([, value]) => value !== ''),
  )

const capital = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`

const iso = (at: number): string => new Date(at).toISOString()
