// doctor: what this machine has for `plimsoll up`, and what to do about what is missing. It changes nothing.
import { execFileSync } from 'node:child_process'
import { existsSync, statfsSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Check } from '../../adapters/kubernetes/check.ts'
import { findPython } from '../../adapters/local/environment.ts'
import { lookForGpus } from '../../adapters/local/gpus.ts'
import { describeUser } from '../../adapters/postgres/embedded.ts'
import type { Wire } from '../../contract/documents.ts'
import { Fault } from '../../ports/fault.ts'
import { FileProblem, readSettings } from '../parts/files.ts'
import { readCluster } from '../parts/kubernetes.ts'
import type { OidcSettings } from '../parts/oidc.ts'
import { oidcSettings } from '../parts/oidc.ts'
import { Exit } from '../parts/say.ts'

export async function runDoctor(json: boolean, cluster: string | null): Promise<number> {
  let checks: Check[]
  const interrupted = new AbortController()
  // What it made on a cluster is removed first; a second one ends it at once.
  const interrupt = (): void => interrupted.abort()
  if (cluster !== null) process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    checks = cluster === null ? await examineMachine() : await examineCluster(cluster, interrupted.signal)
  } catch (error) {
    if (!(error instanceof Exit)) throw error
    process.stderr.write(`plimsoll: ${error.message}\n`)
    return error.code
  }
  const bad = checks.filter((check) => check.state === 'missing' || check.state === 'wrong')
  if (json)
    process.stdout.write(`${JSON.stringify({ schema: 'plimsoll.doctor/v1', checks } satisfies Wire<'doctor'>)}\n`)
  else {
    for (const check of checks) {
      process.stdout.write(
        `${check.state.padEnd(8)}${check.name.padEnd(12)}${check.detail}${check.whatToDo === null ? '' : `\n${' '.repeat(20)}${check.whatToDo}`}\n`,
      )
    }
  }
  if (interrupted.signal.aborted) return 130
  return bad.length === 0 ? 0 : 1
}

const examineMachine = async (): Promise<Check[]> => [
  node(),
  await python(),
  postgres(),
  flock(),
  await gpus(),
  home(),
  disk(),
  ...(await signIn()),
]

/** A cluster of config.yaml by its name, or a file. */
async function examineCluster(cluster: string, interrupted: AbortSignal): Promise<Check[]> {
  const folder = process.env.PLIMSOLL_HOME ?? join(homedir(), '.plimsoll')
  const known = readSettings(folder).config.clusters.map((file) => readCluster(resolve(folder, file)))
  const named = known.find(({ config }) => config.name === cluster)
  if (named === undefined && !existsSync(cluster)) {
    const names = known.map(({ config }) => config.name).join(', ')
    throw new Exit(
      2,
      `there is no cluster ${cluster} in ${join(folder, 'config.yaml')}${names === '' ? '' : ` (it has ${names})`}, and no file of that name`,
    )
  }
  const { file, config } = named ?? readCluster(cluster)
  const { createApi } = await import('../../adapters/kubernetes/api.ts')
  const { examine } = await import('../../adapters/kubernetes/doctor.ts')
  const { proveFiles, readKubeconfig } = await import('../../adapters/kubernetes/kubeconfig.ts')
  try {
    const kubeconfig = readKubeconfig(config.kubeconfig, config.context)
    proveFiles(kubeconfig)
    return await examine({
      ...config,
      api: createApi({ config: kubeconfig, ...config.requests }),
      cluster: config.name,
      namespaces: [...new Set([config.namespace, ...config.projects.values()])],
      nodes: { ...config.nodes, tolerations: config.pods.tolerations },
      nodeSelector: config.nodes.selector,
      now: Date.now,
      interrupted,
    })
  } catch (error) {
    if (error instanceof Fault) throw new Exit(2, `${file}: ${error.message}\n  ${error.whatToDo ?? ''}`)
    throw error
  }
}

const good = (name: string, detail: string): Check => ({ name, state: 'good', detail, whatToDo: null })

