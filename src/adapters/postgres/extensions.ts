// The trend of budgets, and extensions of their limits.
import type { Budget } from '../../domain/budget.ts'
import { LIMIT_MAX } from '../../domain/budget.ts'
import type { Extension } from '../../domain/extension.ts'
import type { BudgetId } from '../../domain/ids.ts'
import { rowAt } from '../../domain/period.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { BudgetStore } from '../../ports/budget-store.ts'
import { writeAudit } from './policy.ts'
import type { Database, Queryable } from './pool.ts'
import type { BudgetRow } from './rows.ts'
import { budgetOf } from './rows.ts'
import { openBudgets } from './save.ts'

type ExtensionRow = {
  id: string
  budget: BudgetId
  at: EpochMs
  amount: number
  reason: string
  asked_by: string
  asked_at: EpochMs
  decided_by: string | null
  decided_at: EpochMs | null
  granted: boolean | null
  answer: string | null
}

const extensionOf = (row: ExtensionRow): Extension => ({
  id: row.id,
  budget: row.budget,
  at: row.at,
  amount: row.amount,
  reason: row.reason,
  askedBy: row.asked_by,
  askedAt: row.asked_at,
  decision:
    row.decided_by === null || row.decided_at === null || row.granted === null
      ? null
      : { granted: row.granted, by: row.decided_by, at: row.decided_at, answer: row.answer ?? '' },
})

export function budgetStore(database: Database): BudgetStore {
  return {
    spentByDay: (since) =>
      database.query({ text: 'select budget, day, amount from budget_spent where day >= $1', values: [since] }),
    async extensions(budgets, limit) {
      const rows = await database.query<ExtensionRow>({
        text: `select * from budget_extension where budget = any($1)
               order by decided_at desc nulls first, asked_at desc, id limit $2`,
        values: [budgets, limit],
      })
      return rows.map(extensionOf)
    },
    async findExtension(id) {
      const [row] = await database.query<ExtensionRow>({
        text: 'select * from budget_extension where id = $1',
        values: [id],
      })
      return row === undefined ? null : extensionOf(row)
    },
    askExtension: ({ id, budget, at, amount, reason, askedBy, askedAt }, audit) =>
      database.transaction('write', async (tx) => {
        await tx.query({
          text: 'insert into budget_extension (id, budget, at, amount, reason, asked_by, asked_at) values ($1, $2, $3, $4, $5, $6, $7)',
          values: [id, budget, at, amount, reason, askedBy, askedAt],
        })
        await writeAudit(tx, audit)
      }),
    decideExtension: (id, { granted, by, at, answer }, audit) =>
      database.transaction('write', async (tx) => {
        const [row] = await tx.query<ExtensionRow>({
          text: 'select * from budget_extension where id = $1 and decided_at is null for update',
          values: [id],
        })
        if (row === undefined) return false
        if (granted && !(await raise(tx, row))) return false
        await tx.query({
          text: 'update budget_extension set decided_by = $2, decided_at = $3, granted = $4, answer = $5 where id = $1',
          values: [id, by, at, granted, answer],
        })
        await writeAudit(tx, audit)
        return true
      }),
  }
}

async function raise(tx: Queryable, { budget: id, at, amount }: ExtensionRow): Promise<boolean> {
  const lock = async (budget: BudgetId): Promise<Budget | undefined> => {
    const [row] = await tx.query<BudgetRow>({ text: 'select * from budget where id = $1 for update', values: [budget] })
    return row === undefined ? undefined : budgetOf(row)
  }
  // The series first: whoever opens a row of it holds that.
  const budget = await lock(id)
  if (budget === undefined) return false
  const wanted = rowAt(budget, at, () => undefined) ?? budget
  if (wanted.id !== id && (await lock(wanted.id)) === undefined) await openBudgets(tx, [wanted])
  await tx.query({
    text: `update budget set "limit" = least($3, "limit" + $2), extended = least($3, extended + $2), version = version + 1
           where id = $1`,
    values: [wanted.id, amount, LIMIT_MAX],
  })
  return true
}
