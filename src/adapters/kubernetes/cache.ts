// What is known of a cluster, kept by watches: Jobs and warnings of our namespaces, pods and nodes of all. Everything here can be
// thrown away and read again.
import { setTimeout as pause } from 'node:timers/promises'
import type { AttemptId, WorkerId } from '../../domain/ids.ts'
import { MESSAGE_CHARS_MAX } from '../../domain/limits.ts'
import type { Api } from './api.ts'
import { ApiError, isGone, isStatus } from './api-error.ts'
import type { JobRecord } from './jobs.ts'
import { jobRecord } from './jobs.ts'
import { CONTROL_PLANE, MANAGED_BY, PLIMSOLL } from './names.ts'
import type { NodeOptions, NodeRecord } from './nodes.ts'
import { Heard, nodeRecord } from './nodes.ts'
import type { Job, KubernetesEvent, Lease, List, Node, Pod } from './objects.ts'
import type { PodRecord } from './pods.ts'
import { podRecord } from './pods.ts'
import type { Reflector } from './reflector.ts'
import { startReflector } from './reflector.ts'

export type CacheOptions = {
  readonly api: Api
  readonly controlPlane: string
  readonly namespaces: readonly string[]
  readonly nodes: NodeOptions
  readonly nodeSelector: string | null
  readonly relistMs: number
  readonly log: (level: 'info' | 'warn' | 'error', fields: object, message: string) => void
  readonly changed: () => void
}

const LEASES_MS = 5_000
/** One that is deleted ends what runs in it; who asks for it rarely notices some seconds later. */
const NAMESPACES_MS = 30_000
/** A gap between two looks at the leases that is longer is our own absence. */
const LEASES_GAP_MS_MAX = 6 * LEASES_MS

export class Cache {
  readonly heard = new Heard()
  readonly #options: CacheOptions
  readonly #jobs: readonly Reflector<JobRecord>[]
  readonly #warnings: readonly Reflector<Warning>[]
  readonly #nodes: Reflector<NodeRecord>
  /** Of all namespaces where we may see them, else of ours. */
  #pods: readonly Reflector<PodRecord>[]
  readonly #byAttempt = new Map<AttemptId, Map<string, PodRecord>>()
  readonly #gpusByNode = new Map<string, Map<string, PodRecord>>()
  readonly #jobOf = new Map<AttemptId, JobRecord>()
  readonly #warningOf = new Map<string, Warning>()
  readonly #stopping = new AbortController()
  readonly #leases: Promise<void>
  #leaseTrouble: unknown = null
  #namespacesAt = 0
  #seesAll = true
  readonly #deciding: Promise<void>

