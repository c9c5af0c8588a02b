// What a machine must have for a real node, looked at before anything is started. Debian's packages are installed where we may.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, lstatSync } from 'node:fs'

const INSTALL_MS_MAX = 300_000

/** What is missing, in words; null when a real node can run here. */
export function nodeLacks(): string | null {
  if (process.platform !== 'linux') return 'it needs Linux'
  if (process.getuid?.() !== 0) return 'it needs root'
  const tried = spawnSync('unshare', ['--pid', '--mount', '--net', '--ipc', '--fork', 'true'], { encoding: 'utf8' })
  if (tried.status !== 0) return `namespaces cannot be made (${tried.error?.message ?? tried.stderr.trim()})`
  try {
    accessSync('/sys/fs/cgroup', constants.W_OK)
  } catch {
    return '/sys/fs/cgroup is not writable'
  }
  if (!lstatSync('/bin').isSymbolicLink()) return 'its image needs a system whose /bin is /usr/bin'
  install()
  const missing = PACKAGES.filter(({ has }) => !has()).map(({ name }) => name)
  return missing.length === 0 ? null : `install ${missing.join(', ')}`
}

const command = (name: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' }).status === 0

const PACKAGES = [
  { name: 'runc', has: () => command('runc') },
  { name: 'iproute2', has: () => command('ip') },
  { name: 'containernetworking-plugins', has: () => existsSync('/usr/lib/cni/bridge') },
] as const

function install(): void {
  const missing = PACKAGES.filter(({ has }) => !has()).map(({ name }) => name)
  if (missing.length === 0 || !command('apt-get')) return
  process.stderr.write(`kubernetes: installing ${missing.join(', ')}\n`)
  const options = { stdio: 'ignore', timeout: INSTALL_MS_MAX } as const
  spawnSync('apt-get', ['update', '-qq'], options)
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], options)
}
