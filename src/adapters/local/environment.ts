// The Python that the demonstration trains with: one that the user names, one that already has PyTorch, or one that is prepared once
// and kept. A prepared one stands at its final path from the start, because a venv cannot be moved; its marker, written last, says
// that it is whole. What lacks the marker is made anew.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { renameSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EnvironmentFault, faultOfFileSystem, gigabytes, noSpace, SPACE_NEEDED } from './environment-fault.ts'
import type { PreparationProgress, Step } from './environment-install.ts'
import { install, Progress, remove } from './environment-install.ts'
import type { Interpreter, Look } from './environment-interpreters.ts'
import {
  accepted,
  asRecord,
  atLeast,
  executable,
  lookAt,
  MINORS,
  NEWEST_MINOR,
  withTorchrun,
} from './environment-interpreters.ts'
import type { Env } from './environment-processes.ts'
import { complaint, lastLine, run } from './environment-processes.ts'

export { EnvironmentFault } from './environment-fault.ts'
export type { PreparationProgress } from './environment-install.ts'

export type PythonEnvironment = {
  readonly python: string
  /** The folder that holds torchrun. */
  readonly binDir: string
  readonly torchVersion: string
  readonly origin: 'PLIMSOLL_PYTHON' | 'found' | 'cache'
}

type Preparation = {
  readonly env: Env
  readonly cacheDir: string
  readonly progress: Progress
  readonly signal: AbortSignal | undefined
}

const OLDEST_TORCH = '2.1'
// Settings that would send packages elsewhere than into the venv, or modules into it from elsewhere.
const MISLEADING = new Set(['PYTHONPATH', 'PYTHONHOME', 'VIRTUAL_ENV', 'PIP_TARGET', 'PIP_PREFIX', 'PIP_USER'])
const MARKER = 'plimsoll-complete.json'

const INSTALL_TORCH =
  'Install PyTorch there (python -m pip install torch numpy), name another Python with PLIMSOLL_PYTHON, ' +
  'or unset PLIMSOLL_PYTHON to let Plimsoll prepare one.'

/** The newest PyTorch that has wheels for this Python and was tried with the demonstration. */
const torchPin = (minor: number): string => (minor === 9 ? '2.8.0' : minor === 10 ? '2.14.1' : '2.15.0')

/**
 * A Python that has PyTorch. Making one downloads 3 GB, so what is already there comes first; a cached one is known by its marker
 * alone. An abort ends every process that was started for this and rejects with the signal's reason.
 */
export async function prepareEnvironment(options: {
  env: Record<string, string | undefined>
  cacheDir: string
  onProgress: (p: PreparationProgress) => void
  signal?: AbortSignal
}): Promise<PythonEnvironment> {
  const { env, signal } = options
  const progress = new Progress(options.onProgress)
  const preparation: Preparation = { env, cacheDir: resolve(options.cacheDir), progress, signal }
  try {
    signal?.throwIfAborted()
    progress.tell('looking', 'for a Python with PyTorch')
    const named = env['PLIMSOLL_PYTHON']
    if (named !== undefined && named !== '') return await namedEnvironment(named, preparation)
    const first = await lookAt('python3', env, 10_000, signal)
    if (first?.kind === 'python') {
      const found = await foundEnvironment(first.interpreter, preparation)
      if (found !== null) return found
    }
    return cachedEnvironment(preparation, first) ?? (await createEnvironment(preparation, first))
  } catch (error) {
    signal?.throwIfAborted()
    throw faultOfFileSystem(error, preparation.cacheDir)
  } finally {
    progress.end()
  }
}

/** A cold disk or a busy machine keeps an interpreter for seconds; one that hangs must not keep a start for ever. */
const FIND_MS_MAX = 10_000

/** A real interpreter, not a shim in front of one. */
export async function findPython(
  env: Record<string, string | undefined>,
): Promise<{ python: string; version: string }> {
  const deadline = performance.now() + FIND_MS_MAX
  const left = (): number => Math.max(1, deadline - performance.now())
  const named = env['PLIMSOLL_PYTHON']
  if (named !== undefined && named !== '') {
    const { python, version } = accepted(await lookAt(named, env, left()), `PLIMSOLL_PYTHON (${named})`)
    return { python, version }
  }
  const first = await lookAt('python3', env, left())
  if (first?.kind === 'python') return { python: first.interpreter.python, version: first.interpreter.version }
  const others = await Promise.all(MINORS.map((minor) => lookAt(`python3.${minor}`, env, left())))
  for (const other of others) {
    if (other?.kind === 'python') return { python: other.interpreter.python, version: other.interpreter.version }
  }
  const { python, version } = accepted(first ?? others.find((other) => other !== null) ?? null, 'python3')
  return { python, version }
}

