// Something unfriendly between us and an API server: it refuses, delays, forgets to answer, cuts connections, and of a watch it drops,
// holds back and repeats events. What it does is drawn from a seed. It has the server's own certificate, and speaks as us to the server.
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { ControlPlane } from './control-plane.ts'

export type Unkindness = {
  /** Chances of each, for each request or each event of a watch. */
  readonly refuse: number
  readonly delay: number
  readonly delayMsMax: number
  /** The request is carried out, and its answer never arrives. */
  readonly loseAnswer: number
  /** A watch is too old at its start, cut after some events, and its events dropped or told twice. */
  readonly tooOld: number
  readonly cut: number
  readonly drop: number
  readonly repeat: number
}

export const UNKIND: Unkindness = {
  refuse: 0.06,
  delay: 0.1,
  delayMsMax: 800,
  loseAnswer: 0.03,
  tooOld: 0.05,
  cut: 0.01,
  drop: 0.01,
  repeat: 0.03,
}
export const KIND: Unkindness = {
  refuse: 0,
  delay: 0,
  delayMsMax: 0,
  loseAnswer: 0,
  tooOld: 0,
  cut: 0,
  drop: 0,
  repeat: 0,
}

export type Proxy = {
  readonly url: string
  /** From now on. */
  be(unkindness: Unkindness): void
  /** How many requests came, by method. */
  readonly requests: Map<string, number>
  /** How often each thing was done. */
  readonly done: Map<string, number>
  close(): Promise<void>
}

const REFUSALS: readonly (readonly [status: number, reason: string])[] = [
  [409, 'Conflict'],
  [429, 'TooManyRequests'],
  [500, 'InternalError'],
  [503, 'ServiceUnavailable'],
]

export async function startProxy(plane: ControlPlane, random: () => number): Promise<Proxy> {
  const target = new URL(plane.url)
  const agent = new Agent({ ca: plane.ca, keepAlive: true })
  const done = new Map<string, number>()
  const requests = new Map<string, number>()
  let chances = KIND
  const happens = (what: Exclude<keyof Unkindness, 'delayMsMax'>): boolean => {
    if (random() >= chances[what]) return false
    done.set(what, (done.get(what) ?? 0) + 1)
    return true
  }

  function refuse(response: ServerResponse, [status, reason]: readonly [number, string]): void {
    const retry = status === 429 ? { 'retry-after': '1' } : {}
    response.writeHead(status, { 'content-type': 'application/json', ...retry })
    response.end(
      JSON.stringify({ kind: 'Status', status: 'Failure', reason, code: status, message: `the proxy says ${reason}` }),
    )
  }

  async function handle(from: IncomingMessage, response: ServerResponse): Promise<void> {
    requests.set(from.method ?? '', (requests.get(from.method ?? '') ?? 0) + 1)
    const watches = from.url?.includes('watch=true') === true
    if (happens('delay')) await new Promise((resolve) => setTimeout(resolve, random() * chances.delayMsMax))
    // A conflict is the answer to a write.
    const refusals = from.method === 'GET' ? REFUSALS.slice(1) : REFUSALS
    const refusal = refusals[Math.floor(random() * refusals.length)]
    if (refusal !== undefined && happens('refuse')) return refuse(response, refusal)
    if (watches && happens('tooOld')) return refuse(response, [410, 'Expired'])
    const silent = !watches && from.url?.includes('follow=true') !== true && happens('loseAnswer')
    const { host: _, ...headers } = from.headers
    const to = request(new URL(from.url ?? '/', target), { method: from.method, headers, agent })
    to.on('error', () => response.destroy())
    response.on('close', () => to.destroy())
    from.pipe(to)
    to.on('response', (answer) => {
      if (silent) {
        answer.resume()
        answer.on('end', () => response.destroy())
        return
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      response.flushHeaders()
      if (watches) spoil(answer, response)
      else answer.pipe(response)
      answer.on('error', () => response.destroy())
    })
  }

  function spoil(answer: IncomingMessage, response: ServerResponse): void {
    let rest = ''
    answer.setEncoding('utf8')
    answer.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (happens('cut')) return void response.destroy()
        if (happens('drop')) continue
        response.write(`${line}\n`)
        if (happens('repeat')) response.write(`${line}\n`)
      }
    })
    answer.on('end', () => response.end())
  }

  // Whoever trusts the server trusts us: we have its key.
  const of = (name: string): Buffer => readFileSync(join(plane.folder, 'certificates', name))
  const keys = { cert: of('apiserver.crt'), key: of('apiserver.key') }
  const listening = createServer(keys, (from, response) => void handle(from, response).catch(() => response.destroy()))
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  const { port } = listening.address() as AddressInfo
  return {
    url: `https://127.0.0.1:${port}`,
    be: (unkindness) => {
      chances = unkindness
    },
    requests,
    done,
    async close() {
      listening.closeAllConnections()
      await new Promise((resolve) => listening.close(resolve))
      agent.destroy()
    },
  }
}
