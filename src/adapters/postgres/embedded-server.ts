// A running server: what is known of it without asking, what a start asks it over its socket, and how it is ended.
//
// Without asking: its postmaster.pid and its entry in /proc. A pid alone proves nothing: after a reboot or in a new container it belongs
// to somebody else, and a killed server stays a zombie until its parent takes notice.
// Ending: SIGINT is PostgreSQL's fast shutdown (SIGTERM would wait for the last client), then harder.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client, DatabaseError } from 'pg'
import { PostgresFault } from './embedded-fault.ts'

export type Postmaster = {
  readonly pid: number
  readonly port: number
  readonly socket: string
  /** `starting`, `ready`, `stopping`, `standby`; empty in the first moment. */
  readonly status: string
}

type Warn = (level: 'warn', fields: object, message: string) => void

export const pidFile = (data: string): string => join(data, 'postmaster.pid')

export function readPostmaster(data: string): Postmaster | null {
  let lines: string[]
  try {
    lines = readFileSync(pidFile(data), 'utf8').split('\n')
  } catch {
    return null
  }
  const pid = Number.parseInt(lines[0] ?? '', 10)
  if (!Number.isInteger(pid) || pid < 2) return null
  return { pid, port: Number.parseInt(lines[3] ?? '', 10), socket: lines[4] ?? '', status: (lines[7] ?? '').trim() }
}

/** Whether `pid` is a living process of the server of this data directory: PostgreSQL makes that its working directory. */
export function servesData(pid: number, data: string): boolean {
  if (!existsSync('/proc/self/stat')) return servesDataByPs(pid, data)
  if (isZombie(pid)) return false
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === data
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (code === 'ENOENT' || code === 'ESRCH') return false
    // Root in a container without CAP_SYS_PTRACE may not look into a process of `nobody`. Its command line is open to all, and to
    // take a living server for a dead one would be the worse mistake.
    const words = titleOf(pid).split('\0')
    return words[words.indexOf('-D') + 1] === data
  }
}

/** The children of a server that was killed hard. They notice it, but one in a long query late, and until then none can start. */
export function orphansOf(data: string): number[] {
  return processesIn(data).filter((pid) => titleOf(pid).startsWith('postgres: '))
}

/** PostgreSQL's processes of this directory, a server in its first moments too; a person's shell that stands there is none. */
export function processesIn(data: string): number[] {
  if (!existsSync('/proc/self/stat')) return []
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
  return pids.filter((pid) => servesData(pid, data) && /^postgres: |postgres\0-D\0/.test(titleOf(pid)))
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !isZombie(pid)
  } catch {
    return false
  }
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has just ended, which is what a signal is sent for.
  }
}

function isZombie(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).startsWith('Z')
  } catch {
    return false
  }
}

function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function servesDataByPs(pid: number, data: string): boolean {
  const told = spawnSync('ps', ['-o', 'stat=,command=', '-p', String(pid)], { encoding: 'utf8' }).stdout ?? ''
  return !told.trimStart().startsWith('Z') && told.includes('postgres') && told.includes(data)
}

export const USER = 'plimsoll'
export const DATABASE = 'plimsoll'

const ANSWER_MS_MAX = 3_000

type Address = { readonly host: string; readonly port: number; readonly user: string; readonly database: string }

/** The data directory of the server that answers there, or the code of what went wrong. */
export async function whatAnswers(address: Address): Promise<string> {
  try {
    return await ask(address, async (client) => {
      const result = await client.query<{ data_directory: string }>('show data_directory')
      return result.rows[0]?.data_directory ?? ''
    })
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

export async function ensureDatabase(address: Address): Promise<void> {
  await ask({ ...address, database: 'postgres' }, async (client) => {
    const found = await client.query('select from pg_database where datname = $1', [address.database])
    if (found.rowCount === 1) return
    await client.query(`create database ${client.escapeIdentifier(address.database)}`).catch((error: unknown) => {
      // duplicate_database, or the unique key of its catalogue: a second start made it at the same moment.
      if (!(error instanceof DatabaseError && (error.code === '42P04' || error.code === '23505'))) throw error
    })
  })
}

async function ask<Answer>(address: Address, question: (client: Client) => Promise<Answer>): Promise<Answer> {
  const client = new Client({
    ...address,
    connectionTimeoutMillis: ANSWER_MS_MAX,
    query_timeout: ANSWER_MS_MAX * 10,
  })
  // A server that stops while we ask also breaks the query, whose error is the one that counts.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await question(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

const POLL_MS = 5
/** The last checkpoint writes at most shared_buffers: 64 MB, seconds on a slow disk. */
const FAST_MS_MAX = 30_000
const IMMEDIATE_MS_MAX = 5_000
const KILLED_MS_MAX = 5_000

export async function endPostmaster(pid: number, data: string, log: Warn): Promise<void> {
  const steps = [
    ['SIGINT', FAST_MS_MAX],
    ['SIGQUIT', IMMEDIATE_MS_MAX],
    ['SIGKILL', KILLED_MS_MAX],
  ] as const
  for (const [name, waitMs] of steps) {
    if (!servesData(pid, data)) return
    if (name !== 'SIGINT')
      log('warn', { pid, signal: name }, 'PostgreSQL does not stop: it is ended harder, and recovers at its next start')
    signal(pid, name)
    if (await hasEnded(pid, data, waitMs)) return
  }
  throw new PostgresFault(
    'postgres-stop-failed',
    `PostgreSQL (pid ${pid}) does not end`,
    `Look at the process ${pid}: is it waiting for a disk?`,
  )
}

/** The file goes first and the process after it: only when that is over may another server start. */
async function hasEnded(pid: number, data: string, waitMs: number): Promise<boolean> {
  const until = performance.now() + waitMs
  while (performance.now() < until) {
    if (!servesData(pid, data)) return true
    await pause(POLL_MS)
  }
  return false
}

/** What a server that was killed may have left, and what keeps another from starting. Only when no server is left. */
export function clearRemains(data: string, log: Warn): void {
  endOrphans(data, log)
  removeEmptyPidFile(data, log)
}

/** What they have in memory can no longer be written by anybody. */
function endOrphans(data: string, log: Warn): void {
  const found = readPostmaster(data)
  if (found !== null && servesData(found.pid, data)) return
  const orphans = orphansOf(data)
  for (const pid of orphans) signal(pid, 'SIGKILL')
  if (orphans.length > 0) log('warn', { pids: orphans }, 'processes of a PostgreSQL that had been killed were ended')
}

/** What a crash between making and writing it leaves. PostgreSQL never starts beside it, since another start might be about to write. */
function removeEmptyPidFile(data: string, log: Warn): void {
  const isEmpty = statSync(pidFile(data), { throwIfNoEntry: false })?.size === 0
  if (!isEmpty || process.platform !== 'linux' || processesIn(data).length > 0) return
  rmSync(pidFile(data), { force: true })
  log('warn', { path: pidFile(data) }, 'an empty postmaster.pid, left by a crash, was removed')
}
