// A run that was suspended because its money was gone goes on when there is money again: a limit was raised, a period turned, others gave
// back. Only where a placement would have its reserve: with less it would load its checkpoint to be stopped again.
import type { Budget } from '../../domain/budget.ts'
import type { BudgetId, ClusterName } from '../../domain/ids.ts'
import type { Item } from '../../domain/item.ts'
import type { Run } from '../../domain/run.ts'
import { NOT_LOOKED_AT } from '../../domain/run.ts'
import type { Durations } from '../../domain/settings.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { Price } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'
import type { Need } from '../estimate/need.ts'
import { needOf } from '../estimate/need.ts'
import { reserveRows } from '../estimate/reserve.ts'

export function resumptions(world: World, durations: Durations): Item[] {
  const items: Item[] = []
  for (const run of world.runs.values()) {
    if (run.state.kind !== 'suspended' || run.state.by !== 'budget' || run.wish !== 'run') continue
    if (!fits(world, run, durations)) continue
    items.push({
      about: `resume ${run.id}`,
      expects: [{ kind: 'run', id: run.id, version: run.version }],
      writes: [
        {
          kind: 'run',
          run: { ...run, state: { kind: 'queued', reason: 'capacity', message: NOT_LOOKED_AT, notBefore: null } },
        },
        {
          kind: 'audit',
          entry: {
            at: world.now,
            actor: 'rule:budget',
            verb: 'run.resume',
            target: run.id,
            detail: { budgets: run.budgets },
          },
        },
        {
          kind: 'event',
          event: { run: run.id, at: world.now, kind: 'resumed', message: 'its budgets have room for it again' },
        },
      ],
    })
  }
  return items
}

/** At the dearest price of what it may be placed on. */
function fits(world: World, run: Run, durations: Durations): boolean {
  const need = needOf(run, run.paidGpuMs, world.now, durations)
  const prices = pricesFor(world, run.cluster, run.resources.gpu)
  return run.budgets.every((id) => {
    const budget = world.budgets.get(id)
    if (budget === undefined || !budget.hard) return true
    return prices.every((price) => hasRoom(world, budget, run, need, price))
  })
}

function hasRoom(world: World, budget: Budget, run: Run, need: Need, price: Price | null): boolean {
  const rows = (id: BudgetId): Budget | undefined => world.budgets.get(id)
  return !('message' in reserveRows(budget, need, gpusOf(run.resources), world.now, price, rows))
}

function pricesFor(world: World, cluster: ClusterName, wanted: readonly string[]): readonly (Price | null)[] {
  const models = new Set<string>()
  for (const node of world.nodes.values())
    if (node.cluster === cluster && node.deletedAt === null && (wanted.length === 0 || wanted.includes(node.gpuModel)))
      models.add(node.gpuModel)
  return [...models].map((model) => world.prices.get(model) ?? null)
}
