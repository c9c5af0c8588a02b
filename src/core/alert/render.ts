// A notice in words: of each item what it is, how much it costs, since when, who it is about and what to do, with a link. What strangers
// wrote (names, log lines) is in it: each part is one line, bounded, without the power to move a cursor, to begin a line or to turn one
// around. Markup is the business of the channel.
import { NOTICE_EVIDENCE_LINES_MAX, NOTICE_LINE_CHARS_MAX } from '../../domain/limits.ts'
import type { ItemText, Notice, NoticeItem, NoticeText } from '../../domain/notice.ts'
import type { EpochMs, Money } from '../../domain/units.ts'
import { MS_PER_HOUR } from '../../domain/units.ts'
import { counted } from '../../domain/words.ts'

export function renderNotice(notice: Notice): NoticeText {
  const words = {
    title: line(notice.title),
    text: notice.text.map(line),
    items: notice.items.map((item) => itemText(item, notice.at)),
    more: notice.more === 0 ? null : `and ${counted(notice.more, 'more alert')}`,
    link: line(notice.link),
  }
  return { ...words, plain: plain(words) }
}

function itemText(item: NoticeItem, now: EpochMs): ItemText {
  return {
    headline: `${item.state === 'resolved' ? 'resolved' : item.severity}: ${line(item.rule)}`,
    what: line(item.what),
    howMuch: howMuch(item.cost),
    since: since(item, now),
    who: who(item.who),
    whatToDo: item.state === 'resolved' ? 'Nothing: it is over.' : line(item.whatToDo),
    evidence: item.evidence.slice(0, NOTICE_EVIDENCE_LINES_MAX).map(line),
    link: line(item.link),
  }
}

function howMuch(cost: NoticeItem['cost']): string {
  if (cost === null) return 'no cost is known'
  return `${gpuHours(cost.gpuMs)}, ${cost.money === null ? 'price unknown' : money(cost.money)} so far`
}

function since({ since: from, resolvedAt }: NoticeItem, now: EpochMs): string {
  if (resolvedAt !== null) return `${moment(from)} to ${moment(resolvedAt)} (${lasted(resolvedAt - from)})`
  return `${moment(from)} (${lasted(now - from)} when this was written)`
}

function who({ project, run }: NoticeItem['who']): string {
  const parts = [
    ...(run === null ? [] : [`run ${run.name} (${run.id})`, `owner ${run.owner}`]),
    ...(project === null ? [] : [`project ${project}`]),
  ]
  return parts.length === 0 ? 'the whole cluster' : line(parts.join(', '))
}

function plain({ title, text, items, more, link }: Omit<NoticeText, 'plain'>): string {
  const paragraphs = [
    [title],
    text,
    ...items.map((item) => [
      item.headline,
      `  What:        ${item.what}`,
      `  How much:    ${item.howMuch}`,
      `  Since when:  ${item.since}`,
      `  Who:         ${item.who}`,
      `  What to do:  ${item.whatToDo}`,
      ...item.evidence.map((each) => `    ${each}`),
      `  ${item.link}`,
    ]),
    more === null ? [] : [more],
    [link],
  ]
  return `${paragraphs
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

// Ends of lines, controls, what turns the direction of a line around, what is not seen at all, and halves of characters.
const HARMFUL =
  // oxlint-disable-next-line no-control-regex, no-misleading-character-class -- these are what it is about
  /[\u0000-\u001f\u007f-\u009f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\p{Cs}]+/gu

/** One line of at most so many characters, whatever it was. */
function line(text: string): string {
  // A first cut keeps the work small when somebody wrote a book.
  const harmless = text
    .slice(0, 4 * NOTICE_LINE_CHARS_MAX)
    .replace(HARMFUL, ' ')
    .trim()
  if (harmless.length <= NOTICE_LINE_CHARS_MAX) return harmless
  return `${harmless.slice(0, NOTICE_LINE_CHARS_MAX - 1).replace(/\p{Cs}$/u, '')}…`
}

/** As the command line writes them: two places, or as many as a small amount needs so that it is not shown as nothing. */
function gpuHours(gpuMs: number): string {
  const hours = gpuMs / MS_PER_HOUR
  const places = hours === 0 || hours >= 1 ? 2 : hours >= 0.001 ? 4 : 6
  return `${hours.toFixed(places)} GPU-h`
}

function money({ micros, currency }: Money): string {
  const amount = Math.abs(micros)
  const places = amount === 0 || amount >= 100_000 ? 2 : amount >= 1_000 ? 4 : 6
  return `${(micros / 1e6).toFixed(places)} ${currency}`
}

/** `2026-11-25 22:59 UTC`: readers of one message sit in several zones. */
const moment = (at: EpochMs): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`

/** `45 s`, `3 min`, `5 h 20 min`, `2 d 3 h`. */
function lasted(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  if (minutes < 2) return `${seconds} s`
  if (hours < 1) return `${minutes} min`
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}
