// A webhook: a CloudEvent in its JSON format, signed as Standard Webhooks say. The identity is that of the notice at each try; the moment
// and the signature are those of the try, so that a receiver can refuse what somebody recorded and sends again.
import { createHmac } from 'node:crypto'
import type { Address, Notice, NoticeItem } from '../../domain/notice.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { Outcome } from './answer.ts'
import { problemOfUrl } from './guard.ts'
import type { World } from './post.ts'
import { post } from './post.ts'

type Webhook = Extract<Address, { kind: 'webhook' }>

const SECRET = /^whsec_[A-Za-z0-9+/]+={0,2}$/
/** Standard Webhooks: 24 to 64 bytes. */
const SECRET_BYTES_MIN = 24
const SECRET_BYTES_MAX = 64
/** Two while one is exchanged for another; more are a mistake. */
const SECRETS_MAX = 4

export function problemOfWebhook({ url, secrets }: Webhook, { ruling }: World): string | null {
  if (secrets.length === 0) return 'a webhook needs a secret to sign with'
  if (secrets.length > SECRETS_MAX) return `a webhook has at most ${SECRETS_MAX} secrets`
  const unfit = secrets.some((secret) => {
    const { byteLength } = keyOf(secret)
    return !SECRET.test(secret) || byteLength < SECRET_BYTES_MIN || byteLength > SECRET_BYTES_MAX
  })
  if (unfit) return `a secret is whsec_ and ${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX} bytes in base64`
  return problemOfUrl(url, ruling)
}

export function sendWebhook(
  world: World,
  publicUrl: string,
  { url, secrets }: Webhook,
  notice: Notice,
  signal: AbortSignal,
): Promise<Outcome> {
  const body = JSON.stringify(cloudEventOf(notice, publicUrl))
  const timestamp = String(Math.floor(world.nowMs() / 1_000))
  const headers = {
    'content-type': 'application/cloudevents+json; charset=utf-8',
    'webhook-id': notice.id,
    'webhook-timestamp': timestamp,
    'webhook-signature': secrets
      .map((secret) => `v1,${signature(secret, `${notice.id}.${timestamp}.${body}`)}`)
      .join(' '),
  }
  return post(world, { url, headers, body, secrets }, signal)
}

const keyOf = (secret: string): Uint8Array => Buffer.from(secret.slice('whsec_'.length), 'base64')

const signature = (secret: string, signed: string): string =>
  createHmac('sha256', keyOf(secret)).update(signed, 'utf8').digest('base64')

function cloudEventOf(notice: Notice, publicUrl: string): Record<string, unknown> {
  const { id, kind, title, text, items, more, link } = notice
  const time = iso(notice.at)
  const [item] = items
  return {
    specversion: '1.0',
    id,
    type: `dev.plimsoll.${kind}.v1`,
    source: publicUrl,
    time,
    // Standard Webhooks name the moment of what is told so; for a CloudEvent it is one more attribute.
    timestamp: time,
    ...(item === undefined
      ? {}
      : { subject: items.length === 1 ? item.key : `${item.key} and ${items.length - 1} more` }),
    datacontenttype: 'application/json',
    ...SEVERITIES[severityOf(items)],
    data: { id, kind, at: time, title, text, items: items.map(wireItem), more, link },
  }
}

/** The extension `severity` of CloudEvents; its numbers are those of OpenTelemetry's logs. */
const SEVERITIES = {
  critical: { severitytext: 'critical', severitynumber: 18 },
  warning: { severitytext: 'warning', severitynumber: 13 },
  info: { severitytext: 'info', severitynumber: 9 },
} as const

/** The worst of what goes on; what is over, a digest and a test are for information. */
function severityOf(items: readonly NoticeItem[]): keyof typeof SEVERITIES {
  const firing = items.filter(({ state }) => state === 'firing')
  return firing.find(({ severity }) => severity === 'critical')?.severity ?? firing[0]?.severity ?? 'info'
}

function wireItem(item: NoticeItem): Record<string, unknown> {
  const resolvedAt = item.resolvedAt === null ? null : iso(item.resolvedAt)
  return { ...item, since: iso(item.since), resolvedAt }
}

const iso = (at: EpochMs): string => new Date(at).toISOString()
