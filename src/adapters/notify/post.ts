// One POST to an address that the guard has looked at: one connection, no redirects, a limit of time for all of it and of bytes for the
// answer. Whatever happens is a value, told without any secret: of an address its host.
import type { IncomingMessage, RequestOptions } from 'node:http'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { LookupFunction } from 'node:net'
import { DELIVERY_ANSWER_BYTES_MAX } from '../../domain/limits.ts'
import type { Answer, Outcome } from './answer.ts'
import { failure, outcomeOf } from './answer.ts'
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
    // From here on its status counts, and whoever stops us stops only the reading of the rest.
    request.off('error', reject)
    request.on('error', () => {})
    void beginning(response).then((text) => {
      request.destroy()
      const { 'retry-after': retryAfter = null } = response.headers
      resolve({ status: response.statusCode ?? 0, retryAfter, body: text })
    })
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
  }
  return new TextDecoder().decode(Buffer.concat(chunks).subarray(0, DELIVERY_ANSWER_BYTES_MAX))
}

function noAnswer(error: unknown, signal: AbortSignal, connected: boolean): string {
  if (signal.aborted) return stopped(signal, connected ? 'it took the message and did not answer' : 'no connection')
  const code = codeOf(error)
  const words = WORDS[code]
  if (words !== undefined) return `${words} (${code})`
  if (code.startsWith('HPE_')) return `what it answered is not HTTP (${code})`
  if (/CERT|TLS|SSL|UNABLE_TO|SELF_SIGNED|EPROTO/.test(code)) return `its TLS cannot be trusted or is none (${code})`
  return `no answer (${code})`
}

/** Why a signal ended it: the limit of time, or whoever closes. */
export const stopped = (signal: AbortSignal, what: string): string =>
  signal.reason instanceof Error && signal.reason.name === 'TimeoutError'
    ? `${what} within the time for one try`
    : `${what} before we were told to stop`

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'it closed the connection before it answered',
  EPIPE: 'it closed the connection before it had the message',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to its network',
  ETIMEDOUT: 'it does not take a connection',
  HPE_HEADER_OVERFLOW: 'the headers of its answer are too long',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by nobody whom we trust',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by nobody whom we trust',
}

/** Where several addresses were tried, the word about the first. */
function codeOf(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? (error.errors[0] ?? error) : error
  if (first instanceof Error && 'code' in first && typeof first.code === 'string') return first.code
  return first instanceof Error ? first.name : 'unknown'
}
