// What is missing on a cluster before anybody spends anything there, and what to do about each. It changes nothing, but for one pod that
// it makes and removes where the cluster names an image: only from a pod can one see what pods reach.
import type { Api } from './api.ts'
import { ApiError, faultOf } from './api-error.ts'
import type { Check } from './check.ts'
import { check } from './check.ts'
import { probe } from './doctor-probe.ts'
import { topologyOf } from './doctor-topology.ts'
import type { NodeOptions } from './nodes.ts'
import { nodeRecord } from './nodes.ts'
import type { List, Node } from './objects.ts'
import type { Right } from './rights.ts'
import { RIGHTS } from './rights.ts'
import type { PodOptions } from '../../domain/pod-options.ts'
import type { TaintPolicy } from '../../domain/taint.ts'

export type DoctorOptions = {
  readonly api: Api
  readonly cluster: string
  readonly namespaces: readonly string[]
  readonly nodes: NodeOptions
  readonly nodeSelector: string | null
  readonly dedicated: boolean
  readonly cordon: boolean
  readonly taint: TaintPolicy | null
  readonly pods: PodOptions
  readonly image: string | null
  readonly checkpoints: string
  readonly ingestUrl: string | null
  readonly now: () => number
  /** Whoever asked does not wait any more: the checks that are left are made, but for the pod. */
  readonly interrupted: AbortSignal
}

const MINOR_MIN = 29
const SKEW_MS_MAX = 5_000

/** All checks, in the order in which they are worth mending. The first that fails for all of them is the only one. */
export async function examine(options: DoctorOptions): Promise<Check[]> {
  try {
    const version = await versionOf(options)
    // One alone: who is not known hears it there, and the API server closes the connection under all that are asked beside it.
    for (const right of RIGHTS.slice(0, 1)) await rightOf(options, right, options.namespaces[0] ?? '')
    const rights = await Promise.all(options.namespaces.flatMap((namespace) => rightsIn(options, namespace)))
    const checks = [version, await skewOf(options), ...rights.filter((each) => each !== null)]
    for (const namespace of options.namespaces) checks.push(await namespaceOf(options, namespace))
    const nodes = await nodesOf(options)
    checks.push(...nodes.checks, await dnsOf(options))
    for (const namespace of options.namespaces) checks.push(...(await storageOf(options, namespace)))
    checks.push(...(await probe({ ...options, on: nodes.usable })))
    return checks
  } catch (error) {
    const fault = faultOf(error, options.cluster, 'it cannot be asked')
    return [check('api', 'wrong', fault.message, fault.whatToDo)]
  }
}

async function versionOf({ api }: DoctorOptions): Promise<Check> {
  const { major, minor, gitVersion } = await api.get<{ major: string; minor: string; gitVersion: string }>('/version')
  const said = `Kubernetes ${gitVersion} at ${api.server}`
  return Number(major) > 1 || Number.parseInt(minor, 10) >= MINOR_MIN
    ? check('version', 'good', said)
    : check('version', 'wrong', said, `1.${MINOR_MIN} or newer is needed, for Jobs that leave failed indexes alone`)
}

/** By the Date of an answer, which has whole seconds. */
async function skewOf({ api, now }: DoctorOptions): Promise<Check> {
  const date = await api.date()
  const skew = date === null ? null : date + 500 - now()
  if (skew === null) return check('clock', 'note', 'the API server tells no time')
  const said = `its clock is ${(Math.abs(skew) / 1000).toFixed(1)} s ${skew < 0 ? 'behind' : 'ahead of'} ours, to half a second`
  return Math.abs(skew) <= SKEW_MS_MAX
    ? check('clock', 'good', said)
    : check('clock', 'wrong', said, 'synchronise both with NTP: times of pods are told by the clocks of the cluster')
}

function rightsIn(options: DoctorOptions, namespace: string): Promise<Check | null>[] {
  const first = options.namespaces[0] === namespace
  // Of the whole cluster, asked once.
  return RIGHTS.filter(({ scope }) => scope === 'runs' || first).map((right) => rightOf(options, right, namespace))
}

