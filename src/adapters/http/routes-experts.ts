// Expert load of a run.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { answers, send } from './problem.ts'
import { expertFrameQuery, expertHistoryQuery, expertsQuery, expertTileQuery, runParams } from './requests.ts'
import type { ServerOptions } from './server.ts'

export function expertRoutes(scope: FastifyInstance, { views }: ServerOptions): void {
  const app = scope.withTypeProvider<ZodTypeProvider>()
  const tags = ['experts']
  const params = runParams
  app.get(
    '/runs/:run/experts',
    {
      schema: {
        tags,
        summary: 'how evenly tokens were spread over experts, all steps in few buckets',
        params,
        querystring: expertsQuery,
        response: answers('experts'),
      },
    },
    async (
      { principal, params: { run }, query: { attempt = null, set = null, from = null, to = null, points } },
      reply,
    ) => send(reply, 'experts', await views.experts(principal, run, { attempt, set, from, to, points })),
  )
  app.get(
    '/runs/:run/experts/tile',
    {
      schema: {
        tags,
        summary: 'one measure of all layers over some steps: least, mean, greatest and p99 of each bucket',
        params,
        querystring: expertTileQuery,
        response: answers('expert-tile'),
      },
    },
    async (
      { principal, params: { run }, query: { attempt = null, set = null, from = null, to = null, points, measure } },
      reply,
    ) =>
      send(reply, 'expert-tile', await views.expertTile(principal, run, { attempt, set, from, to, points, measure })),
  )
  app.get(
    '/runs/:run/experts/frame',
    {
      schema: {
        tags,
        summary: 'the counts of one step: the newest at or before it',
        params,
        querystring: expertFrameQuery,
        response: answers('expert-frame'),
      },
    },
    async ({ principal, params: { run }, query: { attempt = null, set = null, step = null } }, reply) =>
      send(reply, 'expert-frame', await views.expertFrame(principal, run, { attempt, set, step })),
  )
  app.get(
    '/runs/:run/experts/history',
    {
      schema: {
        tags,
        summary: 'the load ratio of one expert over all steps',
        params,
        querystring: expertHistoryQuery,
        response: answers('expert-history'),
      },
    },
    async (
      {
        principal,
        params: { run },
        query: { attempt = null, set = null, from = null, to = null, points, layer, expert },
      },
      reply,
    ) => {
      const asked = { attempt, set, from, to, points, layer, expert }
      return send(reply, 'expert-history', await views.expertHistory(principal, run, asked))
    },
  )
}
