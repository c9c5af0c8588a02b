// What a pod of a gang has beyond its command: the spec's `kubernetes:` section, and the same words as the defaults of a cluster. The
// values are Kubernetes' own, as its manifests write them; what is dangerous to others needs the operator's leave.

export type Toleration = {
  readonly key: string | null
  readonly operator: 'Exists' | 'Equal'
  readonly value: string | null
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute' | null
}

export type PodVolume = {
  readonly name: string
  readonly mountPath: string
  readonly readOnly: boolean
  readonly subPath: string | null
  readonly from:
    | { readonly kind: 'claim'; readonly claim: string }
    | { readonly kind: 'configMap'; readonly configMap: string }
    | { readonly kind: 'nfs'; readonly server: string; readonly path: string }
    | { readonly kind: 'hostPath'; readonly hostPath: string }
    | { readonly kind: 'emptyDir' }
}

export type PodSecurity = {
  readonly runAsUser: number | null
  readonly runAsGroup: number | null
  readonly fsGroup: number | null
  readonly addCapabilities: readonly string[]
  readonly privileged: boolean
}

export type PodOptions = {
  /** As written; a spec has `env` for values that are substituted. */
  readonly env: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly nodeSelector: Readonly<Record<string, string>>
  readonly tolerations: readonly Toleration[]
  readonly volumes: readonly PodVolume[]
  /** Size of /dev/shm, such as 64Gi: the usual 64 MiB are too few for the workers of a data loader. */
  readonly sharedMemory: string | null
  readonly imagePullSecrets: readonly string[]
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never' | null
  /** Beside the GPUs: cpu, memory, hugepages-2Mi, rdma/hca and whatever else a node advertises. */
  readonly resources: Readonly<Record<string, string>>
  readonly hostNetwork: boolean
  readonly security: PodSecurity
}

export const NO_SECURITY: PodSecurity = {
  runAsUser: null,
  runAsGroup: null,
  fsGroup: null,
  addCapabilities: [],
  privileged: false,
}

export const NO_POD_OPTIONS: PodOptions = {
  env: {},
  annotations: {},
  nodeSelector: {},
  tolerations: [],
  volumes: [],
  sharedMemory: null,
  imagePullSecrets: [],
  imagePullPolicy: null,
  resources: {},
  hostNetwork: false,
  security: NO_SECURITY,
}

/** What an operator may grant to the specs of a cluster: each lets a job reach beyond itself. */
export const POD_GRANTS = [
  'hostPath',
  'nfs',
  'hostNetwork',
  'capabilities',
  'privileged',
  'tolerations',
  'nodeSelector',
  'annotations',
  'resources',
] as const
export type PodGrant = (typeof POD_GRANTS)[number]

/** What a pod may have of its own node without asking; whatever else a node advertises is counted by somebody. */
const OWN_RESOURCES = /^(?:cpu|memory|ephemeral-storage|hugepages-.*|rdma\/.*)$/

/** The grants that these options need. */
export function grantsNeeded(options: PodOptions): PodGrant[] {
  const needed: Record<PodGrant, boolean> = {
    hostPath: options.volumes.some(({ from }) => from.kind === 'hostPath'),
    nfs: options.volumes.some(({ from }) => from.kind === 'nfs'),
    hostNetwork: options.hostNetwork,
    capabilities: options.security.addCapabilities.length > 0,
    privileged: options.security.privileged,
    tolerations: options.tolerations.length > 0,
    nodeSelector: Object.keys(options.nodeSelector).length > 0,
    // Other controllers act on them: a role of a cloud account, another network.
    annotations: Object.keys(options.annotations).length > 0,
    resources: Object.keys(options.resources).some((name) => !OWN_RESOURCES.test(name)),
  }
  return POD_GRANTS.filter((grant) => needed[grant])
}

/** The spec over the defaults of the cluster: single values and keys are replaced, lists are added to, a volume by its name. */
export function mergePodOptions(defaults: PodOptions, spec: PodOptions): PodOptions {
  const own = new Set(spec.volumes.map((volume) => volume.name))
  return {
    env: { ...defaults.env, ...spec.env },
    annotations: { ...defaults.annotations, ...spec.annotations },
    nodeSelector: { ...defaults.nodeSelector, ...spec.nodeSelector },
    tolerations: [...defaults.tolerations, ...spec.tolerations],
    volumes: [...defaults.volumes.filter((volume) => !own.has(volume.name)), ...spec.volumes],
    sharedMemory: spec.sharedMemory ?? defaults.sharedMemory,
    imagePullSecrets: [...new Set([...defaults.imagePullSecrets, ...spec.imagePullSecrets])],
    imagePullPolicy: spec.imagePullPolicy ?? defaults.imagePullPolicy,
    resources: { ...defaults.resources, ...spec.resources },
    hostNetwork: defaults.hostNetwork || spec.hostNetwork,
    security: {
      runAsUser: spec.security.runAsUser ?? defaults.security.runAsUser,
      runAsGroup: spec.security.runAsGroup ?? defaults.security.runAsGroup,
      fsGroup: spec.security.fsGroup ?? defaults.security.fsGroup,
      addCapabilities: [...new Set([...defaults.security.addCapabilities, ...spec.security.addCapabilities])],
      privileged: defaults.security.privileged || spec.security.privileged,
    },
  }
}
