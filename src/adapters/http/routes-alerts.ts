// Routes about alerts: who is told of what, and what was sent. An address goes in and never comes out.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { RULES, SEVERITIES } from '../../domain/finding.ts'
import { SILENCE_MS_MAX } from '../../domain/limits.ts'
import { durationMs } from '../../domain/units.ts'
import { answers, send } from './problem.ts'
import { noticesQuery } from './requests.ts'
import type { ServerOptions } from './server.ts'

const named = z.strictObject({ channel: z.string().min(1).max(63) })
const silenceParams = z.strictObject({ id: z.string().min(1).max(64) })
const project = z.string().min(1).max(63).nullable().default(null)
const url = z.string().min(1).max(2_048)
const secret = z.string().regex(/^whsec_[A-Za-z0-9+/]{32,128}={0,2}$/, 'must be whsec_ and at least 24 bytes in base64')
const mail = z
  .string()
  .max(254)
  .regex(/^[^\s@<>"',;:\\()[\]]{1,64}@[A-Za-z0-9.-]{1,189}$/, 'must be an address such as ada@lab.org')

const address = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('webhook'),
    url,
    secrets: z.array(secret).max(4).default([]).meta({ description: 'the newest first; without any one is made' }),
  }),
  z.strictObject({ kind: z.literal('slack'), url }),
  z.strictObject({ kind: z.literal('email'), to: z.array(mail).min(1).max(20) }),
  z.strictObject({
    kind: z.literal('alertmanager'),
    url,
    bearer: z.string().min(1).max(4_096).nullable().default(null),
  }),
])

const channelBody = z.strictObject({
  name: z.string().regex(/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/, 'must be lower-case letters, digits and dashes'),
  project,
  address,
  severity: z.enum(SEVERITIES).default('warning').meta({ description: 'at least so severe' }),
  rules: z.array(z.enum(RULES)).min(1).nullable().default(null),
  digest: z.boolean().default(false),
})
const silenceBody = z.strictObject({
  project,
  rule: z.enum(RULES).nullable().default(null),
  run: z.string().min(1).max(200).nullable().default(null),
  forMs: z
    .int()
    .min(1_000, 'must be at least a second')
    .max(SILENCE_MS_MAX, 'must be at most 31 days')
    .transform(durationMs),
  reason: z.string().min(1).max(500),
})
const findingBody = z.strictObject({ finding: z.string().min(1).max(1_000), note: z.string().max(500).default('') })

export function alertRoutes(scope: FastifyInstance, { alerts }: ServerOptions): void {
  const app = scope.withTypeProvider<ZodTypeProvider>()
  const tags = ['alerts']

  app.get(
    '/alerts',
    { schema: { tags, summary: 'what fires, who was told, and who looks at it', response: answers('alerts') } },
    async ({ principal }, reply) => send(reply, 'alerts', await alerts.alerts(principal)),
  )
  app.get(
    '/alerts/deliveries',
    {
      schema: { tags, summary: 'messages and their tries', querystring: noticesQuery, response: answers('deliveries') },
    },
    async ({ principal, query: { limit, after = null } }, reply) =>
      send(reply, 'deliveries', await alerts.deliveries(principal, { limit, after })),
  )
  app.post(
    '/alerts/channels',
    { schema: { tags, summary: 'make a channel', body: channelBody, response: answers('channel-created', 201) } },
    async ({ principal, body }, reply) => {
      const made = await alerts.createChannel(principal, body)
      if (!made.ok) return send(reply, 'channel-created', made)
      return send(
        reply,
        'channel-created',
        { ok: true, value: { ...made.value.channel, secret: made.value.secret } },
        201,
      )
    },
  )
  app.delete(
    '/alerts/channels/:channel',
    {
      schema: { tags, summary: 'remove a channel and what waits for it', params: named, response: answers('channel') },
    },
    async ({ principal, params }, reply) =>
      send(reply, 'channel', await alerts.removeChannel(principal, params.channel)),
  )
  app.post(
    '/alerts/channels/:channel/test',
    {
      schema: {
        tags,
        summary: 'send a message that says that it is a test',
        params: named,
        response: answers('channel-tested'),
      },
    },
    async ({ principal, params }, reply) =>
      send(reply, 'channel-tested', await alerts.testChannel(principal, params.channel)),
  )
  app.post(
    '/alerts/channels/:channel/wake',
    { schema: { tags, summary: 'try at once what waits', params: named, response: answers('channel') } },
    async ({ principal, params }, reply) => send(reply, 'channel', await alerts.wakeChannel(principal, params.channel)),
  )
  app.post(
    '/alerts/silences',
    {
      schema: { tags, summary: 'keep messages back for a while', body: silenceBody, response: answers('silence', 201) },
    },
    async ({ principal, body }, reply) => send(reply, 'silence', await alerts.silence(principal, body), 201),
  )
  app.delete(
    '/alerts/silences/:id',
    { schema: { tags, summary: 'end a silence', params: silenceParams, response: answers('silence') } },
    async ({ principal, params }, reply) => send(reply, 'silence', await alerts.endSilence(principal, params.id)),
  )
  app.post(
    '/alerts/acknowledgements',
    {
      schema: {
        tags,
        summary: 'say that somebody looks at a finding',
        body: findingBody,
        response: answers('acknowledgement'),
      },
    },
    async ({ principal, body }, reply) =>
      send(reply, 'acknowledgement', await alerts.acknowledge(principal, body.finding, body.note)),
  )
  app.post(
    '/alerts/acknowledgements/end',
    { schema: { tags, summary: 'take that back', body: findingBody, response: answers('acknowledgement') } },
    async ({ principal, body }, reply) => send(reply, 'acknowledgement', await alerts.letGo(principal, body.finding)),
  )
}
