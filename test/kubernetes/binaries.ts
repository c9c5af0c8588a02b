// The programs of a real Kubernetes: those that KUBEBUILDER_ASSETS names, else our own, built once from the Go modules in `tools` and kept
// outside the checkout. A folder of the cache is named after what its programs are built from, so it is never stale; a program appears in
// it by a rename, so it is never half. What cannot be had is a value with the reason: a test is skipped with it, never silently.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { takeLock } from './processes.ts'

const tools = fileURLToPath(new URL('tools/', import.meta.url))

type Module = {
  /** Folder below `tools`. */
  readonly folder: string
  readonly packages: Readonly<Record<string, string>>
  /** The module whose version its programs report, and where they look for it. */
  readonly stamp?: readonly [module: string, variable: string]
}

const MODULES = [
  {
    folder: 'kubernetes',
    packages: {
      'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
      'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
      'kube-scheduler': 'k8s.io/kubernetes/cmd/kube-scheduler',
      kubectl: 'k8s.io/kubernetes/cmd/kubectl',
      kubelet: 'k8s.io/kubernetes/cmd/kubelet',
      etcd: 'go.etcd.io/etcd/server/v3',
    },
    stamp: ['k8s.io/kubernetes', 'k8s.io/component-base/version.gitVersion'],
  },
  { folder: 'kwok', packages: { kwok: 'sigs.k8s.io/kwok/cmd/kwok' } },
  { folder: 'helm', packages: { helm: 'helm.sh/helm/v4/cmd/helm' } },
  {
    folder: 'containerd',
    packages: {
      containerd: 'github.com/containerd/containerd/v2/cmd/containerd',
      'containerd-shim-runc-v2': 'github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2',
      ctr: 'github.com/containerd/containerd/v2/cmd/ctr',
    },
    stamp: ['github.com/containerd/containerd/v2', 'github.com/containerd/containerd/v2/version.Version'],
  },
  { folder: 'coredns', packages: { coredns: 'github.com/coredns/coredns' } },
  { folder: 'pause', packages: { pause: '.' } },
] as const satisfies readonly Module[]

type NamesOf<M> = M extends { readonly packages: infer P } ? keyof P : never
export type Binary = NamesOf<(typeof MODULES)[number]>

export type Missing = { readonly kind: 'missing'; readonly why: string }
export type Binaries<B extends Binary> = { readonly kind: 'found'; readonly paths: Readonly<Record<B, string>> }

type Say = (line: string) => void

/** Paths of the programs, which are built when nobody has them yet: ten minutes the first time on two cores, then nothing. */
export async function findBinaries<B extends Binary>(
  wanted: readonly B[],
  say: Say = (line) => void process.stderr.write(`${line}\n`),
): Promise<Binaries<B> | Missing> {
  if (process.platform !== 'linux') return { kind: 'missing', why: 'a real Kubernetes runs on Linux only' }
  const lacking = ['flock', 'setpriv'].filter((needed) => !starts(needed, '--version'))
  if (lacking.length > 0) return { kind: 'missing', why: `there is no ${lacking.join(' and no ')} (util-linux)` }
  const paths: Partial<Record<Binary, string>> = {}
  for (const name of wanted) {
    const path = at(name)
    if (!existsSync(path)) {
      const failed = await buildOnce(name, say)
      if (failed !== null) return { kind: 'missing', why: failed }
    }
    paths[name] = path
  }
  return { kind: 'found', paths: paths as Record<B, string> }
}

const cache = process.env.PLIMSOLL_CACHE ?? join(homedir(), '.cache', 'plimsoll')

/** Where the program lies, or will lie when it has been built. */
function at(name: Binary): string {
  const assets = process.env.KUBEBUILDER_ASSETS
  if (assets !== undefined && existsSync(join(assets, name))) return join(assets, name)
  return join(folderOf(moduleOf(name)), name)
}

function moduleOf(name: Binary): Module {
  const found = MODULES.find(({ packages }) => name in packages)
  if (found === undefined) throw new Error(`no module builds ${name}`)
  return found
}

