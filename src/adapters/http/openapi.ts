// The OpenAPI document: the routes, and nothing behind them.
import type { Alerts } from '../../ports/alerts.ts'
import type { Feed } from '../../ports/feed.ts'
import type { Requests } from '../../ports/requests.ts'
import type { Views } from '../../ports/views.ts'
import { createServer } from './server.ts'

export async function openApiDocument(version: string): Promise<unknown> {
  const app = await createServer({
    requests: {} as Requests,
    views: {} as Views,
    alerts: {} as Alerts,
    feed: {} as Feed,
    authenticate: async () => null,
    metrics: { contentType: '', text: async () => '' },
    readiness: async () => ({ ready: true, checks: {} }),
    parseSpec: () => ({ ok: false, problems: [] }),
    parsePolicy: () => ({ ok: false, problems: [] }),
    hosts: () => null,
    pages: null,
    signIn: null,
    provider: null,
    cluster: 'local',
    log: null,
    version,
  })
  const document = app.swagger()
  await app.close()
  return document
}
