// Documents about alerts.
import { z } from 'zod'
import { RULES, SEVERITIES } from '../domain/finding.ts'
import { document, moment } from './document-parts.ts'
import { findingFields } from './operate-documents.ts'

const channelFields = {
  id: z.string(),
  name: z.string(),
  project: z.string().nullable().meta({ description: 'null: every project' }),
  kind: z.enum(['webhook', 'slack', 'email', 'alertmanager']),
  shown: z.string().meta({ description: 'a host, or recipients: the rest of an address is a secret' }),
  severity: z.enum(SEVERITIES),
  rules: z.array(z.enum(RULES)).nullable().meta({ description: 'null: all' }),
  digest: z.boolean().meta({ description: 'what a week has cost, each Monday' }),
  createdAt: moment,
  createdBy: z.string(),
  failures: z.int().meta({ description: 'tries in a row that failed' }),
  retryAt: moment.nullable(),
  off: z.string().nullable().meta({ description: 'why nothing is sent, until it is woken' }),
  pending: z.int().meta({ description: 'messages that wait' }),
}
const silenceFields = {
  id: z.string(),
  project: z.string().nullable(),
  rule: z.enum(RULES).nullable(),
  run: z.string().nullable(),
  startsAt: moment,
  endsAt: moment,
  reason: z.string(),
  by: z.string(),
}
const acknowledgementFields = { finding: z.string(), at: moment, by: z.string(), note: z.string() }

export const channel = document('channel', 'Channel', channelFields)
export const channelCreated = document('channel-created', 'ChannelCreated', {
  ...channelFields,
  secret: z.string().nullable().meta({
    description: 'shown once: what the receiver of a webhook checks the signature with; null where none was made',
  }),
})
export const channelTested = document('channel-tested', 'ChannelTested', { notice: z.string() })
export const silence = document('silence', 'Silence', silenceFields)
export const acknowledgement = document('acknowledgement', 'Acknowledgement', acknowledgementFields)

export const alerts = document('alerts', 'Alerts', {
  alerts: z.array(
    z
      .looseObject({
        ...findingFields,
        acknowledged: z.looseObject(acknowledgementFields).nullable(),
        silence: z.string().nullable(),
        told: z.array(z.looseObject({ channel: z.string(), state: z.enum(['firing', 'resolved']), at: moment })),
      })
      .meta({ id: 'AlertRow', description: 'a finding that is open, and who knows of it' }),
  ),
  channels: z.array(z.looseObject(channelFields).meta({ id: 'ChannelRow' })),
  silences: z.array(z.looseObject(silenceFields).meta({ id: 'SilenceRow' })),
})

export const deliveries = document('deliveries', 'Deliveries', {
  deliveries: z.array(
    z
      .looseObject({
        notice: z.string(),
        channel: z.string(),
        kind: z.enum(['alert', 'digest', 'test']),
        title: z.string(),
        items: z.int(),
        at: moment,
        state: z.enum(['pending', 'delivered', 'failed']),
        endedAt: moment.nullable(),
        tries: z.array(z.looseObject({ try: z.int(), at: moment, tookMs: z.int(), ok: z.boolean(), said: z.string() })),
      })
      .meta({ id: 'DeliveryRow', description: 'a message with its tries' }),
  ),
  next: z.string().nullable(),
})
