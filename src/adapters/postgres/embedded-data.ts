// Makes the data directory of a home. It appears by rename, complete: a kill in the middle leaves a directory under another name,
// which the next start removes.
import { spawn } from 'node:child_process'
import { open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { commandAs } from './embedded-account.ts'
import { exists } from './embedded-binaries.ts'
import { faultOfFileSystem, faultOfOutput, PostgresFault } from './embedded-fault.ts'
import type { Place } from './embedded-place.ts'
import { isAlive } from './embedded-server.ts'

const OUTPUT_BYTES_MAX = 20_000

// The same order of text on every machine: no ICU, no dependence on the locales that happen to be installed. Only the socket is used,
// and its directory is the access control; should somebody turn TCP on, it asks for a password that nobody has.
const INITDB = [
  '--username=plimsoll',
  '--encoding=UTF8',
  '--locale=C',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--auth-local=trust',
  '--auth-host=scram-sha-256',
]

/** True when a new database was made. */
export async function ensureData(place: Place, major: number): Promise<boolean> {
  try {
    await removeLeftovers(place.data)
    if (await isDatabase(place.data, major)) return false
    await initialise(place)
    return true
  } catch (error) {
    throw faultOfFileSystem(`making the database in ${place.data}`, error)
  }
}

async function isDatabase(data: string, major: number): Promise<boolean> {
  const version = await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => null)
  if (version === null) {
    if (!(await exists(data)) || (await readdir(data)).length === 0) return false
    const whatToDo = `Look into ${data}: restore it from a backup, or move it away to begin with an empty database.`
    throw new PostgresFault(
      'postgres-data-unusable',
      `${data} is not empty and has no PG_VERSION: it is no database`,
      whatToDo,
    )
  }
  if (version.trim() === String(major)) return true
  throw new PostgresFault(
    'postgres-data-version',
    `the database in ${data} was made by PostgreSQL ${version.trim()}, and this Plimsoll brings PostgreSQL ${major}`,
    `Start the version of Plimsoll that made this home, or move ${data} away to begin with an empty database.`,
  )
}

async function initialise(place: Place): Promise<void> {
  const temporary = `${place.data}.new-${process.pid}`
  await rm(temporary, { recursive: true, force: true })
  const command = commandAs(place.account, join(place.native, 'bin', 'initdb'), [...INITDB, `--pgdata=${temporary}`])
  const { status, output } = await runToEnd(command.file, command.args, {
    ...command.options,
    cwd: dirname(place.data),
  })
  if (status !== 0) {
    await rm(temporary, { recursive: true, force: true })
    throw faultOfOutput('initdb', output, place.log)
  }
  try {
    await rename(temporary, place.data)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    // Another start on this home was faster; its database is as good as ours.
    if (!(await exists(join(place.data, 'PG_VERSION')))) throw error
  }
  await syncDirectory(dirname(place.data))
}

/** Directories of starts that were killed; those of a living process are its own. */
async function removeLeftovers(data: string): Promise<void> {
  const prefix = `${basename(data)}.new-`
  for (const name of await readdir(dirname(data))) {
    if (!name.startsWith(prefix)) continue
    const pid = Number.parseInt(name.slice(prefix.length), 10)
    if (pid === process.pid || !isAlive(pid))
      await rm(join(dirname(data), name), { recursive: true, force: true, maxRetries: 5 })
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** The environment of PostgreSQL's programs: nothing of PGDATA, PGOPTIONS and their like, and messages that we can read. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name))
  return { ...Object.fromEntries(kept), LC_ALL: 'C' }
}

type RunOptions = { readonly uid?: number; readonly gid?: number; readonly cwd: string }

function runToEnd(
  file: string,
  args: readonly string[],
  options: RunOptions,
): Promise<{ status: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { ...options, env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const keep = (bytes: Buffer): void => {
      output = (output + bytes.toString('utf8')).slice(-OUTPUT_BYTES_MAX)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.once('error', reject)
    child.once('close', (code, ended) =>
      resolve({ status: code ?? -1, output: ended === null ? output : `${output}\nerror: ended by ${ended}` }),
    )
  })
}
