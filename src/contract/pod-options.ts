// The `kubernetes:` section of a run spec, and `pods:` of a cluster: one schema. It takes what a person writes, and what a resolved
// spec has, so that a resolved spec is a spec again.
import { z } from 'zod'
import type { PodOptions, PodVolume } from '../domain/pod-options.ts'
import { NO_SECURITY } from '../domain/pod-options.ts'
import { name, refuse, strict, text } from './fields.ts'
import { isReserved } from './variables.ts'

const ITEMS_MAX = 64
const KEY = /^(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/
export const kubernetesKey = z.string().max(317).regex(KEY, 'must be a key of Kubernetes, such as example.com/name')
const quantity = z
  .union([z.string(), z.int()])
  .transform(String)
  .pipe(
    z
      .string()
      .regex(/^\d+(?:\.\d+)?(?:m|k|M|G|T|Ki|Mi|Gi|Ti)?$/, 'must be a quantity of Kubernetes, such as 8 or 64Gi'),
  )
const few = <Value extends z.core.$ZodType>(values: z.ZodRecord<z.ZodString, Value>) =>
  values.refine((all) => Object.keys(all).length <= ITEMS_MAX, `must have at most ${ITEMS_MAX} keys`)
const value = z.union([z.string().max(4_096), z.int(), z.boolean()]).transform(String)
const strings = few(z.record(kubernetesKey, value))
const variables = few(
  z.record(
    kubernetesKey.refine((key) => !isReserved(key), 'is set by plimsoll itself: choose another name'),
    value,
  ),
)
const absolute = text.refine(
  (path) => path.startsWith('/') && !path.split('/').includes('..'),
  'must be an absolute path',
)

const toleration = strict({
  key: kubernetesKey.nullish(),
  operator: z.enum(['Exists', 'Equal']).nullish(),
  value: z.string().max(63).nullish(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).nullish(),
}).transform((given) => ({
  key: given.key ?? null,
  operator: given.operator ?? (given.value == null ? ('Exists' as const) : ('Equal' as const)),
  value: given.value ?? null,
  effect: given.effect ?? null,
}))

const from = z.discriminatedUnion('kind', [
  strict({ kind: z.literal('claim'), claim: name }),
  strict({ kind: z.literal('configMap'), configMap: name }),
  strict({ kind: z.literal('nfs'), server: text, path: absolute }),
  strict({ kind: z.literal('hostPath'), hostPath: absolute }),
  strict({ kind: z.literal('emptyDir') }),
])

const volume = strict({
  name,
  mountPath: absolute,
  readOnly: z.boolean().nullish(),
  subPath: text.nullish(),
  claim: name.nullish().describe('A PersistentVolumeClaim of the namespace.'),
  configMap: name.nullish(),
  nfs: strict({ server: text, path: absolute }).nullish().describe('Needs the leave of the operator.'),
  hostPath: absolute.nullish().describe('Needs the leave of the operator.'),
  emptyDir: z.boolean().nullish(),
  from: from.nullish().describe('As a resolved spec has it.'),
}).transform((given, context): PodVolume => {
  const kinds: PodVolume['from'][] = [
    ...(given.claim == null ? [] : [{ kind: 'claim', claim: given.claim } as const]),
    ...(given.configMap == null ? [] : [{ kind: 'configMap', configMap: given.configMap } as const]),
    ...(given.nfs == null ? [] : [{ kind: 'nfs', ...given.nfs } as const]),
    ...(given.hostPath == null ? [] : [{ kind: 'hostPath', hostPath: given.hostPath } as const]),
    ...(given.emptyDir === true ? [{ kind: 'emptyDir' } as const] : []),
    ...(given.from == null ? [] : [given.from]),
  ]
  if (kinds.length !== 1) refuse(context, 'needs exactly one of claim, configMap, nfs, hostPath and emptyDir')
  return {
    name: given.name,
    mountPath: given.mountPath,
    readOnly: given.readOnly ?? false,
    subPath: given.subPath ?? null,
    from: kinds[0] ?? { kind: 'emptyDir' },
  }
})

const user = z.int().min(0).max(2_147_483_647).nullish()
const security = strict({
  runAsUser: user,
  runAsGroup: user,
  fsGroup: user,
  addCapabilities: z
    .array(z.string().regex(/^[A-Z_]+$/, 'must be a capability, such as IPC_LOCK'))
    .max(ITEMS_MAX)
    .nullish(),
  privileged: z.boolean().nullish(),
})

export const podOptionsSchema = strict({
  env: variables.nullish().describe('As written: nothing is substituted.'),
  annotations: strings.nullish().describe('Needs the leave of the operator.'),
  nodeSelector: strings.nullish().describe('Labels that a node must have. Plimsoll places; this only refuses.'),
  tolerations: z.array(toleration).max(ITEMS_MAX).nullish(),
  volumes: z.array(volume).max(ITEMS_MAX).nullish(),
  sharedMemory: quantity.nullish().describe('Size of /dev/shm, such as 64Gi.'),
  imagePullSecrets: z.array(name).max(ITEMS_MAX).nullish(),
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).nullish(),
  resources: few(z.record(kubernetesKey, quantity))
    .nullish()
    .describe('Beside the GPUs, as limit and request: cpu, memory, hugepages-2Mi, rdma/hca.'),
  hostNetwork: z.boolean().nullish(),
  security: security.nullish(),
}).transform((given): PodOptions => ({
  env: given.env ?? {},
  annotations: given.annotations ?? {},
  nodeSelector: given.nodeSelector ?? {},
  tolerations: given.tolerations ?? [],
  volumes: given.volumes ?? [],
  sharedMemory: given.sharedMemory ?? null,
  imagePullSecrets: given.imagePullSecrets ?? [],
  imagePullPolicy: given.imagePullPolicy ?? null,
  resources: given.resources ?? {},
  hostNetwork: given.hostNetwork ?? false,
  security: {
    runAsUser: given.security?.runAsUser ?? NO_SECURITY.runAsUser,
    runAsGroup: given.security?.runAsGroup ?? NO_SECURITY.runAsGroup,
    fsGroup: given.security?.fsGroup ?? NO_SECURITY.fsGroup,
    addCapabilities: given.security?.addCapabilities ?? [],
    privileged: given.security?.privileged ?? false,
  },
}))
