// When a budget counts. One without a period counts for all time, one with a window within it, and a series (a budget a month, say) in
// rows of its own, one a period: the row that counts a moment is opened when it is first needed, so that a turn of the period changes
// no deadline and nothing has to happen at midnight (design: books, Budgets). Periods are of UTC and begin where a cell begins: what is
// booked of a cell is in one of them.
import type { Budget, Reserve } from './budget.ts'
import { chargeCeiling, chargeOf, lastsGpuMs } from './budget.ts'
import type { BudgetId } from './ids.ts'
import { assertNever } from './reasons.ts'
import type { EpochMs, Price } from './units.ts'
import { DAY_MS, dayOf, epochMs } from './units.ts'

export const EVERY = ['day', 'week', 'month', 'quarter'] as const
export type Every = (typeof EVERY)[number]

/** From its first millisecond to before `to`. */
export type Window = { readonly from: EpochMs; readonly to: EpochMs }

export type Period =
  /** A series: its rows count, itself holds the limit of those that are opened later. */
  | { readonly kind: 'every'; readonly every: Every }
  /** A fixed window, or a row of a series. */
  | ({ readonly kind: 'window'; readonly series: BudgetId | null } & Window)

/** The period that holds a moment. Weeks begin on Monday (ISO 8601). */
export function periodAt(every: Every, at: EpochMs): Window {
  const date = new Date(at)
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
  const day = dayOf(at)
  switch (every) {
    case 'day':
      return { from: day, to: epochMs(day + DAY_MS) }
    case 'week': {
      const monday = day - ((date.getUTCDay() + 6) % 7) * DAY_MS
      return { from: epochMs(monday), to: epochMs(monday + 7 * DAY_MS) }
    }
    case 'month':
      return { from: epochMs(Date.UTC(year, month)), to: epochMs(Date.UTC(year, month + 1)) }
    case 'quarter': {
      const first = month - (month % 3)
      return { from: epochMs(Date.UTC(year, first)), to: epochMs(Date.UTC(year, first + 3)) }
    }
    default:
      return assertNever(every)
  }
}

/** `2026-11-26`, `2026-W48` (ISO 8601), `2026-11` or `2026-Q4`. */
export function periodName(every: Every, from: EpochMs): string {
  const text = new Date(from).toISOString()
  if (every === 'day') return text.slice(0, 10)
  if (every === 'month') return text.slice(0, 7)
  if (every === 'quarter') return `${text.slice(0, 4)}-Q${Math.floor(new Date(from).getUTCMonth() / 3) + 1}`
  // A week belongs to the year of its Thursday, and the first is the one with January 4th.
  const year = new Date(from + 3 * DAY_MS).getUTCFullYear()
  const first = periodAt('week', epochMs(Date.UTC(year, 0, 4))).from
  return `${year}-W${String(Math.round((from - first) / (7 * DAY_MS)) + 1).padStart(2, '0')}`
}

type Lookup = (id: BudgetId) => Budget | undefined

/** The row in which a moment counts, as `rows` has it, else new; null where the window of the budget does not hold the moment. */
export function rowAt(budget: Budget, at: EpochMs, rows: Lookup): Budget | null {
  const { period } = budget
  if (period === null) return budget
  if (period.kind === 'window') return at >= period.from && at < period.to ? budget : null
  const window = periodAt(period.every, at)
  const id = `${budget.id}@${periodName(period.every, window.from)}` as BudgetId
  const fresh = (): Budget => ({
    ...budget,
    id,
    period: { kind: 'window', series: budget.id, ...window },
    used: 0,
    reserved: 0,
    over: 0,
    extended: 0,
    version: 1,
  })
  return rows(id) ?? fresh()
}

/** One of the periods of a series: it is reached through that, and covers nothing by itself. */
export const isRowOfSeries = ({ period }: Pick<Budget, 'period'>): boolean =>
  period?.kind === 'window' && period.series !== null

/** The budget of the policy of which this is one, or a row. */
export const seriesOf = ({ id, period }: Pick<Budget, 'id' | 'period'>): BudgetId =>
  period?.kind === 'window' ? (period.series ?? id) : id

export function samePeriod(a: Period | null, b: Period | null): boolean {
  if (a?.kind === 'every') return b?.kind === 'every' && a.every === b.every
  if (a?.kind === 'window') return b?.kind === 'window' && a.from === b.from && a.to === b.to
  return b === null
}

