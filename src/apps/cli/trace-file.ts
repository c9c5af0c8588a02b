// A trace and the shape of a cluster, as they are named on the command line.
import { statSync } from 'node:fs'
import type { ClusterShapeResult } from '../../contract/cluster-shape.ts'
import { parseClusterShape, parseClusterWords } from '../../contract/cluster-shape.ts'
import { excerpt, formatProblems } from '../../contract/problems.ts'
import type { Problem } from '../../contract/problems.ts'
import type { Trace } from '../../contract/trace/trace.ts'
import { parseTrace } from '../../contract/trace/trace.ts'
import { REPLAY_CELLS_MAX, TRACE_BYTES_MAX, TRACE_PROBLEMS_SHOWN_MAX } from '../../domain/limits.ts'
import type { TraceCluster } from '../../domain/trace.ts'
import { gpusOfCluster, nodesOf } from '../../domain/trace.ts'
import { CELL_MS } from '../../domain/units.ts'
import { counted } from '../../domain/words.ts'
import { CliError, EXIT } from './exit.ts'
import { note } from './print.ts'
import { readText } from './read-text.ts'

const MIB = 1024 * 1024
const DAY_MS = 86_400_000

export function readCluster(shape: string): TraceCluster {
  const words = shape.includes('=')
  const parsed: ClusterShapeResult = words ? parseClusterWords(shape) : parseClusterShape(readText(shape))
  if (parsed.ok) return parsed.cluster
  throw new CliError(EXIT.usage, formatProblems(words ? `--cluster ${excerpt(shape)}` : shape, parsed.problems))
}

/** Broken lines end it here unless they are to be skipped: a trace without some of its jobs is another trace. */
export function readTrace(file: string, cluster: TraceCluster, skipBroken: boolean): Trace {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (size > TRACE_BYTES_MAX)
    throw new CliError(
      EXIT.usage,
      `${file} has ${Math.ceil(size / MIB)} MiB, and a trace at most ${TRACE_BYTES_MAX / MIB}: cut it into several`,
    )
  const trace = parseTrace(readText(file))
  if (!trace.ok) throw new CliError(EXIT.usage, `${formatProblems(file, trace.problems)}\n${NOTHING}`)
  for (const each of trace.notes) note(`${file}: ${each}`)
  const { problems, brokenLines, jobs } = trace
  if (problems.length > 0 && !skipBroken)
    throw new CliError(
      EXIT.usage,
      `${first(file, problems)}\n${counted(brokenLines, 'broken line')}: mend them, or leave them out with --skip-broken\n${NOTHING}`,
    )
  if (problems.length > 0) note(`${first(file, problems)}\n${counted(brokenLines, 'broken line')} skipped`)
  if (jobs.length === 0) throw new CliError(EXIT.usage, `${file}: no job is left to replay\n${NOTHING}`)
  refuseHuge(file, trace, cluster)
  return trace
}

const NOTHING = 'nothing was simulated'

function first(file: string, problems: readonly Problem[]): string {
  const more = problems.length - TRACE_PROBLEMS_SHOWN_MAX
  const text = formatProblems(file, problems.slice(0, TRACE_PROBLEMS_SHOWN_MAX))
  return more <= 0 ? text : `${text}\n${more} more problems are not shown`
}

/** The books of every node have a row for each five minutes, and all of them are kept: said before hours are spent on it. */
function refuseHuge(file: string, { jobs }: Trace, cluster: TraceCluster): void {
  let [last, gpuMs, longest] = [0, 0, 0]
  for (const job of jobs) {
    last = Math.max(last, job.submitMs)
    // It will be refused, and holds nothing.
    if (job.gpus > gpusOfCluster(cluster)) continue
    longest = Math.max(longest, job.submitMs + job.durationMs)
    gpuMs += job.gpus * job.durationMs
  }
  const leastMs = Math.max(last, longest, gpuMs / gpusOfCluster(cluster))
  if ((leastMs / CELL_MS) * nodesOf(cluster) <= REPLAY_CELLS_MAX) return
  const most = Math.floor((REPLAY_CELLS_MAX / nodesOf(cluster)) * (CELL_MS / DAY_MS))
  throw new CliError(
    EXIT.usage,
    `${file} takes at least ${Math.ceil(leastMs / DAY_MS)} days on this cluster, and ${counted(nodesOf(cluster), 'node')} can be replayed for ${most}: cut the trace\n${NOTHING}`,
  )
}
