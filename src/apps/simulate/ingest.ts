// The port for reporters in the other world: what adapters/http/ingest does with a request, without a socket. Token, then JSON, then the
// contract, then the request of production; and a store that gives a report nothing but what reports may touch.
import { attemptTokens } from '../../adapters/system/attempt-token.ts'
import { ERRORS } from '../../contract/errors.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import { parseReport } from '../../contract/ingest.ts'
import type { AttemptId } from '../../domain/ids.ts'
import { isAttemptId } from '../../domain/ids.ts'
import type { IngestAddress } from '../../ports/cluster.ts'
import { Fault } from '../../ports/fault.ts'
import type { Requests } from '../../ports/requests.ts'
import type { Store } from '../../ports/store.ts'
import type { Post, Reply } from '../../sim/mail.ts'

const tokens = attemptTokens([new TextEncoder().encode('the key of the other world')])

export const ingestAddress = (attempt: AttemptId): IngestAddress => ({
  url: 'http://ingest.simulated',
  token: tokens.tokenOf(attempt),
})

export function ingestOf(requests: Requests, bug: (error: unknown) => void): (post: Post) => Promise<Reply> {
  // One derivation for each token that is tried: a reporter sends the same one a thousand times.
  const tried = new Map<string, boolean>()
  const isTokenOf = (attempt: string, token: string): boolean => {
    const known = tried.get(`${attempt} ${token}`) ?? tokens.matches(attempt, token)
    tried.set(`${attempt} ${token}`, known)
    return known
  }
  return async ({ attempt, token, text }) => {
    if (!isAttemptId(attempt) || !isTokenOf(attempt, token))
      return problem('unauthenticated', 'this needs the token of the attempt that it is about')
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return problem('invalid', 'the body is not JSON in UTF-8')
    }
    try {
      const parsed = parseReport(value)
      if (!parsed.ok) return problem('invalid', parsed.problems.map(({ message }) => message).join('; '))
      const answer = await requests.report({ kind: 'attempt', attempt }, parsed.batch)
      return answer.ok ? { status: 200, body: { version: 1, ...answer.value } } : problem(answer.code, answer.message)
    } catch (error) {
      if (!(error instanceof Fault)) bug(error)
      return problem('unavailable', String(error))
    }
  }
}

const problem = (code: ErrorCode, detail: string): Reply => ({
  status: ERRORS[code].status,
  body: { code, detail },
})

const OF_REPORTS: ReadonlySet<PropertyKey> = new Set<keyof Store>(['reportable', 'saveReport'])

/** A report touches nothing else: no state of a run, no charge, no plan. */
export function onlyReports(store: Store, bug: (error: unknown) => void): Store {
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function' || OF_REPORTS.has(name)) return method
      bug(new Error(`a report asked the store for ${String(name)}`))
      return method
    },
  })
}
