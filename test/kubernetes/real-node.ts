// One real node beside kwok's: containerd, kubelet and DNS, whose pods run the machine's own Python. All of it lives in a process, mount
// and network namespace of its own, whose first process the kernel kills with us: bridge, interfaces, mounts, shims and pods go with the
// namespaces, however we end. Only empty control groups and a folder can be left, and the next start removes them.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Api } from './api.ts'
import type { Binary, Missing } from './binaries.ts'
import { findBinaries } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { API_SERVICE } from './control-plane.ts'
import { HOST_IMAGE, hostImage, PAUSE_IMAGE, pauseImage } from './images.ts'
import { nodeLacks } from './real-node-needs.ts'
import { untilNodes } from './nodes.ts'
import type { Program } from './processes.ts'
import { childOf, program, takeLock, until } from './processes.ts'

export type RealNode = {
  readonly kind: 'running'
  readonly name: string
  /** Where pods reach what listens on this machine. */
  readonly hostAddress: string
  /** An image whose pods need `hostMounts` of a Python; it must not be pulled. */
  readonly image: string
  readonly programs: Readonly<Record<'containerd' | 'kubelet' | 'dns', Program>>
  /** Kills it, waits as long as asked, starts it again, and declares the GPUs again; pods run on. */
  readonly restartKubelet: (downMs?: number) => Promise<void>
  readonly stop: () => Promise<void>
}

export const REAL_NODE = 'real-0'
// The link between this machine and the node, and the pods behind it. Services are 10.231.128.0/18 (SERVICE_RANGE).
const HOST_ADDRESS = '10.231.255.1'
const NODE_ADDRESS = '10.231.255.2'
const POD_RANGE = '10.231.0.0/24'
const BRIDGE_ADDRESS = '10.231.0.1'
const LINK = 'plimsoll-real'
const CGROUP = 'plimsoll-real'
const LOCK = '/run/plimsoll-real-node.lock'
const START_MS_MAX = 120_000
const NODE_BINARIES = [
  'kubelet',
  'containerd',
  'containerd-shim-runc-v2',
  'ctr',
  'coredns',
  'pause',
] as const satisfies readonly Binary[]

