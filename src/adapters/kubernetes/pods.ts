// What a pod tells of its worker. A pod is cut down to a record when it comes; what it means is worked out when somebody looks, since
// that depends on its Job too.
import type { AttemptId, WorkerId } from '../../domain/ids.ts'
import { isAttemptId, workerIdOf } from '../../domain/ids.ts'
import { MESSAGE_CHARS_MAX } from '../../domain/limits.ts'
import type { EpochMs } from '../../domain/units.ts'
import { earlier, epochMs, later } from '../../domain/units.ts'
import type { WorkerExit, WorkerSeen } from '../../ports/cluster.ts'
import { hinted } from './hints.ts'
import { ATTEMPT, COMPLETION_INDEX, CONTAINER, CONTROL_PLANE } from './names.ts'
import type { Condition, Container, ContainerState, NodeSelectorTerm, Pod } from './objects.ts'

/** A pod that holds or may hold GPUs, ours or somebody else's. */
export type PodRecord = {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly node: string | null
  readonly gpus: number
  /** Its containers have ended: it holds nothing. */
  readonly over: boolean
  readonly ours: OurPod | null
}

export type OurPod = {
  readonly attempt: AttemptId
  readonly index: number
  readonly worker: WorkerId
  readonly phase: string
  readonly gates: readonly string[]
  /** Of a gated pod only: what a patch of its affinity must keep. */
  readonly terms: readonly NodeSelectorTerm[]
  readonly createdAt: number
  /** When its deletion was asked for, by whomever; and the grace that it was given. */
  readonly deletedAt: number | null
  readonly graceMs: number | null
  readonly state: ContainerState | null
  readonly reason: string | null
  readonly message: string | null
  readonly conditions: readonly Condition[]
}

/** Null: it is not ours and has no GPUs, so it is of no interest. `before`: what was known under its name. */
export function podRecord(
  pod: Pod,
  gpuResource: string,
  controlPlane: string,
  before: PodRecord | null = null,
): PodRecord | null {
  const { metadata, spec, status } = pod
  const gpus = gpusOf(spec, gpuResource)
  const ours = ourPod(pod, controlPlane, before?.uid === metadata.uid ? before.ours : null)
  if (ours === null && gpus === 0) return null
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    node: spec.nodeName ?? null,
    gpus,
    over: status?.phase === 'Succeeded' || status?.phase === 'Failed',
    ours,
  }
}

/** What the scheduler counts: all containers and sidecars together, or an init container with the sidecars before it where that is more. */
function gpusOf({ containers, initContainers = [] }: Pod['spec'], gpuResource: string): number {
  const of = ({ resources }: Container): number => {
    const asked = Number(resources?.requests?.[gpuResource] ?? resources?.limits?.[gpuResource] ?? 0)
    return Number.isFinite(asked) ? asked : 0
  }
  let sidecars = 0
  let most = 0
  for (const container of initContainers) {
    most = Math.max(most, sidecars + of(container))
    if (container.restartPolicy === 'Always') sidecars += of(container)
  }
  return Math.max(most, sidecars + containers.reduce((sum, container) => sum + of(container), 0))
}

function ourPod({ metadata, spec, status }: Pod, controlPlane: string, before: OurPod | null): OurPod | null {
  const attempt = metadata.labels?.[ATTEMPT] ?? ''
  const index = Number(metadata.annotations?.[COMPLETION_INDEX] ?? metadata.labels?.[COMPLETION_INDEX] ?? Number.NaN)
  if (metadata.labels?.[CONTROL_PLANE] !== controlPlane || !isAttemptId(attempt) || !Number.isInteger(index))
    return null
  const gates = (spec.schedulingGates ?? []).map((gate) => gate.name)
  const graceMs = (metadata.deletionGracePeriodSeconds ?? 0) * 1000
  const deletedAt =
    metadata.deletionTimestamp === undefined ? null : (timeOf(metadata.deletionTimestamp) ?? 0) - graceMs
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return {
    attempt,
    index,
    worker: workerIdOf(attempt, index),
    phase: status?.phase ?? 'Pending',
    gates,
    terms: gates.length === 0 ? [] : (required?.nodeSelectorTerms ?? []),
    createdAt: timeOf(metadata.creationTimestamp) ?? 0,
    // Its last step, without grace, is the kubelet's, once all has ended: it takes the place of the one that was asked for.
    deletedAt: deletedAt !== null && graceMs === 0 ? (before?.deletedAt ?? deletedAt) : deletedAt,
    graceMs: deletedAt === null ? null : graceMs,
    state:
      // By its name: others may have put containers of theirs beside it, and the list is sorted.
      status?.containerStatuses?.find(({ name }) => name === CONTAINER)?.state ??
      status?.initContainerStatuses?.find(({ state }) => state?.waiting)?.state ??
      null,
    reason: status?.reason ?? null,
    message: status?.message ?? null,
    conditions: (status?.conditions ?? []).filter(({ type }) => type === 'PodScheduled' || type === 'DisruptionTarget'),
  }
}

export const timeOf = (text: string | undefined): number | null => {
  const at = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(at) ? null : at
}

/** What is known of the Job of a pod: whose doing its end is. */
export type Ends = {
  /** We asked for it to end. */
  readonly asked: boolean
  /** Its deadline has passed. */
  readonly deadline: boolean
}

