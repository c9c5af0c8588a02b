// Channels in words: what each takes, how its last try went, and what is asked for when one is made.
import { RULES, type Rule, type Severity } from '../../domain/finding.ts'
import { hms } from '../format/times.ts'
import type { Channel, Delivery } from './api.ts'

export const KINDS = {
  webhook: 'Webhook',
  slack: 'Slack',
  email: 'E-mail',
  alertmanager: 'Alertmanager',
} as const satisfies Readonly<Record<Channel['kind'], string>>

export function takesText({ severity, rules, digest }: Pick<Channel, 'severity' | 'rules' | 'digest'>): string {
  return [
    severity === 'critical' ? 'critical' : 'warning and critical',
    rules === null ? 'every rule' : rules.join(', '),
    ...(digest ? ['what the week has cost, on Mondays'] : []),
  ].join(' · ')
}

/** What a receiver said, without its name, which stands beside it. */
export const answerText = (said: string): string => said.replace(/^\S+ (?=answered )/, '')

type Try = Delivery['tries'][number]

export type ChannelFacts = {
  readonly lastTry: Try | null
  /** Of the newest message that was tried. */
  readonly tries: readonly Try[]
  readonly sent: number
  /** There are more of the last 24 h than were read. */
  readonly atLeast: boolean
}

const DAY_MS = 24 * 3_600_000

/** What the deliveries that were read say of a channel; `all`: there are no others. */
export function factsOf(name: string, deliveries: readonly Delivery[], all: boolean, now: number): ChannelFacts {
  const tried = deliveries.filter((each) => each.channel === name && each.tries.length > 0)
  const newest = tried.toSorted((a, b) => lastAt(b) - lastAt(a))[0]
  const sent = deliveries.filter(
    ({ channel, state, endedAt }) =>
      channel === name && state === 'delivered' && endedAt !== null && Date.parse(endedAt) > now - DAY_MS,
  )
  const oldest = deliveries.at(-1)
  return {
    lastTry: newest?.tries.at(-1) ?? null,
    tries: newest?.tries ?? [],
    sent: sent.length,
    atLeast: !all && oldest !== undefined && Date.parse(oldest.at) > now - DAY_MS,
  }
}

const lastAt = ({ tries }: Delivery): number => Date.parse(tries.at(-1)?.at ?? '')

/** What a person must know of it beside its last answer; null: it is well. */
export function troubleOf({ off, failures, retryAt }: Pick<Channel, 'off' | 'failures' | 'retryAt'>): string | null {
  if (off !== null) return `turned off: ${off}`
  if (failures === 0) return null
  const tries = failures === 1 ? '1 try failed' : `${failures} tries in a row failed`
  return retryAt === null ? `${tries}, again at once` : `${tries}, again at ${hms(Date.parse(retryAt))}`
}

export type Draft = {
  readonly name: string
  readonly kind: Channel['kind']
  readonly url: string
  readonly to: string
  readonly bearer: string
  /** Empty: every project. */
  readonly project: string
  readonly severity: Severity
  readonly rules: readonly Rule[]
  readonly digest: boolean
}

export const NEW_DRAFT: Draft = {
  name: '',
  kind: 'webhook',
  url: '',
  to: '',
  bearer: '',
  project: '',
  severity: 'warning',
  rules: RULES,
  digest: false,
}

export function channelBody({ name, kind, url, to, bearer, project, severity, rules, digest }: Draft): object {
  const address = {
    webhook: { kind, url: url.trim() },
    slack: { kind, url: url.trim() },
    email: { kind, to: to.split(/[\s,;]+/).filter((each) => each !== '') },
    alertmanager: { kind, url: url.trim(), bearer: bearer === '' ? null : bearer },
  }[kind]
  const all = rules.length === RULES.length
  return {
    name: name.trim(),
    project: project.trim() === '' ? null : project.trim(),
    address,
    severity,
    rules: all ? null : rules,
    digest,
  }
}
