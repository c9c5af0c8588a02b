// Numbers of the whole installation as they are now, for a collector of metrics.
import type { KeptChannel } from '../../domain/alert.ts'
import type { ChannelHealth, Gauges } from '../../domain/documents.ts'
import type { Finding } from '../../domain/finding.ts'
import type { NodeId } from '../../domain/ids.ts'
import { nodeState } from '../../domain/node.ts'
import type { EpochMs } from '../../domain/units.ts'
import { budgetsNow, seriesOf } from '../../domain/period.ts'
import type { World } from '../../domain/world.ts'
import { budgetDocument } from './budgets.ts'

export type GaugesRead = {
  readonly world: World
  readonly held: ReadonlyMap<NodeId, number>
  /** Findings that are open. */
  readonly open: readonly Pick<Finding, 'rule' | 'severity'>[]
  readonly channels: readonly Pick<KeptChannel, 'kind' | 'failures' | 'off' | 'pending'>[]
  readonly oldestPendingAt: EpochMs | null
  readonly leads: boolean
  readonly blindAfterMs: number
}

/** Only of what lives: runs that have ended are in the books. */
export function gaugesOf({ world, held, open, channels, oldestPendingAt, leads, blindAfterMs }: GaugesRead): Gauges {
  const runs = new Counts<{ state: string }>()
  const waiting = new Counts<{ reason: string }>()
  for (const { state } of world.runs.values()) {
    runs.add({ state: state.kind })
    if (state.kind === 'queued') waiting.add({ reason: state.reason })
  }
  const nodes = new Counts<{ cluster: string; state: string }>()
  const gpus = new Counts<{ cluster: string; gpu: string; holder: 'run' | 'foreign' | 'none' }>()
  let oldest = world.now as number
  for (const node of world.nodes.values()) {
    if (node.deletedAt !== null) continue
    const ours = held.get(node.id) ?? 0
    const { cluster, gpuModel: gpu } = node
    oldest = Math.min(oldest, node.bookedTo)
    nodes.add({ cluster, state: nodeState(node, ours > 0, world.now, blindAfterMs) })
    gpus.add({ cluster, gpu, holder: 'run' }, ours)
    gpus.add({ cluster, gpu, holder: 'foreign' }, node.foreign)
    gpus.add({ cluster, gpu, holder: 'none' }, Math.max(0, node.inventory - ours - node.foreign))
  }
  const findings = new Counts<{ rule: string; severity: string }>()
  for (const { rule, severity } of open) findings.add({ rule, severity })
  const messages = new Counts<{ kind: string }>()
  const told = new Counts<{ kind: string; state: ChannelHealth }>()
  for (const { kind, failures, off, pending } of channels) {
    messages.add({ kind }, pending)
    told.add({ kind, state: off !== null ? 'off' : failures > 0 ? 'failing' : 'ok' })
  }
  return {
    runs: runs.rows(),
    waiting: waiting.rows(),
    nodes: nodes.rows(),
    gpus: gpus.rows(),
    // Of a series under its own name: a label that changes with the month would be another time series.
    budgets: budgetsNow(world.budgets, world.now).map((row) => ({
      ...budgetDocument(world.budgets, row),
      id: seriesOf(row),
    })),
    findings: findings.rows(),
    bookedBehindMs: world.now - oldest,
    queuePaused: world.queue.paused,
    clusters: [...world.clusters].map(([cluster, { kind }]) => ({ cluster, reachable: kind === 'reachable' })),
    leads,
    messages: messages.rows(),
    // Two clocks may differ: an age is never negative.
    oldestMessageMs: oldestPendingAt === null ? null : Math.max(0, world.now - oldestPendingAt),
    channels: told.rows(),
  }
}

class Counts<Labels extends Readonly<Record<string, string>>> {
  readonly #rows = new Map<string, { labels: Labels; count: number }>()

  add(labels: Labels, count = 1): void {
    const key = JSON.stringify(labels)
    const row = this.#rows.get(key) ?? { labels, count: 0 }
    row.count += count
    this.#rows.set(key, row)
  }

  rows(): { labels: Labels; count: number }[] {
    return [...this.#rows.values()]
  }
}