async function rightOf(options: DoctorOptions, right: Right, namespace: string): Promise<Check | null> {
  const { api, dedicated, cordon, taint } = options
  const { verb, group, resource, subresource, scope, lost } = right
  if (scope === 'cluster' && resource === 'pods' && dedicated) return null
  const where = scope === 'runs' ? { namespace } : scope === 'leases' ? { namespace: 'kube-node-lease' } : {}
  const resourceAttributes = { verb, group, resource, ...(subresource === undefined ? {} : { subresource }), ...where }
  const review = await api.create<{ status?: { allowed?: boolean } }>(
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } },
  )
  const object = `${resource}${subresource === undefined ? '' : `/${subresource}`}`
  const place = scope === 'cluster' ? 'the cluster' : (where.namespace ?? '')
  if (review.status?.allowed === true) return check('right', 'good', `${verb} ${object} in ${place}`)
  const optional = lost !== null
  // What the file asks for is no choice any more.
  const isAskedFor = verb === 'patch' && resource === 'nodes' && (cordon || taint !== null)
  return check(
    'right',
    !optional ? 'missing' : isAskedFor ? 'wrong' : 'note',
    `${verb} ${object} in ${place} is not allowed${optional ? `: ${lost}` : ': nothing works without it'}`,
    `grant ${verb} on ${object}${group === '' ? '' : ` of ${group}`} in ${place}`,
  )
}

async function namespaceOf({ api }: DoctorOptions, namespace: string): Promise<Check> {
  try {
    const { metadata } = await api.get<{ metadata: { labels?: Record<string, string> } }>(
      `/api/v1/namespaces/${namespace}`,
    )
    const level = metadata.labels?.['pod-security.kubernetes.io/enforce']
    // Images of jobs run as root mostly, and nothing takes their capabilities away.
    if (level === 'restricted')
      return check(
        'namespace',
        'wrong',
        `${namespace} has Pod Security restricted, which refuses pods of jobs: they do not have to run as another user than root`,
        `kubectl label --overwrite namespace ${namespace} pod-security.kubernetes.io/enforce=baseline`,
      )
    return level === 'baseline'
      ? check('namespace', 'good', `${namespace}, with Pod Security ${level}`)
      : check(
          'namespace',
          'note',
          `${namespace} has ${level === undefined ? 'no level of Pod Security' : `Pod Security ${level}`}: a job may take over its node`,
          `kubectl label namespace ${namespace} pod-security.kubernetes.io/enforce=baseline`,
        )
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    if (error.status === 403) return check('namespace', 'note', `whether ${namespace} exists may not be asked`)
    if (error.status !== 404) throw error
    return check('namespace', 'missing', `there is no namespace ${namespace}`, `kubectl create namespace ${namespace}`)
  }
}

/** With the names of those that take pods of runs. */
async function nodesOf({
  api,
  nodes,
  nodeSelector,
}: DoctorOptions): Promise<{ readonly checks: Check[]; readonly usable: readonly string[] }> {
  const seen: Node[] = []
  let token: string | undefined
  try {
    do {
      const query = { limit: 500, continue: token, ...(nodeSelector === null ? {} : { labelSelector: nodeSelector }) }
      const page: List<Node> = await api.get('/api/v1/nodes', query)
      seen.push(...page.items)
      token = page.metadata.continue === '' ? undefined : page.metadata.continue
    } while (token !== undefined)
  } catch (error) {
    if (error instanceof ApiError && error.status === 403)
      return {
        checks: [check('nodes', 'missing', 'nodes may not be listed', 'grant list and watch on nodes')],
        usable: [],
      }
    throw error
  }
  const ours = seen.flatMap((node) => {
    const record = nodeRecord(node, nodes)
    return record === null ? [] : [{ record, labels: node.metadata.labels ?? {} }]
  })
  const records = ours.map(({ record }) => record)
  const gpus = records.reduce((sum, node) => sum + node.slots, 0)
  if (gpus === 0)
    return {
      usable: [],
      checks: [
        check(
          'nodes',
          'missing',
          `none of ${seen.length} nodes${nodeSelector === null ? '' : ` with ${nodeSelector}`} advertises ${nodes.gpuResource}`,
          'install the device plugin of the GPUs, or set nodes.gpuResource; nodes.declaredSlots tries things out without any',
        ),
      ],
    }
  const models = [...new Set(records.map(({ gpuModel }) => gpuModel))].toSorted()
  const checks = [check('nodes', 'good', `${records.length} with ${gpus} GPUs (${models.join(', ')})`)]
  const unnamed = records.filter(({ gpuModel }) => gpuModel === 'unknown')
  if (unnamed.length > 0)
    checks.push(
      check(
        'gpu labels',
        'wrong',
        `${unnamed.length} nodes have no label ${nodes.gpuLabel}: the model of their GPUs is unknown, and so is its price`,
        'install GPU feature discovery, or set nodes.gpuLabel to the label that has the product name',
      ),
    )
  const bad = records.filter(({ condition }) => condition.kind === 'not-ready')
  const [first] = bad
  if (first?.condition.kind === 'not-ready')
    checks.push(
      check(
        'nodes',
        'note',
        `${bad.length} take no pods of ours; the first, ${first.name}: ${first.condition.message}`,
      ),
    )
  checks.push(
    ...topologyOf(
      ours.map(({ labels }) => labels),
      nodes,
    ),
  )
  const usable = records.filter(({ condition }) => condition.kind === 'ready').map(({ name }) => name)
  return { checks, usable }
}

