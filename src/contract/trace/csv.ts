// A trace as CSV: `id,submit_s,gpus,duration_s` and, where known, what else is in OPTIONAL; in any order of columns.
import { GPUS_PER_NODE_MAX, TRACE_DURATION_S_MAX, TRACE_GPUS_MAX } from '../../domain/limits.ts'
import type { Priority } from '../../domain/reasons.ts'
import { PRIORITIES } from '../../domain/reasons.ts'
import type { TraceJob } from '../../domain/trace.ts'
import { durationMs } from '../../domain/units.ts'
import { excerpt } from '../problems.ts'
import type { Row } from './row.ts'

export const CSV_NEEDED = ['id', 'submit_s', 'gpus', 'duration_s']
export const CSV_OPTIONAL = ['user', 'project', 'priority', 'gpus_per_node', 'checkpoint_s', 'model']

/** Moments may be seconds since 1970, so that the first one may be large. */
export const SUBMIT_S_MAX = 10_000_000_000

/** Null where something is wrong; the row knows what. */
export function jobOfCsv(row: Row): TraceJob | null {
  const id = row.needed('id')
  const submitMs = row.seconds('submit_s', SUBMIT_S_MAX)
  const gpus = row.whole('gpus', 1, TRACE_GPUS_MAX)
  const duration = row.seconds('duration_s', TRACE_DURATION_S_MAX)
  const job = {
    user: row.text('user'),
    project: row.text('project'),
    priority: priorityOf(row),
    gpusPerNode: row.raw('gpus_per_node') === null ? null : perNode(row, gpus),
    checkpointMs: row.raw('checkpoint_s') === null ? null : checkpointOf(row),
    model: row.text('model'),
  }
  if (row.problems.length > 0 || id === null || submitMs === null || gpus === null || duration === null) return null
  return { id, line: row.number, submitMs: durationMs(submitMs), gpus, durationMs: durationMs(duration), ...job }
}

function priorityOf(row: Row): Priority | null {
  const text = row.raw('priority')
  if (text === null) return null
  const found = PRIORITIES.find((each) => each === text.toLowerCase())
  return found ?? row.wrong('priority', `is ${excerpt(text, 40)}`, `write one of ${PRIORITIES.join(', ')}, or nothing`)
}

function perNode(row: Row, gpus: number | null): number | null {
  const each = row.whole('gpus_per_node', 1, GPUS_PER_NODE_MAX)
  if (each === null || gpus === null || gpus % each === 0) return each
  const hint = 'all workers of a gang have as many GPUs: write a divisor of gpus, or nothing'
  return row.wrong('gpus_per_node', `is ${each}, which does not divide ${gpus} GPUs`, hint)
}

function checkpointOf(row: Row) {
  const every = row.seconds('checkpoint_s', TRACE_DURATION_S_MAX)
  if (every === null || every >= 1_000) return every === null ? null : durationMs(every)
  return row.wrong(
    'checkpoint_s',
    'is less than a second',
    'write the time from one checkpoint to the next, or nothing',
  )
}
