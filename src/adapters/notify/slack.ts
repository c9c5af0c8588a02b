// An incoming webhook of Slack, or of what speaks like it (Mattermost, Rocket.Chat). Its address is the secret. A channel takes a message a
// second; what comes faster waits for its turn, and when the wait is long it comes back later instead.
import { setTimeout as pause } from 'node:timers/promises'
import type { Address, ItemText, NoticeText } from '../../domain/notice.ts'
import type { Outcome } from './answer.ts'
import { failure } from './answer.ts'
import { problemOfUrl } from './guard.ts'
import type { World } from './post.ts'
import { post, stopped } from './post.ts'

type Slack = Extract<Address, { kind: 'slack' }>
type Wait = (ms: number, signal: AbortSignal) => Promise<void>

const BETWEEN_MS = 1_000
/** Of the time for one try the most that is spent on waiting for a turn. */
const WAIT_MS_MAX = 5_000
/** Channels whose last turn is remembered: it is of no use a moment later. */
const CHANNELS_MAX = 10_000

// Limits of Block Kit: a message is refused whole when one of them is passed.
const HEADER_CHARS_MAX = 150
const SECTION_CHARS_MAX = 3_000
const BLOCKS_MAX = 50
/** Title, lines of text, what is left out, link. */
const BLOCKS_BESIDE_ITEMS = 4

export const problemOfSlack = ({ url }: Slack, { ruling }: World): string | null => problemOfUrl(url, ruling)

export function createSlack(world: World, wait: Wait = waited) {
  /** When a channel takes its next message, by a clock that nobody sets. */
  const next = new Map<string, number>()

  function untilTurn(url: string): number {
    const now = performance.now()
    if (next.size >= CHANNELS_MAX) for (const [each, at] of next) if (at <= now) next.delete(each)
    return Math.max(0, Math.ceil((next.get(url) ?? now) - now))
  }

  return async ({ url }: Slack, text: NoticeText, signal: AbortSignal): Promise<Outcome> => {
    const ms = untilTurn(url)
    const host = new URL(url).host
    if (ms > WAIT_MS_MAX) return failure(`${host}: the channel takes ${1_000 / BETWEEN_MS} message a second`, true, ms)
    next.set(url, performance.now() + ms + BETWEEN_MS)
    if (ms > 0) {
      try {
        await wait(ms, signal)
      } catch {
        return failure(`${host}: ${stopped(signal, 'its turn did not come')}`, true)
      }
    }
    const headers = { 'content-type': 'application/json; charset=utf-8' }
    const outcome = await post(world, { url, headers, body: JSON.stringify(bodyOf(text)), secrets: [] }, signal)
    if (outcome.kind === 'failed' && outcome.retryAfterMs !== null)
      next.set(url, performance.now() + outcome.retryAfterMs)
    return outcome
  }
}

const waited: Wait = (ms, signal) => pause(ms, undefined, { signal })

export function bodyOf({ title, text, items, more, link }: NoticeText): Record<string, unknown> {
  const shown = items.slice(0, BLOCKS_MAX - BLOCKS_BESIDE_ITEMS)
  const left = items.length - shown.length
  const rest = [more, left === 0 ? null : `and ${left} that do not fit`].filter((each) => each !== null)
  return {
    // For notifications, and for what knows no blocks.
    text: `${escaped(title)}\n${address(link)}`,
    unfurl_links: false,
    unfurl_media: false,
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: cut(quiet(title), HEADER_CHARS_MAX), emoji: false } },
      ...(text.length === 0 ? [] : [section(text.map(escaped))]),
      ...shown.map((item) => section(linesOf(item))),
      section([...rest.map(escaped), address(link)]),
    ],
  }
}

function linesOf(item: ItemText): string[] {
  return [
    `*${escaped(item.headline)}*`,
    `*What:* ${escaped(item.what)}`,
    `*How much:* ${escaped(item.howMuch)}`,
    `*Since when:* ${escaped(item.since)}`,
    `*Who:* ${escaped(item.who)}`,
    `*What to do:* ${escaped(item.whatToDo)}`,
    address(item.link),
    ...item.evidence.map((each) => `> ${escaped(each)}`),
  ]
}

/** A line that does not fit is left out. Verbatim: what looks like a name or an address in what strangers wrote is not made into one. */
function section(lines: readonly string[]): Record<string, unknown> {
  const kept: string[] = []
  let chars = 0
  for (const line of lines) {
    if (chars + line.length + 1 > SECTION_CHARS_MAX) continue
    chars += line.length + 1
    kept.push(line)
  }
  return { type: 'section', text: { type: 'mrkdwn', text: kept.join('\n') || '…', verbatim: true } }
}

/** Of a part at most so much: all of an item fit a section, unless they are made of signs that are escaped. */
const PART_CHARS_MAX = 350

/** With `<` and `&` gone there is no mention (`<!channel>`, `<@U1>`) and no link but ours. */
function escaped(text: string): string {
  return cut(quiet(text), PART_CHARS_MAX).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** What speaks like Slack also calls people by a bare `@all`, and makes links of `[words](address)`: a space of no width is between. */
const quiet = (text: string): string => text.replace(/(?<![\w.])@(?=\w)/g, '@\u200b').replaceAll('](', ']\u200b(')

/** Written out: the reader sees where it leads. Our own pages, so that only signs of markup are taken out. */
const address = (url: string): string =>
  `<${cut(url, PART_CHARS_MAX)
    .replace(/[<>|\s]/g, encodeURIComponent)
    .replaceAll('&', '&amp;')}>`

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).replace(/\p{Cs}$/u, '')}…`
}
