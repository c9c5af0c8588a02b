// The interpreters of this machine: what each says of itself, and whether it will do.
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { EnvironmentFault } from './environment-fault.ts'
import type { Env } from './environment-processes.ts'
import { complaint, lastLine, run } from './environment-processes.ts'

/** What an interpreter says of itself. */
export type Interpreter = {
  readonly python: string
  readonly version: string
  readonly minor: number
  /** Modules of the standard library that making a venv needs, and that this one lacks. */
  readonly lacks: readonly string[]
  readonly torch: string | null
  readonly torchFile: string | null
  readonly scripts: readonly string[]
}

export type Look =
  | { readonly kind: 'python'; readonly interpreter: Interpreter }
  | { readonly kind: 'too-old'; readonly version: string }
  | { readonly kind: 'unusable'; readonly why: string; readonly slow: boolean }

const OLDEST_MINOR = 9
export const NEWEST_MINOR = 13
export const MINORS = Array.from({ length: NEWEST_MINOR - OLDEST_MINOR + 1 }, (_, index) => NEWEST_MINOR - index)

const INSTALL_PYTHON =
  'Install Python 3.9 or newer (Debian and Ubuntu: apt-get install python3 python3-venv; Fedora: dnf install python3), ' +
  'or name one with PLIMSOLL_PYTHON.'

const SLOW_PYTHON = 'See why it takes so long (try it with -c pass), or name another one with PLIMSOLL_PYTHON.'

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
export async function lookAt(name: string, env: Env, timeoutMs: number, signal?: AbortSignal): Promise<Look | null> {
  const path = onPath(name, env)
  if (path === null) return null
  const ended = await run([path, '-c', PROBE], { env, signal, timeoutMs })
  if (ended.timedOut) return { kind: 'unusable', why: `${path} did not answer in time`, slow: true }
  // A shim in front of interpreters answers so for a version that is not installed.
  if (ended.code === 127 && name.includes('.')) return null
  const said = asRecord(lastLine(ended.stdout))
  const python = said?.['python']
  const version = numbers(said?.['version'])
  const [major, minor] = version
  if (ended.code !== 0 || typeof python !== 'string' || major === undefined || minor === undefined) {
    return { kind: 'unusable', why: `${path} does not answer like Python: ${complaint(ended)}`, slow: false }
  }
  if (major < 3 || minor < OLDEST_MINOR) {
    return { kind: 'too-old', version: version.join('.') }
  }
  if (!isAbsolute(python))
    return { kind: 'unusable', why: `${path} does not know where its interpreter is`, slow: false }
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

export function accepted(look: Look | null, name: string): Interpreter {
  if (look === null) throw new EnvironmentFault('no-python', `${name} was not found.`, INSTALL_PYTHON)
  if (look.kind === 'python') return look.interpreter
  if (look.kind === 'unusable') {
    throw new EnvironmentFault(
      'unusable',
      `${name} cannot be used: ${look.why}`,
      look.slow ? SLOW_PYTHON : INSTALL_PYTHON,
    )
  }
  throw new EnvironmentFault('python-too-old', `${name} is Python ${look.version}; 3.9 is needed.`, INSTALL_PYTHON)
}

export function withTorchrun(interpreter: Interpreter): string | null {
  return interpreter.scripts.find((folder) => executable(join(folder, 'torchrun'))) ?? null
}

function onPath(name: string, env: Env): string | null {
  if (name.includes('/')) return executable(name) ? resolve(name) : null
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (folder !== '' && executable(join(folder, name))) return join(folder, name)
  }
  return null
}

export function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

export function atLeast(version: string, wanted: string): boolean {
  const [have, want] = [version, wanted].map((text) => text.split(/[.+]/).map((part) => Number.parseInt(part, 10) || 0))
  const [major = 0, minor = 0] = have ?? []
  const [wantedMajor = 0, wantedMinor = 0] = want ?? []
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : []

const numbers = (value: unknown): number[] =>
  Array.isArray(value) ? value.filter((item): item is number => typeof item === 'number') : []

export function asRecord(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}
