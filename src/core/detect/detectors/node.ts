// Machines that nobody can use: lost, or not well. One that somebody took out of service is no finding.
import type { Detector } from '../look.ts'

export const node: Detector = {
  rules: ['node-away'],
  detect: ({ nodes, now, prices }) =>
    nodes.flatMap(({ id, name, cluster, condition, cordon, lastObserved, inventory, gpuModel, deletedAt }) => {
      if (deletedAt !== null || cordon !== null || condition.kind === 'ready') return []
      if (condition.kind === 'not-ready' && condition.unhealthy !== true) return []
      const isLost = condition.kind === 'lost'
      return [
        {
          rule: 'node-away' as const,
          subject: { project: null, run: null, attempt: null, budget: null, part: id },
          severity: 'warning' as const,
          since: isLost ? lastObserved : (condition.since ?? now),
          message: isLost
            ? `node ${name} of ${cluster} is lost with ${inventory} GPUs`
            : `node ${name} of ${cluster} with ${inventory} GPUs is not well: ${condition.message}`,
          evidence: [{ what: 'seen last', value: '', at: lastObserved, worker: null }],
          gpus: inventory,
          price: prices.get(gpuModel) ?? null,
          whatToTry: isLost
            ? 'See whether the machine and its network live; its runs were started elsewhere. plimsoll nodes forget NODE when it will not come back.'
            : 'plimsoll nodes says why; mend or reboot it, or cordon it with a reason while somebody works on it.',
        },
      ]
    }),
}
