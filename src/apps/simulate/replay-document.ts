// A replay as the document of `-o json`, and in a few lines for people.
import type { Wire } from '../../contract/documents.ts'
import { gpusOfCluster, nodesOf } from '../../domain/trace.ts'
import { counted } from '../../domain/words.ts'
import type { Figures, Spread } from '../../sim/replay/measure.ts'
import { figuresOf, finishedRuns, spreadOf } from '../../sim/replay/measure.ts'
import { span } from '../../sim/replay/span.ts'
import type { Replayed } from './replay.ts'

export type ReplayDocument = Wire<'trace-replay'>

/** What decides: core/admit and core/place as they are in production. */
const POLICY = 'priority, then submit order; a gang that does not fit is passed over'
const REFUSED_SHOWN_MAX = 100

export function documentOfReplay(
  { world, wallMs }: Replayed,
  {
    seed,
    skippedLines,
    leftOutLines,
  }: { readonly seed: number; readonly skippedLines: number; readonly leftOutLines: number },
): ReplayDocument {
  const finished = finishedRuns(world.tables, world.begin)
  const figures: Figures = figuresOf(world.tables, finished, world.shape)
  const { p50, p99, max } = spreadOf(world.decideMs)
  return {
    schema: 'plimsoll.trace-replay/v1',
    jobs: world.submitted,
    finished: finished.length,
    refused: world.refused.length,
    refusedJobs: world.refused
      .slice(0, REFUSED_SHOWN_MAX)
      .map(({ job, reason, message }) => ({ id: job.id, reason, message })),
    makespanS: figures.makespanMs / 1_000,
    jctS: inSeconds(figures.jctMs),
    waitS: inSeconds(figures.waitMs),
    allocatedRatio: rounded(figures.allocatedRatio, 6),
    preemptions: figures.preemptions,
    lostGpuS: figures.lostGpuMs / 1_000,
    spread: { used: rounded(figures.racks.used, 6), minimum: rounded(figures.racks.minimum, 6) },
    violations: world.violations.length,
    decideMs: { p50: rounded(p50, 3), p99: rounded(p99, 3), max: rounded(max, 3) },
    wallMs,
    seed,
    policy: POLICY,
    nodes: nodesOf(world.shape),
    gpus: gpusOfCluster(world.shape),
    racks: world.shape.racks.length,
    skippedLines,
    leftOutLines,
  }
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))
const inSeconds = ({ mean, p50, p90, p99, max }: Spread): ReplayDocument['jctS'] => ({
  mean: rounded(mean / 1_000, 3),
  p50: p50 / 1_000,
  p90: p90 / 1_000,
  p99: p99 / 1_000,
  max: max / 1_000,
})

export function wordsOfReplay(document: ReplayDocument, refusedBy: ReadonlyMap<string, number>): string {
  const { jobs, finished, refused, jctS, waitS, spread, decideMs } = document
  const why = [...refusedBy].map(([reason, count]) => `${count} ${reason}`).join(', ')
  const rows: readonly (readonly [string, string])[] = [
    ['jobs', `${jobs}: ${finished} finished, ${refused} refused${why === '' ? '' : ` (${why})`}`],
    ['cluster', `${document.gpus} GPUs in ${counted(document.nodes, 'node')} and ${counted(document.racks, 'rack')}`],
    ['makespan', span(document.makespanS)],
    ['job completion time', spreadText(jctS)],
    ['wait', spreadText(waitS)],
    ['allocated', `${(document.allocatedRatio * 100).toFixed(1)} % of all GPU-time`],
    ['racks of a wide job', `${spread.used.toFixed(2)} used, ${spread.minimum.toFixed(2)} would do`],
    ['preemptions', `${document.preemptions}, ${document.lostGpuS} GPU-s computed again`],
    ['broken promises', String(document.violations)],
    ['one decision', `p50 ${decideMs.p50} ms, p99 ${decideMs.p99} ms, at most ${decideMs.max} ms`],
    ['took', `${(document.wallMs / 1_000).toFixed(1)} s`],
  ]
  return rows.map(([name, value]) => `${name.padEnd(20)}  ${value}`).join('\n')
}

const spreadText = ({ mean, p50, p90, p99, max }: ReplayDocument['jctS']): string =>
  `mean ${span(mean)}, p50 ${span(p50)}, p90 ${span(p90)}, p99 ${span(p99)}, at most ${span(max)}`
