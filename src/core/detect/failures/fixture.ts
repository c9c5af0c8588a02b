// Gangs that failed, for tests: what each worker printed and how it ended, and nothing else.
import type { WorkerExitSeen } from '../../../domain/exit.ts'
import type { EndedWorker, Verdict } from '../../../domain/failure.ts'
import { nodeId, runId, t } from '../../../domain/fixture.ts'
import { attemptIdOf, workerIdOf, workerIndexOf } from '../../../domain/ids.ts'
import type { FailedGang } from './classify.ts'
import { classify } from './classify.ts'
import type { TailLine } from './hits.ts'

export const code = (value: number): WorkerExitSeen => ({
  kind: 'code',
  code: value,
  signal: null,
  cause: 'itself',
  message: null,
})
export const signal = (name: string): WorkerExitSeen => ({ ...code(0), kind: 'signal', signal: name })
export const STOPPED: WorkerExitSeen = { ...signal('SIGTERM'), cause: 'stop' }

/** `[10_000, 'text']`: printed ten seconds after the beginning. A line that begins with `step` tells of a step. */
export type Said = readonly [at: number, text: string]
export type Worker = { readonly exit?: WorkerExitSeen; readonly endedAt?: number; readonly said?: readonly Said[] }

const ATTEMPT = attemptIdOf(runId(1), 1)
const lineOf = ([at, text]: Said): TailLine => ({ at: t(at), text, isStep: text.startsWith('step') })

export function verdictOf(workers: readonly Worker[], over: Partial<FailedGang> = {}): Verdict {
  const ended = workers.map(({ exit = code(1), endedAt = 61_000 }, index): EndedWorker => {
    const name = `n${index}`
    const worker = workerIdOf(ATTEMPT, index)
    return { worker, node: nodeId(name), nodeName: name, isLost: false, exit, startedAt: t(0), endedAt: t(endedAt) }
  })
  const tails = new Map(ended.map(({ worker }, index) => [worker, (workers[index]?.said ?? []).map(lineOf)]))
  const gang = {
    outcome: 'failed',
    workers: ended,
    tails,
    hasStepped: false,
    progressExpected: false,
  } as const
  return classify({ ...gang, ...over })
}

/** `cuda-oom of 1`. */
export function told({ kind, culprit }: Verdict): string {
  return culprit === null ? kind : `${kind} of ${workerIndexOf(culprit.worker)}`
}
