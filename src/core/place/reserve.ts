// How much a run reserves of each budget that covers it when it is placed (design: books, Budgets).
import type { Budget } from '../../domain/budget.ts'
import { amountText, chargeCeiling, chargeOf, left } from '../../domain/budget.ts'
import type { Run } from '../../domain/run.ts'
import type { Durations } from '../../domain/settings.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { EpochMs, Price } from '../../domain/units.ts'

/** GPU-ms that a placement asks for: what the run still needs as far as that is known, else a slice; and room to end in order. */
export function needGpuMs(run: Run, usedGpuMs: number, now: EpochMs, durations: Durations): number {
  const gpus = gpusOf(run.resources)
  const known: number[] = []
  if (run.estimateP80 !== null) known.push(Math.max(0, run.estimateP80 - usedGpuMs))
  if (run.limits.gpuMs !== null) known.push(Math.max(0, run.limits.gpuMs - usedGpuMs))
  if (run.limits.timeMs !== null) {
    const spent = run.startedAt === null ? 0 : now - run.startedAt
    known.push(Math.max(0, run.limits.timeMs - spent) * gpus)
  }
  const need = known.length === 0 ? durations.reserveSliceMs * gpus : Math.min(...known)
  return need + (durations.checkpointMs + durations.graceMs) * gpus
}

export type BudgetRefusal = { readonly budget: Budget; readonly message: string }

/** The amount in the unit of the budget, or why it cannot be promised. */
export function reserveAmount(budget: Budget, needed: number, price: Price | null): { amount: number } | BudgetRefusal {
  if (budget.unit.kind === 'money' && price === null) {
    return {
      budget,
      message: `budget ${budget.id} counts money, and this GPU model has no price: set one with policy apply`,
    }
  }
  const amount = chargeCeiling(budget.unit, chargeOf(budget.unit, needed, price))
  if (budget.hard && amount > left(budget)) {
    const text = (value: number): string => amountText(budget.unit, value)
    const message = `budget ${budget.id} has ${text(left(budget))} left of ${text(budget.limit)}, and ${text(amount)} are needed`
    return { budget, message }
  }
  return { amount }
}
