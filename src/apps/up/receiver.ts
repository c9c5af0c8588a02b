// A small receiver of webhooks, for the demonstration: what Plimsoll sends arrives somewhere, and its answer, which the page of alerts shows, says
// so. It checks the signature as any receiver would (standardwebhooks.com), and counts each id once.
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Receiver = { readonly url: string; close(): Promise<void> }

const BYTES_MAX = 1024 * 1024
const LATE_S_MAX = 300

/** `secret`: `whsec_` and base64. `arrived` is told of each new message, by its title. */
export async function startReceiver(secret: () => string, arrived: (title: string) => void): Promise<Receiver> {
  const seen = new Set<string>()
  const server = createServer((request, response) => {
    void answer(request, secret(), seen, arrived)
      .catch((error: unknown) => ({ status: 400, text: String(error) }))
      .then(({ status, text }) =>
        response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' }).end(text),
      )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a server that listens on TCP
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(request: IncomingMessage, secret: string, seen: Set<string>, arrived: (title: string) => void) {
  const body = await bodyOf(request)
  const [id, timestamp, signature] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
    String(request.headers[name] ?? ''),
  )
  if (!isSigned(secret, `${id}.${timestamp}.${body}`, signature ?? '')) return { status: 401, text: 'wrong signature' }
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > LATE_S_MAX) return { status: 401, text: 'too old' }
  const isNew = !seen.has(id ?? '')
  seen.add(id ?? '')
  if (isNew) arrived(titleOf(body))
  const said = isNew ? `message ${seen.size} arrived` : 'this message had arrived already'
  return { status: 202, text: `${said}, its signature is right` }
}

/** What a CloudEvent of ours has as its subject line. */
function titleOf(body: string): string {
  const event: unknown = JSON.parse(body)
  const data = typeof event === 'object' && event !== null && 'data' in event ? event.data : null
  return typeof data === 'object' && data !== null && 'title' in data ? String(data.title) : ''
}

/** One of the signatures is ours: `v1,` and base64. */
function isSigned(secret: string, content: string, given: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const expected = Buffer.from(`v1,${createHmac('sha256', key).update(content).digest('base64')}`)
  return given
    .split(' ')
    .some((each) => each.length === expected.length && timingSafeEqual(Buffer.from(each), expected))
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BYTES_MAX) throw new Error('the message is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
