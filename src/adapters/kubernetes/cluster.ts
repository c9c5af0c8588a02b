// A cluster of Kubernetes: it starts, keeps and isolates the pods; what runs where is decided elsewhere (design: kubernetes). All that
// this object knows is read again by the next process; every call may be repeated.
import type { KubeConfig } from '@kubernetes/client-node'
import type { AttemptId, ClusterName, ProjectName, WorkerId } from '../../domain/ids.ts'
import { attemptOfWorker } from '../../domain/ids.ts'
import type { AttemptPlan, EndRequest } from '../../domain/plan.ts'
import type { PodGrant, PodOptions } from '../../domain/pod-options.ts'
import type { Refusal } from '../../domain/refusal.ts'
import type { Taint, TaintPolicy } from '../../domain/taint.ts'
import type { EpochMs } from '../../domain/units.ts'
import { epochMs } from '../../domain/units.ts'
import { atOnce } from '../../ports/at-once.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Cluster, ClusterSeen, IngestAddress, LogSlice, NodeSeen, WorkerSeen } from '../../ports/cluster.ts'
import { Fault } from '../../ports/fault.ts'
import type { Api } from './api.ts'
import { createApi } from './api.ts'
import { faultOf, faultOfRefusal, isGone, isStatus, otherPlan } from './api-error.ts'
import { Cache } from './cache.ts'
import { dropFinalizer } from './finalizer.ts'
import { letGo, toLetGo } from './gates.ts'
import { goneNodes } from './gone.ts'
import type { JobRecord } from './jobs.ts'
import { workersWithoutPod } from './jobs.ts'
import type { KeptOff } from './keep-off.ts'
import { cordonsOf, keepOff } from './keep-off.ts'
import type { PodLog } from './logs.ts'
import { Logs } from './logs.ts'
import type { ManifestOptions } from './manifest.ts'
import { jobOf, manifestOptionsOf, masterAddressOf, planHash, secondsUntil, secretOf, serviceOf } from './manifest.ts'
import { ATTEMPT, CONTROL_PLANE, ENDED, PLAN } from './names.ts'
import type { NodeOptions } from './nodes.ts'
import { nodeSeen } from './nodes.ts'
import type { Job } from './objects.ts'
import type { PodRecord } from './pods.ts'
import { timeOf, workerSeen } from './pods.ts'
import { refusalOfRules, rehearse } from './rehearse.ts'
import { Watchers } from './watchers.ts'

export type KubernetesClusterOptions = {
  readonly name: ClusterName
  /** Which control plane we are: objects of another one are not ours, whatever their names. */
  readonly controlPlane: string
  readonly config: KubeConfig
  /** It as it is now, after its credentials were refused. */
  readonly renew?: () => KubeConfig
  readonly clock: Clock
  /** All namespaces that runs may have, and which one a project's are in. */
  readonly namespaces: readonly string[]
  readonly namespaceOf: (project: ProjectName) => string
  readonly nodes: NodeOptions
  readonly nodeSelector: string | null
  /** Every pod that uses GPUs of these nodes is ours: others need not be seen. */
  readonly dedicated: boolean
  /** A node that is cordoned by us is cordoned in Kubernetes too. */
  readonly cordon: boolean
  /** What nodes are tainted with that are out of service here; null: nothing. */
  readonly taint: TaintPolicy | null
  readonly pods: PodOptions
  /** Of specs that name none. */
  readonly image: string | null
  /** What a spec may ask for that reaches beyond its pods. */
  readonly grants: readonly PodGrant[]
  readonly priorityClass: string | null
  readonly checkpointRoot: string
  /** Where pods reach ingest; null: no reports are taken from them, their logs are read. */
  readonly ingestUrl: string | null
  readonly requests: { readonly timeoutMs: number; readonly perSecond: number; readonly burst: number }
  readonly relistMs: number
  readonly log: (level: 'info' | 'warn' | 'error', fields: object, message: string) => void
}

export type KubernetesCluster = Cluster &
  Required<Pick<Cluster, 'cordons' | 'taints' | 'keepOff'>> & { readonly api: Api; close(): Promise<void> }

export function createKubernetesCluster(options: KubernetesClusterOptions): KubernetesCluster {
  return new Kubernetes(options)
}

/** Patches of one gang at once. */
const PATCHES_AT_ONCE = 32
/** A gate that was lifted so long ago and is still seen is lifted again. */
const LIFTED_MS = 5_000
/** What ends sooner has its log read once, when it has ended. People and progress look at the first worker first. */
const SETTLED_MS = { first: 1_000, others: 5_000 } as const
const FORGOTTEN_MAX = 10_000

