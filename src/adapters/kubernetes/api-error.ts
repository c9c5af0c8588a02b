// What can go wrong between us and an API server, translated once. Nothing here is retried: the loop that asked comes again.
import type { Refusal } from '../../domain/refusal.ts'
import { Fault } from '../../ports/fault.ts'
import type { Status } from './objects.ts'

/** An answer that is no success, or none at all (`status` 0). */
export class ApiError extends Error {
  readonly status: number
  /** Kubernetes' own word, such as `AlreadyExists`; for no answer: `Unreachable` or `Timeout`. */
  readonly reason: string
  readonly retryAfterMs: number | null
  readonly detail: string

  constructor(status: number, reason: string, detail: string, retryAfterMs: number | null = null, cause?: unknown) {
    super(`${status === 0 ? '' : `${status} `}${reason}: ${detail}`, cause === undefined ? undefined : { cause })
    this.name = 'ApiError'
    this.status = status
    this.reason = reason
    this.detail = detail
    this.retryAfterMs = retryAfterMs
  }
}

export const isStatus = (error: unknown, status: number): boolean =>
  error instanceof ApiError && error.status === status
export const isGone = (error: unknown): boolean => isStatus(error, 404)
/** The resourceVersion is too old to go on from. */
export const isExpired = (error: unknown): boolean => isStatus(error, 410)

const DETAIL_CHARS_MAX = 1_000

/** The refusal that a response is. Its body may be a Status, or a page of a proxy. */
export function errorOf(status: number, body: string, retryAfter: string | null): ApiError {
  const told = parse(body)
  const seconds = retryAfter === null ? told?.details?.retryAfterSeconds : Number(retryAfter)
  const wait = seconds !== undefined && Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 60) * 1000 : null
  const detail = (told?.message ?? body.trim()).slice(0, DETAIL_CHARS_MAX)
  return new ApiError(status, told?.reason ?? `status ${status}`, detail === '' ? 'no more is said' : detail, wait)
}

function parse(body: string): Status | null {
  try {
    const value: unknown = JSON.parse(body)
    return value !== null && typeof value === 'object' ? value : null
  } catch {
    return null
  }
}

/** No answer came: the words of the socket are in the cause of what `fetch` throws. */
export function noAnswer(error: unknown, timeoutMs: number): ApiError {
  if (error instanceof Error && error.name === 'TimeoutError')
    return new ApiError(0, 'Timeout', `no answer within ${timeoutMs} ms`, null, error)
  return new ApiError(0, 'Unreachable', wordsOf(error), null, error)
}

function wordsOf(error: unknown): string {
  const words: string[] = []
  for (let each = error; each instanceof Error && words.length < 4; each = each.cause) {
    const code = 'code' in each && typeof each.code === 'string' ? each.code : ''
    const text = each.message === '' ? code : each.message
    if (text !== '' && text !== 'fetch failed' && !words.includes(text)) words.push(text)
    if (each instanceof AggregateError && each.errors[0] instanceof Error) words.push(each.errors[0].message)
  }
  return words.length === 0 ? String(error) : words.join(': ')
}

/** The kubeconfig's own way to them did not answer: a program, or a file. */
export const NO_CREDENTIALS = 'NoCredentials'
const CERTIFICATE = /certificate|CERT_|self.signed|issuer/i

/** As the loops and people see it: what is wrong with the cluster, and what to do. */
export function faultOf(error: unknown, cluster: string, doing: string): Fault {
  if (error instanceof Fault) return error
  const whole = (what: string): string => `cluster ${cluster}: ${doing}: ${what}`
  if (!(error instanceof ApiError))
    return new Fault('cluster-unreachable', whole(wordsOf(error)), { retryable: true, cause: error })
  const { status, detail, message } = error
  const fault = (whatToDo: string, retryable = false): Fault =>
    new Fault(retryable ? 'cluster-unreachable' : 'cluster-refused', whole(message), {
      retryable,
      whatToDo,
      cause: error,
    })
  if (status === 0 && CERTIFICATE.test(detail))
    return fault(
      /expired/i.test(detail)
        ? 'Renew the certificate: of the API server, or the one in the kubeconfig.'
        : 'See that the kubeconfig has the certificate authority of this API server.',
    )
  if (error.reason === NO_CREDENTIALS)
    return fault(
      'Run the program that the kubeconfig names under exec by hand, as this user, or look at the file that it names: credentials have to come without a question.',
      true,
    )
  if (status === 0)
    return fault(
      'See that the address in the kubeconfig is right and that the API server runs and can be reached from here.',
      true,
    )
  if (status === 401)
    return fault('Its token or certificate has expired or is of another cluster: renew the kubeconfig.')
  // An API server that does not know who signed a certificate takes its bearer for nobody: a right for nobody would be one for everybody.
  if (status === 403 && /User "system:anonymous"/.test(detail))
    return fault(
      'The API server took none of the credentials: the certificate of the kubeconfig has expired or is of another cluster, or there is none. Renew the kubeconfig, and grant system:anonymous nothing.',
    )
  if (status === 403 && /exceeded quota/.test(detail))
    return fault('Raise the ResourceQuota that it names, or wait until others have ended: it is asked again.')
  if (status === 403 && /being terminated/.test(detail))
    return fault('The namespace is being deleted: make it anew once it is gone, or give the project another one.')
  if (status === 403)
    return fault(`Grant the right that it names: plimsoll doctor --cluster ${cluster} lists all that are needed.`)
  if (status === 404) return fault('See that the namespace exists, and that the cluster runs Kubernetes 1.29 or newer.')
  if (status === 400 || status === 422)
    return fault('Mend what it names in the run spec, or in the pods section of the cluster.')
  return fault('It is asked again.', true)
}

export const otherPlan = (attempt: string): Error =>
  new Fault('cluster-refused', `there is a Job ${attempt} of another plan`, {
    retryable: false,
    whatToDo: 'Names of attempts are never used twice: see who made it, and delete it if nobody needs it.',
  })

/** A refusal of a request, where there is nobody to answer it. */
export function faultOfRefusal({ message, whatToDo }: Refusal): Fault {
  return new Fault('cluster-refused', message, { retryable: false, ...(whatToDo === null ? {} : { whatToDo }) })
}
