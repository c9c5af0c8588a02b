// What an attempt is on Kubernetes: an Indexed Job of gated pods, a headless Service by which rank 0 is found, and a Secret with the
// token for reports (design: kubernetes, Launch). Pure: the same plan gives the same objects.
import { createHash } from 'node:crypto'
import type { ProjectName } from '../../domain/ids.ts'
import type { AttemptPlan } from '../../domain/plan.ts'
import { workerVariables } from '../../domain/plan.ts'
import type { PodOptions, PodVolume, Toleration } from '../../domain/pod-options.ts'
import { mergePodOptions, NO_POD_OPTIONS } from '../../domain/pod-options.ts'
import type { EpochMs } from '../../domain/units.ts'
import {
  ATTEMPT,
  COMPLETION_INDEX,
  CONTAINER,
  CONTROL_PLANE,
  FINALIZER,
  GATE,
  MANAGED_BY,
  PLAN,
  PLIMSOLL,
  PROJECT,
  RUN,
  RUN_NAME,
} from './names.ts'

export type ManifestOptions = {
  readonly controlPlane: string
  readonly namespace: string
  readonly gpuResource: string
  readonly priorityClass: string | null
  readonly pods: PodOptions
  /** Of specs that name none. */
  readonly image: string | null
  /** Where pods send their reports; null: nowhere, and no Secret is made. */
  readonly ingestUrl: string | null
}

/** Of a cluster, for the runs of one project. */
export function manifestOptionsOf(
  cluster: Omit<ManifestOptions, 'namespace' | 'gpuResource'> & {
    readonly namespaceOf: (project: ProjectName) => string
    readonly nodes: { readonly gpuResource: string }
  },
  plan: AttemptPlan,
): ManifestOptions {
  const { controlPlane, namespaceOf, nodes, priorityClass, pods, image, ingestUrl } = cluster
  const { gpuResource } = nodes
  return { controlPlane, namespace: namespaceOf(plan.project), gpuResource, priorityClass, pods, image, ingestUrl }
}

/** By the headless Service. */
export const masterAddressOf = (attempt: string): string => `${attempt}-0.${attempt}`

/** Of what never changes about an attempt: settings of this process are not in it, so that an upgrade finds its own objects. */
export function planHash({ attempt, run, command, env, masterPort, workers, image }: AttemptPlan): string {
  const frozen = { attempt, run, command, env, masterPort, image, nodes: workers.map((worker) => worker.nodeName) }
  return createHash('sha256').update(JSON.stringify(frozen)).digest('hex').slice(0, 32)
}

export function labelsOf(
  plan: AttemptPlan,
  { controlPlane }: Pick<ManifestOptions, 'controlPlane'>,
): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'plimsoll-run',
    [MANAGED_BY]: PLIMSOLL,
    [CONTROL_PLANE]: controlPlane,
    [PROJECT]: plan.project,
    [RUN]: plan.run,
    [RUN_NAME]: plan.name,
    [ATTEMPT]: plan.attempt,
  }
}

/** `deadlineAt` is told as seconds from now; when the Job has started it is told again, from its start. */
export function jobOf(plan: AttemptPlan, options: ManifestOptions, deadlineAt: EpochMs | null, now: EpochMs): object {
  const workers = plan.workers.length
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: plan.attempt,
      namespace: options.namespace,
      labels: labelsOf(plan, options),
      annotations: { [PLAN]: planHash(plan) },
      finalizers: [FINALIZER],
    },
    spec: {
      completionMode: 'Indexed',
      completions: workers,
      parallelism: workers,
      // No index is ever replaced and a failed one does not end the others: which of them end, and when, is ours to say.
      backoffLimitPerIndex: 0,
      podReplacementPolicy: 'Failed',
      ...(deadlineAt === null ? {} : { activeDeadlineSeconds: secondsUntil(deadlineAt, now) }),
      template: podTemplate(plan, options),
    },
  }
}

/** One pod as the Job would make it: quotas, limits and Pod Security meet pods, not Jobs. */
export function samplePod(plan: AttemptPlan, options: ManifestOptions): object {
  const template = podTemplate(plan, options)
  const metadata = {
    ...template.metadata,
    name: `${plan.attempt}-sample`,
    namespace: options.namespace,
    annotations: { ...template.metadata.annotations, [COMPLETION_INDEX]: '0' },
  }
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: template.spec }
}

export const secondsUntil = (at: EpochMs, from: EpochMs): number => Math.max(1, Math.ceil((at - from) / 1000))