class Kubernetes implements KubernetesCluster {
  readonly name: ClusterName
  readonly checkpointRoot: string
  readonly cordons: boolean
  readonly taints: TaintPolicy | null
  readonly api: Api
  readonly #options: KubernetesClusterOptions
  readonly #cache: Cache
  readonly #logs: Logs
  readonly #watchers = new Watchers()
  /** Workers whose pods are gone, as they were seen to end. */
  readonly #ended = new Map<AttemptId, Map<WorkerId, WorkerSeen>>()
  /** Attempts whose Service and Secret are known to be there. */
  readonly #furnished = new Set<AttemptId>()
  readonly #lifted = new Map<string, number>()
  /** Their pods go one after the other, and nobody asks any more how they ended. */
  readonly #forgotten = new Set<AttemptId>()
  /** What was asked for last; null: nothing yet. */
  #keptOff: KeptOff | null = null

  constructor(options: KubernetesClusterOptions) {
    this.name = options.name
    this.checkpointRoot = options.checkpointRoot
    this.cordons = cordonsOf(options)
    this.taints = options.taint
    this.#options = options
    this.api = createApi({ config: options.config, renew: options.renew, ...options.requests })
    this.#cache = new Cache({ ...options, api: this.api, changed: () => this.#watchers.tell() })
    this.#cache.left = (pod) => this.#left(pod)
    this.#logs = new Logs(this.api)
  }

  watch(changed: () => void): () => void {
    return this.#watchers.add(changed)
  }

  /** A pod that is not there any more: how it ended is kept where it was seen. */
  #left(pod: PodRecord): void {
    if (pod.ours === null) return
    const { attempt, worker } = pod.ours
    this.#lifted.delete(pod.uid)
    this.#logs.left(worker)
    if (this.#forgotten.has(attempt)) return
    const seen = this.#seen(pod, this.#options.clock.now())
    if (seen?.phase !== 'exited') return
    const of = this.#ended.get(attempt) ?? new Map<WorkerId, WorkerSeen>()
    this.#ended.set(attempt, of.set(worker, seen))
  }

  #seen(pod: PodRecord, now: EpochMs): WorkerSeen | null {
    if (pod.ours === null) return null
    const job = this.#cache.jobs().get(pod.ours.attempt)
    const ends = { asked: job?.asked === true, deadline: job?.pastDeadline === true }
    return {
      ...workerSeen(pod.ours, ends, this.#cache.warning(pod.name), now),
      name: pod.name,
      ...(pod.node === null ? {} : { node: pod.node }),
    }
  }

