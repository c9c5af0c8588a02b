// What a statement says of a run's efficiency, from its accounts, its checkpoints and what it ran on.
import type { Attempt } from '../../domain/attempt.ts'
import type {
  CheckpointEfficiency,
  Efficiency,
  EfficiencyRead,
  IntervalUnknown,
  Save,
} from '../../domain/efficiency.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { ModelSize } from '../../domain/spec.ts'
import { cellOf } from '../../domain/units.ts'
import { bestInterval, meanMsToFailure } from '../estimate/checkpoint-interval.ts'
import { mfuOf } from '../estimate/mfu.ts'
import type { AttemptAccounts } from './statement.ts'

export type Used = EfficiencyRead & {
  readonly gpus: number
  readonly model: ModelSize | null
  readonly tokens: number | null
  /** In their order. */
  readonly attempts: readonly AttemptAccounts[]
  /** Those that ended by a failure. */
  readonly failed: readonly AttemptId[]
  /** TFLOP/s of one GPU by its model. */
  readonly peaks: ReadonlyMap<string, number | null>
}

/** A gang that never stood had nothing to lose. */
export const hasFailed = ({ state, startedAt }: Attempt): boolean =>
  state.kind === 'ended' && state.failure !== null && startedAt !== null

export function efficiencyOf(used: Used): Efficiency {
  const worked = used.attempts.map(({ attempt, byAccount, heldGpuMs }) => ({
    productiveGpuMs: byAccount.productive ?? 0,
    heldGpuMs,
    peakTflops: peakOf(used, attempt),
  }))
  const mfu = mfuOf(used.model, used.tokens, worked)
  const isKnown = mfu.kind === 'known'
  return {
    mfuProductive: isKnown ? mfu.productive : null,
    mfuHeld: isKnown ? mfu.held : null,
    mfuUnknown: isKnown ? null : mfu.why,
    checkpoints: checkpointsOf(used),
  }
}

/** All GPUs of an attempt are of one model. Slots without a device have no peak, whatever they are called. */
function peakOf({ ranOn, peaks }: Used, attempt: AttemptId): number | null {
  const [only, other] = ranOn.filter((each) => each.attempt === attempt)
  return only === undefined || other !== undefined || only.declared ? null : (peaks.get(only.gpuModel) ?? null)
}

function checkpointsOf(used: Used): CheckpointEfficiency {
  const { gpus, attempts, failed, saves } = used
  const heldGpuMs = attempts.reduce((sum, each) => sum + each.heldGpuMs, 0)
  const productiveGpuMs = attempts.reduce((sum, each) => sum + (each.byAccount.productive ?? 0), 0)
  const failures = failed.length
  const meanToFailureMs = meanMsToFailure(gpus, failures, heldGpuMs)
  const restartMs = median(restartsOf(used))
  const saveMs = saveMsOf(used)
  const between = distancesOf(saves)
  const apartMs = median(between.map(({ ms }) => ms))
  // What lies between two that are durable is the training and one save.
  const intervalMs = apartMs === null || saveMs === null || apartMs <= saveMs ? null : apartMs - saveMs
  const intervalSteps = median(between.map(({ steps }) => steps))
  const measured = {
    saves: saves.length,
    saveMs: rounded(saveMs),
    intervalMs: rounded(intervalMs),
    intervalSteps: rounded(intervalSteps),
    failures,
    restartMs: rounded(restartMs),
    meanToFailureMs: Math.round(meanToFailureMs),
  }
  const without = (bestUnknown: IntervalUnknown) => ({ ...measured, best: null, bestUnknown })
  if (saves.length === 0) return without('no-checkpoint')
  if (saveMs === null) return without('no-save-time')
  if (intervalMs === null || intervalSteps === null) return without('no-interval')
  // What no restart has shown yet counts as nothing: it moves the best interval little, and both sides of the saving alike.
  const best = bestInterval({ meanToFailureMs, saveMs, restartMs: restartMs ?? 0 }, intervalMs, {
    gpuMs: heldGpuMs,
    productiveGpuMs,
  })
  if (best === null) return without('restarts-too-slow')
  // Until then the rate of failures is that of others: a run that failed in its first minute would have lost all.
  if (best.intervalMs > productiveGpuMs / gpus) return without('too-short')
  const steps = Math.max(1, Math.round((best.intervalMs / intervalMs) * intervalSteps))
  return {
    ...measured,
    best: { ...best, intervalMs: Math.round(best.intervalMs), intervalSteps: steps },
    bestUnknown: null,
  }
}

/**
 * The blocking part of one save. What was saved before the first that is read may have been forgotten since, so that only what was
 * booked from its cell on is divided; null where nothing of it was booked: nobody said when a save began and ended.
 */
function saveMsOf({ gpus, attempts, saves }: Used): number | null {
  let gpuMs = 0
  for (const { attempt, checkpointCells } of attempts) {
    const first = saves.find((save) => save.attempt === attempt)
    if (first === undefined) continue
    for (const each of checkpointCells) if (each.cell >= cellOf(first.at)) gpuMs += each.gpuMs
  }
  return gpuMs === 0 ? null : gpuMs / saves.length / gpus
}

/** Between neighbours that went up, each within one attempt. */
function distancesOf(saves: readonly Save[]): { ms: number; steps: number }[] {
  const newest = new Map<string, Save>()
  return saves.flatMap((save) => {
    const before = newest.get(save.attempt)
    newest.set(save.attempt, save)
    if (before === undefined || save.step <= before.step) return []
    return [{ ms: save.at - before.at, steps: save.step - before.step }]
  })
}

/** Of each attempt after the first that trained: until it did. */
function restartsOf({ gpus, attempts }: Used): number[] {
  return attempts.slice(1).flatMap(({ byAccount }) => {
    const { provision = 0, startup = 0, restore = 0, productive = 0, lost = 0 } = byAccount
    return productive + lost === 0 ? [] : [(provision + startup + restore) / gpus]
  })
}

function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return low === undefined || high === undefined ? null : (low + high) / 2
}

const rounded = (value: number | null): number | null => (value === null ? null : Math.round(value))
