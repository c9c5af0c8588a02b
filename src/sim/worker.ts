// A worker of the simulated cluster, and what a look at the cluster shows of it.
import type { WorkerId } from '../domain/ids.ts'
import type { EpochMs } from '../domain/units.ts'
import type { WorkerExit, WorkerSeen } from '../ports/cluster.ts'
import { LogBytes } from './log-bytes.ts'

export type Worker = {
  readonly id: WorkerId
  readonly node: string
  startedAt: EpochMs | null
  endedAt: EpochMs | null
  exit: WorkerExit
  cause: 'itself' | 'stop' | 'deadline'
  isGone: boolean
  isEnding: boolean
  /** A pod that is held until a later launch lets it go. */
  isGated: boolean
  readonly log: LogBytes
  /** What its supervisor takes for the time: the machine's clock when it began, and boot time since. */
  readonly clockMs: number
}

export const newWorker = (id: WorkerId, node: string, clockMs: number): Worker => ({
  id,
  node,
  startedAt: null,
  endedAt: null,
  exit: { kind: 'code', code: 0 },
  cause: 'itself',
  isGone: false,
  isEnding: false,
  isGated: false,
  log: new LogBytes(),
  clockMs,
})

export function seenOf(worker: Worker): WorkerSeen {
  if (worker.isGone) return { worker: worker.id, phase: 'gone' }
  if (worker.endedAt !== null) {
    const { startedAt, endedAt, exit, cause } = worker
    return { worker: worker.id, phase: 'exited', startedAt, endedAt, exit, cause, message: null }
  }
  if (worker.startedAt === null) return { worker: worker.id, phase: worker.isGated ? 'waiting' : 'claimed' }
  return { worker: worker.id, phase: 'running', startedAt: worker.startedAt }
}
