// What exists on this machine, read from the directories: it is called at every look, so a worker that has ended is read once.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { AttemptId, WorkerId } from '../../domain/ids.ts'
import { MESSAGE_CHARS_MAX } from '../../domain/limits.ts'
import type { EpochMs } from '../../domain/units.ts'
import { earlier, epochMs, later } from '../../domain/units.ts'
import type { Clock } from '../../ports/clock.ts'
import type { WorkerExit, WorkerSeen } from '../../ports/cluster.ts'
import type { Fields } from './directory.ts'
import {
  attemptFolder,
  isAttempt,
  isMissing,
  isWorker,
  numberField,
  readFields,
  workerFolder,
  workFolder,
} from './directory.ts'
import { killMarked, lives } from './processes.ts'

export type Workers = {
  /** Every worker that was ever claimed and is not forgotten. One that nobody has claimed does not exist yet. */
  all(): WorkerSeen[]
  of(attempt: AttemptId): WorkerSeen[]
  /** Those that may have processes, or whose supervisor may just be starting: prepared, and not ended. */
  living(): WorkerId[]
  /** Leader's time minus boot time. */
  offsetMs(): number
}

type Options = { readonly home: string; readonly clock: Clock; readonly bootMs: () => number; readonly boot: string }

export function createWorkers({ home, clock, bootMs, boot }: Options): Workers {
  // Ended for good, by attempt: these are not read again. A start is converted once, so that it does not tremble with the clock.
  const ended = new Map<AttemptId, Map<WorkerId, WorkerSeen>>()
  const started = new Map<WorkerId, EpochMs>()

  const offsetMs = (): number => Math.round(clock.now() - bootMs())

  function all(): WorkerSeen[] {
    const attempts = namesIn(workFolder(home)).filter(isAttempt)
    const present = new Set(attempts)
    for (const attempt of ended.keys()) if (!present.has(attempt)) ended.delete(attempt)
    return attempts.flatMap(of)
  }

  function of(attempt: AttemptId): WorkerSeen[] {
    const cache = ended.get(attempt) ?? new Map<WorkerId, WorkerSeen>()
    ended.set(attempt, cache)
    const seen: WorkerSeen[] = []
    for (const worker of namesIn(attemptFolder(home, attempt)).filter(isWorker)) {
      const found = cache.get(worker) ?? look(worker)
      if (found === null) continue
      if (found.phase === 'exited' || found.phase === 'gone') {
        cache.set(worker, found)
        started.delete(worker)
      }
      seen.push(found)
    }
    return seen
  }

  function living(): WorkerId[] {
    all()
    return [...ended].flatMap(([attempt, cache]) =>
      namesIn(attemptFolder(home, attempt)).filter((name): name is WorkerId => isWorker(name) && !cache.has(name)),
    )
  }

  function look(worker: WorkerId): WorkerSeen | null {
    const folder = workerFolder(home, worker)
    const claim = readFields(join(folder, 'claim'))
    if (claim === null) return null
    const exit = claim.has('void') ? claim : readFields(join(folder, 'exit'))
    if (exit !== null) return exited(worker, exit)
    if (lives(claim, boot)) return alive(worker, folder)
    // The supervisor may have written `exit` and left between the two looks.
    const late = readFields(join(folder, 'exit'))
    if (late !== null) return exited(worker, late)
    // Nothing outlives a boot. Else whatever has lost its supervisor is ended, and it is gone only when a look finds none of it.
    if (claim.get('boot') === boot && killMarked(worker) > 0) return alive(worker, folder)
    return { worker, phase: 'gone' }
  }

  function alive(worker: WorkerId, folder: string): WorkerSeen {
    const known = started.get(worker)
    if (known !== undefined) return { worker, phase: 'running', startedAt: known }
    const pid = readFields(join(folder, 'pid'))
    const startedAt = pid === null ? null : moment(pid, 'started')
    if (startedAt === null) return { worker, phase: 'claimed' }
    started.set(worker, startedAt)
    return { worker, phase: 'running', startedAt }
  }

  function exited(worker: WorkerId, exit: Fields): WorkerSeen {
    const startedAt = started.get(worker) ?? moment(exit, 'started')
    const told = moment(exit, 'ended') ?? clock.now()
    const endedAt = startedAt === null ? told : later(told, startedAt)
    const message = exit.get('message')?.slice(0, MESSAGE_CHARS_MAX) ?? null
    return { worker, phase: 'exited', startedAt, endedAt, exit: exitOf(exit), cause: causeOf(exit), message }
  }

  /** By boot time, which knows no steps, within one boot; by the wall clock of then after another. Never in the future. */
  function moment(fields: Fields, name: 'started' | 'ended'): EpochMs | null {
    const sameBoot = fields.get('boot') === boot
    const at = numberField(fields, sameBoot ? `${name}BootMs` : `${name}EpochMs`)
    return at === null ? null : earlier(epochMs(sameBoot ? at + offsetMs() : at), clock.now())
  }

  return { all, of, living, offsetMs }
}

function exitOf(fields: Fields): WorkerExit {
  const signal = fields.get('signal')
  return signal === undefined ? { kind: 'code', code: numberField(fields, 'code') ?? 1 } : { kind: 'signal', signal }
}

function causeOf(fields: Fields): 'itself' | 'stop' | 'deadline' | 'could-not-start' {
  const cause = fields.get('cause')
  return cause === 'stop' || cause === 'deadline' || cause === 'could-not-start' ? cause : 'itself'
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}
