// A real control plane on this machine, without root: etcd, API server, controllers, scheduler, and kwok in the place of machines. It is
// ready in a few seconds, stands in a folder of its own on ports that were free, and dies with the process that started it.
import { execFile } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePorts } from '../parts/ports.ts'
import type { Api } from './api.ts'
import { apiAt } from './api.ts'
import type { Binary, Missing } from './binaries.ts'
import { findBinaries } from './binaries.ts'
import { PREFIX, KUBELET_LABEL, stages } from './kwok-stages.ts'
import type { Program } from './processes.ts'
import { alive, program, until } from './processes.ts'

/** Whom a token of the token file stands for: this is how the rights of a chart's accounts are tested. */
export type Identity = { readonly user: string; readonly groups?: readonly string[] }

export type PlaneOptions = {
  readonly identities?: Readonly<Record<string, Identity>>
  /** Requests per second of the controllers and of the scheduler. Kubernetes' own defaults are 20 and 50; burst is twice this. */
  readonly qps?: number
  /** How long a silent node stays Ready in the eyes of Kubernetes (its default: 50), and the lease that kwok renews every quarter. */
  readonly nodeGraceSeconds?: number
  readonly nodeLeaseSeconds?: number
}

export type ControlPlane = {
  readonly kind: 'running'
  readonly url: string
  /** The authority that signed the server's certificate, in PEM. */
  readonly ca: string
  /** Of `admin`, who may do everything, and of the identities that were asked for. */
  readonly tokens: Readonly<Record<string, string>>
  /** Path of the admin's kubeconfig. */
  readonly kubeconfig: string
  /** Writes a kubeconfig for anybody who has a token, and gives its path. */
  readonly kubeconfigFor: (name: string, token: string, server?: string) => string
  /** What it prints, as admin; throws with its complaint. */
  readonly kubectl: (...args: readonly string[]) => Promise<string>
  /** As admin, or with another token. */
  readonly api: Api
  readonly apiAs: (token: string) => Api
  /** One JSON object a line: writes to jobs, pods, nodes and what belongs to them, with the whole answer where a job or a pod is created. */
  readonly auditLog: string
  readonly folder: string
  readonly binaries: Readonly<Record<Used, string>>
  readonly programs: Readonly<Record<'etcd' | 'apiServer' | 'controllerManager' | 'scheduler' | 'kwok', Program>>
  /** Kills it, waits as long as asked, starts it again, and resolves when it serves. */
  readonly restartApiServer: (downMs?: number) => Promise<void>
  readonly restartEtcd: (downMs?: number) => Promise<void>
  readonly stop: () => Promise<void>
}

export const PLANE_BINARIES = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubectl',
  'kwok',
] as const satisfies readonly Binary[]
type Used = (typeof PLANE_BINARIES)[number]

const START_MS_MAX = 120_000
const KUBECTL_BYTES_MAX = 64 * 1024 * 1024
const execute = promisify(execFile)
/** All addresses of services; the first is the API server's own. A range of its own, because the real node routes the first. */
const SERVICE_RANGE = '10.231.128.0/18'
export const API_SERVICE = '10.231.128.1'
const FOLDER = 'plimsoll-kubernetes-'

