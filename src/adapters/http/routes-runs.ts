// Routes about runs.
import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { toWire } from '../../contract/wire.ts'
import { IDEMPOTENCY_KEY_CHARS_MAX, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX } from '../../domain/limits.ts'
import { problem, send, sendProblem } from './problem.ts'
import type { ServerOptions } from './server.ts'

export const page = {
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(PAGE_ROWS_DEFAULT),
  after: z.string().max(64).optional(),
}
/** A run's id, its name, or project/name with the slash encoded. */
const params = z.object({ run: z.string().min(1).max(200) })

export function runRoutes(scope: FastifyInstance, { requests, views, parseSpec }: ServerOptions): void {
  const app = scope.withTypeProvider<ZodTypeProvider>()
  const tags = ['runs']

  const headers = z.object({ 'idempotency-key': z.string().min(1).max(IDEMPOTENCY_KEY_CHARS_MAX).optional() })
  app.post('/runs', { schema: { tags, headers, body: z.unknown() } }, async (request, reply) => {
    const parsed = parseSpec(request.body)
    if (!parsed.ok)
      return sendProblem(
        reply,
        problem('invalid', 'the spec has errors; nothing was submitted', { errors: parsed.problems }),
      )
    const key = request.headers['idempotency-key']
    const hash = createHash('sha256').update(JSON.stringify(request.body)).digest('hex')
    const answer = await requests.submit(request.principal, parsed.spec, key === undefined ? null : { key, hash })
    return send(
      reply,
      answer,
      ({ run, repeated }) => toWire('run', { ...run, repeated }),
      answer.ok && !answer.value.repeated ? 201 : 200,
    )
  })
  app.post('/plan', { schema: { tags, body: z.unknown() } }, async (request, reply) => {
    const parsed = parseSpec(request.body)
    if (!parsed.ok) return sendProblem(reply, problem('invalid', 'the spec has errors', { errors: parsed.problems }))
    return send(reply, await requests.plan(request.principal, parsed.spec), (plan) => toWire('plan', plan))
  })
  const filter = z.object({ project: z.string().max(63).optional(), state: z.string().max(20).optional(), ...page })
  app.get('/runs', { schema: { tags, querystring: filter } }, async ({ principal, query }, reply) =>
    send(
      reply,
      await views.runs(
        principal,
        { project: query.project ?? null, state: query.state ?? null },
        { limit: query.limit, after: query.after ?? null },
      ),
      (runs) => toWire('runs', runs),
    ),
  )
  app.get('/runs/:run', { schema: { tags, params } }, async (request, reply) =>
    send(reply, await views.show(request.principal, request.params.run), (run) => toWire('show', run)),
  )
  app.get('/runs/:run/statement', { schema: { tags, params } }, async (request, reply) =>
    send(reply, await views.statement(request.principal, request.params.run), (statement) =>
      toWire('statement', statement),
    ),
  )
  app.get('/runs/:run/why', { schema: { tags, params } }, async (request, reply) =>
    send(reply, await views.why(request.principal, request.params.run), (why) => toWire('why', why)),
  )
  app.get('/runs/:run/events', { schema: { tags, params, querystring: z.object(page) } }, async (request, reply) =>
    send(
      reply,
      await views.events(request.principal, request.params.run, {
        limit: request.query.limit,
        after: request.query.after ?? null,
      }),
      (events) => toWire('events', events),
    ),
  )
  const where = z.object({
    worker: z.coerce.number().int().min(0).default(0),
    attempt: z.coerce.number().int().min(1).optional(),
    offset: z.coerce.number().int().min(0).default(0),
  })
  app.get(
    '/runs/:run/logs',
    { schema: { tags, params, querystring: where } },
    async ({ principal, params: { run }, query }, reply) =>
      send(
        reply,
        await views.logs(principal, run, { attempt: query.attempt ?? null, index: query.worker }, query.offset),
        (log) => toWire('logs', log),
      ),
  )
  app.post(
    '/runs/:run/stop',
    { schema: { tags, params, body: z.object({ now: z.boolean().default(false) }).prefault({}) } },
    async (request, reply) =>
      send(reply, await requests.stop(request.principal, request.params.run, request.body.now), (run) =>
        toWire('run', run),
      ),
  )
  for (const verb of ['suspend', 'resume'] as const) {
    app.post(`/runs/:run/${verb}`, { schema: { tags, params } }, async (request, reply) =>
      send(reply, await requests[verb](request.principal, request.params.run), (run) => toWire('run', run)),
    )
  }
}
