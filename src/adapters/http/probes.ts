// What a process without an API tells whoever keeps it: that it lives, whether it is ready, and its metrics. Nothing here can be asked for
// more, so there is no token.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { Readiness } from '../../ports/views.ts'

export type ProbeOptions = {
  readonly readiness: Readiness
  /** The text of `/metrics`; null while the process starts. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string } | null>
}

type Answer = { readonly status: number; readonly type: string; readonly text: string }

export function createProbes(options: ProbeOptions): Server {
  return createServer((request, response) => void reply(request, response, options))
}

async function reply(request: IncomingMessage, response: ServerResponse, options: ProbeOptions): Promise<void> {
  const path = request.method === 'GET' ? request.url?.split('?')[0] : undefined
  const { status, type, text } = await answerTo(path, options).catch(() => json(503, { ready: false }))
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
  response.end(text)
}

async function answerTo(path: string | undefined, { readiness, metrics }: ProbeOptions): Promise<Answer> {
  if (path === '/healthz') return json(200, { alive: true })
  if (path === '/readyz') {
    const { ready, checks } = await readiness()
    return json(ready ? 200 : 503, { ready, checks })
  }
  if (path !== '/metrics') return json(404, { error: 'there are GET /healthz, /readyz and /metrics' })
  const told = await metrics()
  return told === null ? json(503, { ready: false }) : { status: 200, type: told.contentType, text: told.text }
}

const json = (status: number, document: object): Answer => ({
  status,
  type: 'application/json',
  text: JSON.stringify(document),
})
