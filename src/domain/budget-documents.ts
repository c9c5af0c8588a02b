// Budgets as people and programs read them.
import type { BudgetScope } from './budget.ts'
import type { BudgetForecast } from './forecast.ts'
import type { Every } from './period.ts'
import type { EpochMs } from './units.ts'

export type BudgetDocument = Omit<BudgetScope, 'project'> & {
  readonly id: string
  readonly project: string | null
  readonly unit: 'gpu-ms' | 'micros'
  readonly currency: string | null
  readonly hard: boolean
  readonly limit: number
  readonly used: number
  readonly reserved: number
  readonly over: number
  readonly left: number
  /** Null: for all time. `every` is null for a fixed window. */
  readonly period: { readonly every: Every | null; readonly from: EpochMs; readonly to: EpochMs } | null
  /** What extensions have added to the limit. */
  readonly extended: number
  /** Null where it was not asked for. */
  readonly forecast: BudgetForecast | null
}

export type ExtensionDocument = Pick<BudgetDocument, 'project' | 'unit' | 'currency' | 'period'> & {
  readonly id: string
  /** The row that it raises, such as `lab@2026-11`. */
  readonly budget: string
  /** In the unit of the budget. */
  readonly amount: number
  readonly reason: string
  readonly askedBy: string
  readonly askedAt: EpochMs
  readonly state: 'waiting' | 'granted' | 'refused'
  readonly decidedBy: string | null
  readonly decidedAt: EpochMs | null
  readonly answer: string | null
}
