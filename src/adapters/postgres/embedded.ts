// Starts the PostgreSQL that comes with Plimsoll, for `plimsoll up` without a database of one's own. The story of a start:
//   1. lay out the home, find the programs, choose the account (embedded-place, -binaries, -account);
//   2. make the data directory if there is none (embedded-data);
//   3. if a server already runs on it (it outlives a Plimsoll that was killed hard), adopt it; else start one, detached, so that a
//      Ctrl-C in the terminal does not stop the database before we have written our last words;
//   4. see that it answers, and that the database `plimsoll` exists.
// It must never: listen on TCP, install a signal handler, stop a server behind its caller's back, or trust a pid that it did not check.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync, rmSync } from 'node:fs'
import { rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { commandAs } from './embedded-account.ts'
import type { Account } from './embedded-account.ts'
import { findPackage } from './embedded-binaries.ts'
import { cleanEnvironment, ensureData } from './embedded-data.ts'
import { faultOfFileSystem, faultOfOutput, PostgresFault } from './embedded-fault.ts'
import { PORT, preparePlace } from './embedded-place.ts'
import type { Place } from './embedded-place.ts'
import {
  clearRemains,
  DATABASE,
  endPostmaster,
  ensureDatabase,
  pidFile,
  processesIn,
  readPostmaster,
  servesData,
  USER,
  whatAnswers,
} from './embedded-server.ts'

export { describeUser } from './embedded-account.ts'
export { PostgresFault } from './embedded-fault.ts'

export type EmbeddedPostgres = {
  readonly connection: { host: string; port: number; user: string; database: string; password?: string }
  /** A server that already ran was taken over. */
  readonly adopted: boolean
  readonly pid: number
  /** Ends the server, also an adopted one. May be called twice. */
  stop(): Promise<void>
}

export type EmbeddedOptions = {
  /** PLIMSOLL_HOME. */
  readonly home: string
  readonly log: (level: 'info' | 'warn' | 'error', fields: object, message: string) => void
  /** Left out, the machine decides. Tests say it. */
  readonly as?: Account
}

// Each with its reason. `-c` wins over postgresql.conf, where an operator may set everything else.
const SETTINGS = [
  'listen_addresses=',
  'unix_socket_permissions=0700',
  'shared_buffers=64MB',
  'max_connections=60',
  // An open transaction holds the change feed back for every reader.
  'idle_in_transaction_session_timeout=30s',
  'timezone=UTC',
  'log_timezone=UTC',
  'log_line_prefix=%m [%p] ',
  'fsync=on',
  'full_page_writes=on',
  'synchronous_commit=on',
]

const POLL_MS = 10
/** A killed server stays a zombie until pid 1 takes notice, and its children need a moment to see that it is dead. */
const BUSY_MS_MAX = 5_000
/** How long orphans may take to leave by themselves. */
const ORPHAN_MS_MAX = 1_000
/** Crash recovery reads at most the log since the last checkpoint: seconds; ten minutes on a very slow disk. */
const RECOVERY_MS_MAX = 600_000
/** A server that says it is ready and does not answer for this long is no use to anybody. */
const MUTE_MS_MAX = 5_000
const OUTPUT_BYTES_MAX = 20_000

export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const from = await findPackage()
  const place = await preparePlace(options.home, from, options.as ?? null)
  if (await ensureData(place, from.major)) options.log('info', { data: place.data }, 'a new database was made')
  const running = await adoptOrStart(place, options.log)
  const connection = { host: running.socket, port: running.port, user: USER, database: DATABASE }
  try {
    await ensureDatabase(connection)
  } catch (error) {
    // Nobody would know of the server that we started.
    if (!running.adopted) await endPostmaster(running.pid, place.data, options.log).catch(() => undefined)
    throw faultOfOutput('making the database', String(error), place.log)
  }
  const fields = { pid: running.pid, adopted: running.adopted, account: place.account.kind }
  options.log('info', fields, running.adopted ? 'the running PostgreSQL was adopted' : 'PostgreSQL is ready')
  let stopping: Promise<void> | null = null
  const end = async (): Promise<void> => {
    await endPostmaster(running.pid, place.data, options.log)
    if (place.socketInTmp) await rmdir(place.socket).catch(() => undefined)
  }
  const stop = (): Promise<void> => (stopping ??= end())
  return { connection, adopted: running.adopted, pid: running.pid, stop }
}

type Running = { readonly pid: number; readonly port: number; readonly socket: string; readonly adopted: boolean }