  constructor(options: CacheOptions) {
    const { api, namespaces, log, relistMs, nodeSelector } = options
    this.#options = options
    const base = { api, log, relistMs }
    const mine = { labelSelector: `${MANAGED_BY}=${PLIMSOLL},${CONTROL_PLANE}=${options.controlPlane}` }
    this.#jobs = namespaces.map((namespace) =>
      startReflector<Job, JobRecord>({
        ...base,
        path: `/apis/batch/v1/namespaces/${namespace}/jobs`,
        query: mine,
        itemOf: jobRecord,
        changed: (_, before, after) => this.#jobChanged(before, after),
      }),
    )
    this.#warnings = namespaces.map((namespace) =>
      startReflector<KubernetesEvent, Warning>({
        ...base,
        path: `/api/v1/namespaces/${namespace}/events`,
        query: { fieldSelector: 'type=Warning' },
        itemOf: warningOf,
        changed: (_, before, after) => this.#warned(before, after),
      }),
    )
    this.#nodes = startReflector<Node, NodeRecord>({
      ...base,
      path: '/api/v1/nodes',
      ...(nodeSelector === null ? {} : { query: { labelSelector: nodeSelector } }),
      itemOf: (node) => nodeRecord(node, options.nodes, options.controlPlane),
      changed: () => options.changed(),
    })
    this.#pods = [this.#watchPods('/api/v1/pods')]
    this.#deciding = this.#decidePods()
    this.#leases = this.#keepLeases()
  }

  #watchPods(path: string): Reflector<PodRecord> {
    const { api, log, relistMs, nodes, controlPlane } = this.#options
    return startReflector<Pod, PodRecord>({
      api,
      log,
      relistMs,
      path,
      itemOf: (pod, before) => podRecord(pod, nodes.gpuResource, controlPlane, before),
      changed: (key, before, after) => this.#podChanged(key, before, after),
    })
  }

  /** Without the right to see all pods, ours are watched: whose the other slots are is then unknown. */
  async #decidePods(): Promise<void> {
    const [all] = this.#pods
    try {
      await all?.synced()
    } catch (error) {
      if (!isStatus(error, 403) || this.#stopping.signal.aborted) return
      await all?.stop()
      this.#seesAll = false
      this.#options.log('warn', { error: String(error) }, 'pods of others cannot be seen')
      this.#pods = this.#options.namespaces.map((namespace) => this.#watchPods(`/api/v1/namespaces/${namespace}/pods`))
    }
  }

  get seesAllPods(): boolean {
    return this.#seesAll
  }

  jobs(): ReadonlyMap<AttemptId, JobRecord> {
    return this.#jobOf
  }

  nodes(): ReadonlyMap<string, NodeRecord> {
    return this.#nodes.items
  }

  attempts(): ReadonlyMap<AttemptId, ReadonlyMap<string, PodRecord>> {
    return this.#byAttempt
  }

  podsOf(attempt: AttemptId): PodRecord[] {
    return [...(this.#byAttempt.get(attempt)?.values() ?? [])]
  }

  podOf(worker: WorkerId, attempt: AttemptId): PodRecord | null {
    return this.podsOf(attempt).find((pod) => pod.ours?.worker === worker) ?? null
  }

  /** GPUs of a node that pods of others hold. */
  foreign(node: string): number {
    let gpus = 0
    for (const pod of this.#gpusByNode.get(node)?.values() ?? []) if (pod.ours === null && !pod.over) gpus += pod.gpus
    return gpus
  }

  /** What Kubernetes warned of last about a pod or a Job, by its name. */
  warning(name: string): string | null {
    return this.#warningOf.get(name)?.text ?? null
  }

  /** Whether a node was heard within the time of its lease. */
  isHeard(node: string): boolean {
    return this.heard.isHeard(node)
  }

  /** What keeps us from seeing the cluster as it is now; null: nothing. Until then what is not known here may be there all the same. */
  trouble(): unknown {
    const all = [...this.#pods, ...this.#jobs, this.#nodes].map((reflector) => reflector.trouble()?.error)
    const errors = [...all, this.#leaseTrouble].filter((error) => error !== undefined && error !== null)
    const telling = errors.find((error) => error instanceof ApiError && error.status !== 0) ?? errors[0]
    if (telling !== undefined) return telling
    return this.heard.seenAt() === null ? new ApiError(0, 'Unreachable', 'it has not answered yet') : null
  }

  #jobChanged(before: JobRecord | null, after: JobRecord | null): void {
    if (after !== null) this.#jobOf.set(after.attempt, after)
    else if (before !== null) this.#jobOf.delete(before.attempt)
    this.#options.changed()
  }

  #podChanged(key: string, before: PodRecord | null, after: PodRecord | null): void {
    if (before !== null) this.#unindex(key, before)
    if (after !== null) this.#index(key, after)
    const ours = (after ?? before)?.ours
    if (ours != null && after === null && before !== null) this.left?.(before)
    if (ours != null || before?.node !== after?.node || before?.over !== after?.over) this.#options.changed()
  }

  /** Told of a pod of ours that is not there any more, as it was last. */
  left: ((pod: PodRecord) => void) | null = null

  #index(key: string, pod: PodRecord): void {
    if (pod.ours !== null) put(this.#byAttempt, pod.ours.attempt, key, pod)
    if (pod.node !== null && pod.gpus > 0) put(this.#gpusByNode, pod.node, key, pod)
  }

  #unindex(key: string, pod: PodRecord): void {
    if (pod.ours !== null) drop(this.#byAttempt, pod.ours.attempt, key)
    if (pod.node !== null) drop(this.#gpusByNode, pod.node, key)
  }

  #warned(before: Warning | null, after: Warning | null): void {
    if (after === null) {
      if (before !== null && this.#warningOf.get(before.of) === before) this.#warningOf.delete(before.of)
      return
    }
    const known = this.#warningOf.get(after.of)
    if (known !== undefined && known.version > after.version) return
    this.#warningOf.set(after.of, after)
    this.#options.changed()
  }

  async #keepLeases(): Promise<void> {
    const { api } = this.#options
    while (!this.#stopping.signal.aborted) {
      try {
        const leases: Lease[] = []
        let token: string | undefined
        do {
          // As the server's cache has it: some tenths of a second old at most.
          const query = { limit: 500, continue: token, ...(token === undefined ? { resourceVersion: '0' } : {}) }
          const page: List<Lease> = await api.get(
            '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases',
            query,
          )
          leases.push(...page.items)
          token = page.metadata.continue === '' ? undefined : page.metadata.continue
        } while (token !== undefined)
        await this.#lookForNamespaces()
        const first = this.heard.seenAt() === null
        this.heard.look(leases, performance.now(), LEASES_GAP_MS_MAX)
        const recovered = this.#leaseTrouble !== null
        this.#leaseTrouble = null
        if (first || recovered) this.#options.changed()
      } catch (error) {
        this.#leaseTrouble = error
      }
      const wait = this.#leaseTrouble === null ? LEASES_MS : LEASES_MS / 2
      await pause(wait, null, { signal: this.#stopping.signal }).catch(() => null)
    }
  }

  /** A list in a namespace that does not exist is empty and no error. Where we may not ask, a launch will say it. */
  async #lookForNamespaces(): Promise<void> {
    if (performance.now() < this.#namespacesAt) return
    const { api, namespaces, log } = this.#options
    const missing: { readonly namespace: string; readonly error: unknown }[] = []
    for (const namespace of namespaces) {
      await api.get(`/api/v1/namespaces/${namespace}`).catch((error: unknown) => {
        if (isGone(error)) missing.push({ namespace, error })
        else if (!isStatus(error, 403)) throw error
      })
    }
    // Where others are there, runs of the missing one say it at their launch.
    if (missing.length === namespaces.length) throw missing[0]?.error
    for (const { namespace } of missing) log('warn', { namespace }, 'a namespace of runs does not exist')
    this.#namespacesAt = performance.now() + NAMESPACES_MS
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    await Promise.all([...this.#pods, ...this.#jobs, ...this.#warnings, this.#nodes].map((each) => each.stop()))
    await Promise.all([this.#leases, this.#deciding])
  }
}

function put<Key>(index: Map<Key, Map<string, PodRecord>>, key: Key, name: string, pod: PodRecord): void {
  const known = index.get(key)
  if (known === undefined) index.set(key, new Map([[name, pod]]))
  else known.set(name, pod)
}

function drop<Key>(index: Map<Key, Map<string, PodRecord>>, key: Key, name: string): void {
  const known = index.get(key)
  known?.delete(name)
  if (known?.size === 0) index.delete(key)
}

type Warning = { readonly of: string; readonly text: string; readonly version: number }

function warningOf({ metadata, reason, message, involvedObject }: KubernetesEvent): Warning | null {
  const of = involvedObject?.name
  if (of === undefined || (involvedObject?.kind !== 'Pod' && involvedObject?.kind !== 'Job')) return null
  const text = `${reason ?? 'Warning'}: ${message ?? ''}`.slice(0, MESSAGE_CHARS_MAX)
  return { of, text, version: Number(metadata.resourceVersion) }
}
