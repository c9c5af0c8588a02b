// How much a run reserves of each budget that covers it when it is placed (design: books, Budgets).
import type { Budget } from '../../domain/budget.ts'
import { amountText, left } from '../../domain/budget.ts'
import type { BudgetId } from '../../domain/ids.ts'
import { shares } from '../../domain/period.ts'
import type { EpochMs, Price } from '../../domain/units.ts'

/** What `needed` GPU-ms of `gpus` slots take of each row of a budget, in its unit; or why it cannot be said. */
export function reserveAmounts(
  budget: Budget,
  needed: number,
  gpus: number,
  now: EpochMs,
  price: Price | null,
  rows: (id: BudgetId) => Budget | undefined,
): readonly { readonly row: Budget; readonly at: EpochMs; readonly amount: number }[] | { readonly message: string } {
  if (budget.unit.kind === 'money' && price === null)
    return { message: `budget ${budget.id} counts money, and this GPU model has no price: set one with policy apply` }
  return shares(budget, needed, gpus, now, price, rows)
}

/** Why a row cannot promise so much; null where it can. */
export function reserveRefusal(row: Budget, amount: number): string | null {
  if (!row.hard || amount <= left(row)) return null
  const text = (value: number): string => amountText(row.unit, value)
  return `budget ${row.id} has ${text(left(row))} left of ${text(row.limit)}, and ${text(amount)} are needed`
}