  async observe(): Promise<ClusterSeen> {
    const trouble = this.#cache.trouble()
    if (trouble !== null) throw faultOf(trouble, this.name, 'it cannot be watched')
    const now = this.#options.clock.now()
    const workers = new Map<WorkerId, WorkerSeen>()
    for (const ended of this.#ended.values()) for (const [worker, seen] of ended) workers.set(worker, seen)
    for (const pods of this.#cache.attempts().values()) {
      for (const pod of pods.values()) {
        const seen = this.#seen(pod, now)
        if (seen !== null) workers.set(seen.worker, seen)
      }
    }
    for (const job of this.#cache.jobs().values())
      for (const seen of workersWithoutPod(job, workers, this.#cache.warning(job.attempt), now))
        workers.set(seen.worker, seen)
    return { observedAt: now, nodes: this.#nodes(), workers: [...workers.values()] }
  }

  #nodes(): NodeSeen[] {
    const blind = !this.#cache.seesAllPods && !this.#options.dedicated
    return [...this.#cache.nodes().values()]
      .filter(({ name }) => this.#cache.isHeard(name))
      .map((node) => nodeSeen(node, { blind, foreign: this.#cache.foreign(node.name), keptOff: this.#keptOff }))
  }

  async goneNodes(nodes: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    try {
      return await goneNodes(this.api, this.#cache, nodes)
    } catch (error) {
      throw faultOf(error, this.name, 'whether a node is gone could not be asked')
    }
  }

  async keepOff(cordoned: ReadonlySet<string>, tainted: ReadonlyMap<string, Taint>): Promise<void> {
    this.#keptOff = { cordoned: this.#options.cordon ? cordoned : null, tainted }
    try {
      await keepOff(this.api, this.#options.controlPlane, this.#cache.nodes().values(), this.#keptOff)
    } catch (error) {
      throw faultOf(error, this.name, 'a node could not be cordoned or tainted, or that could not be undone')
    }
  }

  masterAddress(attempt: string): string {
    return masterAddressOf(attempt)
  }

  #refuse(plan: AttemptPlan): void {
    const rules = { cluster: this.name, grants: this.#options.grants }
    const refusal = refusalOfRules(plan, this.#manifest(plan), rules)
    if (refusal !== null) throw faultOfRefusal(refusal)
  }

  async launch(plan: AttemptPlan, deadlineAt: EpochMs | null, ingest: IngestAddress | null): Promise<void> {
    try {
      const job = this.#cache.jobs().get(plan.attempt)
      if (job !== undefined && (job.suspended || job.deletedAt !== null)) return
      if (job !== undefined && job.plan !== planHash(plan)) throw otherPlan(plan.attempt)
      if (job === undefined) this.#refuse(plan)
      const uid = job?.uid ?? (await this.#createJob(plan, deadlineAt))
      await this.#furnish(plan, uid, ingest)
      if (job !== undefined) await this.#liftGates(plan, job)
    } catch (error) {
      throw faultOf(error, this.name, `attempt ${plan.attempt} could not be launched`)
    }
  }

  rehearse(plan: AttemptPlan): Promise<Refusal | null> {
    return rehearse(this.api, plan, this.#manifest(plan), { cluster: this.name, grants: this.#options.grants })
  }

  #manifest(plan: AttemptPlan): ManifestOptions {
    return manifestOptionsOf(this.#options, plan)
  }

  async #createJob(plan: AttemptPlan, deadlineAt: EpochMs | null): Promise<string> {
    const manifest = this.#manifest(plan)
    const path = `/apis/batch/v1/namespaces/${manifest.namespace}/jobs`
    try {
      const body = jobOf(plan, manifest, deadlineAt, this.#options.clock.now())
      const { metadata } = await this.api.create<Job>(path, body)
      return metadata.uid
    } catch (error) {
      if (!isStatus(error, 409)) throw error
      const { metadata } = await this.api.get<Job>(`${path}/${plan.attempt}`)
      if (metadata.annotations?.[PLAN] !== planHash(plan)) throw otherPlan(plan.attempt)
      return metadata.uid
    }
  }

  /** What the pods need before they start. */
  async #furnish(plan: AttemptPlan, uid: string, ingest: IngestAddress | null): Promise<void> {
    if (this.#furnished.has(plan.attempt)) return
    const manifest = this.#manifest(plan)
    const core = `/api/v1/namespaces/${manifest.namespace}`
    const making: Promise<unknown>[] = []
    if (plan.workers.length > 1) making.push(this.#create(`${core}/services`, serviceOf(plan, manifest, uid)))
    if (manifest.ingestUrl !== null && ingest !== null)
      making.push(this.#create(`${core}/secrets`, secretOf(plan, manifest, uid, ingest.token)))
    await Promise.all(making)
    this.#furnished.add(plan.attempt)
  }

  async #create(path: string, body: object): Promise<void> {
    await this.api.create(path, body).catch((error: unknown) => {
      if (!isStatus(error, 409)) throw error
    })
  }

  /** Once every index has its pod, each is told its node and let go. This is another call than the one that made them. */
  async #liftGates(plan: AttemptPlan, job: JobRecord): Promise<void> {
    const gated = toLetGo(job, this.#cache.podsOf(plan.attempt)).filter(({ uid }) => !this.#isLifted(uid))
    await atOnce(gated, PATCHES_AT_ONCE, (pod) => this.#lift(plan, pod))
  }

  #isLifted(uid: string): boolean {
    return performance.now() - (this.#lifted.get(uid) ?? Number.NEGATIVE_INFINITY) < LIFTED_MS
  }

  async #lift(plan: AttemptPlan, pod: PodRecord): Promise<void> {
    const node = plan.workers.find((worker) => worker.index === pod.ours?.index)?.nodeName
    if (pod.ours === null || node === undefined) return
    try {
      await this.api.patch(`/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`, letGo(pod, pod.ours, node))
      this.#lifted.set(pod.uid, performance.now())
    } catch (error) {
      if (!isStatus(error, 409) && !isGone(error)) throw error
    }
  }

  async deadline(attempt: AttemptId, deadlineAt: EpochMs | null): Promise<void> {
    const job = this.#cache.jobs().get(attempt)
    if (job === undefined || job.startedAt === null)
      throw new Fault('cluster-unreachable', `the Job of ${attempt} is not seen to have started yet`, {
        retryable: true,
      })
    const seconds = deadlineAt === null ? null : secondsUntil(deadlineAt, epochMs(job.startedAt))
    if (seconds === job.deadlineSeconds) return
    await this.#patchJob(job, { spec: { activeDeadlineSeconds: seconds } }, 'its deadline could not be moved')
  }

  /** No more of it is made, and what there is ends. Pods that have ended stay, with their logs, until all is stored. */
  async end({ attempt, graceMs }: EndRequest): Promise<void> {
    const grace = Math.max(1, Math.ceil(graceMs / 1000))
    const isActive = ({ ours, over }: PodRecord): boolean =>
      ours !== null &&
      !over &&
      ours.state?.terminated === undefined &&
      (ours.graceMs ?? Number.POSITIVE_INFINITY) > grace * 1000
    const active = this.#cache.podsOf(attempt).filter(isActive)
    // One that somebody deleted is kept by our finalizer, and its pods run on; without any, what there is of pods ends all the same.
    const job = this.#cache.jobs().get(attempt)
    if (job?.asked === false && (active.length > 0 || job.endedAt === null)) {
      const metadata = { annotations: { [ENDED]: 'true' } }
      await this.#patchJob(job, { metadata, spec: { suspend: true } }, 'it could not be asked to end')
    }
    const query = {
      labelSelector: `${ATTEMPT}=${attempt},${CONTROL_PLANE}=${this.#options.controlPlane}`,
      fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed',
    }
    for (const namespace of new Set(active.map((pod) => pod.namespace))) {
      try {
        await this.api.remove(`/api/v1/namespaces/${namespace}/pods`, { gracePeriodSeconds: grace }, query)
      } catch (error) {
        throw faultOf(error, this.name, `the pods of ${attempt} could not be asked to end`)
      }
    }
  }

  async #patchJob(job: JobRecord, patch: { metadata?: object; spec: object }, trouble: string): Promise<void> {
    const path = `/apis/batch/v1/namespaces/${job.namespace}/jobs/${job.attempt}`
    try {
      await this.api.patch(path, { ...patch, metadata: { ...patch.metadata, uid: job.uid } })
    } catch (error) {
      if (!isGone(error)) throw faultOf(error, this.name, `${job.attempt}: ${trouble}`)
    }
  }

  async readLog(worker: WorkerId, offset: number, bytesMax: number, mark: string | null = null): Promise<LogSlice> {
    const pod = this.#podLog(worker)
    try {
      if (pod === null && this.#cache.trouble() !== null) throw this.#cache.trouble()
      if (offset >= 0) return await this.#logs.read(worker, pod, offset, bytesMax, mark)
      const bytes = pod === null ? new Uint8Array() : await this.#logs.tail(pod, Math.min(-offset, bytesMax))
      return { offset: 0, bytes, nextOffset: bytes.length, mark: null, open: pod?.over === false }
    } catch (error) {
      throw faultOf(error, this.name, `the log of ${worker} could not be read`)
    }
  }

  /** Null where there is no container that has started. */
  #podLog(worker: WorkerId): PodLog | null {
    const pod = this.#cache.podOf(worker, attemptOfWorker(worker))
    const state = pod?.ours?.state ?? null
    if (pod === null || (state?.running === undefined && state?.terminated === undefined)) return null
    const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/log`
    const started = timeOf(state.running?.startedAt)
    const settledMs = worker.endsWith('-0') ? SETTLED_MS.first : SETTLED_MS.others
    // Once it is to end its log may be gone with it.
    const settled =
      pod.ours?.deletedAt !== null || (started !== null && this.#options.clock.now() - started >= settledMs)
    return { path, settled, over: pod.over || state.terminated !== undefined }
  }

  async forget(attempt: AttemptId): Promise<void> {
    if (this.#cache.trouble() !== null)
      throw faultOf(this.#cache.trouble(), this.name, `${attempt} cannot be forgotten`)
    const pods = this.#cache.podsOf(attempt)
    const living = pods.find(
      ({ ours, over }) => ours !== null && !over && ours.state?.terminated === undefined && ours.gates.length === 0,
    )
    if (living !== undefined) throw new Error(`${attempt} cannot be forgotten: its pod ${living.name} still lives`)
    this.#forgotten.add(attempt)
    for (const oldest of this.#forgotten) if (this.#forgotten.size > FORGOTTEN_MAX) this.#forgotten.delete(oldest)
    const job = this.#cache.jobs().get(attempt)
    if (job !== undefined) {
      const path = `/apis/batch/v1/namespaces/${job.namespace}/jobs/${attempt}`
      const preconditions = { uid: job.uid }
      try {
        await dropFinalizer(this.api, path, job)
        await this.api.remove(path, { propagationPolicy: 'Background', preconditions })
      } catch (error) {
        if (!isGone(error)) throw faultOf(error, this.name, `what is left of ${attempt} could not be removed`)
      }
    }
    this.#ended.delete(attempt)
    this.#furnished.delete(attempt)
    for (const pod of pods) {
      this.#lifted.delete(pod.uid)
      if (pod.ours !== null) this.#logs.drop(pod.ours.worker)
    }
  }

  async close(): Promise<void> {
    this.#watchers.close()
    this.#logs.close()
    await this.#cache.close()
  }
}
