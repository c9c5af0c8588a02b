// Talks to the API. Where it is and who asks comes from the environment, else from the home's client.json.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Exit codes are promises: scripts depend on them. */
export const EXIT = { done: 0, failed: 1, usage: 2, refused: 3, notFound: 4, noServer: 5 } as const

export class CliError extends Error {
  readonly exitCode: number

  constructor(exitCode: number, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}

export const homeFolder = (): string => process.env.PLIMSOLL_HOME ?? join(homedir(), '.plimsoll')

type Target = { readonly url: string; readonly token: string }

function target(): Target {
  const { PLIMSOLL_URL: url, PLIMSOLL_TOKEN: token } = process.env
  if (url !== undefined && token !== undefined) return { url, token }
  const path = join(homeFolder(), 'client.json')
  if (!existsSync(path)) {
    throw new CliError(
      EXIT.noServer,
      `no server is known: ${path} is not there. Start one with plimsoll up, or set PLIMSOLL_URL and PLIMSOLL_TOKEN.`,
    )
  }
  if ((statSync(path).mode & 0o077) !== 0)
    throw new CliError(EXIT.usage, `${path} can be read by others: chmod 600 ${path}, and revoke its token`)
  try {
    const file = JSON.parse(readFileSync(path, 'utf8')) as Partial<Target>
    return { url: url ?? file.url ?? '', token: token ?? file.token ?? '' }
  } catch {
    throw new CliError(EXIT.usage, `${path} is not JSON: start plimsoll up again, which writes it anew`)
  }
}

type ProblemBody = {
  readonly code?: string
  readonly detail?: string
  readonly whatToDo?: string
  readonly errors?: readonly { readonly pointer?: string; readonly message?: string; readonly hint?: string | null }[]
}

const TIMEOUT_MS = 30_000

/** One request; a problem becomes a CliError with the exit code that the surface promises. */
export async function ask<Document = Record<string, unknown>>(
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  options: {
    readonly body?: unknown
    readonly query?: Readonly<Record<string, string | number | undefined>>
    readonly headers?: Readonly<Record<string, string>>
  } = {},
): Promise<Document> {
  const { url, token } = target()
  const address = new URL(`/api/v1${path}`, url)
  for (const [key, value] of Object.entries(options.query ?? {}))
    if (value !== undefined) address.searchParams.set(key, String(value))
  const response = await fetch(address, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((error: unknown) => {
    const why = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
    throw new CliError(EXIT.noServer, `${url} does not answer (${why}). Is plimsoll up running?`)
  })
  const body: unknown = await response.json().catch(() => ({}))
  if (response.ok) return body as Document
  throw errorOf(response.status, body as ProblemBody)
}

function errorOf(status: number, body: ProblemBody): CliError {
  const places = (body.errors ?? []).map(
    (each) => `\n  ${each.pointer ?? ''}: ${each.message ?? ''}${each.hint ? ` (${each.hint})` : ''}`,
  )
  const text = `${body.detail ?? `the server answered ${status}`}${places.join('')}${body.whatToDo === undefined ? '' : `\n  ${body.whatToDo}`}`
  return new CliError(exitOf(status, body.code), text)
}

function exitOf(status: number, code: string | undefined): number {
  if (status === 404) return EXIT.notFound
  if (status === 503) return EXIT.noServer
  if (code === 'invalid') return EXIT.usage
  return status >= 500 ? EXIT.failed : EXIT.refused
}

/** A run as a part of a path: `project/name` has its slash encoded. */
export const runPath = (run: string, rest = ''): string => `/runs/${encodeURIComponent(run)}${rest}`