/** Rank 0 is found by the name of a Service. */
async function dnsOf({ api, image }: DoctorOptions): Promise<Check> {
  const found = await api
    .get<{ spec?: { clusterIP?: string } }>('/api/v1/namespaces/kube-system/services/kube-dns')
    .catch((error: unknown) => error)
  if (!(found instanceof Error)) return check('dns', 'good', 'the Service kube-dns is there')
  return check(
    'dns',
    'note',
    'no Service kube-dns is seen in kube-system: whether pods resolve names is known from a pod only',
    image === null ? 'set image in the cluster file: then doctor tries it' : 'see below what a pod found',
  )
}

async function storageOf({ api, pods, checkpoints }: DoctorOptions, namespace: string): Promise<Check[]> {
  const covers = (mount: string): boolean =>
    checkpoints === mount || checkpoints.startsWith(`${mount.replace(/\/$/, '')}/`)
  const volume = pods.volumes.find(({ mountPath }) => covers(mountPath))
  if (volume === undefined)
    return [
      check(
        'checkpoints',
        'wrong',
        `no volume of pods is mounted at ${checkpoints}: checkpoints end with their pod, and a restart begins anew`,
        'add a claim that all nodes can write (ReadWriteMany) to pods.volumes',
      ),
    ]
  if (volume.from.kind !== 'claim') {
    const own = volume.from.kind === 'emptyDir'
    return [
      check(
        'checkpoints',
        own ? 'wrong' : 'good',
        `${checkpoints} is on ${volume.from.kind} ${volume.name}`,
        own ? 'an emptyDir ends with its pod' : null,
      ),
    ]
  }
  const { claim } = volume.from
  try {
    const { spec, status } = await api.get<{ spec: { accessModes?: string[] }; status?: { phase?: string } }>(
      `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${claim}`,
    )
    const modes = spec.accessModes ?? []
    if (status?.phase !== 'Bound')
      return [
        check(
          'checkpoints',
          'wrong',
          `claim ${claim} in ${namespace} is ${status?.phase ?? 'unknown'}`,
          `kubectl -n ${namespace} describe pvc ${claim}`,
        ),
      ]
    return modes.includes('ReadWriteMany')
      ? [check('checkpoints', 'good', `claim ${claim} in ${namespace} is bound, ReadWriteMany`)]
      : [
          check(
            'checkpoints',
            'wrong',
            `claim ${claim} in ${namespace} is ${modes.join(', ')}: one node at a time can write it`,
            'use a ReadWriteMany claim',
          ),
        ]
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    if (error.status === 403) return [check('checkpoints', 'note', `whether claim ${claim} is bound may not be asked`)]
    if (error.status !== 404) throw error
    return [
      check('checkpoints', 'missing', `there is no claim ${claim} in ${namespace}`, 'make it, or mend pods.volumes'),
    ]
  }
}