function node(): Check {
  return good('node', `Node ${process.versions.node}`)
}

async function python(): Promise<Check> {
  try {
    const { python: path, version } = await findPython(process.env)
    return good('python', `Python ${version}, ${path}`)
  } catch (error) {
    const whatToDo =
      error instanceof Error && 'whatToDo' in error ? String(error.whatToDo) : 'install Python 3.9 or newer'
    return {
      name: 'python',
      state: 'missing',
      detail: error instanceof Error ? error.message : String(error),
      whatToDo,
    }
  }
}

function postgres(): Check {
  const how = {
    self: 'as this user',
    'user-namespace': 'as root, in a user namespace',
    nobody: 'as root, as the user nobody under /var/lib/plimsoll',
  }
  return good('postgres', `the embedded server runs ${how[describeUser()]}`)
}

function flock(): Check {
  try {
    return good('flock', execFileSync('flock', ['--version'], { encoding: 'utf8' }).trim())
  } catch {
    return {
      name: 'flock',
      state: 'missing',
      detail: 'flock is not there: it keeps two control planes off one home',
      whatToDo: 'install util-linux',
    }
  }
}

/** The same question as `up` asks. */
async function gpus(): Promise<Check> {
  try {
    const found = await lookForGpus(
      { env: process.env, isOurs: () => true, log: () => undefined },
      AbortSignal.timeout(60_000),
    )
    if (found !== null) return good('gpus', `${found.devices.length} x ${found.model}`)
    return {
      name: 'gpus',
      state: 'note',
      detail: 'this machine has none that answers: slots are declared and say so',
      whatToDo: null,
    }
  } catch (error) {
    return {
      name: 'gpus',
      state: 'wrong',
      detail: error instanceof Error ? error.message : String(error),
      whatToDo: 'nobody is placed on this machine until its GPUs answer',
    }
  }
}

function home(): Check {
  const path = process.env.PLIMSOLL_HOME ?? join(homedir(), '.plimsoll')
  if (!existsSync(path)) return good('home', `${path} is made by plimsoll up`)
  const mode = statSync(path).mode & 0o077
  return mode === 0
    ? good('home', path)
    : { name: 'home', state: 'wrong', detail: `${path} can be entered by others`, whatToDo: `chmod 700 ${path}` }
}

/** Only where it is configured: asks the provider who it is, as the first sign-in would. */
async function signIn(): Promise<Check[]> {
  const folder = process.env.PLIMSOLL_HOME ?? join(homedir(), '.plimsoll')
  const file = join(folder, 'config.yaml')
  let settings: OidcSettings | null
  try {
    settings = oidcSettings(readSettings(folder).config, file)
  } catch (error) {
    if (!(error instanceof FileProblem || error instanceof Exit)) throw error
    return [{ name: 'settings', state: 'wrong', detail: error.message, whatToDo: `mend ${file}` }]
  }
  if (settings === null) return []
  const { name, issuer } = settings.provider
  const refusal = await settings.provider.check()
  if (refusal === null) return [good('sign-in', `${name} answers as ${issuer}`)]
  const detail = `${refusal.message} ${refusal.cause ?? ''}`.trim()
  return [{ name: 'sign-in', state: 'wrong', detail, whatToDo: `see signIn.oidc of ${file}; ${refusal.whatToDo}` }]
}

/** Where the books, the logs and the checkpoints are written. */
const DISK_GIB_MIN = 1

function disk(): Check {
  const path = process.env.PLIMSOLL_HOME ?? join(homedir(), '.plimsoll')
  const { bavail, bsize } = statfsSync(existsSync(path) ? path : homedir())
  const gib = (bavail * bsize) / 2 ** 30
  const detail = `${gib.toFixed(1)} GiB free for ${path}`
  if (gib >= DISK_GIB_MIN) return good('disk', detail)
  return {
    name: 'disk',
    state: 'wrong',
    detail,
    whatToDo: `free some: below ${DISK_GIB_MIN} GiB logs and books soon stop`,
  }
}
