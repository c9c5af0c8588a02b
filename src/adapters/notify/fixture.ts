// What the tests of channels share: a notice, receivers that listen on this machine, and words of a log.
import type { IncomingHttpHeaders, Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { renderNotice } from '../../core/alert/render.ts'
import type { ProjectName, RunId } from '../../domain/ids.ts'
import type { Notice, NoticeItem } from '../../domain/notice.ts'
import { epochMs, gpuMs, micros } from '../../domain/units.ts'
import type { Log } from '../../ports/log.ts'
import type { NotifierOptions } from './notifier.ts'

export const AT = epochMs(Date.UTC(2026, 10, 26, 14, 30))
export const PUBLIC_URL = 'https://plimsoll.example'

export const ITEM: NoticeItem = {
  key: 'no-progress/r0abcdefghjkmnpqr-1',
  rule: 'no-progress',
  severity: 'critical',
  state: 'firing',
  what: 'no step for 25 min; its steps took 3 s',
  cost: { gpuMs: gpuMs(192_000_000), money: { micros: micros(106_666_667), currency: 'EUR' } },
  since: epochMs(AT - 1_500_000),
  resolvedAt: null,
  who: {
    project: 'pretraining' as ProjectName,
    run: { id: 'r0abcdefghjkmnpqr' as RunId, name: 'moe-16b', owner: 'ann@lab.example' },
  },
  whatToDo: 'Look at the slowest worker.',
  evidence: ['last step: 41200'],
  link: `${PUBLIC_URL}/runs/r0abcdefghjkmnpqr`,
}

export const NOTICE: Notice = {
  id: 'n0abcdefghjkmnpqr',
  kind: 'alert',
  at: AT,
  title: 'moe-16b makes no progress',
  text: [],
  items: [ITEM],
  more: 0,
  link: `${PUBLIC_URL}/alerts`,
}

/** Everything that a log was told, to look for what must not be in it. */
export function keepingLog(): Log & { readonly words: () => string } {
  const kept: string[] = []
  const keep = (fields: object, message: string): void => void kept.push(JSON.stringify({ ...fields, message }))
  return { info: keep, warn: keep, error: keep, words: () => kept.join('\n') }
}

export const optionsOf = (more: Partial<NotifierOptions> = {}): NotifierOptions => ({
  publicUrl: () => PUBLIC_URL,
  allowNetworks: [],
  allowLoopback: true,
  smtp: null,
  log: keepingLog(),
  render: renderNotice,
  nowMs: () => AT,
  ...more,
})

export type Received = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string }

/** A receiver that keeps what it gets and answers what it is told to; gone with the test. */
export async function receiver(
  context: TestContext,
  answer: (socket: Socket, received: Received) => void | Promise<void> = (socket) => said(socket, '204 No Content'),
  at: { readonly host?: string; readonly port?: number } = {},
): Promise<{ readonly port: number; readonly url: string; readonly received: Received[] }> {
  const received: Received[] = []
  const server = createServer((request, response) => {
    const chunks: Uint8Array[] = []
    request.on('error', () => {})
    request.on('data', (chunk: Uint8Array) => chunks.push(chunk))
    request.on('end', () => {
      const one = { path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString('utf8') }
      received.push(one)
      const { socket } = response
      if (socket !== null) void answer(socket, one)
    })
  })
  const port = await listening(context, server, at)
  return { port, url: `http://${at.host ?? '127.0.0.1'}:${port}`, received }
}

/** An answer as it goes over the wire, then the end. */
export function said(socket: Socket, status: string, body = '', headers: readonly string[] = []): void {
  const lines = [`HTTP/1.1 ${status}`, `content-length: ${Buffer.byteLength(body)}`, 'connection: close', ...headers]
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
}

async function listening(
  context: TestContext,
  server: Server,
  { host = '127.0.0.1', port = 0 }: { readonly host?: string; readonly port?: number },
): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(port, host, resolve)
  await promise
  context.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
