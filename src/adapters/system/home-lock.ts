// One home, one control plane: whoever runs on a home holds an exclusive lock on `<home>/lock` until it ends. Node has no flock. The
// lock belongs to the open file and not to a process, so a small program that inherits our descriptor takes it, ends, and leaves it with
// us; the kernel gives it back when we end, however that happens. Node opens files with O_CLOEXEC: supervisors and the database server,
// which outlive us, do not get the descriptor and so do not keep the lock (a test sees to it).
import { spawn } from 'node:child_process'
import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'

export type HomeHolder = { readonly pid: number | null; readonly url: string | null }
export type HomeLock = { readonly held: true; release(): void } | { readonly held: false; readonly holder: HomeHolder }

export class HomeFault extends Error {
  readonly code: 'home-unusable' | 'home-lock-missing'
  readonly whatToDo: string
  readonly retryable = false

  constructor(code: HomeFault['code'], message: string, whatToDo: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'HomeFault'
    this.code = code
    this.whatToDo = whatToDo
  }
}

/** The lock file may be removed and made anew between our opening and locking it; more often than this somebody plays tricks. */
const TRIES_MAX = 10

/** Programs that lock descriptor 3 or exit 1 when another has it: util-linux on Linux, Perl where that is missing, as on macOS. */
const LOCKERS = [
  { file: 'flock', args: ['-n', '-x', '3'] },
  { file: 'perl', args: ['-e', 'open(my $f, "+<&=", 3) or exit 2; exit(flock($f, 6) ? 0 : 1)'] },
] as const

export async function takeHomeLock(home: string): Promise<HomeLock> {
  const path = join(home, 'lock')
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const descriptor = open(home, path)
    let kept = false
    try {
      if (!(await lock(descriptor))) return { held: false, holder: holderOf(home) }
      if (!isStillThere(descriptor, path)) continue
      ftruncateSync(descriptor, 0)
      writeSync(descriptor, `${JSON.stringify({ pid: process.pid })}\n`, 0)
      kept = true
    } catch (error) {
      throw error instanceof HomeFault ? error : unusable(home, error)
    } finally {
      if (!kept) closeSync(descriptor)
    }
    return { held: true, release: releaseOnce(descriptor) }
  }
  throw unusable(home, new Error(`${path} was replaced again and again`))
}

function open(home: string, path: string): number {
  try {
    makeFolder(home)
    return openSync(path, 'a+', 0o600)
  } catch (error) {
    throw unusable(home, error)
  }
}

/**
 * With the folders above it. Not by `recursive` of mkdir: where a folder exists and yet has no room for another, as /proc or a mount
 * that is gone, Node tries for ever at full CPU. Here every step goes up, and each way back down is tried once.
 */
function makeFolder(path: string): void {
  if (mkdirUnlessMissing(path)) return
  const parent = dirname(path)
  if (parent !== path) makeFolder(parent)
  if (!mkdirUnlessMissing(path)) throw new Error(`no folder can be made in ${parent}`)
}

/** False when the folder above is missing. */
function mkdirUnlessMissing(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (code === 'ENOENT') return false
    if (code !== 'EEXIST') throw error
  }
  return true
}

function unusable(home: string, cause: unknown): HomeFault {
  const said = cause instanceof Error ? cause.message : String(cause)
  const whatToDo =
    'Give this user the right to write there, free space if the disk is full, or choose another place with --home.'
  return new HomeFault('home-unusable', `the home ${home} cannot be used: ${said}`, whatToDo, cause)
}

async function lock(descriptor: number): Promise<boolean> {
  for (const { file, args } of LOCKERS) {
    const status = await run(file, args, descriptor)
    if (status === 'missing') continue
    if (status === 0) return true
    if (status === 1) return false
    throw new Error(`${file} could not lock it and ended with ${status ?? 'a signal'}`)
  }
  const whatToDo = 'Install util-linux, which is in every distribution.'
  throw new HomeFault(
    'home-lock-missing',
    'neither flock nor perl is installed, and one of them must lock the home',
    whatToDo,
  )
}

function run(file: string, args: readonly string[], descriptor: number): Promise<number | null | 'missing'> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'ignore', descriptor] })
    child.once('error', (error) => {
      if ('code' in error && error.code === 'ENOENT') resolve('missing')
      else reject(error)
    })
    child.once('exit', (code) => resolve(code))
  })
}

/** A lock on a file that has no name any more keeps nobody out. */
function isStillThere(descriptor: number, path: string): boolean {
  const named = statSync(path, { throwIfNoEntry: false })
  const locked = fstatSync(descriptor)
  return named !== undefined && named.ino === locked.ino && named.dev === locked.dev
}

function releaseOnce(descriptor: number): () => void {
  let released = false
  return () => {
    // A number that was closed may soon be another file's.
    if (!released) closeSync(descriptor)
    released = true
  }
}

/** For the message to whoever came second. What cannot be read is null, never an error. */
function holderOf(home: string): HomeHolder {
  const pid = field(join(home, 'lock'), 'pid')
  const url = field(join(home, 'client.json'), 'url')
  return {
    pid: typeof pid === 'number' && Number.isInteger(pid) ? pid : null,
    url: typeof url === 'string' ? url : null,
  }
}

function field(path: string, name: string): unknown {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return typeof value === 'object' && value !== null ? Reflect.get(value, name) : null
  } catch {
    return null
  }
}
