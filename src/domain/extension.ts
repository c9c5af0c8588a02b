// More than a budget's limit, asked for by somebody who runs and decided by somebody who pays.
import type { BudgetId } from './ids.ts'
import type { EpochMs } from './units.ts'

export type Extension = {
  readonly id: string
  /** Of the policy. */
  readonly budget: BudgetId
  /** A moment of the period whose limit it raises; of a budget for all time or with a window, when it was asked. */
  readonly at: EpochMs
  /** In the unit of the budget. */
  readonly amount: number
  readonly reason: string
  readonly askedBy: string
  readonly askedAt: EpochMs
  readonly decision: {
    readonly granted: boolean
    readonly by: string
    readonly at: EpochMs
    /** What he who decided says to it. */
    readonly answer: string
  } | null
}
