// What a run still needs, as far as it is known: what a placement reserves, and what an extension fills up to (design: books, Budgets).
import type { Run } from '../../domain/run.ts'
import type { Durations } from '../../domain/settings.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { EpochMs } from '../../domain/units.ts'

/**
 * GPU-ms: the least of what the limits and the estimate leave, else a slice; and room to end in order. `usedGpuMs` is what the run has
 * paid so far. An estimate that is used up says nothing more.
 */
export const needGpuMs = (run: Run, usedGpuMs: number, now: EpochMs, durations: Durations): number =>
  needOf(run, usedGpuMs, now, durations).gpuMs

/** `isKnown`: by a limit or an estimate; else it is a slice. */
export type Need = { readonly gpuMs: number; readonly isKnown: boolean }

export function needOf(run: Run, usedGpuMs: number, now: EpochMs, durations: Durations): Need {
  const gpus = gpusOf(run.resources)
  const known: number[] = []
  if (run.estimateP80 !== null && run.estimateP80 > usedGpuMs) known.push(run.estimateP80 - usedGpuMs)
  if (run.limits.gpuMs !== null) known.push(Math.max(0, run.limits.gpuMs - usedGpuMs))
  if (run.limits.timeMs !== null) {
    const spent = run.startedAt === null ? 0 : now - run.startedAt
    known.push(Math.max(0, run.limits.timeMs - spent) * gpus)
  }
  const need = known.length === 0 ? durations.reserveSliceMs * gpus : Math.min(...known)
  return { gpuMs: need + roomGpuMs(run, durations), isKnown: known.length > 0 }
}

/** GPU-ms in which a run saves a checkpoint and ends. */
export const roomGpuMs = (run: Run, durations: Durations): number =>
  (durations.checkpointMs + durations.graceMs) * gpusOf(run.resources)
