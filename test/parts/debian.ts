// Programs of packages of Debian, for tests that speak with the real thing: what is installed is used, what is not is unpacked into the cache.
// Nothing is installed and no service is started. A folder of the cache appears by a rename, so it is never half.
import type { ChildProcessByStdio, SpawnOptionsWithStdioTuple, StdioNull, StdioPipe } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { chownSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

type Found<Name extends string> =
  | { readonly kind: 'found'; readonly paths: Readonly<Record<Name, string>> }
  /** What is missing, in words: a test is skipped with it, which fails it in CI. */
  | { readonly kind: 'missing'; readonly why: string }

const FETCH_MS_MAX = 300_000

export function fromDebian<Name extends string>(name: string, programs: readonly Name[]): Found<Name> {
  const cache = process.env.PLIMSOLL_CACHE ?? join(homedir(), '.cache', 'plimsoll')
  const folder = join(cache, `debian-${name}`)
  const inFolder = (root: string): Found<Name> | null => {
    const paths = programs.map((program) => [program, join(root, 'usr', 'bin', program)] as const)
    if (!paths.every(([, path]) => existsSync(path))) return null
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one for each of the programs
    return { kind: 'found', paths: Object.fromEntries(paths) as Record<Name, string> }
  }
  const known = inFolder('/') ?? inFolder(folder)
  if (known !== null) return known
  if (!existsSync('/usr/bin/apt-get')) return { kind: 'missing', why: `install ${programs.join(' and ')}` }
  mkdirSync(cache, { recursive: true })
  const making = mkdtempSync(join(cache, 'debian-new-'))
  try {
    const said = download(name, making)
    const [archive] = readdirSync(making).filter((file) => file.endsWith('.deb'))
    if (archive === undefined) return { kind: 'missing', why: `apt-get download ${name} brings nothing: ${said}` }
    const unpacked = join(making, 'unpacked')
    spawnSync('dpkg', ['-x', join(making, archive), unpacked], { stdio: 'ignore' })
    // Two at once: the second one finds the folder of the first, which is the same.
    if (!existsSync(folder)) renameSync(unpacked, folder)
    return inFolder(folder) ?? { kind: 'missing', why: `the package ${name} has no ${programs.join(' and ')}` }
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
}

/** What it said. Lists that are old or not there are brought where we may. */
function download(name: string, folder: string): string {
  const get = (...args: string[]) =>
    spawnSync('apt-get', ['-qq', ...args], { cwd: folder, encoding: 'utf8', timeout: FETCH_MS_MAX })
  const first = get('download', name)
  if (first.status === 0 || process.getuid?.() !== 0) return first.stderr
  get('update')
  return get('download', name).stderr
}

/** Nobody: what a stranger's program may do here is nothing. */
const NOBODY = 65_534

export type Started = {
  readonly child: ChildProcessByStdio<null, null, Readable>
  readonly gone: Promise<void>
  /** Its folder goes with it. */
  readonly stop: () => Promise<void>
}

// In a mount namespace of its own, what the package has in /usr/share lies where the program looks for it.
const WITH_SHARE = `mount -t tmpfs tmpfs /usr/share && mkdir /usr/share/prometheus && mount --bind "$1" /usr/share/prometheus && shift
exec setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups "$@"`

/**
 * Starts a program in a folder of its own, without rights where we have any to give up. A package that is unpacked and not installed is looked
 * for in the places that its programs know, which takes root.
 */
export function startAsNobody(program: string, args: readonly string[], folder: string): Started {
  const asRoot = process.getuid?.() === 0
  const share = join(program, '..', '..', 'share', 'prometheus')
  // Our cache is not for everybody.
  const copy = join(folder, 'program')
  copyFileSync(program, copy)
  if (asRoot)
    for (const each of ['', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })])
      chownSync(join(folder, each), NOBODY, NOBODY)
  const options = { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] } satisfies SpawnOptionsWithStdioTuple<
    StdioNull,
    StdioNull,
    StdioPipe
  >
  const child =
    asRoot && !existsSync('/usr/share/prometheus') && existsSync(share)
      ? spawn('unshare', ['--mount', 'sh', '-c', WITH_SHARE, 'sh', share, copy, ...args], options)
      : spawn(copy, args, { ...options, ...(asRoot ? { uid: NOBODY, gid: NOBODY } : {}) })
  const gone = new Promise<void>((ended) => {
    child.once('close', () => ended())
    child.once('error', () => ended())
  })
  return {
    child,
    gone,
    async stop() {
      child.kill('SIGKILL')
      await gone
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
