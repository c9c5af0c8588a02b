// A name of its own for each home, kept in it: it goes along when the home is moved, and a copy of a path is not it.
import { randomBytes } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Made at the first call; the caller holds the lock of the home. */
export function homeId(home: string): string {
  const path = join(home, 'id')
  try {
    const known = readFileSync(path, 'utf8').trim()
    if (/^[0-9a-f]{16}$/.test(known)) return known
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
  const id = randomBytes(8).toString('hex')
  writeFileSync(`${path}.new`, `${id}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
  return id
}
