// Routes about everything but runs.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { toWire } from '../../contract/wire.ts'
import type { LedgerKey } from '../../domain/documents.ts'
import { ROLES } from '../../domain/principal.ts'
import { epochMs } from '../../domain/units.ts'
import { problem, send, sendProblem } from './problem.ts'
import { page } from './routes-runs.ts'
import type { ServerOptions } from './server.ts'

const reason = z.object({ reason: z.string().max(500).default('') }).prefault({})
const moment = z.iso.datetime({ offset: true }).transform((text) => epochMs(Date.parse(text)))
const by = z
  .string()
  .max(500)
  .default('account')
  .transform((text) => text.split(','))
  .pipe(
    z.array(z.union([z.enum(['project', 'user', 'run', 'account', 'gpu']), z.string().startsWith('label:')])).max(16),
  )

export function operateRoutes(scope: FastifyInstance, { requests, views, parsePolicy }: ServerOptions): void {
  const app = scope.withTypeProvider<ZodTypeProvider>()
  const tags = ['operate']

  app.get('/queue', { schema: { tags } }, async ({ principal }, reply) =>
    send(reply, await views.queue(principal), (queue) => toWire('queue', queue)),
  )
  for (const [verb, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const) {
    app.post(`/queue/${verb}`, { schema: { tags, body: reason } }, async ({ principal, body }, reply) =>
      send(reply, await requests.pauseQueue(principal, paused, body.reason), (queue) => toWire('queue', queue)),
    )
  }
  app.get('/nodes', { schema: { tags } }, async ({ principal }, reply) =>
    send(reply, await views.nodes(principal), (nodes) => toWire('nodes', nodes)),
  )
  for (const [verb, cordoned] of [
    ['cordon', true],
    ['uncordon', false],
  ] as const) {
    app.post(
      `/nodes/:node/${verb}`,
      { schema: { tags, params: z.object({ node: z.string().max(300) }), body: reason } },
      async (request, reply) =>
        send(
          reply,
          await requests.cordon(request.principal, request.params.node, cordoned, request.body.reason),
          (node) => toWire('node', node),
        ),
    )
  }
  app.get('/budgets', { schema: { tags } }, async ({ principal }, reply) =>
    send(reply, await views.budgets(principal), (budgets) => toWire('budgets', budgets)),
  )
  app.get(
    '/ledger',
    { schema: { tags, querystring: z.object({ from: moment.optional(), to: moment.optional(), by }) } },
    async ({ principal, query }, reply) =>
      send(
        reply,
        await views.ledger(
          principal,
          { from: query.from ?? null, to: query.to ?? null },
          query.by as readonly LedgerKey[],
        ),
        (ledger) => toWire('ledger', ledger),
      ),
  )
  app.get('/audit', { schema: { tags, querystring: z.object(page) } }, async ({ principal, query }, reply) =>
    send(reply, await views.audit(principal, { limit: query.limit, after: query.after ?? null }), (audit) =>
      toWire('audit', audit),
    ),
  )
  app.get('/policy', { schema: { tags } }, async ({ principal }, reply) =>
    send(reply, await views.policy(principal), (policy) => toWire('policy', policy)),
  )
  app.put('/policy', { schema: { tags, body: z.unknown() } }, async (request, reply) => {
    const parsed = parsePolicy(request.body)
    if (!parsed.ok)
      return sendProblem(
        reply,
        problem('invalid', 'the policy has errors; nothing was applied', { errors: parsed.problems }),
      )
    return send(reply, await requests.applyPolicy(request.principal, parsed.policy, parsed.document), (applied) =>
      toWire('policy-applied', applied),
    )
  })
  app.get('/tokens', { schema: { tags } }, async ({ principal }, reply) =>
    send(reply, await views.tokens(principal), (tokens) => toWire('tokens', tokens)),
  )
  const token = z.strictObject({
    name: z.string().min(1).max(100),
    subject: z.string().min(1).max(100),
    role: z.enum(ROLES),
    project: z.string().max(63).nullable().default(null),
    ttlMs: z.int().min(1_000).nullable().default(null),
  })
  app.post('/tokens', { schema: { tags, body: token } }, async ({ principal, body }, reply) =>
    send(
      reply,
      await requests.createToken(principal, body),
      ({ token: created, secret }) => toWire('token', { ...created, secret }),
      201,
    ),
  )
  app.delete(
    '/tokens/:id',
    { schema: { tags, params: z.object({ id: z.string().max(64) }) } },
    async ({ principal, params }, reply) =>
      send(reply, await requests.revokeToken(principal, params.id), (revoked) => toWire('token', revoked)),
  )
}
