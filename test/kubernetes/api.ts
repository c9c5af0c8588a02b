// A client of the API server for tests, of a page: JSON in and out over one kept set of connections, as a named identity.
import { Agent, request } from 'node:https'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** What the server refused, with its own words. */
export class ApiFault extends Error {
  readonly status: number
  readonly reason: string
  constructor(what: string, status: number, body: string) {
    const { reason, message } = parsed(body) as { reason?: string; message?: string }
    super(`${what}: ${status} ${message ?? body.slice(0, 300)}`)
    this.status = status
    this.reason = reason ?? ''
  }
}

export type Api = {
  get<T = Json>(path: string): Promise<T>
  post<T = Json>(path: string, body: unknown): Promise<T>
  put<T = Json>(path: string, body: unknown): Promise<T>
  delete<T = Json>(path: string, body?: unknown): Promise<T>
  /** A merge patch. */
  patch<T = Json>(path: string, body: unknown): Promise<T>
  /** What is not JSON: logs, metrics. */
  text(path: string): Promise<string>
  close(): void
}

const REQUEST_MS_MAX = 30_000

export function apiAt(url: string, ca: string, token: string): Api {
  const agent = new Agent({ keepAlive: true, maxSockets: 40, ca })
  const ask = (method: string, path: string, body?: unknown, type = 'application/json'): Promise<string> =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body)
      const headers = {
        authorization: `Bearer ${token}`,
        accept: 'application/json, */*',
        ...(text === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(text) }),
      }
      const asked = request(new URL(path, url), { method, agent, headers, timeout: REQUEST_MS_MAX }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const said = Buffer.concat(chunks).toString()
          const status = response.statusCode ?? 0
          if (status >= 200 && status < 300) resolve(said)
          else reject(new ApiFault(`${method} ${path}`, status, said))
        })
      })
      asked.on('timeout', () => asked.destroy(new Error(`${method} ${path} took more than ${REQUEST_MS_MAX} ms`)))
      asked.on('error', reject)
      asked.end(text)
    })
  return {
    get: async <T>(path: string) => parsed(await ask('GET', path)) as T,
    post: async <T>(path: string, body: unknown) => parsed(await ask('POST', path, body)) as T,
    put: async <T>(path: string, body: unknown) => parsed(await ask('PUT', path, body)) as T,
    delete: async <T>(path: string, body?: unknown) => parsed(await ask('DELETE', path, body)) as T,
    patch: async <T>(path: string, body: unknown) =>
      parsed(await ask('PATCH', path, body, 'application/merge-patch+json')) as T,
    text: (path) => ask('GET', path),
    close: () => agent.destroy(),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}
