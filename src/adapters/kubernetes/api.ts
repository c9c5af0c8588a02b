// Requests to one API server. Who we are and whom we trust is the kubeconfig's, read by the official client; the requests are made
// here, since its typed ones turn every object of a list into classes, and 10,000 pods are asked for. One try each, with a limit of time.
import type { KubeConfig } from '@kubernetes/client-node'
import { RequestContext } from '@kubernetes/client-node'
import { HttpMethod } from '@kubernetes/client-node/dist/gen/http/http.js'
import type { Dispatcher } from 'undici'
import { fetch } from 'undici'
import { ApiError, errorOf, NO_CREDENTIALS, noAnswer } from './api-error.ts'
import type { Rate } from './rate.ts'
import { rateOf } from './rate.ts'

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

/** How a patch is meant (RFC 7386 or RFC 6902). */
export type PatchKind = 'merge' | 'json'

export type Api = {
  readonly server: string
  get<Value>(path: string, query?: Query): Promise<Value>
  create<Value>(path: string, body: object, query?: Query): Promise<Value>
  patch<Value>(path: string, body: object, kind?: PatchKind, query?: Query): Promise<Value>
  remove(path: string, body?: object, query?: Query): Promise<void>
  /** An answer that goes on: a watch or a log. Ends with an error when nothing came for `idleMs`, or no answer within `answerMs`. */
  stream(path: string, query: Query, options: StreamOptions): Promise<AsyncIterable<Uint8Array>>
  /** The server's clock by its last word, in whole seconds; null where it tells none. */
  date(): Promise<number | null>
  /** How many requests were made, all verbs. */
  readonly calls: () => number
}

export type StreamOptions = { readonly signal: AbortSignal; readonly idleMs: number; readonly answerMs?: number }

export type ApiOptions = {
  readonly config: KubeConfig
  /** The kubeconfig as it is now, asked for after its credentials were refused: somebody may have renewed it. It may throw. */
  readonly renew?: (() => KubeConfig) | undefined
  readonly timeoutMs: number
  readonly perSecond: number
  readonly burst: number
}

/** A token of a file or of a program is read again after so long, and at once when it is refused. */
const AUTH_MS = 60_000
const BODY_BYTES_MAX = 64 * 1024 * 1024

export function createApi(options: ApiOptions): Api {
  return new HttpApi(options)
}

type Auth = {
  readonly headers: Record<string, string>
  readonly dispatcher: Dispatcher | undefined
  readonly until: number
}

class HttpApi implements Api {
  readonly server: string
  readonly #renew: (() => KubeConfig) | undefined
  readonly #timeoutMs: number
  readonly #rate: Rate
  #config: KubeConfig
  #isRefused = false
  #auth: Promise<Auth> | null = null
  #dispatcher: Dispatcher | undefined
  #material = ''
  #calls = 0

  constructor({ config, renew, timeoutMs, perSecond, burst }: ApiOptions) {
    const cluster = config.getCurrentCluster()
    if (cluster === null) throw new ApiError(0, 'Unreachable', 'the kubeconfig has no current cluster')
    this.server = cluster.server.replace(/\/+$/, '')
    this.#config = config
    this.#renew = renew
    this.#timeoutMs = timeoutMs
    this.#rate = rateOf(perSecond, burst)
  }

  calls = (): number => this.#calls

  get<Value>(path: string, query: Query = {}): Promise<Value> {
    return this.#json('GET', path, query, null, null)
  }

  create<Value>(path: string, body: object, query: Query = {}): Promise<Value> {
    return this.#json('POST', path, query, body, 'application/json')
  }

  patch<Value>(path: string, body: object, kind: PatchKind = 'merge', query: Query = {}): Promise<Value> {
    const type = kind === 'json' ? 'application/json-patch+json' : 'application/merge-patch+json'
    return this.#json('PATCH', path, query, body, type)
  }

  async remove(path: string, body: object = {}, query: Query = {}): Promise<void> {
    await this.#json('DELETE', path, query, body, 'application/json')
  }

