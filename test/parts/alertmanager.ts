// A real Alertmanager from Debian, by itself: on a free port of this machine, without rights and without peers, in a folder of its own that
// goes with it. Where there is none and we may install packages, it is installed; otherwise the tests say why they cannot run.
import { spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const PROGRAM = '/usr/bin/prometheus-alertmanager'
const PACKAGE = 'prometheus-alertmanager'
const INSTALL_MS_MAX = 300_000
const START_MS_MAX = 30_000
/** Nobody: what a stranger's program may do here is nothing. */
const NOBODY = 65_534

const asRoot = process.getuid?.() === 0

/** What is missing, in words; null when it can run here. */
export function alertmanagerLacks(): string | null {
  if (existsSync(PROGRAM)) return null
  if (!asRoot || !existsSync('/usr/bin/apt-get')) return `install the package ${PACKAGE}`
  const options = { stdio: 'ignore', timeout: INSTALL_MS_MAX } as const
  spawnSync('apt-get', ['update', '-qq'], options)
  // The package would start it as a service: it is told not to.
  const env = { ...process.env, RUNLEVEL: '1', DEBIAN_FRONTEND: 'noninteractive' }
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', PACKAGE], { ...options, env })
  return existsSync(PROGRAM) ? null : `${PACKAGE} could not be installed: apt-get install ${PACKAGE} says why`
}

export async function startAlertmanager(prefix: string): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-alertmanager-'))
  const config = join(folder, 'alertmanager.yml')
  writeFileSync(config, 'route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n')
  if (asRoot) for (const each of [folder, config]) chownSync(each, NOBODY, NOBODY)
  const args = [`--config.file=${config}`, `--storage.path=${folder}`, '--cluster.listen-address=']
  const listen = ['--web.listen-address=127.0.0.1:0', `--web.route-prefix=${prefix}`]
  const child = spawn(PROGRAM, [...args, ...listen], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(asRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  })
  const gone = new Promise<void>((ended) => {
    child.once('close', () => ended())
    child.once('error', () => ended())
  })
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await gone
    rmSync(folder, { recursive: true, force: true })
  }
  const said: string[] = []
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  createInterface({ input: child.stderr }).on('line', (line) => {
    said.push(line)
    const address = /msg="Listening on" address=(\S+)/.exec(line)?.[1]
    if (address !== undefined) resolve(address)
  })
  const fail = (): void => reject(new Error(`Alertmanager did not start:\n${said.join('\n')}`))
  const timer = setTimeout(fail, START_MS_MAX)
  void gone.then(fail)
  try {
    return { url: `http://${await promise}${prefix}`, stop }
  } catch (error) {
    await stop()
    throw error
  } finally {
    clearTimeout(timer)
  }
}