async function namedEnvironment(named: string, preparation: Preparation): Promise<PythonEnvironment> {
  const name = `PLIMSOLL_PYTHON (${named})`
  const interpreter = accepted(await lookAt(named, preparation.env, 10_000, preparation.signal), name)
  if (interpreter.torch === null) {
    throw new EnvironmentFault('unusable', `${name} has no PyTorch: it finds no module torch.`, INSTALL_TORCH)
  }
  const binDir = withTorchrun(interpreter)
  if (binDir === null) {
    throw new EnvironmentFault('unusable', `${name} has PyTorch, but no torchrun stands beside it.`, INSTALL_TORCH)
  }
  const imported = await importTorch(interpreter, preparation)
  if ('why' in imported) {
    throw new EnvironmentFault('unusable', `${name} cannot import PyTorch: ${imported.why}`, INSTALL_TORCH)
  }
  return { python: interpreter.python, binDir, torchVersion: imported.version, origin: 'PLIMSOLL_PYTHON' }
}

async function foundEnvironment(interpreter: Interpreter, preparation: Preparation): Promise<PythonEnvironment | null> {
  const binDir = withTorchrun(interpreter)
  if (interpreter.torch === null || binDir === null || !atLeast(interpreter.torch, OLDEST_TORCH)) return null
  // Importing takes seconds, so what was imported once is not imported again while the same file is there.
  const note = join(preparation.cacheDir, 'found-python.json')
  const changed = interpreter.torchFile === null ? 0 : statSync(interpreter.torchFile).mtimeMs
  const seen = JSON.stringify([interpreter.python, interpreter.torch, changed])
  const environment: PythonEnvironment = {
    python: interpreter.python,
    binDir,
    torchVersion: interpreter.torch,
    origin: 'found',
  }
  if (readText(note) === seen) return environment
  const imported = await importTorch(interpreter, preparation)
  if ('why' in imported) return null
  mkdirSync(preparation.cacheDir, { recursive: true })
  writeByRename(note, seen)
  return { ...environment, torchVersion: imported.version }
}

async function importTorch(
  interpreter: Interpreter,
  preparation: Preparation,
): Promise<{ version: string } | { why: string }> {
  preparation.progress.tell('checking', `that ${interpreter.python} imports PyTorch`)
  const code = 'import torch, torch.distributed.run; print(torch.__version__)'
  const ended = await run([interpreter.python, '-c', code], {
    env: preparation.env,
    signal: preparation.signal,
    timeoutMs: 180_000,
  })
  if (ended.timedOut) return { why: 'the import did not end within 3 minutes' }
  const version = lastLine(ended.stdout)
  return ended.code === 0 && version !== '' ? { version } : { why: complaint(ended) }
}

// The cached environment.

const nameOf = (minor: number): string => `python-${torchPin(minor)}-3.${minor}`

function cachedEnvironment(preparation: Preparation, first: Look | null): PythonEnvironment | null {
  const preferred = first?.kind === 'python' ? [first.interpreter.minor] : []
  for (const minor of [...preferred, ...MINORS]) {
    const whole = wholeEnvironment(join(preparation.cacheDir, nameOf(minor)))
    if (whole !== null) return whole
  }
  return null
}

function wholeEnvironment(folder: string): PythonEnvironment | null {
  const marker = readText(join(folder, MARKER))
  if (marker === null) return null
  const binDir = join(folder, 'bin')
  const python = join(binDir, 'python')
  const said = asRecord(marker)
  const torchVersion = said?.['torch']
  // The scripts name the path that the venv was made at; its python is a link that may have lost its end.
  if (typeof torchVersion !== 'string' || said?.['folder'] !== folder) return null
  return executable(python) && executable(join(binDir, 'torchrun'))
    ? { python, binDir, torchVersion, origin: 'cache' }
    : null
}

async function createEnvironment(preparation: Preparation, first: Look | null): Promise<PythonEnvironment> {
  const { cacheDir, progress } = preparation
  const base = await creator(preparation, first)
  const folder = join(cacheDir, nameOf(base.minor))
  mkdirSync(cacheDir, { recursive: true })
  const lock = openSync(`${folder}.lock`, 'a')
  try {
    for (let tries = 0; !(await tryLock(base.python, lock, preparation)); tries += 1) {
      progress.tell('waiting', 'for another Plimsoll that prepares the same environment')
      await sleep(Math.min(1000, 100 + 100 * tries), undefined, preparation.signal && { signal: preparation.signal })
    }
    return wholeEnvironment(folder) ?? (await fill(folder, base, lock, preparation))
  } finally {
    closeSync(lock)
  }
}