/** Goes around until there is one server that answers. Whoever of two starts comes second adopts the server of the first. */
async function adoptOrStart(place: Place, log: EmbeddedOptions['log']): Promise<Running> {
  const begun = performance.now()
  for (;;) {
    const found = readPostmaster(place.data)
    if (found !== null && servesData(found.pid, place.data)) {
      const running = await untilReady(place, found.pid, log)
      if (running !== null) return { ...running, adopted: true }
      continue
    }
    // The file would keep PostgreSQL from starting if its pid now belongs to another process. While orphans live it stays: it names the
    // memory by which PostgreSQL knows them.
    if (found !== null && processesIn(place.data).length === 0) rmSync(pidFile(place.data), { force: true })
    const started = await start(place, log)
    if (typeof started !== 'string') return started
    const waited = performance.now() - begun
    if (!isBusy(started)) throw faultOfOutput('starting PostgreSQL', started, place.log)
    if (waited > BUSY_MS_MAX) {
      const fault = faultOfOutput('starting PostgreSQL', started, place.log)
      const whatToDo = 'End what still uses this home: another Plimsoll, or a process of PostgreSQL that is left over.'
      throw new PostgresFault('postgres-in-use', fault.message, whatToDo)
    }
    if (waited > ORPHAN_MS_MAX) clearRemains(place.data, log)
    await pause(50)
  }
}

const isBusy = (output: string): boolean =>
  /lock file ".*" already exists|pre-existing shared memory block|lock file ".*" is empty/.test(output)

/** The running server, or what it said when it left. */
async function start(place: Place, log: EmbeddedOptions['log']): Promise<Running | string> {
  let output: number
  try {
    output = openSync(place.log, 'a', 0o600)
  } catch (error) {
    throw faultOfFileSystem(`writing ${place.log}`, error)
  }
  try {
    const offset = fstatSync(output).size
    const child = launch(place, output)
    const failed = new Promise<Error | null>((resolve) => {
      child.once('error', resolve)
      child.once('exit', () => resolve(null))
    })
    const abort = new AbortController()
    const left = failed.then((error) => {
      abort.abort()
      return error
    })
    if (child.pid === undefined) {
      throw faultOfFileSystem('starting PostgreSQL', await left)
    }
    const running = await untilReady(place, child.pid, log, abort.signal)
    child.unref()
    if (running !== null) return { ...running, adopted: false }
    await left
    return tailOf(place.log, offset, child.pid)
  } finally {
    closeSync(output)
  }
}

function launch(place: Place, output: number): ChildProcess {
  const settings = [...SETTINGS, `unix_socket_directories=${quoted(place.socket)}`, `port=${PORT}`]
  const args = ['-D', place.data, ...settings.flatMap((setting) => ['-c', setting])]
  const command = commandAs(place.account, join(place.native, 'bin', 'postgres'), args)
  return spawn(command.file, command.args, {
    ...command.options,
    cwd: dirname(place.data),
    env: cleanEnvironment(),
    detached: true,
    stdio: ['ignore', output, output],
  })
}

/** The setting is a list of names; a comma or a blank in the path must not divide it. */
const quoted = (path: string): string => `"${path.replaceAll('"', '""')}"`

/** Null when the process ended, or was ended because it does not answer. */
async function untilReady(
  place: Place,
  pid: number,
  log: EmbeddedOptions['log'],
  ended?: AbortSignal,
): Promise<Omit<Running, 'adopted'> | null> {
  const begun = performance.now()
  let readySince: number | null = null
  let told = begun
  for (;;) {
    const now = performance.now()
    const found = readPostmaster(place.data)
    if (found?.pid === pid && found.status === 'ready') {
      readySince ??= now
      const answer = await whatAnswers({ host: found.socket, port: found.port, user: USER, database: 'postgres' })
      if (answer === place.data) return { pid, port: found.port, socket: found.socket }
      if (now - readySince > MUTE_MS_MAX) {
        log(
          'warn',
          { pid, answer },
          'PostgreSQL says that it is ready and does not answer: it is ended and started again',
        )
        await endPostmaster(pid, place.data, log)
        return null
      }
    }
    // A process that we started is judged by its end, since it is no server yet in its first milliseconds.
    if (ended === undefined ? !servesData(pid, place.data) : ended.aborted) return null
    if (now - begun > RECOVERY_MS_MAX) {
      const message = `PostgreSQL (pid ${pid}) is not ready after ${RECOVERY_MS_MAX / 60_000} minutes`
      throw new PostgresFault('postgres-start-failed', message, `Read the end of ${place.log}.`)
    }
    if (now - told > 10_000) {
      told = now
      log(
        'warn',
        { pid, status: found?.status ?? 'none' },
        'waiting for PostgreSQL, which may be recovering after a crash',
      )
    }
    await pause(POLL_MS, undefined, ended === undefined ? {} : { signal: ended }).catch(() => undefined)
  }
}

/** What this server wrote to the log; lines of another one are left out. */
function tailOf(log: string, offset: number, pid: number): string {
  const file = openSync(log, 'r')
  try {
    const bytes = Buffer.alloc(OUTPUT_BYTES_MAX)
    const from = Math.max(offset, fstatSync(file).size - OUTPUT_BYTES_MAX)
    const text = bytes.toString('utf8', 0, readSync(file, bytes, 0, OUTPUT_BYTES_MAX, from))
    const lines = text.split('\n').filter((line) => !/ \[\d+\] /.test(line) || line.includes(` [${pid}] `))
    return lines.join('\n')
  } finally {
    closeSync(file)
  }
}
