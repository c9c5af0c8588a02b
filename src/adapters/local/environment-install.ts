// Fills a folder with a virtual environment that has PyTorch, and tells what the installers say while they work.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { EnvironmentFault, gigabytes, noNetwork, unreachable } from './environment-fault.ts'
import type { Interpreter } from './environment-interpreters.ts'
import { atLeast } from './environment-interpreters.ts'
import type { Ended, Env } from './environment-processes.ts'
import { complaint } from './environment-processes.ts'

export type Step = (argv: readonly string[], more: Env, onLine?: (line: string) => void) => Promise<Ended>

const UV = 'uv==0.13.9'

/** With uv, which is four times as fast; with pip where uv does not come or does not manage. */
export async function install(
  packages: readonly string[],
  folder: string,
  scratch: string,
  base: Interpreter,
  step: Step,
  preparation: { readonly env: Env; readonly progress: Progress },
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

export function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}

export type PreparationProgress = { readonly phase: string; readonly detail: string }

/** Tells at most twice a second, the last word of each half second. */
export class Progress {
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
