// A worker's directory is all that its supervisor and we share. Names become paths here and nowhere else, and what a file says is
// read here: one `key value` a line, written by rename, so that it is whole or absent.
import { linkSync, mkdirSync, readFileSync, renameSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AttemptId, WorkerId } from '../../domain/ids.ts'
import { attemptOfWorker } from '../../domain/ids.ts'

export type Fields = ReadonlyMap<string, string>

const ATTEMPT = /^r[0-9a-z]{16}-\d{1,9}$/
const WORKER = /^r[0-9a-z]{16}-\d{1,9}-\d{1,9}$/

export const isAttempt = (name: string): name is AttemptId => ATTEMPT.test(name)
export const isWorker = (name: string): name is WorkerId => WORKER.test(name)

/** Every attempt has a folder in it. A supervisor touches its attempt's folder when something changed, which is seen from here. */
export const workFolder = (home: string): string => join(home, 'work')

export function attemptFolder(home: string, attempt: AttemptId): string {
  if (!isAttempt(attempt))
    throw new Error(`bug: ${JSON.stringify(attempt)} is no name of an attempt, so it names no folder`)
  return join(workFolder(home), attempt)
}

export function workerFolder(home: string, worker: WorkerId): string {
  if (!isWorker(worker)) throw new Error(`bug: ${JSON.stringify(worker)} is no name of a worker, so it names no folder`)
  return join(attemptFolder(home, attemptOfWorker(worker)), worker)
}

/** Stands in an attempt's folder from the first request to end on: whatever is launched after it does not start. */
export const endedFile = (home: string, attempt: AttemptId): string => join(attemptFolder(home, attempt), 'ended')

export function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
}

/** Null where there is no such file. Reads are synchronous: a few hundred bytes each, 10 times cheaper than through the thread pool. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

export function readFields(path: string): Fields | null {
  const text = readText(path)
  if (text === null) return null
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const blank = line.indexOf(' ')
    if (line !== '') fields.set(blank < 0 ? line : line.slice(0, blank), blank < 0 ? '' : line.slice(blank + 1))
  }
  return fields
}

export function numberField(fields: Fields, key: string): number | null {
  const value = Number(fields.get(key) ?? Number.NaN)
  return Number.isSafeInteger(value) ? value : null
}

/** Not synced to disk: after a power cut nothing lives that could read it. */
export function replaceFile(path: string, content: string): void {
  const fresh = `${path}.${process.pid}.new`
  writeFileSync(fresh, content, { mode: 0o600 })
  renameSync(fresh, path)
}

/** False where the file exists already. A link appears whole, also after a power cut: nobody ever reads half of it. */
export function createFile(path: string, content: string): boolean {
  const fresh = `${path}.${process.pid}.new`
  writeFileSync(fresh, content, { mode: 0o600, flush: true })
  try {
    linkSync(fresh, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    unlinkSync(fresh)
  }
}

/** What a supervisor does too: whoever watches the folder of all attempts looks again. */
export function ring(home: string, attempt: AttemptId): void {
  try {
    const now = new Date()
    utimesSync(attemptFolder(home, attempt), now, now)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

export const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR'

export function codeOf(error: unknown): string | number | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' || typeof error.code === 'number' ? error.code : undefined
}