function podTemplate(plan: AttemptPlan, options: ManifestOptions) {
  const pods = mergePodOptions(options.pods, plan.kubernetes ?? NO_POD_OPTIONS)
  const { security } = pods
  const volumes = [
    ...pods.volumes.map(volumeOf),
    ...(pods.sharedMemory === null
      ? []
      : [{ name: 'shared-memory', emptyDir: { medium: 'Memory', sizeLimit: pods.sharedMemory } }]),
  ]
  return {
    metadata: { labels: labelsOf(plan, options), annotations: pods.annotations },
    spec: {
      restartPolicy: 'Never',
      schedulingGates: [{ name: GATE }],
      subdomain: plan.attempt,
      terminationGracePeriodSeconds: Math.max(1, Math.ceil(plan.graceMs / 1000)),
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      ...(options.priorityClass === null ? {} : { priorityClassName: options.priorityClass }),
      ...(pods.hostNetwork ? { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' } : {}),
      nodeSelector: pods.nodeSelector,
      tolerations: pods.tolerations.map(tolerationOf),
      imagePullSecrets: pods.imagePullSecrets.map((name) => ({ name })),
      securityContext: {
        seccompProfile: { type: 'RuntimeDefault' },
        ...present({ runAsUser: security.runAsUser, runAsGroup: security.runAsGroup, fsGroup: security.fsGroup }),
      },
      volumes,
      containers: [container(plan, options, pods)],
    },
  }
}

function container(plan: AttemptPlan, options: ManifestOptions, pods: PodOptions) {
  const { security } = pods
  const resources = {
    ...pods.resources,
    ...(plan.gpusPerNode === 0 ? {} : { [options.gpuResource]: String(plan.gpusPerNode) }),
  }
  return {
    name: CONTAINER,
    image: plan.image ?? options.image,
    ...present({ imagePullPolicy: pods.imagePullPolicy, workingDir: plan.workdir }),
    command: plan.command.map(expandable),
    env: environment(plan, options, pods),
    resources: { limits: resources, requests: resources },
    volumeMounts: [
      ...pods.volumes.map(({ name, mountPath, readOnly, subPath }) => ({
        name,
        mountPath,
        readOnly,
        ...present({ subPath }),
      })),
      ...(pods.sharedMemory === null ? [] : [{ name: 'shared-memory', mountPath: '/dev/shm' }]),
    ],
    securityContext: {
      allowPrivilegeEscalation: security.privileged,
      ...(security.privileged ? { privileged: true } : {}),
      ...(security.addCapabilities.length === 0 ? {} : { capabilities: { add: security.addCapabilities } }),
    },
  }
}

/** What differs between the workers comes from the pod itself, so that all have one template. */
function environment(plan: AttemptPlan, { ingestUrl }: ManifestOptions, pods: PodOptions): object[] {
  const ours = { PLIMSOLL_NODE_RANK: '', PLIMSOLL_WORKER: '' }
  // One worker has no Service, and needs none to find itself.
  const alone = plan.workers.length === 1 ? { MASTER_ADDR: '127.0.0.1' } : {}
  const same = Object.entries({ ...workerVariables(plan, 0, null), ...alone }).filter(
    ([name]) => !Object.hasOwn(ours, name),
  )
  // What a spec says itself goes over what its cluster says.
  const usual = { PYTHONUNBUFFERED: '1', ...pods.env }
  return [
    ...Object.entries(usual)
      .filter(([name]) => !Object.hasOwn(plan.env, name))
      .map(([name, value]) => ({ name, value: literal(value) })),
    {
      name: 'PLIMSOLL_NODE_RANK',
      valueFrom: { fieldRef: { fieldPath: `metadata.annotations['${COMPLETION_INDEX}']` } },
    },
    ...same.map(([name, value]) => ({ name, value: literal(value) })),
    { name: 'PLIMSOLL_WORKER', value: '$(PLIMSOLL_ATTEMPT)-$(PLIMSOLL_NODE_RANK)' },
    ...(ingestUrl === null
      ? []
      : [
          { name: 'PLIMSOLL_INGEST_URL', value: literal(ingestUrl) },
          { name: 'PLIMSOLL_INGEST_TOKEN', valueFrom: { secretKeyRef: { name: plan.attempt, key: 'token' } } },
        ]),
    ...plan.secrets.map((name) => ({
      name: name.toUpperCase().replace(/[^A-Z0-9]/g, '_'),
      valueFrom: { secretKeyRef: { name, key: 'value' } },
    })),
    ...Object.entries(plan.env).map(([name, value]) => ({ name, value: expandable(value) })),
  ]
}

/** Kubernetes expands `$(NAME)` and takes `$$` for a dollar. */
const literal = (text: string): string => text.replaceAll('$', '$$$$')

/** Our `$NAME` in Kubernetes' words; every other dollar stays one. */
export function expandable(text: string): string {
  return text.replace(/\$\$|\$(PLIMSOLL_[A-Z_]+|MASTER_[A-Z]+)|\$/g, (_, name: string | undefined) =>
    name === undefined ? '$$' : `$(${name})`,
  )
}

/** By it `<attempt>-0.<attempt>` is the address of rank 0, also before the pod is ready. */
export function serviceOf(plan: AttemptPlan, options: ManifestOptions, jobUid: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: owned(plan, options, jobUid),
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: { [ATTEMPT]: plan.attempt },
      ports: [{ name: 'master', port: plan.masterPort }],
    },
  }
}

export function secretOf(plan: AttemptPlan, options: ManifestOptions, jobUid: string, token: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: owned(plan, options, jobUid),
    type: 'Opaque',
    stringData: { token },
  }
}

function owned(plan: AttemptPlan, options: ManifestOptions, uid: string) {
  return {
    name: plan.attempt,
    namespace: options.namespace,
    labels: labelsOf(plan, options),
    ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: plan.attempt, uid }],
  }
}

function volumeOf({ name, from, readOnly }: PodVolume): object {
  switch (from.kind) {
    case 'claim':
      return { name, persistentVolumeClaim: { claimName: from.claim, readOnly } }
    case 'configMap':
      return { name, configMap: { name: from.configMap } }
    case 'nfs':
      return { name, nfs: { server: from.server, path: from.path, readOnly } }
    case 'hostPath':
      return { name, hostPath: { path: from.hostPath } }
    case 'emptyDir':
      return { name, emptyDir: {} }
  }
}

const tolerationOf = ({ key, operator, value, effect }: Toleration): object => ({
  operator,
  ...present({ key, value, effect }),
})

function present(fields: Readonly<Record<string, string | number | null>>): Record<string, string | number> {
  const entries = Object.entries(fields).flatMap(([key, value]) => (value === null ? [] : [[key, value] as const]))
  return Object.fromEntries(entries)
}
