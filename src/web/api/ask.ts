// Asking the server. Every "no" is a `Refused` with the words of its problem document; a server that does not answer is one too.

export class Refused extends Error {
  readonly status: number
  readonly code: string
  readonly whatToDo: string
  constructor(status: number, code: string, detail: string, whatToDo: string) {
    super(detail)
    this.status = status
    this.code = code
    this.whatToDo = whatToDo
  }
}

const API = '/api/v1'
/** Longer than any answer should take: a page that waits for ever says nothing. */
const ANSWER_MS_MAX = 30_000

type Query = Readonly<Record<string, string | number | null | undefined>>

export async function ask<Answer>(path: string, query: Query = {}, signal?: AbortSignal): Promise<Answer> {
  const response = await send('GET', address(path, query), undefined, signal)
  return (await response.json()) as Answer
}

/** When this page changed something last: what it reads next must have it, and what the server shares may be a second old. */
let changedAt = Number.NEGATIVE_INFINITY
const SHARED_MS_MAX = 3_000

/** Something that changes the world. The header cannot be sent by another site's form. */
export async function change(method: 'POST' | 'DELETE', path: string, body?: object): Promise<void> {
  await send(method, address(path, {}), body, undefined)
}

/** The same, where the answer is read. */
export async function changeFor<Answer>(method: 'POST' | 'DELETE', path: string, body: object): Promise<Answer> {
  const response = await send(method, address(path, {}), body, undefined)
  return (await response.json()) as Answer
}

export function address(path: string, query: Query): string {
  const given = Object.entries(query).flatMap(([key, value]) =>
    value === null || value === undefined || value === '' ? [] : [[key, String(value)]],
  )
  const search = new URLSearchParams(given).toString()
  return `${API}${path}${search === '' ? '' : `?${search}`}`
}

async function send(
  method: string,
  url: string,
  body: object | undefined,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const timeout = AbortSignal.timeout(ANSWER_MS_MAX)
  let response: Response
  try {
    response = await fetch(url, {
      method,
      headers: {
        accept: 'application/json',
        ...(method === 'GET' ? {} : { 'x-plimsoll': '1' }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      ...(Date.now() - changedAt < SHARED_MS_MAX ? { cache: 'reload' } : {}),
    })
    if (method !== 'GET') changedAt = Date.now()
  } catch (error) {
    if (signal?.aborted === true) throw error
    throw new Refused(0, 'no-answer', 'The server does not answer.', 'See whether it runs: plimsoll up, then reload.')
  }
  if (!response.ok) throw await refusal(response)
  return response
}

async function refusal(response: Response): Promise<Refused> {
  let problem: { code?: unknown; detail?: unknown; whatToDo?: unknown } = {}
  try {
    problem = (await response.json()) as typeof problem
  } catch {
    // Something between us and the server answered; its page says nothing to a reader.
  }
  const text = (value: unknown, otherwise: string): string => (typeof value === 'string' ? value : otherwise)
  return new Refused(
    response.status,
    text(problem.code, `http-${response.status}`),
    text(problem.detail, `The server answered ${response.status} without saying why.`),
    text(problem.whatToDo, 'Reload; if it stays, look at the log of the server.'),
  )
}
