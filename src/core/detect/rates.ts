// What each budget spends an hour, by what runs now; of a series the row of this period.
import type { BudgetId, RunId } from '../../domain/ids.ts'
import { budgetsNow, seriesOf } from '../../domain/period.ts'
import type { World } from '../../domain/world.ts'
import { MS_PER_HOUR } from '../../domain/units.ts'
import type { BudgetLook } from './look.ts'

type Rate = { burn: number | null; readonly runs: Set<RunId> }

export function budgetRates(world: World): BudgetLook[] {
  const rates = new Map<BudgetId, Rate>()
  for (const id of world.budgets.keys()) rates.set(id, { burn: 0, runs: new Set() })
  for (const claim of world.claims) {
    for (const id of world.runs.get(claim.run)?.budgets ?? []) {
      const rate = rates.get(id)
      const unit = world.budgets.get(id)?.unit
      if (rate === undefined || unit === undefined) continue
      rate.runs.add(claim.run)
      const perGpu = unit.kind === 'gpu-ms' ? MS_PER_HOUR : (claim.price?.microsPerGpuHour ?? null)
      rate.burn = rate.burn === null || perGpu === null ? null : rate.burn + perGpu * claim.slots.length
    }
  }
  return budgetsNow(world.budgets, world.now).map((budget) => {
    const rate = rates.get(seriesOf(budget))
    return { budget, burnPerHour: rate === undefined ? null : rate.burn, runs: rate?.runs.size ?? 0 }
  })
}
