// From the ends of a gang to what each line and each exit says by itself. Nothing here chooses between them.
import type { EndedWorker, FailureKind } from '../../../domain/failure.ts'
import type { WorkerId } from '../../../domain/ids.ts'
import { FAILURE_WORKERS_MAX, LOG_LINE_CHARS_PARSED_MAX } from '../../../domain/limits.ts'
import type { EpochMs } from '../../../domain/units.ts'
import { ownCode, signalOf } from './exits.ts'
import { END_OF_TRAINING, rowOf } from './patterns.ts'
import type { Tier } from './patterns.ts'

/** A line of the end of a worker's log, without escape sequences. */
export type TailLine = {
  readonly at: EpochMs
  readonly text: string
  /** It tells of a step: whatever was said before it was survived. */
  readonly isStep: boolean
}

export type Tails = ReadonlyMap<WorkerId, readonly TailLine[]>

/** Something that may have been the beginning. */
export type Hit = {
  readonly kind: FailureKind
  readonly tier: Tier
  readonly worker: EndedWorker
  readonly at: EpochMs
  /** Its place among the lines of its worker; null: its exit says it. */
  readonly index: number | null
  readonly text: string
  readonly blamesOthers: boolean
}

/** What launchers put before a line: torchrun's `[default0]:`, `[rank0]:`. */
const PREFIX = /^\[(?:default|rank)\d+\]:\s?/
export const plain = ({ text }: TailLine): string => text.slice(0, LOG_LINE_CHARS_PARSED_MAX).replace(PREFIX, '')

/**
 * Lines of different nodes have different clocks, a launcher sees the end of a rank up to five seconds late (torchelastic's monitor_interval
 * before 2.5), and a kubelet tells whole seconds: what lies nearer than this has no order.
 */
export const NEAR_MS = 10_000

/** What began a failure is no older than the collectives that gave up: NCCL's timeout is 10 minutes since PyTorch 2.2, 30 before. */
const SINCE_MS = 2_400_000

export function endedFirst(workers: readonly EndedWorker[]): readonly EndedWorker[] {
  return workers.toSorted((a, b) => endOf(a) - endOf(b)).slice(0, FAILURE_WORKERS_MAX)
}
const endOf = ({ endedAt }: EndedWorker): number => endedAt ?? Number.MAX_SAFE_INTEGER

/** What is as new as the last step of any worker, and not of another day where nobody tells of steps. */
export function hitsOf(workers: readonly EndedWorker[], tails: Tails, early: boolean): readonly Hit[] {
  const since = Math.max(lastStepAt(workers, tails) - NEAR_MS, (workers[0]?.endedAt ?? 0) - SINCE_MS)
  const hits: Hit[] = []
  for (const worker of workers) {
    const lines = tails.get(worker.worker) ?? []
    const stopped = worker.exit?.cause === 'stop'
    for (const [index, line] of lines.entries()) {
      if (line.at < since) continue
      const row = rowOf(plain(line), early, stopped)
      if (row === null) continue
      const { kind, tier, blamesOthers = false } = row
      hits.push({ kind, tier, worker, at: line.at, index, text: line.text, blamesOthers })
    }
    const exit = exitHit(worker, lines)
    if (exit !== null) hits.push(exit)
  }
  return hits.toSorted((a, b) => a.at - b.at)
}

function lastStepAt(workers: readonly EndedWorker[], tails: Tails): number {
  let last = 0
  for (const { worker } of workers)
    for (const { at, isStep } of tails.get(worker) ?? []) if (isStep && at > last) last = at
  return last
}

/** What an exit says, where it says more than that it failed. Under torchrun its own report of the rank counts. */
function exitHit(worker: EndedWorker, lines: readonly TailLine[]): Hit | null {
  const { exit, endedAt } = worker
  if (exit === null || exit.cause === 'stop') return null
  const own = ownCode(lines)
  const code = own?.code ?? (exit.kind === 'code' ? exit.code : null)
  const line = own === null ? null : (lines[own.index] ?? null)
  const said = kindOfExit(code, own === null ? exit.signal : null, exit.cause === 'could-not-start')
  const at = line?.at ?? endedAt
  if (said === null || at === null) return null
  const text = line?.text ?? exit.message ?? (exit.kind === 'code' ? `exit code ${exit.code}` : (exit.signal ?? ''))
  return { ...said, worker, at, index: own?.index ?? null, text, blamesOthers: false }
}

type Said = Pick<Hit, 'kind' | 'tier'>

const BY_SIGNAL: ReadonlyMap<string, Said> = new Map<string, Said>([
  ['SIGKILL', { kind: 'killed', tier: 'exception' }],
  ['SIGTERM', { kind: 'evicted', tier: 'exception' }],
  ['SIGINT', { kind: 'told-to-stop', tier: 'exception' }],
  ['SIGHUP', { kind: 'told-to-stop', tier: 'exception' }],
  ['SIGSEGV', { kind: 'native-crash', tier: 'exception' }],
  ['SIGBUS', { kind: 'native-crash', tier: 'exception' }],
  ['SIGILL', { kind: 'native-crash', tier: 'exception' }],
  // What every library does that gives up: above it stands why.
  ['SIGABRT', { kind: 'native-crash', tier: 'symptom' }],
])

function kindOfExit(code: number | null, named: string | null, couldNotStart: boolean): Said | null {
  // A shell's codes for "cannot execute" and "not found".
  if (couldNotStart || code === 126 || code === 127) return { kind: 'cannot-start', tier: 'exception' }
  const signal = named ?? (code === null ? null : signalOf(code))
  return signal === null ? null : (BY_SIGNAL.get(signal) ?? null)
}

/** The line that says that training had ended, and its worker. */
export function endOfTraining(
  workers: readonly EndedWorker[],
  tails: Tails,
): { worker: EndedWorker; line: TailLine } | null {
  for (const worker of workers) {
    const line = tails.get(worker.worker)?.find((each) => END_OF_TRAINING.test(plain(each)))
    if (line !== undefined) return { worker, line }
  }
  return null
}
