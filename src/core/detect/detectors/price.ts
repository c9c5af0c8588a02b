// GPU models without a price: what runs on them costs `null`, never 0, so that sums of money say less than they seem to. Where nobody counts
// money, with no price at all and no budget of money, there is nothing to say.
import type { Node } from '../../../domain/node.ts'
import { counted } from '../../../domain/words.ts'
import type { Detector } from '../look.ts'
import { FREE } from '../subject.ts'

export const price: Detector = {
  rules: ['gpu-unpriced'],
  detect: ({ nodes, prices, budgets, now }) => {
    if (prices.size === 0 && !budgets.some(({ budget }) => budget.unit.kind === 'money')) return []
    const unpriced = nodes.filter(
      ({ deletedAt, inventory, gpuModel }) => deletedAt === null && inventory > 0 && !prices.has(gpuModel),
    )
    return [...Map.groupBy(unpriced, ({ gpuModel }) => gpuModel)].map(([model, of]) => ({
      rule: 'gpu-unpriced' as const,
      subject: { project: null, run: null, attempt: null, budget: null, part: model },
      severity: 'warning' as const,
      since: now,
      message: `GPU model ${model} has no price: what runs on it costs nobody knows what, and budgets of money refuse it`,
      evidence: [
        {
          what: 'with it',
          value: `${counted(gpusOf(of), 'GPU')} on ${counted(of.length, 'node')}`,
          at: now,
          worker: null,
        },
      ],
      ...FREE,
      whatToTry: `Give ${model} a price in the policy: plimsoll policy show, then plimsoll policy apply FILE. It counts for what is placed from then on.`,
    }))
  },
}

const gpusOf = (nodes: readonly Node[]): number => nodes.reduce((sum, { inventory }) => sum + inventory, 0)
