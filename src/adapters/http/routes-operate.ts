// Routes about everything but runs.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Principal } from '../../domain/principal.ts'
import type { Requests } from '../../ports/requests.ts'
import { answers, problem, send, sendProblem, sendText } from './problem.ts'
import {
  answerBody,
  budgetParams,
  extensionBody,
  extensionParams,
  extensionsQuery,
  findingsQuery,
  ifMatchHeader,
  nodeParams,
  pageQuery,
  reasonBody,
} from './requests.ts'
import type { ServerOptions } from './server.ts'
import { asked, type Shared, textOf } from './shared.ts'

type Answering = ReturnType<Requests['cordon']>

export function operateRoutes(
  scope: FastifyInstance,
  { requests, views, parsePolicy }: ServerOptions,
  shared: Shared,
): void {
  const app = scope.withTypeProvider<ZodTypeProvider>()
  const tags = ['operate']

  app.get(
    '/counts',
    { schema: { tags, summary: 'how much holds, waits, is away and is found', response: answers('counts') } },
    async (request, reply) =>
      sendText(
        reply,
        await asked(shared, request, ['counts'], () => textOf('counts', views.counts(request.principal))),
      ),
  )
  app.get(
    '/queue',
    { schema: { tags, summary: 'what waits, in its order', response: answers('queue') } },
    async (request, reply) =>
      sendText(reply, await asked(shared, request, ['queue'], () => textOf('queue', views.queue(request.principal)))),
  )
  for (const [verb, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const) {
    app.post(
      `/queue/${verb}`,
      { schema: { tags, summary: `${verb} placing`, body: reasonBody, response: answers('queue-steered') } },
      async ({ principal, body }, reply) =>
        send(reply, 'queue-steered', await requests.pauseQueue(principal, paused, body?.reason ?? '')),
    )
  }
  app.get(
    '/nodes',
    { schema: { tags, summary: 'the machines and what holds them', response: answers('nodes') } },
    async (request, reply) =>
      sendText(reply, await asked(shared, request, ['nodes'], () => textOf('nodes', views.nodes(request.principal)))),
  )
  const steered: readonly [string, string, (who: Principal, node: string, reason: string) => Answering][] = [
    ['cordon', 'place nothing new on it', (who, node, reason) => requests.cordon(who, node, true, reason)],
    ['uncordon', 'place on it again', (who, node, reason) => requests.cordon(who, node, false, reason)],
    [
      'forget',
      'end this incarnation of a node that holds nothing; if it is still there it is registered anew',
      (who, node, reason) => requests.forgetNode(who, node, reason),
    ],
  ]
  for (const [verb, summary, ask] of steered) {
    app.post(
      `/nodes/:node/${verb}`,
      { schema: { tags, summary, params: nodeParams, body: reasonBody, response: answers('node-steered') } },
      async ({ principal, params: { node }, body }, reply) =>
        send(reply, 'node-steered', await ask(principal, node, body?.reason ?? '')),
    )
  }
  app.get(
    '/budgets',
    { schema: { tags, summary: 'limits and what is left', response: answers('budgets') } },
    async (request, reply) =>
      sendText(
        reply,
        await asked(shared, request, ['budgets'], () => textOf('budgets', views.budgets(request.principal))),
      ),
  )
  app.get(
    '/budgets/extensions',
    {
      schema: {
        tags,
        summary: 'what was asked for beyond a limit; those that wait first',
        querystring: extensionsQuery,
        response: answers('extensions'),
      },
    },
    async ({ principal, query }, reply) => send(reply, 'extensions', await views.extensions(principal, query.limit)),
  )
  app.post(
    '/budgets/:budget/extensions',
    {
      schema: {
        tags,
        summary: 'ask for more than the limit of a budget, or of one of its periods; amount in its unit',
        params: budgetParams,
        body: extensionBody,
        response: answers('extension', 201),
      },
    },
    async ({ principal, params: { budget }, body: { amount, reason } }, reply) =>
      send(reply, 'extension', await requests.askExtension(principal, budget, amount, reason), 201),
  )
  for (const [verb, granted] of [
    ['grant', true],
    ['refuse', false],
  ] as const) {
    app.post(
      `/budgets/extensions/:id/${verb}`,
      {
        schema: {
          tags,
          summary: granted ? 'raise the limit by what was asked for' : 'leave the limit as it is',
          params: extensionParams,
          body: answerBody,
          response: answers('extension'),
        },
      },
      async ({ principal, params: { id }, body }, reply) =>
        send(reply, 'extension', await requests.decideExtension(principal, id, granted, body?.answer ?? '')),
    )
  }
  app.get(
    '/findings',
    { schema: { tags, summary: 'what detectors found', querystring: findingsQuery, response: answers('findings') } },
    async (request, reply) => {
      const { run = null, open, limit, after = null } = request.query
      const filter = { run, open: open === undefined ? null : open === 'true' }
      const make = () => textOf('findings', views.findings(request.principal, filter, { limit, after }))
      // One of many pages, or of many runs, is looked at by few.
      const made = run === null && after === null ? asked(shared, request, ['findings', open, limit], make) : make()
      return sendText(reply, await made)
    },
  )
  app.get(
    '/audit',
    { schema: { tags, summary: 'who did what', querystring: pageQuery, response: answers('audit') } },
    async ({ principal, query: { limit, after = null } }, reply) =>
      send(reply, 'audit', await views.audit(principal, { limit, after })),
  )
  app.get(
    '/policy',
    {
      schema: {
        tags,
        summary: 'projects, quotas, budgets, prices; its ETag is its version',
        response: answers('policy'),
      },
    },
    async ({ principal }, reply) => {
      const policy = await views.policy(principal)
      if (policy.ok) void reply.header('etag', `"${policy.value.version}"`)
      return send(reply, 'policy', policy)
    },
  )
  app.put(
    '/policy',
    {
      schema: {
        tags,
        summary: 'apply a policy whole; with If-Match only while it is still the version that was read',
        headers: ifMatchHeader,
        body: z.unknown(),
        response: answers('policy-applied'),
      },
    },
    async (request, reply) => {
      const parsed = parsePolicy(request.body)
      if (!parsed.ok)
        return sendProblem(
          reply,
          problem('invalid', 'the policy has errors; nothing was applied', { errors: parsed.problems }),
        )
      const { principal, headers } = request
      const ifVersion = headers['if-match'] ?? null
      const applied = await requests.applyPolicy(principal, parsed.policy, parsed.document, ifVersion)
      if (applied.ok) void reply.header('etag', `"${applied.value.version}"`)
      return send(reply, 'policy-applied', applied)
    },
  )
}
