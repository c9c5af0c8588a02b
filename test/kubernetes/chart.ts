// The chart, rendered and installed by a real helm.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { root } from '../parts/plimsoll.ts'

export const CHART = join(root, 'charts', 'plimsoll')
export const RELEASE = 'plimsoll'
export const NAMESPACE = 'plimsoll'

export type Manifest = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly data?: Readonly<Record<string, string>>
  readonly spec?: unknown
}

export class Helm {
  readonly #path: string
  readonly folder = mkdtempSync(join(tmpdir(), 'plimsoll-helm-'))
  readonly #env: NodeJS.ProcessEnv
  #files = 0

  /** Its own folders: nothing of the person who runs the tests is read or written. */
  constructor(path: string, kubeconfig: string | null = null) {
    this.#path = path
    const own = (name: string): string => join(this.folder, name)
    this.#env = {
      PATH: process.env.PATH,
      HOME: this.folder,
      HELM_CACHE_HOME: own('cache'),
      HELM_CONFIG_HOME: own('config'),
      HELM_DATA_HOME: own('data'),
      ...(kubeconfig === null ? {} : { KUBECONFIG: kubeconfig }),
    }
  }

  say(...args: string[]) {
    const ran = spawnSync(this.#path, args, { env: this.#env, encoding: 'utf8', timeout: 60_000, maxBuffer: 2 ** 26 })
    return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr }
  }

  /** Does not wait within the process, so that a test may act meanwhile. */
  start(...args: string[]): Promise<{ code: number | null; said: string }> {
    return new Promise((resolve) => {
      const child = spawn(this.#path, args, { env: this.#env, stdio: ['ignore', 'pipe', 'pipe'] })
      let said = ''
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (bytes: Buffer) => (said += bytes.toString()))
      child.on('close', (code) => resolve({ code, said }))
    })
  }

  /** Arguments that give these values. */
  values(values: object): string[] {
    const file = join(this.folder, `values-${(this.#files += 1)}.json`)
    writeFileSync(file, JSON.stringify(values))
    return ['--values', file]
  }

  template(values: object = {}): string {
    const ran = this.say('template', RELEASE, CHART, '--namespace', NAMESPACE, ...this.values(values))
    if (ran.code !== 0) throw new Error(ran.stderr)
    return ran.stdout
  }
}

export const manifestsOf = (text: string): Manifest[] =>
  parseAllDocuments(text).flatMap((document) => {
    const value = document.toJS() as Manifest | null
    return value === null ? [] : [value]
  })

/** Every value is another than the default. */
export const FULL = {
  fullnameOverride: 'training',
  deploymentId: 'our-plimsoll',
  image: {
    repository: 'registry.example/plimsoll',
    digest: `sha256:${'0123456789abcdef'.repeat(4)}`,
    pullPolicy: 'Always',
    pullSecrets: ['registry'],
  },
  secret: {
    name: 'ours',
    keys: {
      databaseUrl: 'url',
      deploymentKey: 'key',
      bootstrapToken: 'first',
      smtpPassword: 'mail',
      oidcClientSecret: 'login',
    },
  },
  cluster: {
    name: 'hamina',
    settings: {
      nodes: { selector: 'pool=training', gpuResource: 'nvidia.com/gpu' },
      dedicated: true,
      taint: { key: 'example.com/out-of-service', effect: 'NoSchedule', nodes: ['unhealthy'] },
      checkpoints: '/shared/checkpoints',
      grants: ['hostNetwork', 'capabilities'],
      pods: {
        volumes: [{ name: 'shared', mountPath: '/shared', claim: 'shared' }],
        sharedMemory: '64Gi',
        security: { addCapabilities: ['IPC_LOCK'] },
      },
      requests: { perSecond: 200, burst: 400 },
      relist: '10m',
    },
  },
  runs: {
    namespace: 'runs',
    projects: { pretraining: 'pretraining-runs', evaluation: 'runs' },
    egress: [{ to: [{ ipBlock: { cidr: '203.0.113.0/24' } }], ports: [{ port: 443, protocol: 'TCP' }] }],
  },
  priorityClass: { name: 'training', value: 1_000_000 },
  rbac: { cordon: true },
  controller: { replicas: 3, podAnnotations: { a: 'b' }, nodeSelector: { pool: 'system' } },
  api: {
    replicas: 4,
    rehearse: false,
    service: { type: 'LoadBalancer', annotations: { c: 'd' } },
    tolerations: [{ key: 'system', operator: 'Exists' }],
  },
  hooks: { nodeSelector: { pool: 'system' } },
  alerts: {
    pages: 'https://plimsoll.example',
    allowNetworks: ['10.20.0.0/16'],
    smtp: { host: 'mail.example', from: 'plimsoll@mail.example', user: 'plimsoll' },
    thresholds: { progress: { silenceMin: '5m' } },
  },
  signIn: {
    oidc: {
      issuer: 'https://login.example/realms/lab',
      name: 'Lab login',
      clientId: 'plimsoll',
      user: 'preferred_username',
      groups: 'realm_access.roles',
      grants: [
        { group: 'platform', role: 'admin', project: null },
        { group: 'researchers', role: 'member', project: 'default' },
      ],
      contact: '#gpu-help',
      session: '8h',
    },
  },
  networkPolicy: {
    identityProvider: { to: [{ ipBlock: { cidr: '203.0.113.10/32' } }], ports: [443] },
    receivers: { to: [{ ipBlock: { cidr: '203.0.113.9/32' } }], ports: [443, 587] },
    database: { to: [{ ipBlock: { cidr: '198.51.100.7/32' } }], port: 5433 },
    apiServer: { to: [{ ipBlock: { cidr: '192.0.2.1/32' } }], ports: [6443] },
    api: { from: [{ namespaceSelector: { matchLabels: { team: 'research' } } }] },
    metrics: { from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }] },
  },
  config: { durations: { lease: '12s' }, log: { level: 'debug' }, database: { poolMax: 20 } },
  policy: {
    defaultCluster: 'hamina',
    currency: 'EUR',
    projects: { default: { quotaGpus: null, maxPriority: 'high' } },
    budgets: {},
    prices: { 'h100-sxm': 2.5 },
  },
}

/** What a server says that somebody may do. */
export type Rules = {
  readonly resourceRules: readonly {
    readonly verbs: readonly string[]
    readonly resources?: readonly string[]
    readonly resourceNames?: readonly string[]
  }[]
}

/** `resource: verbs`, each resource once; what everybody may ask about himself is left out. */
export function rightsOf(rules: Rules | null, lines: readonly string[] = []): string[] {
  const all = new Map<string, Set<string>>()
  const add = (resource: string, verbs: readonly string[]): void => {
    all.set(resource, new Set([...(all.get(resource) ?? []), ...verbs]))
  }
  for (const { verbs, resources = [], resourceNames = [''] } of rules?.resourceRules ?? [])
    for (const resource of resources)
      for (const name of resourceNames)
        if (!resource.startsWith('self')) add(name === '' ? resource : `${resource}/${name}`, verbs)
  for (const line of lines) add(line.split(': ')[0] ?? '', line.split(': ')[1]?.split(',') ?? [])
  return [...all].map(([resource, verbs]) => `${resource}: ${[...verbs].toSorted().join(',')}`).toSorted()
}