/** Starts it for this control plane, or says what is missing. A machine has one at a time: two would share addresses. */
export async function startRealNode(
  plane: ControlPlane,
  options: { readonly gpus?: number; readonly gpuProduct?: string } = {},
): Promise<RealNode | Missing> {
  const lacking = nodeLacks()
  if (lacking !== null) return { kind: 'missing', why: `a real node cannot run here: ${lacking}` }
  const found = await findBinaries(NODE_BINARIES)
  if (found.kind === 'missing') return found
  raiseInotify()
  const release = await takeLock(LOCK, 'at once')
  if (release === null) return { kind: 'missing', why: `another real node runs on this machine (${LOCK} is locked)` }

  const folder = join(plane.folder, 'real-node')
  const removeAll = async (): Promise<void> => {
    spawnSync('ip', ['link', 'delete', LINK], { stdio: 'ignore' })
    await until('empty control groups', 20_000, () => removeCgroups() || null)
    rmSync(folder, { recursive: true, force: true })
  }
  await removeAll()
  mkdirSync(folder)
  writeConfiguration(folder, plane)

  // The first process of the namespaces collects the orphans of the rest.
  const unshared = ['--pid', '--mount', '--net', '--ipc', '--fork', '--kill-child=KILL', '--mount-proc']
  const space = program('namespaces', ['unshare', ...unshared, found.paths.pause], {
    logFile: join(folder, 'pause.log'),
  })
  const stop = async (): Promise<void> => {
    await space.stop('SIGKILL')
    await forward.stop('SIGKILL')
    await removeAll()
    release()
  }
  const forward = program(
    'forward',
    [
      process.execPath,
      fileURLToPath(new URL('forward.ts', import.meta.url)),
      API_SERVICE,
      '443',
      new URL(plane.url).port,
    ],
    { logFile: join(folder, 'forward.log') },
  )
  try {
    space.start()
    // Once it runs its own program, its mounts are made: who enters before has what is mounted there hidden by the new /proc.
    const entered = (): number | null => {
      const child = childOf(space.pid() ?? 0)
      return child !== null && readFileSync(`/proc/${child}/comm`, 'utf8') === 'pause\n' ? child : null
    }
    const inside = await until('the namespaces', START_MS_MAX, entered, [space])
    const enter = ['nsenter', '--target', `${inside}`, '--mount', '--net', '--pid', '--ipc', '--']
    connect(inside, enter, folder)
    forward.start()
    const path = `${join(found.paths.containerd, '..')}:${process.env.PATH ?? ''}`
    const make = (name: 'containerd' | 'kubelet' | 'coredns', args: readonly string[]): Program =>
      program(name, [...enter, found.paths[name], ...args], {
        logFile: join(folder, `${name}.log`),
        env: { PATH: path },
        cwd: folder,
        entered: true,
      })
    const programs = {
      containerd: make('containerd', ['--config', join(folder, 'containerd.toml')]),
      dns: make('coredns', ['-conf', join(folder, 'Corefile')]),
      kubelet: make('kubelet', [
        `--config=${join(folder, 'kubelet.json')}`,
        `--kubeconfig=${plane.kubeconfigFor('kubelet', plane.tokens['kubelet'] ?? '', SERVER)}`,
        `--root-dir=${join(folder, 'kubelet')}`,
        `--cert-dir=${join(folder, 'kubelet-certificates')}`,
        `--hostname-override=${REAL_NODE}`,
        `--node-ip=${NODE_ADDRESS}`,
        `--node-labels=${labels(options.gpuProduct)}`,
      ]),
    }
    programs.dns.start()
    programs.containerd.start()
    const ctr = [...enter, found.paths.ctr, '--namespace', 'k8s.io']
    await until('containerd', START_MS_MAX, () => (run([...ctr, 'version']).ok ? true : null), [programs.containerd])
    importImage(ctr, folder, 'pause', pauseImage(readFileSync(found.paths.pause)))
    importImage(ctr, folder, 'host', hostImage())
    programs.kubelet.start()
    await until('the node', START_MS_MAX, () => plane.api.get(`/api/v1/nodes/${REAL_NODE}`), [programs.kubelet])
    const declare = (): Promise<void> => declareGpus(plane.api, options.gpus ?? 8)
    await declare()
    const restartKubelet = async (downMs = 0): Promise<void> => {
      await programs.kubelet.stop('SIGKILL')
      if (downMs > 0) await sleep(downMs)
      const before = await renewedAt(plane.api)
      programs.kubelet.start()
      const begun = async (): Promise<true | null> => ((await renewedAt(plane.api)) === before ? null : true)
      await until('a lease of the new kubelet', START_MS_MAX, begun, [programs.kubelet])
      await declare()
    }
    return {
      kind: 'running',
      name: REAL_NODE,
      hostAddress: HOST_ADDRESS,
      image: HOST_IMAGE,
      programs,
      restartKubelet,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

// Each program of Kubernetes watches its certificates and settings: with three control planes, a kubelet and what else runs here the 128 that
// a user has by default are used up, and a kubelet ends with "too many open files".
const INOTIFY = '/proc/sys/fs/inotify/max_user_instances'
const INOTIFY_MIN = 1_024

/** For the whole machine, and only upwards. */
function raiseInotify(): void {
  if (Number(readFileSync(INOTIFY, 'utf8')) < INOTIFY_MIN) writeFileSync(INOTIFY, `${INOTIFY_MIN}\n`)
}

const SERVER = `https://${API_SERVICE}:443`
const DECLARED = { 'plimsoll.dev/gpus': 'declared for tests: this machine need not have any' }
const labels = (product = 'NVIDIA-H100-80GB-HBM3'): string =>
  [`nvidia.com/gpu.product=${product}`, 'plimsoll.dev/gpus=declared', 'plimsoll.dev/real=true'].join(',')

async function declareGpus(api: Api, count: number): Promise<void> {
  const gpus = { 'nvidia.com/gpu': `${count}` }
  await api.patch(`/api/v1/nodes/${REAL_NODE}/status`, { status: { capacity: gpus, allocatable: gpus } })
  await api.patch(`/api/v1/nodes/${REAL_NODE}`, { metadata: { annotations: DECLARED } })
  await untilNodes(api, [REAL_NODE], ({ ready, taints }) => ready === 'True' && taints.length === 0)
}

/** Null before the first: a kubelet that has just registered may take seconds. */
async function renewedAt(api: Api): Promise<string | null> {
  const path = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
  const { items } = await api.get<{ items: { metadata: { name: string }; spec: { renewTime: string } }[] }>(path)
  return items.find(({ metadata }) => metadata.name === REAL_NODE)?.spec.renewTime ?? null
}

/** Interfaces, addresses and routes; and in the mount namespace, folders of its own where programs write to fixed places. */
function connect(inside: number, enter: readonly string[], folder: string): void {
  const here: string[][] = [
    ['ip', 'link', 'add', LINK, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${inside}`],
    ['ip', 'address', 'add', `${HOST_ADDRESS}/30`, 'dev', LINK],
    // Pods find the API server at the address of its service; there is no kube-proxy for other services.
    ['ip', 'address', 'add', `${API_SERVICE}/32`, 'dev', LINK],
    ['ip', 'link', 'set', LINK, 'up'],
    ['ip', 'route', 'add', POD_RANGE, 'via', NODE_ADDRESS],
  ]
  const there: string[][] = [
    ['ip', 'link', 'set', 'lo', 'up'],
    ['ip', 'address', 'add', `${NODE_ADDRESS}/30`, 'dev', 'eth0'],
    ['ip', 'link', 'set', 'eth0', 'up'],
    ['ip', 'route', 'add', 'default', 'via', HOST_ADDRESS],
    // DNS listens on the bridge, so it must be there before the first pod makes it.
    ['ip', 'link', 'add', 'cni0', 'type', 'bridge'],
    ['ip', 'address', 'add', `${BRIDGE_ADDRESS}/24`, 'dev', 'cni0'],
    ['ip', 'link', 'set', 'cni0', 'up'],
    ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'],
    ['mkdir', '-p', '/var/lib/cni', '/var/log/containers'],
    ...['/run', '/var/lib/cni', '/var/log/containers'].map((path) => ['mount', '-t', 'tmpfs', 'tmpfs', path]),
    ...Object.keys(KERNEL).map((name) => [
      'mount',
      '--bind',
      join(folder, name.replaceAll('/', '.')),
      `/proc/sys/${name}`,
    ]),
  ]
  for (const argv of [...here, ...there.map((each) => [...enter, ...each])]) {
    const { ok, said } = run(argv)
    if (!ok) throw new Error(`${argv.join(' ')}: ${said}`)
  }
}

// A kubelet sets these for the whole machine. It finds them set, in files that lie over the real ones.
const KERNEL = {
  'vm/overcommit_memory': 1,
  'vm/panic_on_oom': 0,
  'kernel/panic': 10,
  'kernel/panic_on_oops': 1,
  'kernel/keys/root_maxkeys': 1_000_000,
  'kernel/keys/root_maxbytes': 25_000_000,
}

function writeConfiguration(folder: string, plane: ControlPlane): void {
  for (const [name, value] of Object.entries(KERNEL))
    writeFileSync(join(folder, name.replaceAll('/', '.')), `${value}\n`)
  mkdirSync(join(folder, 'cni'))
  writeFileSync(join(folder, 'resolv.conf'), '')
  writeFileSync(join(folder, 'cni', '10-bridge.conflist'), JSON.stringify(CNI))
  writeFileSync(join(folder, 'kubelet.json'), JSON.stringify(kubeletConfig(folder)))
  writeFileSync(join(folder, 'containerd.toml'), containerdConfig(folder))
  // With the names of addresses: without an answer each look for one waits ten seconds.
  const admin = plane.kubeconfigFor('dns', plane.tokens['admin'] ?? '', SERVER)
  writeFileSync(
    join(folder, 'Corefile'),
    `cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {\n  bind ${BRIDGE_ADDRESS}\n  errors\n  kubernetes cluster.local in-addr.arpa ip6.arpa {\n    kubeconfig ${admin}\n  }\n}\n`,
  )
}

const CNI = {
  cniVersion: '1.0.0',
  name: 'bridge',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      hairpinMode: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: POD_RANGE }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
  ],
}

const kubeletConfig = (folder: string): object => ({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  // Only this machine reaches its address.
  address: NODE_ADDRESS,
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: 'AlwaysAllow' },
  cgroupDriver: 'cgroupfs',
  cgroupRoot: `/${CGROUP}`,
  cgroupsPerQOS: false,
  clusterDNS: [BRIDGE_ADDRESS],
  clusterDomain: 'cluster.local',
  containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
  enforceNodeAllocatable: [],
  // A full disk of the machine is not the tests' concern.
  evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
  failCgroupV1: false,
  failSwapOn: false,
  makeIPTablesUtilChains: false,
  podLogsDir: join(folder, 'pod-logs'),
  resolvConf: join(folder, 'resolv.conf'),
  volumePluginDir: join(folder, 'volume-plugins'),
})

const containerdConfig = (folder: string): string => `version = 3
root = '${join(folder, 'containerd')}'
state = '/run/containerd'
disabled_plugins = ['io.containerd.nri.v1.nri', 'io.containerd.internal.v1.opt']
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'native'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '${PAUSE_IMAGE}'
[plugins.'io.containerd.cri.v1.runtime']
  disable_apparmor = true
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['/usr/lib/cni']
  conf_dir = '${join(folder, 'cni')}'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    SystemdCgroup = false
`

function importImage(ctr: readonly string[], folder: string, name: string, archive: Uint8Array): void {
  const file = join(folder, `${name}.tar`)
  writeFileSync(file, archive)
  const { ok, said } = run([...ctr, 'images', 'import', '--local', '--snapshotter', 'native', file])
  if (!ok) throw new Error(`the image ${name} was not imported: ${said}`)
}

function run(argv: readonly string[]): { ok: boolean; said: string } {
  const [file = '', ...args] = argv
  const ended = spawnSync(file, args, { encoding: 'utf8', timeout: START_MS_MAX })
  return { ok: ended.status === 0, said: `${ended.stdout}${ended.stderr}${ended.error?.message ?? ''}`.trim() }
}

/** Whether nothing is left. A group with processes in it, which are ending, cannot be removed yet. */
function removeCgroups(): boolean {
  const root = '/sys/fs/cgroup'
  const tops = [root, ...readdirSync(root).map((name) => join(root, name))].map((path) => join(path, CGROUP))
  const remove = (path: string): void => {
    for (const each of readdirSync(path, { withFileTypes: true })) if (each.isDirectory()) remove(join(path, each.name))
    rmdirSync(path)
  }
  for (const top of tops.filter((path) => existsSync(path))) {
    try {
      remove(top)
    } catch {
      return false
    }
  }
  return true
}
