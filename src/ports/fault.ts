// A fault of the outside world: thrown with a code, caught once, by the loop or by the request. A refusal is a value and a bug is a
// failed assertion; neither is a Fault.

export type FaultCode =
  | 'store-unavailable'
  | 'store-refused'
  | 'store-newer'
  | 'store-older'
  | 'cluster-unreachable'
  | 'cluster-refused'
  | 'not-leader'
  | 'disk-full'

export class Fault extends Error {
  readonly code: FaultCode
  /** The same call may succeed later without anybody doing anything. */
  readonly retryable: boolean
  readonly whatToDo: string | null

  constructor(
    code: FaultCode,
    message: string,
    options: { readonly retryable: boolean; readonly whatToDo?: string; readonly cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'Fault'
    this.code = code
    this.retryable = options.retryable
    this.whatToDo = options.whatToDo ?? null
  }
}

/** What is wrong and what to do, for whoever waits. */
export function saidOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error instanceof Fault && error.whatToDo !== null ? `${error.message}. ${error.whatToDo}` : error.message
}
