// The hash that tells a repeated request from another one under the same Idempotency-Key.
import { createHash } from 'node:crypto'

/** Of the body with its keys in order: a client that writes them in another order repeats the same request. */
export const hashOf = (body: unknown): string => createHash('sha256').update(canonical(body)).digest('hex')

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  const keys = Object.keys(value).toSorted()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical((value as Record<string, unknown>)[key])}`).join(',')}}`
}
