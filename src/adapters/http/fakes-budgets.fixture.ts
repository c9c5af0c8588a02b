// A budget and an extension of it, as every test of the server sees them.
import type { BudgetDocument, ExtensionDocument } from '../../domain/budget-documents.ts'
import type { EpochMs } from '../../domain/units.ts'

export function budgetFakes(at: (minute: number) => EpochMs): {
  readonly budget: BudgetDocument
  readonly extension: ExtensionDocument
} {
  const extension: ExtensionDocument = {
    id: 'x1',
    budget: 'demo-hours@2026-11',
    project: 'demo',
    unit: 'gpu-ms',
    currency: null,
    period: { every: 'month', from: at(0), to: at(60) },
    amount: 3_600_000,
    reason: 'one more ablation',
    askedBy: 'user:ada',
    askedAt: at(1),
    state: 'waiting',
    decidedBy: null,
    decidedAt: null,
    answer: null,
  }

  const budget: BudgetDocument = {
    id: 'demo-hours',
    project: 'demo',
    user: null,
    label: null,
    run: null,
    unit: 'gpu-ms',
    currency: null,
    hard: true,
    limit: 360_000_000,
    used: 14_400_000,
    reserved: 7_200_000,
    over: 0,
    left: 338_400_000,
    period: null,
    extended: 0,
    forecast: null,
  }
  return { budget, extension }
}
