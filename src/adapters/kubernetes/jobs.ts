// A Job as it is kept in memory, and what it says of workers that have no pod.
import type { AttemptId, WorkerId } from '../../domain/ids.ts'
import { isAttemptId, workerIdOf } from '../../domain/ids.ts'
import type { EpochMs } from '../../domain/units.ts'
import { epochMs } from '../../domain/units.ts'
import type { WorkerSeen } from '../../ports/cluster.ts'
import { hinted } from './hints.ts'
import { ATTEMPT, ENDED, PLAN } from './names.ts'
import type { Job } from './objects.ts'
import { timeOf } from './pods.ts'

export type JobRecord = {
  readonly attempt: AttemptId
  readonly namespace: string
  readonly uid: string
  readonly plan: string
  readonly workers: number
  readonly suspended: boolean
  /** It was us who asked for its end. */
  readonly asked: boolean
  readonly startedAt: number | null
  readonly endedAt: number | null
  readonly deadlineSeconds: number | null
  readonly pastDeadline: boolean
  readonly resourceVersion: string
  readonly finalizers: readonly string[]
  readonly deletedAt: number | null
  readonly completedIndexes: string
  readonly failedIndexes: string
}

export function jobRecord({ metadata, spec, status }: Job): JobRecord | null {
  const attempt = metadata.labels?.[ATTEMPT] ?? ''
  if (!isAttemptId(attempt)) return null
  const isTrue = (type: string) => status?.conditions?.find((each) => each.type === type && each.status === 'True')
  const failure = isTrue('Failed') ?? isTrue('FailureTarget')
  return {
    attempt,
    namespace: metadata.namespace ?? '',
    uid: metadata.uid,
    plan: metadata.annotations?.[PLAN] ?? '',
    workers: spec.completions ?? 0,
    suspended: spec.suspend === true,
    asked: metadata.annotations?.[ENDED] !== undefined,
    startedAt: timeOf(status?.startTime),
    endedAt: timeOf(status?.completionTime) ?? timeOf((isTrue('Complete') ?? failure)?.lastTransitionTime),
    deadlineSeconds: spec.activeDeadlineSeconds ?? null,
    pastDeadline: failure?.reason === 'DeadlineExceeded',
    resourceVersion: metadata.resourceVersion,
    finalizers: metadata.finalizers ?? [],
    deletedAt: timeOf(metadata.deletionTimestamp),
    completedIndexes: status?.completedIndexes ?? '',
    failedIndexes: status?.failedIndexes ?? '',
  }
}

/** They ended while nobody looked, or were never made: then `warning` says why. */
export function workersWithoutPod(
  job: JobRecord,
  seen: ReadonlyMap<WorkerId, WorkerSeen>,
  warning: string | null,
  now: EpochMs,
): WorkerSeen[] {
  const found: WorkerSeen[] = []
  // Nothing more is made of one that is to end.
  let refused = job.asked || job.endedAt !== null ? null : (madeNoMore(job) ?? warning)
  for (let index = 0; index < job.workers; index += 1) {
    const worker = workerIdOf(job.attempt, index)
    if (seen.has(worker)) continue
    if (hasIndex(job.completedIndexes, index)) {
      const endedAt = epochMs(Math.min(job.endedAt ?? now, now))
      const exit = { kind: 'code', code: 0 } as const
      found.push({ worker, phase: 'exited', startedAt: null, endedAt, exit, cause: 'itself', message: null })
    } else if (job.pastDeadline) {
      const endedAt = epochMs(Math.min(job.endedAt ?? now, now))
      const exit = { kind: 'signal', signal: 'SIGTERM' } as const
      const message = 'its Job was past its deadline, and nobody of us saw it end'
      found.push({ worker, phase: 'exited', startedAt: null, endedAt, exit, cause: 'deadline', message })
    } else if (refused !== null && !hasIndex(job.failedIndexes, index)) {
      // One is enough to say it: the others wait for the same.
      found.push({ worker, phase: 'waiting', message: hinted(refused) })
      refused = null
    }
  }
  return found
}

/** Why a Job that we want makes no more pods. */
function madeNoMore({ suspended, deletedAt }: JobRecord): string | null {
  if (deletedAt !== null) return 'its Job was deleted by somebody else, and makes no more pods'
  return suspended
    ? 'its Job was suspended by somebody else: whatever queues Jobs in this namespace must leave those of plimsoll alone'
    : null
}

/** Whether an index is in a list such as `1,3-5,7`. */
export function hasIndex(list: string, index: number): boolean {
  return list.split(',').some((part) => {
    const [from, to] = part.split('-').map(Number)
    return part !== '' && from !== undefined && index >= from && index <= (to ?? from)
  })
}