/** Starts one, or says what of it cannot be had here. */
export async function startControlPlane(options: PlaneOptions = {}): Promise<ControlPlane | Missing> {
  const found = await findBinaries<Used>(PLANE_BINARIES)
  if (found.kind === 'missing') return found
  removeAbandoned()
  const folder = mkdtempSync(join(tmpdir(), `${FOLDER}${process.pid}-`))
  const [etcdPort = 0, peerPort = 0, apiPort = 0, kwokPort = 0] = await freePorts(4)
  const url = `https://127.0.0.1:${apiPort}`
  const identities = { ...OURS, ...options.identities }
  const tokens = Object.fromEntries(Object.keys(identities).map((name) => [name, randomBytes(16).toString('hex')]))
  writeFileSync(join(folder, 'tokens.csv'), tokenFile(identities, tokens), { mode: 0o600 })
  writeKeys(folder)
  writeFileSync(join(folder, 'audit-policy.json'), JSON.stringify(AUDIT_POLICY))
  writeFileSync(join(folder, 'default.log'), DEFAULT_LOG)
  writeFileSync(join(folder, 'kwok.yaml'), kwokConfig(join(folder, 'default.log')))
  const auditLog = join(folder, 'audit.log')
  writeFileSync(auditLog, '')

  const certificate = join(folder, 'certificates', 'apiserver.crt')
  const kubeconfigFor = (name: string, token: string, server = url): string => {
    const path = join(folder, `${name.replaceAll(':', '-')}.kubeconfig`)
    writeFileSync(path, kubeconfig(server, readFileSync(certificate, 'utf8'), token), { mode: 0o600 })
    return path
  }
  const path = (name: keyof typeof OURS): string => join(folder, `${name}.kubeconfig`)
  const make = (name: Used, args: readonly string[]): Program =>
    program(name, [found.paths[name], ...args], {
      logFile: join(folder, `${name}.log`),
      cwd: folder,
      // kwok would add what it finds in the home of whoever runs the tests.
      env: { KWOK_WORKDIR: folder },
    })
  const qps = options.qps ?? 300
  const clientLimits = [
    `--kube-api-qps=${qps}`,
    `--kube-api-burst=${qps * 2}`,
    '--leader-elect=false',
    '--secure-port=0',
  ]
  const grace = options.nodeGraceSeconds
  const programs = {
    etcd: make('etcd', etcdArgs(folder, etcdPort, peerPort)),
    apiServer: make('kube-apiserver', apiServerArgs(folder, etcdPort, apiPort, url)),
    controllerManager: make('kube-controller-manager', [
      ...clientLimits,
      `--kubeconfig=${path('controllers')}`,
      '--use-service-account-credentials=true',
      `--service-account-private-key-file=${join(folder, 'accounts.key')}`,
      `--root-ca-file=${certificate}`,
      ...(grace === undefined ? [] : [`--node-monitor-grace-period=${grace}s`, '--node-monitor-period=1s']),
    ]),
    scheduler: make('kube-scheduler', [...clientLimits, `--kubeconfig=${path('scheduler')}`]),
    kwok: make('kwok', [
      `--kubeconfig=${path('kwok')}`,
      `--config=${join(folder, 'kwok.yaml')}`,
      `--manage-nodes-with-label-selector=${KUBELET_LABEL}=alive`,
      `--node-lease-duration-seconds=${options.nodeLeaseSeconds ?? 40}`,
      '--node-ip=127.0.0.1',
      `--node-port=${kwokPort}`,
      `--server-address=127.0.0.1:${kwokPort}`,
      `--tls-cert-file=${certificate}`,
      `--tls-private-key-file=${join(folder, 'certificates', 'apiserver.key')}`,
      '--cidr=10.128.0.0/9',
      '--enable-crds=Logs',
    ]),
  }
  const all = Object.values(programs)
  const stop = async (): Promise<void> => {
    for (const each of all.toReversed()) await each.stop(each === programs.etcd ? 'SIGTERM' : 'SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  const apis: Api[] = []
  const apiAs = (token: string): Api => {
    const made = apiAt(url, readFileSync(certificate, 'utf8'), token)
    apis.push(made)
    return made
  }
  try {
    programs.etcd.start()
    programs.apiServer.start()
    const serving = [programs.etcd, programs.apiServer]
    const ca = await until('the certificate', START_MS_MAX, () => readFileSync(certificate, 'utf8'), serving)
    const api = apiAs(tokens['admin'] ?? '')
    const ready = (): Promise<string> =>
      until('a ready API server', START_MS_MAX, () => api.text('/readyz').catch(() => null), serving)
    await ready()
    for (const name of Object.keys(OURS)) kubeconfigFor(name, tokens[name] ?? '')
    await api.post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', LOGS_CRD)
    programs.controllerManager.start()
    programs.scheduler.start()
    await until(
      'kind Logs',
      START_MS_MAX,
      () => api.get('/apis/kwok.x-k8s.io/v1alpha1/logs').catch(() => null),
      all.slice(0, 2),
    )
    programs.kwok.start()
    // Pods are refused in a namespace that has no account yet, and the controllers make it.
    await until('the default account', START_MS_MAX, () => accountIn(api, 'default'), all)

    const restart = async (which: Program, downMs: number): Promise<void> => {
      await which.stop('SIGKILL')
      if (downMs > 0) await sleep(downMs)
      which.start()
      await ready()
    }
    return {
      kind: 'running',
      url,
      ca,
      tokens,
      kubeconfig: path('admin'),
      kubeconfigFor,
      async kubectl(...args) {
        // Its cache would be in the home of whoever runs the tests.
        const env = { ...process.env, KUBECONFIG: path('admin'), KUBECACHEDIR: join(folder, 'kubectl') }
        return (await execute(found.paths.kubectl, args, { env, maxBuffer: KUBECTL_BYTES_MAX })).stdout
      },
      api,
      apiAs,
      auditLog,
      folder,
      binaries: found.paths,
      programs,
      restartApiServer: (downMs = 0) => restart(programs.apiServer, downMs),
      restartEtcd: (downMs = 0) => restart(programs.etcd, downMs),
      async stop() {
        for (const each of apis) each.close()
        await stop()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

const accountIn = (api: Api, namespace: string): Promise<true | null> =>
  api.get(`/api/v1/namespaces/${namespace}/serviceaccounts/default`).then(
    () => true,
    () => null,
  )

/** Makes a namespace and waits until pods may be created in it. */
export async function makeNamespace(api: Api, name: string): Promise<void> {
  await api.post('/api/v1/namespaces', { metadata: { name } })
  await until(`the account of ${name}`, START_MS_MAX, () => accountIn(api, name))
}

// Kubernetes knows the users of its own programs, and what they may do.
const OURS = {
  admin: { user: 'admin', groups: ['system:masters'] },
  controllers: { user: 'system:kube-controller-manager' },
  scheduler: { user: 'system:kube-scheduler' },
  kwok: { user: `${PREFIX}:kwok`, groups: ['system:masters'] },
  kubelet: { user: 'system:node:real-0', groups: ['system:nodes'] },
} as const satisfies Readonly<Record<string, Identity>>

function tokenFile(identities: Readonly<Record<string, Identity>>, tokens: Readonly<Record<string, string>>): string {
  return Object.entries(identities)
    .map(([name, { user, groups = [] }]) => `${tokens[name]},${user},${name},"${groups.join(',')}"\n`)
    .join('')
}

/** What service accounts' tokens are signed with. */
function writeKeys(folder: string): void {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  writeFileSync(join(folder, 'accounts.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  writeFileSync(join(folder, 'accounts.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  mkdirSync(join(folder, 'certificates'))
}

const kubeconfig = (server: string, ca: string, token: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    clusters: [
      {
        name: 'test',
        cluster: {
          server,
          'certificate-authority-data': Buffer.from(ca).toString('base64'),
          // The server's certificate names the loopback, however it is reached.
          ...(new URL(server).hostname === '127.0.0.1' ? {} : { 'tls-server-name': '127.0.0.1' }),
        },
      },
    ],
    users: [{ name: 'test', user: { token } }],
  })

// The data is worth nothing: nothing waits for a disk.
const etcdArgs = (folder: string, port: number, peerPort: number): string[] => [
  `--data-dir=${join(folder, 'etcd')}`,
  '--unsafe-no-fsync',
  `--listen-client-urls=http://127.0.0.1:${port}`,
  `--advertise-client-urls=http://127.0.0.1:${port}`,
  `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
  `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
  `--initial-cluster=default=http://127.0.0.1:${peerPort}`,
  '--log-level=warn',
]

const apiServerArgs = (folder: string, etcdPort: number, port: number, url: string): string[] => [
  `--etcd-servers=http://127.0.0.1:${etcdPort}`,
  `--secure-port=${port}`,
  '--bind-address=127.0.0.1',
  `--cert-dir=${join(folder, 'certificates')}`,
  `--service-account-issuer=${url}`,
  `--service-account-key-file=${join(folder, 'accounts.pub')}`,
  `--service-account-signing-key-file=${join(folder, 'accounts.key')}`,
  `--token-auth-file=${join(folder, 'tokens.csv')}`,
  '--authorization-mode=Node,RBAC',
  // It taints each new node until the controllers have seen it Ready: a thousand nodes of kwok would take minutes.
  '--disable-admission-plugins=TaintNodesByCondition',
  `--service-cluster-ip-range=${SERVICE_RANGE}`,
  '--allow-privileged=true',
  '--kubelet-preferred-address-types=InternalIP',
  `--audit-policy-file=${join(folder, 'audit-policy.json')}`,
  `--audit-log-path=${join(folder, 'audit.log')}`,
  // A line is there before the answer is, so a test may read it at once.
  '--audit-log-mode=blocking',
  '--profiling=false',
]

const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    {
      level: 'RequestResponse',
      verbs: ['create'],
      resources: [
        { group: '', resources: ['pods'] },
        { group: 'batch', resources: ['jobs'] },
      ],
    },
    {
      level: 'Metadata',
      verbs: ['create', 'update', 'patch', 'delete', 'deletecollection'],
      resources: [
        { group: '', resources: ['pods', 'pods/*', 'nodes', 'nodes/*', 'services', 'secrets'] },
        { group: 'batch', resources: ['jobs', 'jobs/*'] },
      ],
    },
    { level: 'None' },
  ],
}

const DEFAULT_LOG = '2026-01-01T00:00:00.000000000Z stdout F this pod runs nothing\n'

const KWOK_WIDTH = 32
/** Several documents; JSON is YAML. */
const kwokConfig = (defaultLog: string): string =>
  [
    {
      apiVersion: 'config.kwok.x-k8s.io/v1alpha1',
      kind: 'KwokConfiguration',
      metadata: { name: 'kwok' },
      // With its own four at once, the first lease of a thousand nodes is a matter of minutes on a busy machine.
      options: {
        podPlayStageParallelism: KWOK_WIDTH,
        nodePlayStageParallelism: KWOK_WIDTH,
        nodeLeaseParallelism: KWOK_WIDTH,
        podsOnNodeSyncParallelism: KWOK_WIDTH,
        // Its defaults do not count any more where there is this document; without these there are no logs.
        enableDebuggingHandlers: true,
      },
    },
    ...stages(),
    {
      apiVersion: 'kwok.x-k8s.io/v1alpha1',
      kind: 'ClusterLogs',
      metadata: { name: 'default' },
      spec: { logs: [{ logsFile: defaultLog }] },
    },
  ]
    .map((document) => JSON.stringify(document))
    .join('\n---\n')

const LOGS_CRD = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: 'logs.kwok.x-k8s.io',
    annotations: { 'api-approved.kubernetes.io': 'unapproved, for tests' },
  },
  spec: {
    group: 'kwok.x-k8s.io',
    scope: 'Namespaced',
    names: { kind: 'Logs', listKind: 'LogsList', plural: 'logs', singular: 'logs' },
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
}

/** A test that was killed leaves its folder; the name says whose it was. */
function removeAbandoned(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(FOLDER) ? Number(name.slice(FOLDER.length).split('-')[0]) : 0
    if (pid > 0 && !alive(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}
