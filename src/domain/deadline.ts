// The wall outside Plimsoll: the moment at which a cluster ends an attempt by itself, even while we are dead.
import type { Attempt } from './attempt.ts'
import type { Budget, Reserve } from './budget.ts'
import type { BudgetId } from './ids.ts'
import type { Unbooked } from './period.ts'
import { paidTo } from './period.ts'
import type { Run } from './run.ts'
import type { Durations } from './settings.ts'
import { gpusOf } from './spec.ts'
import type { EpochMs, Price } from './units.ts'
import { epochMs } from './units.ts'

/**
 * The earliest, over the hard budgets that cover the run, of what its reserve pays for - grace; and the limits of the spec. `held` is what
 * it holds and is not booked yet, `reserves` what it has, by row.
 */
export function deadlineAt(
  run: Run,
  attempt: Pick<Attempt, 'plannedAt'>,
  reserves: (row: BudgetId) => Reserve | undefined,
  budgets: (id: BudgetId) => Budget | undefined,
  price: Price | null,
  held: readonly Unbooked[],
  durations: Durations,
): EpochMs | null {
  const gpus = gpusOf(run.resources)
  const ends: number[] = []
  for (const id of run.budgets) {
    const budget = budgets(id)
    if (budget === undefined || !budget.hard) continue
    const paid = paidTo(budget, held, price, budgets, reserves)
    if (paid !== null) ends.push(paid - durations.graceMs)
  }
  if (run.limits.gpuMs !== null)
    ends.push(attempt.plannedAt + Math.floor(Math.max(0, run.limits.gpuMs - run.paidGpuMs) / gpus))
  if (run.limits.timeMs !== null) ends.push((run.startedAt ?? attempt.plannedAt) + run.limits.timeMs)
  return ends.length === 0 ? null : epochMs(Math.min(...ends))
}
