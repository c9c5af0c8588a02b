// Talks to the API. A problem becomes a CliError with the exit code that the surface promises.
import type { DocumentName, Wire } from '../../contract/documents.ts'
import type { ProblemDocument } from '../../contract/problem-document.ts'
import { CliError, EXIT } from './exit.ts'
import { visible } from './format.ts'
import type { Target } from './target.ts'
import { target } from './target.ts'

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
export type Ask = {
  readonly body?: unknown
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  /** Another server than the known one. */
  readonly at?: Target
}

/** The ledger of a long time is the slowest answer. */
const TIMEOUT_MS = 60_000

export async function ask<Name extends DocumentName>(
  name: Name,
  method: Method,
  path: string,
  options: Ask = {},
): Promise<Wire<Name>> {
  const { url, response } = await fetched(method, path, options)
  const body: unknown = await response.json().catch(() => null)
  if (!response.ok) throw errorOf(response.status, body)
  const schema = body !== null && typeof body === 'object' && 'schema' in body ? body.schema : undefined
  if (schema !== `plimsoll.${name}/v1`)
    throw new CliError(EXIT.failed, `what answers at ${url.origin} is not a plimsoll of this version`)
  return body as Wire<Name>
}

/** A file, as it is. */
export async function download(path: string, query: NonNullable<Ask['query']>): Promise<Uint8Array> {
  const { response } = await fetched('GET', path, { query })
  if (!response.ok) throw errorOf(response.status, await response.json().catch(() => null))
  return new Uint8Array(await response.arrayBuffer())
}

async function fetched(method: Method, path: string, options: Ask) {
  const { url, token } = options.at ?? target()
  const address = new URL(`/api/v1${path}`, url)
  for (const [key, value] of Object.entries(options.query ?? {}))
    if (value !== undefined) address.searchParams.set(key, String(value))
  return { url, response: await send(url, address, method, token, options) }
}

async function send(url: URL, address: URL, method: Method, token: string, options: Ask): Promise<Response> {
  const hasBody = options.body !== undefined
  try {
    return await fetch(address, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        // What the server reads once for many may be some seconds old; a script asks what is true now.
        'cache-control': 'no-cache',
        ...(hasBody ? { 'content-type': 'application/json' } : {}),
        ...options.headers,
      },
      ...(hasBody ? { body: JSON.stringify(options.body) } : {}),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const why =
      cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED'
        ? 'nobody listens there'
        : String(cause)
    throw new CliError(EXIT.noServer, `${url.origin} does not answer (${why}). Is plimsoll up running?`)
  }
}

function errorOf(status: number, answer: unknown): CliError {
  const body = (answer ?? {}) as Partial<ProblemDocument>
  const detail = body.detail ?? `the server answered ${status}`
  const places = (body.errors ?? [])
    // One place that only repeats the whole is not worth a line.
    .filter((each, _, all) => all.length > 1 || each.message !== detail)
    .map(
      (each) =>
        `${each.pointer === '' ? '' : `${each.pointer}: `}${each.message}${each.hint === null ? '' : ` (${each.hint})`}`,
    )
  const lines = [
    detail,
    ...places,
    ...(body.whatToDo === undefined || (body.code === 'invalid' && places.length > 0) ? [] : [body.whatToDo]),
  ]
  return new CliError(exitOf(status, body.code), lines.map(visible).join('\n  '))
}

function exitOf(status: number, code: string | undefined): number {
  if (status === 404) return EXIT.notFound
  if (status === 503) return EXIT.noServer
  if (code === 'invalid') return EXIT.usage
  return status >= 500 ? EXIT.failed : EXIT.refused
}

/** A run as a part of a path: `project/name` has its slash encoded. */
export const runPath = (run: string, rest = ''): string => `/runs/${encodeURIComponent(run)}${rest}`