function folderOf(module: Module): string {
  const key = createHash('sha256').update(JSON.stringify(module))
  for (const file of ['go.mod', 'go.sum', 'main.go']) {
    const path = join(tools, module.folder, file)
    if (existsSync(path)) key.update(readFileSync(path))
  }
  return join(cache, `kubernetes-${module.folder}-${key.digest('hex').slice(0, 12)}`)
}

/** Builds it unless another process has done so while we waited for its lock. The reason why not, if it cannot be built. */
async function buildOnce(name: Binary, say: Say): Promise<string | null> {
  if (!starts('go', 'version')) return `${name} is not there and cannot be built: there is no go`
  const module = moduleOf(name)
  const folder = folderOf(module)
  mkdirSync(folder, { recursive: true })
  const lock = join(folder, '.lock')
  let release = await takeLock(lock, 'at once')
  if (release === null) {
    say(`kubernetes: waiting for another process that builds in ${folder}`)
    release = await takeLock(lock, 'wait')
  }
  try {
    return existsSync(join(folder, name)) ? null : await build(name, module, folder, say)
  } finally {
    release?.()
  }
}

const starts = (file: string, argument: string): boolean =>
  spawnSync(file, [argument], { stdio: 'ignore' }).error === undefined

async function build(name: Binary, module: Module, folder: string, say: Say): Promise<string | null> {
  // What a killed build has left: its half program and what the compiler keeps for itself. A compiler may still be ending there.
  const scratch = join(folder, '.building')
  const clear = (): void => rmSync(scratch, { recursive: true, force: true, maxRetries: 10 })
  clear()
  mkdirSync(scratch)
  say(`kubernetes: building ${name}, once; it is kept in ${folder}`)
  const begin = performance.now()
  const flags = ['-trimpath', '-buildvcs=false', '-mod=readonly', '-ldflags', linkerFlags(module)]
  const source = module.packages[name] ?? '.'
  const ended = await run('go', ['build', ...flags, '-o', join(scratch, name), source], join(tools, module.folder), {
    CGO_ENABLED: '0',
    GOFLAGS: '',
    GOWORK: 'off',
    GOTMPDIR: scratch,
  })
  if (ended.code === 0) renameSync(join(scratch, name), join(folder, name))
  clear()
  const seconds = Math.round((performance.now() - begin) / 1000)
  if (ended.code !== 0) return `${name} could not be built: ${ended.said.trim().split('\n').slice(-3).join(' / ')}`
  say(`kubernetes: ${name} built in ${seconds} s`)
  return null
}

function linkerFlags({ folder, stamp }: Module): string {
  if (stamp === undefined) return '-s -w'
  const [module, variable] = stamp
  const version = readFileSync(join(tools, folder, 'go.mod'), 'utf8')
    .split('\n')
    .map((line) =>
      line
        .trim()
        .replace(/^require /, '')
        .split(' '),
    )
    .find(([name]) => name === module)?.[1]
  if (version === undefined) throw new Error(`${folder}/go.mod does not require ${module}`)
  const stamps = [`-X ${variable}=${version}`]
  // A server whose parts of the version are empty calls itself v0.0.0 where clients compare.
  if (folder === 'kubernetes') {
    const [major, minor] = version.slice(1).split('.')
    stamps.push(
      `-X k8s.io/component-base/version.gitMajor=${major}`,
      `-X k8s.io/component-base/version.gitMinor=${minor}`,
    )
  }
  return `-s -w ${stamps.join(' ')}`
}

function run(
  file: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<{ code: number; said: string }> {
  return new Promise((resolve) => {
    // A compiler that outlived us would write where the next one builds.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', file, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    const keep = (bytes: Buffer): void => void (said = (said + bytes.toString()).slice(-20_000))
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', (error) => resolve({ code: -1, said: error.message }))
    child.on('close', (code) => resolve({ code: code ?? -1, said }))
  })
}
