// Routes about runs.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { hashOf } from './canonical.ts'
import { answers, problem, send, sendProblem } from './problem.ts'
import { logsQuery, pageQuery, runParams, runsQuery, stopBody, submitHeaders } from './requests.ts'
import type { ServerOptions } from './server.ts'

export function runRoutes(scope: FastifyInstance, { requests, views, parseSpec }: ServerOptions): void {
  const app = scope.withTypeProvider<ZodTypeProvider>()
  const tags = ['runs']
  const params = runParams

  app.post(
    '/runs',
    {
      schema: {
        tags,
        summary: 'submit a run',
        headers: submitHeaders,
        body: z.unknown(),
        response: answers('run', 201, 200),
      },
    },
    async (request, reply) => {
      const parsed = parseSpec(request.body)
      if (!parsed.ok)
        return sendProblem(
          reply,
          problem('invalid', 'the spec has errors; nothing was submitted', { errors: parsed.problems }),
        )
      const key = request.headers['idempotency-key']
      const answer = await requests.submit(
        request.principal,
        parsed.spec,
        key === undefined ? null : { key, hash: hashOf(request.body) },
      )
      if (!answer.ok) return send(reply, 'run', answer)
      const { run, repeated } = answer.value
      void reply.header('location', `/api/v1/runs/${run.id}`)
      return send(reply, 'run', { ok: true, value: { ...run, repeated } }, repeated ? 200 : 201)
    },
  )
  app.post(
    '/plan',
    { schema: { tags, summary: 'what a submit would do', body: z.unknown(), response: answers('plan') } },
    async (request, reply) => {
      const parsed = parseSpec(request.body)
      if (!parsed.ok) return sendProblem(reply, problem('invalid', 'the spec has errors', { errors: parsed.problems }))
      return send(reply, 'plan', await requests.plan(request.principal, parsed.spec))
    },
  )
  app.get(
    '/runs',
    { schema: { tags, summary: 'runs, the newest first', querystring: runsQuery, response: answers('runs') } },
    async ({ principal, query: { project = null, state = null, limit, after = null } }, reply) =>
      send(reply, 'runs', await views.runs(principal, { project, state }, { limit, after })),
  )
  app.get(
    '/runs/:run',
    { schema: { tags, summary: 'a run with its attempts and progress', params, response: answers('show') } },
    async (request, reply) => send(reply, 'show', await views.show(request.principal, request.params.run)),
  )
  app.get(
    '/runs/:run/statement',
    { schema: { tags, summary: 'what it held, by account', params, response: answers('statement') } },
    async (request, reply) => send(reply, 'statement', await views.statement(request.principal, request.params.run)),
  )
  app.get(
    '/runs/:run/why',
    { schema: { tags, summary: 'why it waits', params, response: answers('why') } },
    async (request, reply) => send(reply, 'why', await views.why(request.principal, request.params.run)),
  )
  app.get(
    '/runs/:run/events',
    { schema: { tags, summary: 'what happened to it', params, querystring: pageQuery, response: answers('events') } },
    async ({ principal, params: { run }, query: { limit, after = null } }, reply) =>
      send(reply, 'events', await views.events(principal, run, { limit, after })),
  )
  app.get(
    '/runs/:run/logs',
    {
      schema: {
        tags,
        summary: 'lines of one worker from an offset on',
        params,
        querystring: logsQuery,
        response: answers('logs'),
      },
    },
    async ({ principal, params: { run }, query: { attempt = null, worker, offset } }, reply) =>
      send(reply, 'logs', await views.logs(principal, run, { attempt, index: worker }, offset)),
  )
  app.post(
    '/runs/:run/stop',
    { schema: { tags, summary: 'ask it to stop', params, body: stopBody, response: answers('run') } },
    async ({ principal, params: { run }, body }, reply) =>
      send(reply, 'run', await requests.stop(principal, run, body?.now ?? false)),
  )
  for (const verb of ['suspend', 'resume'] as const) {
    app.post(
      `/runs/:run/${verb}`,
      { schema: { tags, summary: `${verb} it`, params, response: answers('run') } },
      async (request, reply) => send(reply, 'run', await requests[verb](request.principal, request.params.run)),
    )
  }
}
