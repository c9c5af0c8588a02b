// What the queue comes to: sums by reason and by project, and when what runs should end. Pure.
import type { TableRow } from '../api/documents.ts'
import type { Waiting } from '../api/operate.ts'
import { blindSince, endOf } from '../runs/freshness.ts'

export type Sum = { readonly key: string; readonly runs: number; readonly gpus: number }

/** The largest sum of GPUs first. */
export function sumsBy(waiting: readonly Waiting[], keyOf: (run: Waiting) => string): readonly Sum[] {
  const sums = new Map<string, { runs: number; gpus: number }>()
  for (const run of waiting) {
    const sum = sums.get(keyOf(run)) ?? { runs: 0, gpus: 0 }
    sums.set(keyOf(run), { runs: sum.runs + 1, gpus: sum.gpus + run.gpus })
  }
  return [...sums]
    .map(([key, sum]) => ({ key, ...sum }))
    .toSorted((a, b) => b.gpus - a.gpus || (a.key < b.key ? -1 : 1))
}

export const gpusOf = (runs: readonly { readonly gpus: number }[]): number =>
  runs.reduce((sum, { gpus }) => sum + gpus, 0)

/** What words stand for: what a person who waits should know of each reason. */
export const REASONS: Readonly<Record<string, string>> = {
  quota: 'its project holds all that it may',
  budget: 'its budget is used or promised',
  capacity: 'too few GPUs are free',
  topology: 'free GPUs do not lie together',
  'gpu-model-absent': 'no node has such GPUs',
  'nodes-not-ready': 'nodes that it would fit are out of service',
  'preparing-environment': 'its environment is being prepared',
  victims: 'others leave for it',
  restarting: 'it restarts',
  backoff: 'it failed a short while ago',
  fence: 'its old workers may still be there',
  'avoiding-node': 'it leaves a node out that failed it',
  'cluster-unreachable': 'its cluster does not answer',
  'clock-behind-books': 'the clock is behind the books',
  paused: 'a person paused placing',
}

export type Lane = {
  readonly id: string
  readonly name: string
  readonly project: string
  readonly gpus: number
  readonly kind: 'runs' | 'waits'
  /** Where a run ends, or where one that waits may begin; half of the time by the first, nine times in ten by the second. */
  readonly p50: number
  readonly p90: number
}

const HORIZON_MAX_MS = 7 * 86_400_000

export type Started = {
  readonly run: Waiting
  readonly p50: number
  readonly p90: number
}

/** What is known to end, the next first, and what is expected to start; at most `most`, and nothing beyond a week. */
export function lanesOf(
  holding: readonly TableRow[],
  starts: readonly Started[],
  now: number,
  most: number,
): { readonly lanes: readonly Lane[]; readonly to: number; readonly left: number; readonly undated: number } {
  const ends = holding.flatMap((row): Lane[] => {
    const end = row.state === 'running' && blindSince(row, now) === null ? endOf(row) : null
    if (end === null || end < now) return []
    const { id, name, project, gpus } = row
    return [{ id, name, project, gpus, kind: 'runs', p50: end, p90: end }]
  })
  const begin = starts.map(({ run: { id, name, project, gpus }, p50, p90 }): Lane => {
    return { id, name, project, gpus, kind: 'waits', p50, p90 }
  })
  const near = [...ends, ...begin].filter(({ p50 }) => p50 - now < HORIZON_MAX_MS).toSorted((a, b) => a.p50 - b.p50)
  const lanes = near.slice(0, most)
  const to = Math.max(now + 600_000, ...lanes.map(({ p90 }) => Math.min(p90, now + HORIZON_MAX_MS)))
  return { lanes, to, left: ends.length + begin.length - lanes.length, undated: holding.length - ends.length }
}
