// How much a run reserves of each budget that covers it when it is placed (design: books, Budgets).
import type { Budget } from '../../domain/budget.ts'
import { amountText, chargeCeiling, chargeOf, left } from '../../domain/budget.ts'
import type { Price } from '../../domain/units.ts'

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
