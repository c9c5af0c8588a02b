// What an answer of a receiver means, and how it is told: pure. A word of it is shown only when it is no part of what must stay secret,
// for a receiver may say back what it was asked.
import { DELIVERY_ANSWER_BYTES_MAX } from '../../domain/limits.ts'
import type { Delivered } from '../../ports/notifier.ts'

/** What became of a try, but for how long it took. */
export type Outcome = Delivered extends infer Each ? (Each extends Delivered ? Omit<Each, 'tookMs'> : never) : never

export type Answer = {
  readonly status: number
  readonly retryAfter: string | null
  /** Its beginning. */
  readonly body: string
}

const SAID_CHARS_MAX = 200
/** A receiver cannot send us away for longer. */
const RETRY_AFTER_MS_MAX = 86_400_000
/** 4xx that may be otherwise at the next try: timed out, in conflict, too early, too many. */
const RETRYABLE_4XX = new Set([408, 409, 425, 429])
/** A redirect for now: what stands in the way (a sign-in page, maintenance) may be gone later. */
const REDIRECTS_FOR_NOW = new Set([302, 303, 307])

export function outcomeOf(host: string, answer: Answer, secrets: readonly string[], nowMs: number): Outcome {
  const { status, body } = answer
  const said = shown(body, secrets)
  const words = said === '' ? '' : `: ${said}`
  if (status >= 200 && status < 300) return { kind: 'delivered', said: `${host} answered ${status}${words}` }
  const failed = (message: string, retryable: boolean, gone = false): Outcome => ({
    kind: 'failed',
    message,
    retryable,
    retryAfterMs: retryable ? retryAfterMs(answer.retryAfter, nowMs) : null,
    gone,
  })
  if (status >= 300 && status < 400)
    return failed(
      `${host} answered ${status}: it sends us elsewhere, and redirects are not followed. Give the channel the address that it leads to.`,
      REDIRECTS_FOR_NOW.has(status),
    )
  if (status === 410) return failed(`${host} answered 410: it wants nothing from here any more${words}`, false, true)
  if (status >= 400 && status < 500) return failed(`${host} answered ${status}${words}`, RETRYABLE_4XX.has(status))
  return failed(`${host} answered ${status}${words}`, true)
}

export const failure = (message: string, retryable: boolean, retryAfter: number | null = null): Outcome => ({
  kind: 'failed',
  message,
  retryable,
  retryAfterMs: retryAfter,
  gone: false,
})

/** Seconds or a date (RFC 9110, 10.2.3); what is neither is not heard. */
export function retryAfterMs(text: string | null, nowMs: number): number | null {
  if (text === null) return null
  const isDate = text.endsWith(' GMT')
  const ms = /^\d{1,12}$/.test(text) ? Number(text) * 1_000 : isDate ? Date.parse(text) - nowMs : Number.NaN
  return Number.isNaN(ms) ? null : Math.min(Math.max(0, ms), RETRY_AFTER_MS_MAX)
}

/** One line of it, without a word that is part of a secret or has one in it. */
export function shown(text: string, secrets: readonly string[]): string {
  const parts = secrets.flatMap(partsOf)
  const line = text
    .slice(0, DELIVERY_ANSWER_BYTES_MAX)
    .replace(/[\p{C}\s]+/gu, ' ')
    .replace(/[\w%+=~.-]{6,}/g, (word) => (parts.some((part) => isOf(word.toLowerCase(), part)) ? '…' : word))
    .trim()
  return line.length <= SAID_CHARS_MAX ? line : `${line.slice(0, SAID_CHARS_MAX - 1)}…`
}

const isOf = (word: string, part: string): boolean => part.includes(word) || word.includes(part)

/** A secret and what it is made of: an address is often repeated in pieces, or with its signs written otherwise. */
function partsOf(secret: string): string[] {
  const spellings = [secret, decoded(secret), encodeURIComponent(secret)].map((each) => each.toLowerCase())
  return [...spellings, ...spellings.flatMap((each) => each.split(/[^\w%+=~.-]+/))].filter((part) => part.length >= 6)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
