// Budgets for people: of a series the row of this period, each with its forecast, and the extensions that were asked for.
import { budgetRates } from '../../core/detect/rates.ts'
import type { Day } from '../../core/account/forecast.ts'
import { forecastOf, TREND_DAYS } from '../../core/account/forecast.ts'
import type { Budget } from '../../domain/budget.ts'
import { left } from '../../domain/budget.ts'
import type { BudgetDocument, ExtensionDocument } from '../../domain/budget-documents.ts'
import type { Extension } from '../../domain/extension.ts'
import type { BudgetForecast } from '../../domain/forecast.ts'
import type { BudgetId } from '../../domain/ids.ts'
import { budgetsNow, rowAt, seriesOf } from '../../domain/period.ts'
import type { EpochMs } from '../../domain/units.ts'
import { DAY_MS, epochMs } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'
import type { Store } from '../../ports/store.ts'

type Budgets = ReadonlyMap<BudgetId, Budget>

/** `some` are of the policy: all of them, where they are not named. */
export function budgetDocuments(budgets: Budgets, now: EpochMs, some?: readonly Budget[]): BudgetDocument[] {
  const shown =
    some === undefined
      ? budgetsNow(budgets, now)
      : some.flatMap((each) => rowAt(each, now, (id) => budgets.get(id)) ?? each)
  return shown.map((budget) => budgetDocument(budgets, budget))
}

/** With the forecast of each, from what was posted by day and what runs spend now. */
export async function forecastDocuments(store: Pick<Store, 'spentByDay'>, world: World): Promise<BudgetDocument[]> {
  const spent = await store.spentByDay(epochMs(world.now - (TREND_DAYS + 1) * DAY_MS))
  const days = Map.groupBy(spent, ({ budget }) => budget)
  return budgetRates(world).map(({ budget, burnPerHour }) => {
    const past: readonly Day[] = days.get(seriesOf(budget)) ?? []
    return budgetDocument(world.budgets, budget, forecastOf(budget, past, burnPerHour, world.now))
  })
}

/** Of a budget or of a row; `forecast` where it was worked out. */
export function budgetDocument(
  budgets: Budgets,
  budget: Budget,
  forecast: BudgetForecast | null = null,
): BudgetDocument {
  const { unit, period } = budget
  const series = budgets.get(seriesOf(budget))?.period
  return {
    id: budget.id,
    project: budget.project,
    user: budget.user,
    label: budget.label,
    run: budget.run,
    unit: unit.kind === 'gpu-ms' ? 'gpu-ms' : 'micros',
    currency: unit.kind === 'gpu-ms' ? null : unit.currency,
    hard: budget.hard,
    limit: budget.limit,
    used: budget.used,
    reserved: budget.reserved,
    over: budget.over,
    left: left(budget),
    period:
      period?.kind === 'window'
        ? { every: series?.kind === 'every' ? series.every : null, from: period.from, to: period.to }
        : null,
    extended: budget.extended,
    forecast,
  }
}

/** Null where its budget is gone from the policy. */
export function extensionDocument(budgets: Budgets, extension: Extension): ExtensionDocument | null {
  const { id, budget: of, at, amount, reason, askedBy, askedAt, decision } = extension
  const budget = budgets.get(of)
  if (budget === undefined) return null
  const row = rowAt(budget, at, (each) => budgets.get(each)) ?? budget
  const { unit, currency, period, project } = budgetDocument(budgets, row)
  return {
    id,
    budget: row.id,
    project,
    unit,
    currency,
    period,
    amount,
    reason,
    askedBy,
    askedAt,
    state: decision === null ? 'waiting' : decision.granted ? 'granted' : 'refused',
    decidedBy: decision?.by ?? null,
    decidedAt: decision?.at ?? null,
    answer: decision?.answer ?? null,
  }
}
