// What a budget is likely to have used at the end of its period, and when it is used up.
import type { EpochMs } from './units.ts'

export type BudgetForecast = {
  /** `trend`: what whole days before spent. `rate`: what runs now spend, as long as they do; then there is no interval. */
  readonly basis: 'trend' | 'rate' | 'none'
  /** In the unit of the budget, at the end of its period; null without a period or a basis. */
  readonly expected: number | null
  /** Four times of five it is between these. */
  readonly low: number | null
  readonly high: number | null
  /** Of a day, in the unit of the budget. */
  readonly perDay: number | null
  /** When the limit is reached at what is expected, and at the dearest of four times of five; null: not in its period, nor in a year. */
  readonly exhaustedAt: EpochMs | null
  readonly exhaustedFrom: EpochMs | null
  /** What each of the last days of UTC spent, the oldest first, today so far included; a day without anything is left out. */
  readonly spent: readonly { readonly at: EpochMs; readonly amount: number }[]
}
