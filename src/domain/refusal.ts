// A "no" to a request: a value with a code from a closed list. docs/errors.md tells what to do about each.

export const REFUSAL_CODES = [
  'not-allowed',
  'not-found',
  'name-taken',
  'idempotency-key-reused',
  'unknown-project',
  'unknown-cluster',
  'priority-too-high',
  'too-many-runs',
  'too-many',
  'wrong-state',
  'stale',
  'invalid',
  'policy-in-use',
  'version-mismatch',
  'node-in-use',
  'attempt-over',
  'cluster-refuses',
] as const
export type RefusalCode = (typeof REFUSAL_CODES)[number]

export type Refusal = {
  readonly ok: false
  readonly code: RefusalCode
  readonly message: string
  readonly whatToDo: string | null
  /** Where in the request, where one place is wrong. */
  readonly pointer: string | null
}

export type Answer<Value> = { readonly ok: true; readonly value: Value } | Refusal

/** A change that was decided on another version than the newest. */
export function otherVersion(ifVersion: number | null, newest: number): Refusal | null {
  if (ifVersion === null || ifVersion === newest) return null
  return refused('version-mismatch', `the policy is version ${newest}, not ${ifVersion}`, null, null)
}

export const accepted = <Value>(value: Value): Answer<Value> => ({ ok: true, value })

export function refused(
  code: RefusalCode,
  message: string,
  whatToDo: string | null = null,
  pointer: string | null = null,
): Refusal {
  return { ok: false, code, message, whatToDo, pointer }
}
