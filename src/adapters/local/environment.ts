// The Python that the demonstration trains with: one that the user names, one that already has PyTorch, or one that is prepared once
// and kept. A prepared one stands at its final path from the start, because a venv cannot be moved; its marker, written last, says
// that it is whole. What lacks the marker is made anew.
import { spawn } from 'node:child_process'
import { accessSync, closeSync, constants, fsyncSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { existsSync, renameSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export type PythonEnvironment = {
  readonly python: string
  /** The folder that holds torchrun. */
  readonly binDir: string
  readonly torchVersion: string
  readonly origin: 'PLIMSOLL_PYTHON' | 'found' | 'cache'
}

export type PreparationProgress = { readonly phase: string; readonly detail: string }

type EnvironmentFaultCode = 'no-python' | 'python-too-old' | 'no-network' | 'no-space' | 'unusable'

export class EnvironmentFault extends Error {
  readonly code: EnvironmentFaultCode
  readonly whatToDo: string

  constructor(code: EnvironmentFaultCode, message: string, whatToDo: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'EnvironmentFault'
    this.code = code
    this.whatToDo = whatToDo
  }
}

type Env = Readonly<Record<string, string | undefined>>

type Preparation = {
  readonly env: Env
  readonly cacheDir: string
  readonly progress: Progress
  readonly signal: AbortSignal | undefined
}

/** What an interpreter says of itself. */
type Interpreter = {
  readonly python: string
  readonly version: string
  readonly minor: number
  /** Modules of the standard library that making a venv needs, and that this one lacks. */
  readonly lacks: readonly string[]
  readonly torch: string | null
  readonly torchFile: string | null
  readonly scripts: readonly string[]
}

type Look =
  | { readonly kind: 'python'; readonly interpreter: Interpreter }
  | { readonly kind: 'too-old'; readonly version: string }
  | { readonly kind: 'unusable'; readonly why: string }

const OLDEST_MINOR = 9
const NEWEST_MINOR = 13
const MINORS = Array.from({ length: NEWEST_MINOR - OLDEST_MINOR + 1 }, (_, index) => NEWEST_MINOR - index)
const OLDEST_TORCH = '2.1'
const UV = 'uv==0.13.9'
// PyTorch with the CUDA libraries that its wheel requires takes 5.4 GB; pip keeps the wheels beside them while it unpacks.
const SPACE_NEEDED = 8e9
// Settings that would send packages elsewhere than into the venv, or modules into it from elsewhere.
const MISLEADING = new Set(['PYTHONPATH', 'PYTHONHOME', 'VIRTUAL_ENV', 'PIP_TARGET', 'PIP_PREFIX', 'PIP_USER'])
const MARKER = 'plimsoll-complete.json'

const INSTALL_PYTHON =
  'Install Python 3.9 or newer (Debian and Ubuntu: apt-get install python3 python3-venv; Fedora: dnf install python3), ' +
  'or name one with PLIMSOLL_PYTHON.'
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

/** A real interpreter, not a shim in front of one, within a second. */
export async function findPython(
  env: Record<string, string | undefined>,
): Promise<{ python: string; version: string }> {
  const deadline = performance.now() + 950
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

function accepted(look: Look | null, name: string): Interpreter {
  if (look === null) throw new EnvironmentFault('no-python', `${name} was not found.`, INSTALL_PYTHON)
  if (look.kind === 'python') return look.interpreter
  if (look.kind === 'unusable') {
    throw new EnvironmentFault('unusable', `${name} cannot be used: ${look.why}`, INSTALL_PYTHON)
  }
  throw new EnvironmentFault('python-too-old', `${name} is Python ${look.version}; 3.9 is needed.`, INSTALL_PYTHON)
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

function withTorchrun(interpreter: Interpreter): string | null {
  return interpreter.scripts.find((folder) => executable(join(folder, 'torchrun'))) ?? null
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
  const step = async (argv: readonly string[], more: Env, onLine?: (line: string) => void): Promise<Ended> => {
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

type Step = (argv: readonly string[], more: Env, onLine?: (line: string) => void) => Promise<Ended>

/** With uv, which is four times as fast; with pip where uv does not come or does not manage. */
async function install(
  packages: readonly string[],
  folder: string,
  scratch: string,
  base: Interpreter,
  step: Step,
  preparation: Preparation,
): Promise<void> {
  const { env, progress } = preparation
  const tools = join(scratch, 'tools')
  const pip = [join(tools, 'bin', 'python'), '-m', 'pip']
  progress.tell('preparing', 'a virtual environment for the installer')
  await venv([tools], base, step)
  progress.tell('preparing', 'fetching the installer')
  const fetched = await step([...pip, 'install', '--retries', '1', '--timeout', '15', UV], {})
  // pip knows more about mirrors and proxies than uv: when it reaches nothing, nothing will.
  if (fetched.code !== 0 && unreachable(fetched)) throw noNetwork(fetched)
  if (fetched.code === 0) {
    await venv(['--without-pip', folder], base, step)
    const configured = await pipSettings(pip, step, env)
    const argv = [join(tools, 'bin', 'uv'), 'pip', 'install', '--python', join(folder, 'bin', 'python'), ...packages]
    const watch = new UvLines(progress)
    const settings = { UV_CACHE_DIR: join(scratch, 'uv'), UV_PYTHON_DOWNLOADS: 'never', ...configured }
    progress.tell('installing PyTorch', 'asking which packages it needs')
    const installed = await step(argv, settings, (line) => watch.line(line))
    if (installed.code === 0) return
    remove(folder)
  }
  progress.tell('installing PyTorch', 'with pip')
  await venv([folder], base, step)
  const bar = await rawProgress(pip, step)
  const watch = new PipLines(progress)
  const argv = [join(folder, 'bin', 'python'), '-m', 'pip', 'install', '--retries', '2', '--progress-bar', bar]
  const installed = await step([...argv, ...packages], {}, (line) => watch.line(line))
  if (installed.code === 0) return
  if (unreachable(installed)) throw noNetwork(installed)
  throw new EnvironmentFault(
    'unusable',
    `PyTorch could not be installed: ${complaint(installed)}`,
    'Name a Python that has PyTorch with PLIMSOLL_PYTHON.',
  )
}

async function venv(argv: readonly string[], base: Interpreter, step: Step): Promise<void> {
  const made = await step([base.python, '-m', 'venv', ...argv], {})
  if (made.code === 0) return
  throw new EnvironmentFault(
    'unusable',
    `${base.python} could not make a virtual environment: ${complaint(made)}`,
    `Install what it lacks (Debian and Ubuntu: apt-get install python3.${base.minor}-venv), or name a Python that has ` +
      'PyTorch with PLIMSOLL_PYTHON.',
  )
}

/** uv does not read what pip is configured with; a mirror and a certificate are passed on unless uv has its own. */
async function pipSettings(pip: readonly string[], step: Step, env: Env): Promise<Env> {
  const listed = await step([...pip, 'config', 'list'], {})
  const settings = new Map<string, string>()
  for (const line of listed.stdout.split('\n')) {
    const match = /^(?:global|install|:env:)\.([a-z-]+)='(.*)'$/.exec(line.trim())
    if (match?.[1] !== undefined && match[2] !== undefined) settings.set(match[1], match[2])
  }
  const passed: Record<string, string> = {}
  const pass = (setting: string, variable: string, unless: readonly string[]): void => {
    const value = settings.get(setting)
    const own = unless.some((name) => env[name] !== undefined)
    if (value !== undefined && !own) passed[variable] = value
  }
  pass('index-url', 'UV_DEFAULT_INDEX', ['UV_DEFAULT_INDEX', 'UV_INDEX_URL', 'UV_INDEX'])
  pass('extra-index-url', 'UV_INDEX', ['UV_INDEX', 'UV_EXTRA_INDEX_URL'])
  pass('cert', 'SSL_CERT_FILE', ['SSL_CERT_FILE'])
  return passed
}

/** pip tells its progress in plain lines from 24.1. */
async function rawProgress(pip: readonly string[], step: Step): Promise<'raw' | 'off'> {
  const said = await step([...pip, '--version'], {})
  const version = /^pip (\d+(?:\.\d+)*)/.exec(said.stdout)?.[1]
  return version !== undefined && atLeast(version, '24.1') ? 'raw' : 'off'
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

// Interpreters.

const PROBE = `
import json, os, sys
said = {'python': sys.executable, 'version': list(sys.version_info[:3])}
if sys.version_info >= (3, 9):
    import importlib.metadata, importlib.util, sysconfig
    said['lacks'] = [name for name in ('venv', 'ensurepip') if importlib.util.find_spec(name) is None]
    found = importlib.util.find_spec('torch')
    try:
        said['torch'] = importlib.metadata.version('torch') if found else None
    except importlib.metadata.PackageNotFoundError:
        said['torch'] = None
    said['torchFile'] = found.origin if found else None
    said['scripts'] = [os.path.dirname(sys.executable), sysconfig.get_path('scripts')]
    if 'posix_user' in sysconfig.get_scheme_names():
        said['scripts'].append(sysconfig.get_path('scripts', 'posix_user'))
print(json.dumps(said))
`

/** Asks an interpreter, by name or path, what it is; null where there is none of that name. */
async function lookAt(name: string, env: Env, timeoutMs: number, signal?: AbortSignal): Promise<Look | null> {
  const path = onPath(name, env)
  if (path === null) return null
  const ended = await run([path, '-c', PROBE], { env, signal, timeoutMs })
  if (ended.timedOut) return { kind: 'unusable', why: `${path} did not answer in time` }
  // A shim in front of interpreters answers so for a version that is not installed.
  if (ended.code === 127 && name.includes('.')) return null
  const said = asRecord(lastLine(ended.stdout))
  const python = said?.['python']
  const version = numbers(said?.['version'])
  const [major, minor] = version
  if (ended.code !== 0 || typeof python !== 'string' || major === undefined || minor === undefined) {
    return { kind: 'unusable', why: `${path} does not answer like Python: ${complaint(ended)}` }
  }
  if (major < 3 || minor < OLDEST_MINOR) {
    return { kind: 'too-old', version: version.join('.') }
  }
  if (!isAbsolute(python)) return { kind: 'unusable', why: `${path} does not know where its interpreter is` }
  const torch = said?.['torch']
  const torchFile = said?.['torchFile']
  const interpreter = {
    python,
    version: version.join('.'),
    minor,
    lacks: texts(said?.['lacks']),
    torch: typeof torch === 'string' ? torch : null,
    torchFile: typeof torchFile === 'string' ? torchFile : null,
    scripts: texts(said?.['scripts']),
  }
  return { kind: 'python', interpreter }
}

function onPath(name: string, env: Env): string | null {
  if (name.includes('/')) return executable(name) ? resolve(name) : null
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (folder !== '' && executable(join(folder, name))) return join(folder, name)
  }
  return null
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

// Processes.

type Ended = {
  readonly code: number | null
  readonly timedOut: boolean
  readonly stdout: string
  readonly stderr: string
}

type RunOptions = {
  readonly env: Env
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** A descriptor that the process inherits as number 3. */
  readonly lock?: number
  readonly onLine?: ((line: string) => void) | undefined
}

/** Runs a program in a process group of its own, which an abort or the time limit kills as a whole. */
async function run(argv: readonly string[], options: RunOptions): Promise<Ended> {
  options.signal?.throwIfAborted()
  const [file = '', ...rest] = argv
  const { promise, resolve: done, reject } = Promise.withResolvers<Ended>()
  const child = spawn(file, rest, {
    env: { ...options.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', ...(options.lock === undefined ? [] : [options.lock])],
  })
  let timedOut = false
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // Ended meanwhile.
    }
  }
  const limit = setTimeout(() => {
    timedOut = true
    end()
  }, options.timeoutMs)
  options.signal?.addEventListener('abort', end)
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    let begun = ''
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      said[name] = (said[name] + text).slice(-100_000)
      const lines = (begun + text).split(/[\r\n]/)
      begun = lines.pop() ?? ''
      for (const line of lines) options.onLine?.(line)
    })
  }
  child.on('error', (error) => done({ code: null, timedOut, stdout: '', stderr: error.message }))
  child.on('close', (code) => {
    if (options.signal?.aborted === true) reject(abortReason(options.signal))
    else done({ code, timedOut, ...said })
  })
  try {
    return await promise
  } finally {
    clearTimeout(limit)
    options.signal?.removeEventListener('abort', end)
  }
}

function abortReason(signal: AbortSignal): Error {
  const reason: unknown = signal.reason
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason })
}

/** The line that tells why, without the names and passwords that an address may carry. */
function complaint(ended: Ended): string {
  const lines = (ended.stderr.trim() === '' ? ended.stdout : ended.stderr)
    .split('\n')
    .filter((line) => line.trim() !== '')
  const telling = lines.findLast((line) => /error|cannot|could not|no such|not found/i.test(line)) ?? lines.at(-1)
  const text = telling ?? (ended.code === null ? 'it was killed' : `it ended with ${ended.code} and said nothing`)
  return text
    .trim()
    .replaceAll(/\/\/[^/@\s]*@/g, '//')
    .slice(-400)
}

// Faults.

const UNREACHABLE =
  /NewConnectionError|ConnectTimeout|ConnectionError|Read timed out|Failed to establish|name resolution|refused|unreachable|SSLError|CERTIFICATE_VERIFY|ProxyError|from versions: none|error sending request|dns error/i

const unreachable = (ended: Ended): boolean => UNREACHABLE.test(ended.stdout + ended.stderr)

function noNetwork(ended: Ended): EnvironmentFault {
  const lines = (ended.stdout + ended.stderr).split('\n')
  const telling = lines.find((line) => UNREACHABLE.test(line) && !line.includes('from versions'))
  return new EnvironmentFault(
    'no-network',
    `The package index cannot be reached: ${complaint(telling === undefined ? ended : { ...ended, stderr: telling })}`,
    'Connect this machine, or name your proxy with HTTPS_PROXY, your mirror with PIP_INDEX_URL or your certificates with ' +
      'PIP_CERT; or name a Python that has PyTorch with PLIMSOLL_PYTHON.',
  )
}

function noSpace(cacheDir: string, said: string): EnvironmentFault {
  return new EnvironmentFault(
    'no-space',
    `PyTorch needs ${gigabytes(SPACE_NEEDED)} in ${cacheDir}: ${said}.`,
    'Free some space there, or name a Python that has PyTorch with PLIMSOLL_PYTHON.',
  )
}

function faultOfFileSystem(error: unknown, cacheDir: string): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return error
  if (error.code === 'ENOSPC' || error.code === 'EDQUOT') return noSpace(cacheDir, error.message)
  return new EnvironmentFault(
    'unusable',
    `${cacheDir} cannot be used: ${error.message}`,
    'Give this user the right to write there, or name a Python that has PyTorch with PLIMSOLL_PYTHON.',
    error,
  )
}