  async date(): Promise<number | null> {
    const response = await this.#send(
      'GET',
      '/version',
      {},
      { body: null, type: null, signal: AbortSignal.timeout(this.#timeoutMs) },
    )
    await response.text()
    const at = Date.parse(response.headers.get('date') ?? '')
    return Number.isNaN(at) ? null : at
  }

  async #json<Value>(
    method: string,
    path: string,
    query: Query,
    body: object | null,
    type: string | null,
  ): Promise<Value> {
    const signal = AbortSignal.timeout(this.#timeoutMs)
    const response = await this.#send(method, path, query, { body, type, signal })
    try {
      const text = await response.text()
      if (!response.ok) throw this.#refusal(response.status, text, response.headers.get('retry-after'))
      if (text.length > BODY_BYTES_MAX) throw new ApiError(0, 'TooLarge', `${path} answered ${text.length} bytes`)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the API server validated it; what is read of it is optional
      return JSON.parse(text) as Value
    } catch (error) {
      throw error instanceof ApiError ? error : noAnswer(error, this.#timeoutMs)
    }
  }

  async stream(path: string, query: Query, options: StreamOptions): Promise<AsyncIterable<Uint8Array>> {
    const { signal, idleMs, answerMs = this.#timeoutMs } = options
    const idle = new AbortController()
    const ends = AbortSignal.any([signal, idle.signal])
    const quiet = (): void => idle.abort(new DOMException('nothing came for too long', 'TimeoutError'))
    let timer = setTimeout(quiet, answerMs)
    try {
      const response = await this.#send('GET', path, query, { body: null, type: null, signal: ends })
      if (!response.ok) throw this.#refusal(response.status, await response.text(), response.headers.get('retry-after'))
      clearTimeout(timer)
      const { body } = response
      if (body === null) throw new ApiError(0, 'Unreachable', `${path} answered nothing`)
      async function* read(): AsyncGenerator<Uint8Array> {
        try {
          timer = setTimeout(quiet, idleMs)
          for await (const chunk of body as AsyncIterable<Uint8Array>) {
            clearTimeout(timer)
            yield chunk
            timer = setTimeout(quiet, idleMs)
          }
        } catch (error) {
          throw noAnswer(error, idleMs)
        } finally {
          clearTimeout(timer)
          idle.abort()
        }
      }
      return read()
    } catch (error) {
      clearTimeout(timer)
      throw error instanceof ApiError ? error : noAnswer(error, answerMs)
    }
  }

  async #send(
    method: string,
    path: string,
    query: Query,
    {
      body,
      type,
      signal,
    }: { readonly body: object | null; readonly type: string | null; readonly signal: AbortSignal },
  ) {
    await this.#mayAsk(signal)
    this.#calls += 1
    const url = new URL(this.server + path)
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value))
    try {
      const { headers, dispatcher } = await this.#credentials(signal)
      const response = await fetch(url, {
        method,
        headers: {
          ...headers,
          accept: 'application/json',
          'user-agent': 'plimsoll',
          ...(type === null ? {} : { 'content-type': type }),
        },
        ...(body === null ? {} : { body: JSON.stringify(body) }),
        ...(dispatcher === undefined ? {} : { dispatcher }),
        redirect: 'error',
        signal,
      })
      if (response.status === 401) {
        this.#auth = null
        this.#isRefused = true
      }
      return response
    } catch (error) {
      throw error instanceof ApiError ? error : noAnswer(error, this.#timeoutMs)
    }
  }

  /** In our turn. Whoever would wait for longer than a request may take is told so at once: there are other clusters to look after. */
  async #mayAsk(signal: AbortSignal): Promise<void> {
    const pausedMs = this.#rate.pausedMs()
    if (pausedMs > this.#timeoutMs) {
      const seconds = Math.ceil(pausedMs / 1000)
      throw new ApiError(429, 'TooManyRequests', `the API server asked not to be asked for another ${seconds} s`)
    }
    await within(this.#rate.take(), signal).catch((error: unknown) => {
      throw noAnswer(error, this.#timeoutMs)
    })
  }

  /** A program that gives them may hang, and a file may lie on a file system that does. */
  async #credentials(signal: AbortSignal): Promise<Auth> {
    try {
      return await within(this.#authentication(), signal)
    } catch (error) {
      const what = signal.aborted ? `no credentials came within ${this.#timeoutMs} ms` : noAnswer(error, 0).detail
      throw new ApiError(0, NO_CREDENTIALS, what, null, error)
    }
  }

  #refusal(status: number, text: string, retryAfter: string | null): ApiError {
    const error = errorOf(status, text, retryAfter)
    if (status === 429 || status === 503) this.#rate.pause(error.retryAfterMs ?? 1_000)
    return error
  }

  async #authentication(): Promise<Auth> {
    const known = await this.#auth?.catch(() => null)
    if (known != null && performance.now() < known.until) return known
    this.#auth = this.#authenticate()
    return this.#auth
  }

  /** Of the same server: of another one nothing that we know would be true. */
  #renewed(): KubeConfig {
    try {
      const config = this.#renew?.()
      return config?.getCurrentCluster()?.server.replace(/\/+$/, '') === this.server ? config : this.#config
    } catch {
      return this.#config
    }
  }

  /** The official client makes a dispatcher for each request: the connections of one are kept while its certificates are the same. */
  async #authenticate(): Promise<Auth> {
    if (this.#isRefused) this.#config = this.#renewed()
    this.#isRefused = false
    const context = new RequestContext(this.server, HttpMethod.GET)
    const https: { ca?: unknown; cert?: unknown; key?: unknown } = {}
    await this.#config.applySecurityAuthentication(context)
    await this.#config.applyToHTTPSOptions(https)
    const material = JSON.stringify([String(https.ca), String(https.cert), String(https.key)])
    if (material !== this.#material) {
      this.#material = material
      this.#dispatcher = context.getDispatcher()
    }
    return { headers: context.getHeaders(), dispatcher: this.#dispatcher, until: performance.now() + AUTH_MS }
  }
}

/** The first of the two: what is waited for goes on, and nobody waits for it any more. */
function within<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>()
  const give = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error('it was stopped'))
  if (signal.aborted) give()
  signal.addEventListener('abort', give, { once: true })
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', give))
  return promise
}
