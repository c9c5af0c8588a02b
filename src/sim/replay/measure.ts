// What a replay came to, read from the tables of its store: nothing is counted on the way that the books do not say.
import type { Attempt } from '../../domain/attempt.ts'
import { attemptOfWorker } from '../../domain/ids.ts'
import type { Run } from '../../domain/run.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { TraceCluster } from '../../domain/trace.ts'
import { gpusOfCluster } from '../../domain/trace.ts'
import type { Tables } from '../store.ts'
import { nodesFilled, racksAtLeast, racksByNode } from './gang.ts'

/** A run that ended, in milliseconds from the first submit of the trace. */
export type Finished = {
  readonly run: Run
  readonly gpus: number
  readonly submitMs: number
  readonly startMs: number
  readonly endMs: number
}

export type Spread = {
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

export type Figures = {
  readonly makespanMs: number
  readonly jctMs: Spread
  readonly waitMs: Spread
  readonly allocatedRatio: number
  readonly preemptions: number
  readonly lostGpuMs: number
  readonly racks: { readonly used: number; readonly minimum: number }
}

export function finishedRuns(tables: Tables, begin: number): Finished[] {
  return [...tables.runs.values()].flatMap((run) => {
    const { createdAt, startedAt, endedAt } = run
    if (startedAt === null || endedAt === null) return []
    return [
      {
        run,
        gpus: gpusOf(run.resources),
        submitMs: createdAt - begin,
        startMs: startedAt - begin,
        endMs: endedAt - begin,
      },
    ]
  })
}

export function figuresOf(tables: Tables, finished: readonly Finished[], cluster: TraceCluster): Figures {
  const makespanMs = finished.reduce((last, { endMs }) => Math.max(last, endMs), 0)
  const held = heldGpuMs(tables)
  return {
    makespanMs,
    jctMs: spreadOf(finished.map(({ submitMs, endMs }) => endMs - submitMs)),
    waitMs: spreadOf(finished.map(({ submitMs, startMs }) => startMs - submitMs)),
    allocatedRatio: makespanMs === 0 ? 0 : held / (gpusOfCluster(cluster) * makespanMs),
    preemptions: [...tables.attempts.values()].filter(
      ({ state }) => state.kind === 'ended' && state.outcome === 'preempted',
    ).length,
    lostGpuMs: tables.postings.rows.reduce((sum, row) => sum + (row.account === 'lost' ? row.gpuMs : 0), 0),
    racks: racksOf(tables, cluster),
  }
}

/** Layer 1 of the books, what attempts held. */
function heldGpuMs(tables: Tables): number {
  let sum = 0
  for (const row of tables.held.rows)
    if (tables.attempts.has(attemptOfWorker(row.holder as never))) sum += row.slots * (row.to - row.from)
  return sum
}

/** By GPU-time, of gangs that no single node holds; where there are none, everything stands in one rack. */
function racksOf(tables: Tables, cluster: TraceCluster): Figures['racks'] {
  const rackOf = racksByNode(cluster)
  let [weight, used, minimum] = [0, 0, 0]
  for (const attempt of tables.attempts.values()) {
    const resources = tables.runs.get(attempt.run)?.resources
    if (resources === undefined || nodesFilled(resources, cluster.gpusPerNode) < 2) continue
    const gpuMs = gpusOf(resources) * lengthOf(attempt)
    weight += gpuMs
    used += gpuMs * new Set(attempt.placement.workers.map(({ nodeName }) => rackOf.get(nodeName))).size
    minimum += gpuMs * racksAtLeast(resources, cluster)
  }
  return weight === 0 ? { used: 1, minimum: 1 } : { used: used / weight, minimum: minimum / weight }
}

const lengthOf = ({ startedAt, endedAt }: Attempt): number =>
  startedAt === null || endedAt === null ? 0 : endedAt - startedAt

/** By nearest rank: each is a value that occurred. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
  const mean = sorted.reduce((sum, value) => sum + value, 0) / Math.max(1, sorted.length)
  return { mean, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
}