/** Of one of our pods, at the moment of a look. `warning` is what Kubernetes warned of last, of this pod. */
export function workerSeen(pod: OurPod, ends: Ends, warning: string | null, now: EpochMs): WorkerSeen {
  const { worker, state, phase } = pod
  if (state?.terminated !== undefined) return exited(pod, state.terminated, ends, now)
  if (phase === 'Failed' || phase === 'Succeeded') return rejected(pod, now)
  if (state?.running !== undefined)
    return { worker, phase: 'running', startedAt: within(timeOf(state.running.startedAt), pod, now) }
  if (pod.gates.length > 0)
    return pod.deletedAt === null
      ? { worker, phase: 'waiting', message: warning === null ? null : hinted(warning) }
      : neverStarted(pod, ends, now)
  const waits = waitsFor(pod) ?? warning
  const preparing = state?.waiting?.reason === 'ContainerCreating' || state?.waiting?.reason === 'PodInitializing'
  return { worker, phase: 'claimed', preparing, message: waits === null ? null : hinted(waits) }
}

/** Whole seconds of the node's clock: never before the pod was made, never after this look. */
const within = (at: number | null, pod: OurPod, now: EpochMs): EpochMs =>
  earlier(later(epochMs(at ?? now), epochMs(pod.createdAt)), now)

function exited(pod: OurPod, ended: NonNullable<ContainerState['terminated']>, ends: Ends, now: EpochMs): WorkerSeen {
  const startedAt = timeOf(ended.startedAt)
  const finishedAt = timeOf(ended.finishedAt)
  const couldNot = ended.reason === 'StartError' || ended.reason === 'ContainerCannotRun'
  const because =
    ended.reason === 'OOMKilled' ? 'OOMKilled: it used more memory than its limit, or than its node has' : null
  const said = ended.message === undefined || ended.message === '' ? null : ended.message.trim()
  const cause = couldNot ? 'could-not-start' : causeOf(pod, finishedAt, ends)
  return {
    worker: pod.worker,
    phase: 'exited',
    startedAt: couldNot || startedAt === null || startedAt === 0 ? null : within(startedAt, pod, now),
    // The last moment of the second that is told: what it wrote in it was before its end.
    endedAt: within(finishedAt === null ? null : finishedAt + 999, pod, now),
    exit: exitOf(ended.exitCode),
    cause,
    message: joined([
      because ?? said,
      cause === 'evicted' ? (evictionOf(pod) ?? 'its pod was deleted, and not by plimsoll') : null,
    ]),
  }
}

function causeOf(pod: OurPod, finishedAt: number | null, ends: Ends): 'itself' | 'stop' | 'deadline' | 'evicted' {
  if (evictionOf(pod) !== null && !ends.asked && !ends.deadline) return 'evicted'
  const before = finishedAt !== null && pod.deletedAt !== null && finishedAt + 999 < pod.deletedAt
  // Where nobody saw more than the last step, when it was asked for is not known: only that we did.
  const unknown = pod.graceMs === 0 && (ends.asked || ends.deadline)
  if (pod.deletedAt === null || (before && !unknown)) return 'itself'
  return ends.deadline ? 'deadline' : ends.asked ? 'stop' : 'evicted'
}

/** Kubernetes' own word for why it ended a pod. */
function evictionOf({ conditions, reason, message }: OurPod): string | null {
  const target = conditions.find(({ type, status }) => type === 'DisruptionTarget' && status === 'True')
  if (target !== undefined) return joined([target.reason ?? 'DisruptionTarget', target.message ?? null])
  return reason !== null && EVICTIONS.has(reason) ? joined([reason, message]) : null
}

const EVICTIONS = new Set(['Evicted', 'Preempting', 'NodeShutdown', 'Terminated', 'NodeLost', 'Shutdown'])

/** Nothing lets it go any more. */
function neverStarted(pod: OurPod, ends: Ends, now: EpochMs): WorkerSeen {
  return {
    worker: pod.worker,
    phase: 'exited',
    startedAt: null,
    endedAt: within(pod.deletedAt, pod, now),
    exit: { kind: 'code', code: 143 },
    cause: ends.deadline ? 'deadline' : ends.asked ? 'stop' : 'evicted',
    message: 'its pod was deleted before it started',
  }
}

/** It ended without a container: its node would not take it, or nobody saw its containers end. */
function rejected(pod: OurPod, now: EpochMs): WorkerSeen {
  return {
    worker: pod.worker,
    phase: 'exited',
    startedAt: null,
    endedAt: now,
    exit: { kind: 'code', code: 128 },
    cause: 'evicted',
    message: joined([pod.reason, pod.message]) ?? evictionOf(pod) ?? 'its node did not run it',
  }
}

/** What keeps a pod that may start, in Kubernetes' words; null while all goes as it should. */
function waitsFor({ state, conditions }: OurPod): string | null {
  const { reason, message } = state?.waiting ?? {}
  if (reason !== undefined && reason !== 'ContainerCreating' && reason !== 'PodInitializing')
    return joined([reason, message ?? null])
  // That it was gated is told until the scheduler has looked at it since; it would hide what the scheduler then says.
  const unscheduled = conditions.find(
    (each) => each.type === 'PodScheduled' && each.status === 'False' && each.reason !== 'SchedulingGated',
  )
  return unscheduled === undefined ? null : joined(['FailedScheduling', unscheduled.message ?? null])
}

const SIGNALS: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  13: 'SIGPIPE',
  14: 'SIGALRM',
  15: 'SIGTERM',
}

/** A container's code above 128 is a signal by convention of every runtime. */
function exitOf(code: number): WorkerExit {
  const signal = SIGNALS[code - 128]
  return signal === undefined ? { kind: 'code', code } : { kind: 'signal', signal }
}

const joined = (parts: readonly (string | null)[]): string | null => {
  const text = parts.filter((part) => part !== null && part !== '').join(': ')
  return text === '' ? null : text.slice(0, MESSAGE_CHARS_MAX)
}
