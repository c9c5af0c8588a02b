// A budget is a wall that stands on the verbs that promise: `reserve` is refused unless used + reserved + asked <= limit. `post` is
// never refused: what happened is booked, and what goes beyond the reserve is counted in `over` (design: books, Budgets).
import type { BudgetId, ProjectName, RunId } from './ids.ts'
import type { Period } from './period.ts'
import type { GpuMs, Price } from './units.ts'
import { integer } from './units.ts'

export type BudgetUnit = { readonly kind: 'gpu-ms' } | { readonly kind: 'money'; readonly currency: string }

/** The runs that a budget covers: those for which all that it names is so. It names a project, a user or a label at least. */
export type BudgetScope = {
  /** And those below it. */
  readonly project: ProjectName | null
  readonly user: string | null
  readonly label: { readonly key: string; readonly value: string } | null
  /** Every run of this name in the project, one after the other. */
  readonly run: string | null
}

/** `line`: the project of the run and those above it. */
export function covers(
  { project, user, label, run }: BudgetScope,
  of: { readonly user: string; readonly name: string; readonly labels: Readonly<Record<string, string>> },
  line: ReadonlySet<ProjectName>,
): boolean {
  return (
    (project === null || line.has(project)) &&
    (user === null || user === of.user) &&
    (label === null || (Object.hasOwn(of.labels, label.key) && of.labels[label.key] === label.value)) &&
    (run === null || run === of.name)
  )
}

/** `project demo, user ada`. */
export const scopeText = ({
  project,
  user,
  label,
  run,
}: Omit<BudgetScope, 'project'> & { readonly project: string | null }): string =>
  [
    ...(project === null ? [] : [`project ${project}`]),
    ...(run === null ? [] : [`run ${run}`]),
    ...(user === null ? [] : [`user ${user}`]),
    ...(label === null ? [] : [`label ${label.key}=${label.value}`]),
  ].join(', ')

export type Budget = BudgetScope & {
  readonly id: BudgetId
  readonly unit: BudgetUnit
  readonly hard: boolean
  /** In GPU-milliseconds or in micros, as `unit` says; the same for the rest. */
  readonly limit: number
  readonly used: number
  readonly reserved: number
  /** Booked beyond what had been reserved, over all time. */
  readonly over: number
  /** Null: all that its runs hold, whenever. */
  readonly period: Period | null
  /** What extensions have added to the limit of the policy; `limit` has it in it. */
  readonly extended: number
  readonly version: number
}

/** What one run has of one budget. `charge` is the exact sum that `posted` is the rounded value of. */
export type Reserve = {
  readonly run: RunId
  readonly budget: BudgetId
  readonly granted: number
  readonly posted: number
  /** GPU-ms of a budget of GPU-time; GPU-ms x micros an hour of a budget of money, whose hours divide it later. */
  readonly charge: bigint
}

const MS_PER_HOUR_BIG = 3_600_000n

/** What `gpuMs` cost in the unit of the budget, before rounding. Without a price nothing can be charged in money. */
export function chargeOf(unit: BudgetUnit, amount: number, price: Price | null): bigint {
  if (unit.kind === 'gpu-ms') return BigInt(amount)
  return price === null ? 0n : BigInt(amount) * BigInt(price.microsPerGpuHour)
}

/** Rounds down: a reserve is rounded up, so that what is promised always covers what is charged. */
export function chargeFloor(unit: BudgetUnit, charge: bigint): number {
  return integer(Number(unit.kind === 'gpu-ms' ? charge : charge / MS_PER_HOUR_BIG), 'charge')
}

export function chargeCeiling(unit: BudgetUnit, charge: bigint): number {
  if (unit.kind === 'gpu-ms') return integer(Number(charge), 'charge')
  return integer(Number((charge + MS_PER_HOUR_BIG - 1n) / MS_PER_HOUR_BIG), 'charge')
}

/** Beyond it a number is not exact, and could not be read again; no cluster comes near. */
export const LIMIT_MAX = Number.MAX_SAFE_INTEGER

export const left = (budget: Budget): number => budget.limit - budget.used - budget.reserved

export const remaining = (reserve: Pick<Reserve, 'granted' | 'posted'>): number =>
  Math.max(0, reserve.granted - reserve.posted)

export type ReserveResult =
  | { readonly ok: true; readonly budget: Budget; readonly reserve: Reserve }
  | { readonly ok: false; readonly short: number }

/** Promises `amount` more to a run. Only a hard budget refuses. */
export function grant(budget: Budget, reserve: Reserve, amount: number): ReserveResult {
  const short = amount - left(budget)
  if (budget.hard && short > 0) return { ok: false, short }
  return {
    ok: true,
    budget: { ...budget, reserved: budget.reserved + amount },
    // What was booked beyond the reserve is used and counted; a later grant does not pay for it a second time.
    reserve: { ...reserve, granted: Math.max(reserve.granted, reserve.posted) + amount },
  }
}

/** Books what happened: `amount` GPU-ms at `price`, negative where a release gives back what was charged after `paidUntil`. */
export function post(
  budget: Budget,
  reserve: Reserve,
  amount: number,
  price: Price | null,
): { budget: Budget; reserve: Reserve } {
  const charge = reserve.charge + chargeOf(budget.unit, amount, price)
  const posted = chargeFloor(budget.unit, charge)
  const next: Reserve = { ...reserve, charge, posted }
  const overBefore = Math.max(0, reserve.posted - reserve.granted)
  const overAfter = Math.max(0, posted - reserve.granted)
  return {
    reserve: next,
    budget: {
      ...budget,
      used: budget.used + posted - reserve.posted,
      reserved: budget.reserved - remaining(reserve) + remaining(next),
      over: budget.over + overAfter - overBefore,
    },
  }
}

/** Gives the rest of a reserve back. */
export function giveBack(budget: Budget, reserve: Reserve): { budget: Budget; reserve: Reserve } {
  const rest = remaining(reserve)
  return {
    budget: { ...budget, reserved: budget.reserved - rest },
    reserve: { ...reserve, granted: reserve.granted - rest },
  }
}

/** How many GPU-ms the rest of a reserve lasts at `price`; null where it is bounded by nothing (money without a price). */
export function lastsGpuMs(
  budget: Budget,
  reserve: Pick<Reserve, 'granted' | 'posted'>,
  price: Price | null,
): GpuMs | null {
  const rest = remaining(reserve)
  if (budget.unit.kind === 'gpu-ms') return rest as GpuMs
  if (price === null || price.microsPerGpuHour === 0) return null
  return Number((BigInt(rest) * MS_PER_HOUR_BIG) / BigInt(price.microsPerGpuHour)) as GpuMs
}

/** An amount of a budget for people: GPU-hours or money. */
export function amountText(unit: BudgetUnit, amount: number): string {
  return unit.kind === 'gpu-ms'
    ? `${(amount / 3_600_000).toFixed(4)} GPU-hours`
    : `${(amount / 1_000_000).toFixed(6)} ${unit.currency}`
}
