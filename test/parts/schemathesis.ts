// Schemathesis, which asks a server everything that its OpenAPI document allows and much that it does not, in an environment of its own in the
// cache, named after the versions that it has. One that was not made whole has no mark, and is made anew.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const VERSION = '4.32.5'
const INSTALL_MS_MAX = 300_000

type Found = { readonly kind: 'found'; readonly program: string } | { readonly kind: 'missing'; readonly why: string }

export function schemathesis(): Found {
  const python = spawnSync('python3', ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], { encoding: 'utf8' })
  const [, minor = '0'] = python.stdout?.trim().split('.') ?? []
  if (python.status !== 0 || Number(minor) < 10)
    return { kind: 'missing', why: 'schemathesis needs Python 3.10 or newer' }
  const cache = process.env.PLIMSOLL_CACHE ?? join(homedir(), '.cache', 'plimsoll')
  const folder = join(cache, `schemathesis-${VERSION}-3.${minor}`)
  const program = join(folder, 'bin', 'schemathesis')
  const mark = join(folder, 'whole')
  if (existsSync(mark)) return { kind: 'found', program }
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(cache, { recursive: true })
  const options = { encoding: 'utf8', timeout: INSTALL_MS_MAX } as const
  const made = spawnSync('python3', ['-m', 'venv', folder], options)
  if (made.status !== 0) return { kind: 'missing', why: `python3 -m venv: ${made.stderr || made.stdout}` }
  const pip = [join(folder, 'bin', 'python'), '-m', 'pip', 'install', '--quiet', '--retries', '2'] as const
  const installed = spawnSync(pip[0], [...pip.slice(1), `schemathesis==${VERSION}`], options)
  if (installed.status !== 0)
    return { kind: 'missing', why: `schemathesis could not be installed: ${installed.stderr.slice(-500)}` }
  writeFileSync(mark, '')
  return { kind: 'found', program }
}

/** What it printed, and how it ended: 0, nothing was found. */
export async function ask(program: string, folder: string, args: readonly string[]) {
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Uint8Array) => (text += Buffer.from(bytes).toString('utf8')))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, text }
}