/** The first interpreter that can make a venv. */
async function creator(preparation: Preparation, first: Look | null): Promise<Interpreter> {
  const { env, signal } = preparation
  const looks: Look[] = []
  for (const name of ['python3', ...MINORS.map((minor) => `python3.${minor}`)]) {
    const look = name === 'python3' ? first : await lookAt(name, env, 10_000, signal)
    if (look === null) continue
    looks.push(look)
    if (look.kind !== 'python') continue
    const { minor, lacks } = look.interpreter
    if (minor <= NEWEST_MINOR && lacks.length === 0) return look.interpreter
  }
  for (const look of looks) {
    if (look.kind !== 'python' || look.interpreter.minor > NEWEST_MINOR) continue
    const { python, lacks, minor } = look.interpreter
    throw new EnvironmentFault(
      'unusable',
      `${python} cannot make a virtual environment: it lacks ${lacks.join(' and ')}.`,
      `Install it (Debian and Ubuntu: apt-get install python3.${minor}-venv), or name a Python that has PyTorch with ` +
        'PLIMSOLL_PYTHON.',
    )
  }
  const tooNew = looks.find((look) => look.kind === 'python')
  if (tooNew?.kind === 'python') {
    throw new EnvironmentFault(
      'unusable',
      `${tooNew.interpreter.python} is Python ${tooNew.interpreter.version}; the demonstration was tried with 3.9 to ` +
        `3.${NEWEST_MINOR}.`,
      `Install Python 3.${NEWEST_MINOR} with its venv module, or name a Python that has PyTorch with PLIMSOLL_PYTHON.`,
    )
  }
  return accepted(looks[0] ?? null, 'python3')
}

async function fill(
  folder: string,
  base: Interpreter,
  lock: number,
  preparation: Preparation,
): Promise<PythonEnvironment> {
  const { cacheDir, progress, env, signal } = preparation
  const scratch = `${folder}.preparing`
  const started = performance.now()
  progress.tell('preparing', 'clearing what an earlier preparation left')
  remove(folder)
  remove(join(scratch, 'tools'))
  remove(join(scratch, 'tmp'))
  mkdirSync(join(scratch, 'tmp'), { recursive: true })
  const { bavail, bsize } = statfsSync(cacheDir)
  if (bavail * bsize < SPACE_NEEDED) throw noSpace(cacheDir, `${gigabytes(bavail * bsize)} are free`)
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => !MISLEADING.has(name)))
  const inside: Env = { ...kept, PIP_NO_INPUT: '1', PIP_DISABLE_PIP_VERSION_CHECK: '1', TMPDIR: join(scratch, 'tmp') }
  const step: Step = async (argv, more, onLine) => {
    const guarded = [base.python, '-I', '-S', '-c', DIE_WITH_PARENT, String(process.pid), ...argv]
    const ended = await run(guarded, { env: { ...inside, ...more }, signal, lock, onLine, timeoutMs: 3_600_000 })
    if (/No space left on device|Disk quota exceeded|os error 28\b/.test(ended.stdout + ended.stderr)) {
      throw noSpace(cacheDir, 'it is full')
    }
    return ended
  }
  try {
    const packages = [`torch==${torchPin(base.minor)}`, 'numpy']
    await install(packages, folder, scratch, base, step, preparation)
    const fresh = { ...base, python: join(folder, 'bin', 'python') }
    const imported = await importTorch(fresh, { ...preparation, env: inside })
    if ('why' in imported) {
      throw new EnvironmentFault(
        'unusable',
        `PyTorch was installed in ${folder}, but cannot be imported: ${imported.why}`,
        'Name a Python in which "import torch" works with PLIMSOLL_PYTHON.',
      )
    }
    writeByRename(join(folder, MARKER), JSON.stringify({ folder, torch: imported.version, python: base.version }))
  } catch (error) {
    // Downloads stay for the next try, unless it is they that are too much.
    const full = error instanceof EnvironmentFault && error.code === 'no-space'
    for (const path of full ? [folder, scratch] : [folder]) remove(path)
    throw error
  }
  remove(scratch)
  const whole = wholeEnvironment(folder)
  if (whole === null) {
    throw new EnvironmentFault('unusable', `PyTorch was installed in ${folder}, but without torchrun.`, INSTALL_TORCH)
  }
  progress.tell('ready', `after ${Math.round((performance.now() - started) / 1000)} s`)
  return whole
}

/** Only one at a time fills the cache. The kernel holds the lock for us and for the installers, which inherit it. */
async function tryLock(python: string, lock: number, preparation: Preparation): Promise<boolean> {
  // A lock of flock belongs to the open file and not to the process that asked for it: it stays ours after this one has ended.
  const code = [
    'import fcntl, sys',
    'try: fcntl.flock(3, fcntl.LOCK_EX | fcntl.LOCK_NB)',
    'except BlockingIOError: sys.exit(75)',
  ].join('\n')
  const { env, signal } = preparation
  const ended = await run([python, '-I', '-S', '-c', code], { env, signal, lock, timeoutMs: 10_000 })
  if (ended.code !== 0 && ended.code !== 75) {
    throw new EnvironmentFault(
      'unusable',
      `${preparation.cacheDir} cannot be locked: ${complaint(ended)}`,
      'Choose a cache folder on a file system that knows locks.',
    )
  }
  return ended.code === 0
}

// An installer that outlived us would go on writing into an environment that the next preparation makes anew.
const DIE_WITH_PARENT = `
import os, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
except (ImportError, AttributeError, OSError):
    pass
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
`

function readText(path: string): string | null {
  return existsSync(path) ? readFileSync(path, 'utf8') : null
}

function writeByRename(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, text, { flush: true })
  renameSync(temporary, path)
  const folder = openSync(dirname(path), 'r')
  fsyncSync(folder)
  closeSync(folder)
}
