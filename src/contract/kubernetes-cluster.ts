// A file that says how a cluster of Kubernetes is reached and used: config/clusters/kubernetes.yaml shows all of it.
import { z } from 'zod'
import type { ClusterName, ProjectName } from '../domain/ids.ts'
import { REQUEST_MS_MAX } from '../domain/limits.ts'
import type { PodGrant, PodOptions } from '../domain/pod-options.ts'
import { NO_POD_OPTIONS, POD_GRANTS } from '../domain/pod-options.ts'
import type { TaintPolicy } from '../domain/taint.ts'
import { TAINT_EFFECTS, TAINT_REASONS } from '../domain/taint.ts'
import type { DurationMs } from '../domain/units.ts'
import { durationMs } from '../domain/units.ts'
import { duration, name, strict, text } from './fields.ts'
import { faultsOf, PARSE } from './issues.ts'
import { toPlain } from './plain.ts'
import { kubernetesKey, podOptionsSchema } from './pod-options.ts'
import type { Problem } from './problems.ts'
import { placed, shown } from './problems.ts'
import { parseYaml } from './yaml.ts'

const label = z.string().min(1).max(317)
/** Kubernetes acts on its own ones itself, and takes them off. */
const taintKey = kubernetesKey.refine(
  (key) => !/(?:^|\.)(?:kubernetes|k8s)\.io\//.test(key),
  'must be a key of your own, and not one of Kubernetes',
)
const url = z.string().regex(/^https?:\/\/[^\s/]+(?:\/\S*)?$/, 'must be an address such as http://ingest.example:7421')

const taint = strict({
  key: taintKey,
  value: z
    .string()
    .max(63)
    .regex(/^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/, 'must be a value of a label, such as cordoned')
    .nullish(),
  effect: z.enum(TAINT_EFFECTS),
  nodes: z
    .array(z.enum(TAINT_REASONS))
    .min(1)
    .default([...TAINT_REASONS]),
}).transform(({ key, value, effect, nodes }): TaintPolicy => ({ taint: { key, value: value ?? null, effect }, nodes }))

const schema = strict({
  kind: z.literal('kubernetes'),
  name,
  kubeconfig: text.nullish(),
  context: text.nullish(),
  namespace: name.default('plimsoll-runs'),
  projects: z.record(name, strict({ namespace: name })).default({}),
  nodes: strict({
    selector: text.nullish(),
    gpuResource: label.default('nvidia.com/gpu'),
    gpuLabel: label.default('nvidia.com/gpu.product'),
    rackLabel: label.nullish(),
    blockLabel: label.nullish(),
    declaredSlots: z.int().min(1).max(64).nullish(),
    badConditions: z.array(label).max(64).default(['XidCriticalError', 'GPUUnhealthy', 'DCGMError', 'KernelDeadlock']),
  }).prefault({}),
  dedicated: z.boolean().default(false),
  cordon: z.boolean().default(false),
  taint: taint.nullish(),
  checkpoints: z
    .string()
    .regex(/^\/\S*$/, 'must be an absolute path in the pods')
    .default('/checkpoints'),
  ingestUrl: url.nullish(),
  priorityClass: name.nullish(),
  grants: z.array(z.enum(POD_GRANTS)).default([]),
  image: text.regex(/^\S+$/, 'must have no spaces').nullish(),
  pods: podOptionsSchema.default(NO_POD_OPTIONS),
  requests: strict({
    timeout: duration.refine((ms) => ms <= REQUEST_MS_MAX, 'must be at most 5s, which a lease outlasts').default(5_000),
    perSecond: z.int().min(1).max(10_000).default(100),
    burst: z.int().min(1).max(10_000).default(300),
  }).prefault({}),
  relist: duration.default(300_000),
})

export type KubernetesClusterConfig = {
  readonly name: ClusterName
  /** A file; null: the one of the environment, or the account of the pod that we run in. */
  readonly kubeconfig: string | null
  readonly context: string | null
  readonly namespace: string
  readonly projects: ReadonlyMap<ProjectName, string>
  readonly nodes: {
    readonly selector: string | null
    readonly gpuResource: string
    readonly gpuLabel: string
    readonly rackLabel: string | null
    readonly blockLabel: string | null
    readonly declaredSlots: number | null
    readonly badConditions: readonly string[]
  }
  readonly dedicated: boolean
  /** A node that is cordoned here is cordoned in Kubernetes too. */
  readonly cordon: boolean
  /** What nodes are tainted with that are out of service here; null: nothing. */
  readonly taint: TaintPolicy | null
  readonly checkpoints: string
  readonly ingestUrl: string | null
  readonly priorityClass: string | null
  readonly grants: readonly PodGrant[]
  readonly pods: PodOptions
  readonly image: string | null
  readonly requests: { readonly timeoutMs: DurationMs; readonly perSecond: number; readonly burst: number }
  readonly relistMs: DurationMs
}

export type KubernetesClusterResult =
  | { readonly ok: true; readonly cluster: KubernetesClusterConfig }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export function parseKubernetesCluster(source: string): KubernetesClusterResult {
  const parsed = parseYaml(source)
  if (!parsed.ok) return parsed
  const plain = toPlain(parsed.value)
  const read = schema.safeParse(plain.value, PARSE)
  const faults = [...plain.faults, ...(read.success ? [] : faultsOf(read.error.issues))]
  if (faults.length > 0 || !read.success) return { ok: false, problems: shown(placed(faults, parsed.locate)) }
  const { data } = read
  return {
    ok: true,
    cluster: {
      name: data.name as ClusterName,
      kubeconfig: data.kubeconfig ?? null,
      context: data.context ?? null,
      namespace: data.namespace,
      projects: new Map(
        Object.entries(data.projects).map(([project, { namespace }]) => [project as ProjectName, namespace] as const),
      ),
      nodes: {
        selector: data.nodes.selector ?? null,
        gpuResource: data.nodes.gpuResource,
        gpuLabel: data.nodes.gpuLabel,
        rackLabel: data.nodes.rackLabel ?? null,
        blockLabel: data.nodes.blockLabel ?? null,
        declaredSlots: data.nodes.declaredSlots ?? null,
        badConditions: data.nodes.badConditions,
      },
      dedicated: data.dedicated,
      cordon: data.cordon,
      taint: data.taint ?? null,
      checkpoints: data.checkpoints,
      ingestUrl: data.ingestUrl ?? null,
      priorityClass: data.priorityClass ?? null,
      grants: data.grants,
      pods: data.pods,
      image: data.image ?? null,
      requests: {
        timeoutMs: durationMs(data.requests.timeout),
        perSecond: data.requests.perSecond,
        burst: data.requests.burst,
      },
      relistMs: durationMs(data.relist),
    },
  }
}
