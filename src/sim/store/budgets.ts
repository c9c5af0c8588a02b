// The trend of budgets, and extensions of their limits, in memory.
import type { Changes } from '../../domain/apply.ts'
import { LIMIT_MAX } from '../../domain/budget.ts'
import { rowAt } from '../../domain/period.ts'
import { dayOf } from '../../domain/units.ts'
import type { BudgetStore } from '../../ports/budget-store.ts'
import type { Tables } from './tables.ts'
import { writeAudit } from './tables.ts'

export function budgetStore(tables: Tables): BudgetStore {
  return {
    async spentByDay(since) {
      return [...tables.spent.values()].filter(({ day }) => day >= since)
    },
    async extensions(budgets, limit) {
      const decidedAt = (at: number | undefined): number => at ?? Number.MAX_SAFE_INTEGER
      const some = new Set(budgets)
      return [...tables.extensions.values()]
        .filter(({ budget }) => some.has(budget))
        .toSorted(
          (a, b) =>
            decidedAt(b.decision?.at) - decidedAt(a.decision?.at) || b.askedAt - a.askedAt || (a.id < b.id ? -1 : 1),
        )
        .slice(0, limit)
    },
    async findExtension(id) {
      return tables.extensions.get(id) ?? null
    },
    async askExtension(extension, audit) {
      tables.writes += 1
      tables.extensions.set(extension.id, extension)
      writeAudit(tables, audit)
    },
    async decideExtension(id, decision, audit) {
      const extension = tables.extensions.get(id)
      const budget = extension === undefined ? undefined : tables.budgets.get(extension.budget)
      if (extension === undefined || extension.decision !== null) return false
      if (decision.granted) {
        if (budget === undefined) return false
        const row = rowAt(budget, extension.at, (each) => tables.budgets.get(each)) ?? budget
        tables.budgets.set(row.id, {
          ...row,
          limit: Math.min(LIMIT_MAX, row.limit + extension.amount),
          extended: Math.min(LIMIT_MAX, row.extended + extension.amount),
          version: row.version + 1,
        })
      }
      tables.writes += 1
      tables.extensions.set(id, { ...extension, decision })
      writeAudit(tables, audit)
      return true
    },
  }
}

/** As the real store keeps it: a row a day. */
export function keepSpent(tables: Tables, { spent }: Pick<Changes, 'spent'>): void {
  for (const { budget, at, amount } of spent) {
    const day = dayOf(at)
    const key = `${day} ${budget}`
    tables.spent.set(key, { budget, day, amount: amount + (tables.spent.get(key)?.amount ?? 0) })
  }
}