/** What is shown of budgets now: each, and of a series the row of this period. */
export function budgetsNow(budgets: ReadonlyMap<BudgetId, Budget>, now: EpochMs): Budget[] {
  return [...budgets.values()].flatMap((budget) => {
    if (isRowOfSeries(budget)) return []
    return budget.period?.kind === 'every' ? (rowAt(budget, now, (id) => budgets.get(id)) ?? []) : budget
  })
}

export type Piece = Window & { readonly row: Budget }

/** More than a year of days: what lies beyond is asked for by an extension, when it is near. */
const PIECES_MAX = 400

/** The rows of a budget that count from one moment to before another, each with its part of that time, in order. */
export function piecesOf(budget: Budget, { from, to }: Window, rows: Lookup): Piece[] {
  if (budget.period === null) return [{ row: budget, from, to }]
  if (budget.period.kind === 'window') {
    const window = { from: Math.max(from, budget.period.from), to: Math.min(to, budget.period.to) }
    return window.from < window.to ? [{ row: budget, from: epochMs(window.from), to: epochMs(window.to) }] : []
  }
  const pieces: Piece[] = []
  for (let at = from; at < to && pieces.length < PIECES_MAX;) {
    const row = rowAt(budget, at, rows)
    const end = epochMs(Math.min(to, periodAt(budget.period.every, at).to))
    if (row !== null) pieces.push({ row, from: at, to: end })
    at = end
  }
  return pieces
}

/** Slots that a run holds, and the moment from which on they are not booked yet. */
export type Unbooked = { readonly gpus: number; readonly from: EpochMs }

/** GPU-ms of what is held and not booked, within a window. */
export const unbookedIn = (held: readonly Unbooked[], { from, to }: Window): number =>
  held.reduce((sum, each) => sum + each.gpus * Math.max(0, to - Math.max(from, each.from)), 0)

const NOTHING = { granted: 0, posted: 0 }

/**
 * The moment up to which what a run has reserved of a budget pays for all that it holds, in milliseconds rounded down; null where nothing
 * bounds it (no price, or the window ends first). `reserveOf` gives what it has of a row.
 */
export function paidTo(
  budget: Budget,
  held: readonly Unbooked[],
  price: Price | null,
  rows: Lookup,
  reserveOf: (row: BudgetId) => Reserve | undefined,
): number | null {
  const gpus = held.reduce((sum, each) => sum + each.gpus, 0)
  if (gpus === 0) return null
  const booked = Math.min(...held.map((each) => each.from))
  const { period } = budget
  for (let at = period?.kind === 'window' ? Math.max(period.from, booked) : booked; ;) {
    const row = rowAt(budget, epochMs(at), rows)
    if (row === null) return null
    const reserve = reserveOf(row.id)
    const lasts = lastsGpuMs(row, reserve ?? NOTHING, price)
    if (lasts === null) return null
    const to = row.period?.kind === 'window' ? row.period.to : Infinity
    if (to === Infinity || lasts < unbookedIn(held, { from: epochMs(at), to: epochMs(to) }))
      return spentAt(held, at, lasts)
    at = to
  }
}

/** When `gpuMs` are spent, from `at` on, by slots that join as their books end. */
function spentAt(held: readonly Unbooked[], at: number, gpuMs: number): number {
  const joins = held.toSorted((a, b) => a.from - b.from)
  let gpus = 0
  let left = gpuMs
  let now = at
  for (const each of joins) {
    const span = Math.max(0, each.from - now) * gpus
    if (gpus > 0 && left < span) break
    left -= span
    now = Math.max(now, each.from)
    gpus += each.gpus
  }
  return now + Math.floor(Math.max(0, left) / gpus)
}

/** What `needed` GPU-ms of `gpus` slots from `now` on take of each row of a budget, in its unit. */
export function shares(
  budget: Budget,
  needed: number,
  gpus: number,
  now: EpochMs,
  price: Price | null,
  rows: Lookup,
): { readonly row: Budget; readonly at: EpochMs; readonly amount: number }[] {
  const to = epochMs(now + Math.ceil(needed / gpus))
  const amountOf = (gpuMs: number): number => chargeCeiling(budget.unit, chargeOf(budget.unit, gpuMs, price))
  return piecesOf(budget, { from: now, to }, rows).map(({ row, from, to: end }) => ({
    row,
    at: from,
    amount: amountOf(end === to && from === now ? needed : gpus * (end - from)),
  }))
}
