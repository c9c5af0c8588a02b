// How much a run reserves of each budget that covers it when it is placed (design: books, Budgets).
import type { Budget } from '../../domain/budget.ts'
import { amountText, lastsGpuMs, left } from '../../domain/budget.ts'
import type { BudgetId } from '../../domain/ids.ts'
import { shares } from '../../domain/period.ts'
import type { EpochMs, Price } from '../../domain/units.ts'
import { MS_PER_HOUR } from '../../domain/units.ts'
import type { Need } from './need.ts'

/** A start that pays for less is not worth the load of its checkpoint. */
const WORTH_MS = MS_PER_HOUR

export type RowReserve = { readonly row: Budget; readonly at: EpochMs; readonly amount: number }

/**
 * What `need` of `gpus` slots takes of each row of a budget, in its unit; or why it cannot be promised. Of a budget with periods what falls into the
 * period that runs must fit, and of later ones a run takes what they have, as an extension does. Where nothing is known of the need, an hour is
 * enough: a budget of a day would else never hold the slice of a day that is reserved then. `had`: what the run has of a row already.
 */
export function reserveRows(
  budget: Budget,
  need: Need,
  gpus: number,
  now: EpochMs,
  price: Price | null,
  rows: (id: BudgetId) => Budget | undefined,
  had: (row: BudgetId) => number = () => 0,
): readonly RowReserve[] | { readonly message: string } {
  if (budget.unit.kind === 'money' && price === null)
    return { message: `budget ${budget.id} counts money, and this GPU model has no price: set one with policy apply` }
  const asked = shares(budget, need.gpuMs, gpus, now, price, rows)
  const least = leastOf(budget, need, gpus, ((asked[1]?.at ?? Infinity) - now) * gpus)
  const taken: RowReserve[] = []
  for (const { row, at, amount } of asked) {
    const room = left(row) + had(row.id)
    if (!row.hard || amount <= room) {
      taken.push({ row, at, amount })
      continue
    }
    const paid = (at - now) * gpus + (lastsGpuMs(row, { granted: Math.max(0, room), posted: 0 }, price) ?? Infinity)
    if (paid < least) return { message: refusal(row, room, amount, at > now) }
    taken.push({ row, at, amount: Math.max(0, room) })
    // What lies behind a wall is never reached.
    break
  }
  return taken
}

/** GPU-ms that a start must be able to pay for; `thisPeriod` are those up to the end of the period that runs. */
function leastOf(budget: Budget, need: Need, gpus: number, thisPeriod: number): number {
  if (budget.period?.kind !== 'every') return need.gpuMs
  const worth = WORTH_MS * gpus
  return Math.min(need.gpuMs, need.isKnown ? Math.max(worth, thisPeriod) : worth)
}

function refusal(row: Budget, room: number, amount: number, isLater: boolean): string {
  const text = (value: number): string => amountText(row.unit, value)
  const when = isLater ? ', which begins soon,' : ''
  return `budget ${row.id}${when} has ${text(room)} left of ${text(row.limit)}, and ${text(amount)} are needed`
}
