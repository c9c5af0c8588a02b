// One POST to an address that the guard has looked at: one connection, no redirects, a limit of time for all of it and of bytes for the
// answer. Whatever happens is a value, told without any secret: of an address its host.
import type { IncomingMessage, RequestOptions } from 'node:http'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { LookupFunction } from 'node:net'
import { DELIVERY_ANSWER_BYTES_MAX } from '../../domain/limits.ts'
import type { Answer, Outcome } from './answer.ts'
import { failure, outcomeOf } from './answer.ts'
import { wordsOf } from './codes.ts'
import type { Lookup } from './guard.ts'
import { reach } from './guard.ts'
import type { Ruling } from './networks.ts'

/** What the channels share of the world. */
export type World = {
  readonly ruling: Ruling
  readonly lookup: Lookup
  readonly nowMs: () => number
}

export type Message = {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** What must not be repeated in words: parts of the address, keys. */
  readonly secrets: readonly string[]
}

/** The status line decides; for the rest of an answer nobody waits longer. */
const ANSWER_BODY_MS_MAX = 2_000
const ANSWER_HEADER_BYTES_MAX = 16 * 1024

export async function post(world: World, message: Message, signal: AbortSignal): Promise<Outcome> {
  const url = new URL(message.url)
  const reached = await reach(url, world.ruling, world.lookup, signal)
  if (reached.kind === 'refused') return failure(`${url.host}: ${reached.why}`, false)
  if (reached.kind === 'unknown') return failure(`${url.host}: ${reached.why}`, true)
  const progress = { connected: false }
  try {
    const answer = await ask(url, message, reached.lookup, signal, progress)
    const secrets = [url.pathname, url.search, ...message.secrets]
    return outcomeOf(url.host, answer, secrets, world.nowMs())
  } catch (error) {
    return failure(`${url.host}: ${noAnswer(error, signal, progress.connected)}`, true)
  }
}

function ask(
  url: URL,
  { headers, body }: Message,
  lookup: LookupFunction,
  signal: AbortSignal,
  progress: { connected: boolean },
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const options: RequestOptions = {
    method: 'POST',
    // A connection of its own: another's may lead to an address that was looked at long ago.
    agent: false,
    lookup,
    signal,
    maxHeaderSize: ANSWER_HEADER_BYTES_MAX,
    headers: {
      ...headers,
      'content-length': String(Buffer.byteLength(body)),
      'accept-encoding': 'identity',
      'user-agent': 'plimsoll',
    },
  }
  const request = url.protocol === 'https:' ? requestHttps(url, options) : requestHttp(url, options)
  request.on('socket', (socket) => {
    socket.on(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
      progress.connected = true
    })
  })
  request.on('error', reject)
  request.on('response', (response) => {
    // From here on its status counts: whoever stops us stops only the reading of the rest.
    const { 'retry-after': retryAfter = null } = response.headers
    const status = response.statusCode ?? 0
    resolve(beginning(response).then((text) => ({ status, retryAfter, body: text })))
  })
  request.end(body)
  return promise
}

/** What has come of the answer when it ended, broke off, was long enough or took too long. */
async function beginning(response: IncomingMessage): Promise<string> {
  const timer = setTimeout(() => response.destroy(), ANSWER_BODY_MS_MAX)
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      chunks.push(chunk)
      bytes += chunk.byteLength
      if (bytes >= DELIVERY_ANSWER_BYTES_MAX) break
    }
  } catch {
    // Its status has come, which is what counts.
  } finally {
    clearTimeout(timer)
    response.destroy()
  }
  return new TextDecoder().decode(Buffer.concat(chunks).subarray(0, DELIVERY_ANSWER_BYTES_MAX))
}

function noAnswer(error: unknown, signal: AbortSignal, connected: boolean): string {
  if (signal.aborted) return stopped(signal, connected ? 'it took the message and did not answer' : 'no connection')
  return wordsOf(codeOf(error))
}

/** Why a signal ended it: the limit of time, or whoever closes. */
export const stopped = (signal: AbortSignal, what: string): string =>
  signal.reason instanceof Error && signal.reason.name === 'TimeoutError'
    ? `${what} within the time for one try`
    : `${what} before we were told to stop`

/** Where several addresses were tried, the word about the first. */
function codeOf(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? (error.errors[0] ?? error) : error
  if (first instanceof Error && 'code' in first && typeof first.code === 'string') return first.code
  return first instanceof Error ? first.name : 'unknown'
}
