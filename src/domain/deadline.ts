// The wall outside Plimsoll: the moment at which a cluster ends an attempt by itself, even while we are dead.
import type { Attempt } from './attempt.ts'
import type { Budget, Reserve } from './budget.ts'
import { lastsGpuMs } from './budget.ts'
import type { BudgetId } from './ids.ts'
import type { Run } from './run.ts'
import type { Durations } from './settings.ts'
import { gpusOf } from './spec.ts'
import type { EpochMs, Price } from './units.ts'
import { epochMs } from './units.ts'

/** The earliest, over the hard budgets that cover the run, of booked + reserve / GPUs - grace; and the limits of the spec. */
export function deadlineAt(
  run: Run,
  attempt: Pick<Attempt, 'plannedAt'>,
  reserves: readonly Reserve[],
  budgets: ReadonlyMap<BudgetId, Budget>,
  price: Price | null,
  bookedTo: EpochMs,
  durations: Durations,
): EpochMs | null {
  const gpus = gpusOf(run.resources)
  const ends: number[] = []
  for (const reserve of reserves) {
    const budget = budgets.get(reserve.budget)
    const lasts = budget === undefined || !budget.hard ? null : lastsGpuMs(budget, reserve, price)
    if (lasts !== null) ends.push(bookedTo + Math.floor(lasts / gpus) - durations.graceMs)
  }
  if (run.limits.gpuMs !== null)
    ends.push(attempt.plannedAt + Math.floor(Math.max(0, run.limits.gpuMs - run.paidGpuMs) / gpus))
  if (run.limits.timeMs !== null) ends.push((run.startedAt ?? attempt.plannedAt) + run.limits.timeMs)
  return ends.length === 0 ? null : epochMs(Math.min(...ends))
}
