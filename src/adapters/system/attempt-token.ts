// The token of an attempt is derived from the deployment key and never stored: any leader renders the same, and any process that has
// the key checks it.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type AttemptTokens = {
  tokenOf(attempt: string): string
  /** Takes the same time whatever the token. */
  matches(attempt: string, token: string): boolean
}

/** The first key makes tokens; all of them are accepted, so that a key can be changed under living attempts. */
export function attemptTokens(keys: readonly Uint8Array[]): AttemptTokens {
  const derive = (key: Uint8Array, attempt: string): string =>
    createHmac('sha256', key).update(`ingest/v1/${attempt}`).digest('base64url')
  const [newest] = keys
  if (newest === undefined) throw new Error('bug: there is no deployment key')
  return {
    tokenOf: (attempt) => derive(newest, attempt),
    matches(attempt, token) {
      let found = false
      for (const key of keys) {
        const expected = Buffer.from(derive(key, attempt))
        const given = Buffer.from(token)
        found = (given.length === expected.length && timingSafeEqual(given, expected)) || found
      }
      return found
    },
  }
}

const KEY = /^[0-9a-f]{64}$/

/** `deployment.key` of a home, made at the first start. The caller holds the home's lock. */
export function homeKeys(home: string): Uint8Array[] {
  const path = join(home, 'deployment.key')
  const known = existsSync(path) ? keysOf(readFileSync(path, 'utf8')) : []
  if (known.length > 0) return known
  const made = randomBytes(32)
  writeFileSync(`${path}.new`, `${made.toString('hex')}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
  return [made]
}

/** The keys of a text: a line of 64 hexadecimal digits for each, the newest first. Other lines are none. */
export const keysOf = (text: string): Uint8Array[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => KEY.test(line))
    .map((line) => Buffer.from(line, 'hex'))
