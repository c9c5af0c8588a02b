// Programs of Python packages, each in an environment of its own in the cache, named after the versions that it has. One that was not made whole
// has no mark, and is made anew.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const INSTALL_MS_MAX = 300_000

export type Environment =
  | { readonly kind: 'found'; readonly folder: string; readonly packages: string }
  | { readonly kind: 'missing'; readonly why: string }

export type Wanted = {
  readonly name: string
  readonly version: string
  /** Exact versions of what it needs, where those that pip would take do not go together. */
  readonly pins?: readonly string[]
  /** Of Python 3. */
  readonly oldestMinor: number
  readonly options?: readonly string[]
  /** What is left to do once it is installed: null, or why it cannot be done. */
  readonly afterwards?: (packages: string, minor: number) => string | null
}

export function environmentOf({
  name,
  version,
  pins = [],
  oldestMinor,
  options = [],
  afterwards,
}: Wanted): Environment {
  const python = spawnSync('python3', ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], { encoding: 'utf8' })
  const [, text = '0'] = python.stdout?.trim().split('.') ?? []
  const minor = Number(text)
  if (python.status !== 0 || minor < oldestMinor)
    return { kind: 'missing', why: `${name} needs Python 3.${oldestMinor} or newer` }
  const cache = process.env.PLIMSOLL_CACHE ?? join(homedir(), '.cache', 'plimsoll')
  const folder = join(cache, `${name}-${version}-3.${minor}`)
  const packages = join(folder, 'lib', `python3.${minor}`, 'site-packages')
  const mark = join(folder, 'whole')
  if (existsSync(mark)) return { kind: 'found', folder, packages }
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(cache, { recursive: true })
  const limits = { encoding: 'utf8', timeout: INSTALL_MS_MAX } as const
  const made = spawnSync('python3', ['-m', 'venv', folder], limits)
  if (made.status !== 0) return { kind: 'missing', why: `python3 -m venv: ${made.stderr || made.stdout}` }
  const args = ['-m', 'pip', 'install', '--quiet', '--retries', '2', ...options, `${name}==${version}`, ...pins]
  const installed = spawnSync(join(folder, 'bin', 'python'), args, limits)
  if (installed.status !== 0)
    return { kind: 'missing', why: `${name} could not be installed: ${installed.stderr.slice(-500)}` }
  const why = afterwards?.(packages, minor) ?? null
  if (why !== null) return { kind: 'missing', why }
  writeFileSync(mark, '')
  return { kind: 'found', folder, packages }
}

/** What it printed, and how it ended. */
export async function ask(program: string, folder: string, args: readonly string[]) {
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Uint8Array) => (text += Buffer.from(bytes).toString('utf8')))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, text }
}
