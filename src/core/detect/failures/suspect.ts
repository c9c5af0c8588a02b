// Who is to blame when all the others complain. NCCL's watchdog prints of each rank which collective it waits in; the one whose number
// lags did not come. Where no number tells, it is the one worker that says nothing at all; else nobody is accused.
import type { EndedWorker, FailureKind } from '../../../domain/failure.ts'
import type { WorkerId } from '../../../domain/ids.ts'
import type { Hit } from './hits.ts'

const SEQUENCE = /\bSeqNum=(\d{1,15})\b/
/** Of two, the one that was asked to end first says nothing. */
const ACCUSERS_MIN = 2

export function suspectOf(
  kind: FailureKind,
  workers: readonly EndedWorker[],
  hits: readonly Hit[],
): EndedWorker | null {
  const complaints = hits.filter((hit) => hit.kind === kind && hit.blamesOthers)
  const lagging = kind === 'collective-timeout' ? laggard(complaints) : null
  if (lagging !== null) return lagging
  const accusers = new Set(complaints.map(({ worker }) => worker.worker))
  const silent = workers.filter(({ worker }) => !accusers.has(worker))
  return silent.length === 1 && accusers.size >= ACCUSERS_MIN ? (silent[0] ?? null) : null
}

/** The worker with the lowest number, when it has it alone. */
function laggard(complaints: readonly Hit[]): EndedWorker | null {
  const lowest = new Map<WorkerId, { readonly worker: EndedWorker; readonly number: number }>()
  for (const { worker, text } of complaints) {
    const number = Number(SEQUENCE.exec(text)?.[1] ?? Number.NaN)
    const before = lowest.get(worker.worker)?.number ?? Infinity
    if (number < before) lowest.set(worker.worker, { worker, number })
  }
  const [first, second] = [...lowest.values()].toSorted((a, b) => a.number - b.number)
  return first !== undefined && second !== undefined && first.number < second.number ? first.worker : null
}
