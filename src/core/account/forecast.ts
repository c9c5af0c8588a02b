// The forecast of a budget: what is used and promised, and the trend of its whole days. Pure; the days come from what was posted.
//
// The sum of the next m days of a series of n days with mean d and standard deviation s is expected to be m d, within
// t(n - 1) s sqrt(m + m^2 / n): the prediction interval of a sum of future observations of a normal distribution (Hahn and Meeker,
// Statistical Intervals, 1991, ch. 4). Days of a cluster are neither normal nor independent, so that it is called "four times of five" and
// not more. Below a week of days there is no interval: then the rate of what runs now is carried on.
import type { Budget } from '../../domain/budget.ts'
import type { BudgetForecast } from '../../domain/forecast.ts'
import type { EpochMs } from '../../domain/units.ts'
import { DAY_MS, epochMs } from '../../domain/units.ts'

/** How far back a trend looks: what was before says little about a laboratory. */
export const TREND_DAYS = 28
const TREND_DAYS_MIN = 7
/** Beyond it no date is said. */
const HORIZON_DAYS = 366

/** Student's t at 0.9 for 6 to 27 degrees of freedom: four times of five two-sided. */
const T_90 = [
  1.44, 1.415, 1.397, 1.383, 1.372, 1.363, 1.356, 1.35, 1.345, 1.341, 1.337, 1.333, 1.33, 1.328, 1.325, 1.323, 1.321,
  1.319, 1.318, 1.316, 1.315, 1.314,
]

export type Day = { readonly day: EpochMs; readonly amount: number }

/**
 * `days`: what was posted by day of UTC, in the unit of the budget, in any order; a day without a row spent nothing. `ratePerHour`: what
 * runs now spend; null where a price is missing.
 */
export function forecastOf(
  budget: Pick<Budget, 'limit' | 'used' | 'reserved' | 'period'>,
  days: readonly Day[],
  ratePerHour: number | null,
  now: EpochMs,
): BudgetForecast {
  const spent = days.map(({ day, amount }) => ({ at: day, amount })).toSorted((a, b) => a.at - b.at)
  const to = budget.period?.kind === 'window' ? budget.period.to : null
  const ahead = to === null ? null : Math.max(0, (to - now) / DAY_MS)
  const trend = trendOf(days, now)
  const perDay = trend?.mean ?? (ratePerHour === null ? null : ratePerHour * 24)
  if (perDay === null)
    return {
      basis: 'none',
      expected: null,
      low: null,
      high: null,
      perDay: null,
      exhaustedAt: null,
      exhaustedFrom: null,
      spent,
    }
  /** What is spent in so many days; `side` of the interval: its lower end, its middle or its upper end. */
  const demand = (inDays: number, side: -1 | 0 | 1): number => {
    const wide = trend === null ? 0 : trend.t * trend.deviation * Math.sqrt(inDays + inDays ** 2 / trend.days)
    return Math.max(0, inDays * perDay + side * wide)
  }
  // What is promised to runs counts where days were cheaper; at the lower end they may all end early.
  const atEnd = (side: -1 | 0 | 1): number | null => {
    if (ahead === null) return null
    // A window that ends in the year 9999 is a way to say for ever.
    const most = budget.used + Math.round(Math.max(side < 0 ? 0 : budget.reserved, demand(ahead, side)))
    return Math.min(Number.MAX_SAFE_INTEGER, most)
  }
  const exhausted = (side: 0 | 1): EpochMs | null => {
    const inDays = reached(budget.limit - budget.used, Math.min(ahead ?? HORIZON_DAYS, HORIZON_DAYS), (each) =>
      demand(each, side),
    )
    return inDays === null ? null : epochMs(now + Math.ceil(inDays * DAY_MS))
  }
  return {
    basis: trend === null ? 'rate' : 'trend',
    expected: atEnd(0),
    low: trend === null ? null : atEnd(-1),
    high: trend === null ? null : atEnd(1),
    perDay: Math.round(perDay),
    exhaustedAt: exhausted(0),
    exhaustedFrom: trend === null ? null : exhausted(1),
    spent,
  }
}

type Trend = { readonly mean: number; readonly deviation: number; readonly days: number; readonly t: number }

/** Whole days before today, from the first on that spent something; null where they are too few. */
function trendOf(days: readonly Day[], now: EpochMs): Trend | null {
  const today = Math.floor(now / DAY_MS)
  const spent = new Map(days.map(({ day, amount }) => [Math.floor(day / DAY_MS), amount]))
  const past = [...spent.keys()].filter((day) => day < today && day >= today - TREND_DAYS)
  if (past.length === 0) return null
  const first = Math.min(...past)
  const amounts = Array.from({ length: today - first }, (_, index) => spent.get(first + index) ?? 0)
  const t = T_90[amounts.length - TREND_DAYS_MIN]
  if (t === undefined) return null
  const mean = amounts.reduce((sum, each) => sum + each, 0) / amounts.length
  const variance = amounts.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (amounts.length - 1)
  return { mean: Math.max(0, mean), deviation: Math.sqrt(variance), days: amounts.length, t }
}

/** The least x of [0, most] at which a function that never falls reaches `level`; null where it does not. */
function reached(level: number, most: number, of: (x: number) => number): number | null {
  if (level <= 0) return 0
  if (of(most) < level) return null
  let [low, high] = [0, most]
  for (let turn = 0; turn < 60; turn += 1) {
    const middle = (low + high) / 2
    if (of(middle) < level) low = middle
    else high = middle
  }
  return high
}