// What the installers say while they work.

/** Tells at most twice a second, the last word of each half second. */
class Progress {
  readonly #tell: (progress: PreparationProgress) => void
  #next: PreparationProgress | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(tell: (progress: PreparationProgress) => void) {
    this.#tell = tell
  }

  tell(phase: string, detail: string): void {
    this.#next = { phase, detail }
    if (this.#timer !== null) return
    this.#say()
    this.#timer = setInterval(() => this.#say(), 500)
  }

  end(): void {
    this.#say()
    if (this.#timer !== null) clearInterval(this.#timer)
  }

  #say(): void {
    if (this.#next !== null) this.#tell(this.#next)
    this.#next = null
  }
}

class UvLines {
  readonly #progress: Progress
  readonly #sizes = new Map<string, number>()
  #done = 0

  constructor(progress: Progress) {
    this.#progress = progress
  }

  line(line: string): void {
    const begun = /^\s*Downloading (\S+) \(([\d.]+)([KMG])iB\)/.exec(line)
    if (begun?.[1] !== undefined) {
      this.#sizes.set(begun[1], Number(begun[2]) * ({ K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[begun[3] ?? 'M'] ?? 1))
    }
    const ended = /^\s*Downloaded (\S+)/.exec(line)
    if (ended?.[1] !== undefined) this.#done += this.#sizes.get(ended[1]) ?? 0
    if (begun !== null || ended !== null) {
      const known = [...this.#sizes.values()].reduce((sum, size) => sum + size, 0)
      this.#progress.tell('installing PyTorch', `${gigabytes(this.#done)} of ${gigabytes(known)} downloaded`)
    } else if (line.startsWith('Prepared ')) this.#progress.tell('installing PyTorch', 'unpacking')
  }
}

class PipLines {
  readonly #progress: Progress
  #file = ''

  constructor(progress: Progress) {
    this.#progress = progress
  }

  line(line: string): void {
    const file = /^\s*Downloading (?:\S*\/)?([^\s/]+\.whl)/.exec(line)?.[1]
    if (file !== undefined) {
      this.#file = file.split('-')[0] ?? file
      this.#progress.tell('installing PyTorch', `downloading ${this.#file}`)
    }
    const bytes = /^Progress (\d+) of (\d+)/.exec(line)
    if (bytes !== null) {
      const told = `${gigabytes(Number(bytes[1]))} of ${gigabytes(Number(bytes[2]))}`
      this.#progress.tell('installing PyTorch', `downloading ${this.#file}: ${told}`)
    } else if (line.startsWith('Installing collected')) this.#progress.tell('installing PyTorch', 'unpacking')
  }
}

// Small things.

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`

function atLeast(version: string, wanted: string): boolean {
  const [have, want] = [version, wanted].map((text) => text.split(/[.+]/).map((part) => Number.parseInt(part, 10) || 0))
  const [major = 0, minor = 0] = have ?? []
  const [wantedMajor = 0, wantedMinor = 0] = want ?? []
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.trim() ?? ''

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : []

const numbers = (value: unknown): number[] =>
  Array.isArray(value) ? value.filter((item): item is number => typeof item === 'number') : []

function asRecord(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}

function readText(path: string): string | null {
  return existsSync(path) ? readFileSync(path, 'utf8') : null
}

function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}

function writeByRename(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, text, { flush: true })
  renameSync(temporary, path)
  const folder = openSync(dirname(path), 'r')
  fsyncSync(folder)
  closeSync(folder)
}
