// What the pages read beside what the command line does.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { answers, send, sendText } from './problem.ts'
import { runParams, searchQuery, seriesQuery, tableQuery } from './requests.ts'
import type { ServerOptions } from './server.ts'
import { type Shared, textOf } from './shared.ts'
import { whose } from './sight.ts'

export function pageRoutes(scope: FastifyInstance, { views }: ServerOptions, shared: Shared): void {
  const app = scope.withTypeProvider<ZodTypeProvider>()
  const tags = ['pages']
  const params = runParams
  app.get(
    '/table',
    {
      schema: {
        tags,
        summary: 'runs as a table: filtered, sorted, a page of it',
        querystring: tableQuery,
        response: answers('table'),
      },
    },
    async ({ principal, query: { q, state, project = null, user = null, sort, order, offset, limit } }, reply) => {
      const query = {
        text: q === undefined || q === '' ? null : q.toLowerCase(),
        states: state ?? null,
        project,
        user,
        sort,
        descending: order === 'desc',
        offset,
        limit,
      }
      // The stream tells everybody at the same moment to read it again; what it told must be in it.
      const key = JSON.stringify(['table', whose(principal), query])
      return sendText(reply, await shared.latest(key, () => textOf('table', views.table(principal, query))))
    },
  )
  app.get(
    '/runs/:run/series',
    {
      schema: {
        tags,
        summary: 'loss and step time over steps, with checkpoints',
        params,
        querystring: seriesQuery,
        response: answers('series'),
      },
    },
    async ({ principal, params: { run }, query: { points } }, reply) =>
      send(reply, 'series', await views.series(principal, run, points)),
  )
  app.get(
    '/runs/:run/logs/search',
    {
      schema: {
        tags,
        summary: 'lines of all workers of an attempt that have a text, and the first that looks like an error',
        params,
        querystring: searchQuery,
        response: answers('log-search'),
      },
    },
    async ({ principal, params: { run }, query: { q, attempt = null, limit } }, reply) =>
      send(
        reply,
        'log-search',
        await views.searchLogs(principal, run, { text: q === undefined || q === '' ? null : q, attempt, limit }),
      ),
  )
}
