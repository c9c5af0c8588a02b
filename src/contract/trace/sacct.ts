// A trace as `sacct --parsable2` prints it. Used are JobID, Submit, ElapsedRaw or else Elapsed, AllocTRES or else ReqTRES, and State;
// User, Account (the project) and NNodes where they are there. Steps (123.batch) are parts of their jobs and left out, and so is what
// never held a GPU or has not ended. How a job ended plays no part: it held its GPUs for as long as it did.
import { GPUS_PER_NODE_MAX, TRACE_DURATION_S_MAX, TRACE_GPUS_MAX } from '../../domain/limits.ts'
import type { TraceJob } from '../../domain/trace.ts'
import { durationMs } from '../../domain/units.ts'
import { excerpt } from '../problems.ts'
import { SUBMIT_S_MAX } from './csv.ts'
import type { Row } from './row.ts'

export const SACCT_NEEDED = ['JobID', 'Submit', 'State']
/** One of each. */
export const SACCT_EITHER = [
  ['ElapsedRaw', 'Elapsed'],
  ['AllocTRES', 'ReqTRES'],
]
export const SACCT_OPTIONAL = ['User', 'Account', 'Partition', 'NNodes']

export type SacctJob = TraceJob | { readonly leftOut: string }

export function jobOfSacct(row: Row): SacctJob | null {
  const id = row.needed('JobID')
  if (id?.includes('.') === true) return { leftOut: 'steps' }
  const [state = ''] = (row.needed('State') ?? '').split(' ')
  if (LIVING.has(state)) return { leftOut: 'jobs that have not ended' }
  const gpus = gpusOf(row)
  if (gpus === 0) return { leftOut: 'jobs without GPUs' }
  const elapsed = elapsedOf(row)
  if (elapsed === 0 && state !== 'COMPLETED') return { leftOut: 'jobs that never ran' }
  const submitMs = submitOf(row)
  const job = { user: row.text('User'), project: row.text('Account') }
  if (row.problems.length > 0 || id === null || gpus === null || elapsed === null || submitMs === null) return null
  return {
    id,
    line: row.number,
    submitMs: durationMs(submitMs),
    gpus,
    durationMs: durationMs(elapsed),
    priority: null,
    gpusPerNode: perNode(row, gpus),
    checkpointMs: null,
    model: null,
    ...job,
  }
}

const LIVING: ReadonlySet<string> = new Set([
  'PENDING',
  'RUNNING',
  'SUSPENDED',
  'REQUEUED',
  'RESIZING',
  'CONFIGURING',
  'COMPLETING',
])

function tresOf(row: Row): string {
  return row.raw('AllocTRES') ?? row.raw('ReqTRES') ?? ''
}

/** `gres/gpu=8`; where only models are counted (`gres/gpu:a100=8`), their sum. */
function gpusOf(row: Row): number | null {
  let [all, byModel]: [number | null, number] = [null, 0]
  for (const part of tresOf(row).split(',')) {
    const [, model, count] = /^gres\/gpu(:[^=]+)?=(.*)$/i.exec(part.trim()) ?? []
    if (count === undefined) continue
    const gpus = Number(count)
    if (!/^\d{1,9}$/.test(count) || gpus > TRACE_GPUS_MAX) {
      const column = row.raw('AllocTRES') === null ? 'ReqTRES' : 'AllocTRES'
      return row.wrong(column, `has ${excerpt(part.trim(), 40)}`, `write whole GPUs, at most ${TRACE_GPUS_MAX}`)
    }
    if (model === undefined) all = gpus
    else byModel += gpus
  }
  return all ?? byModel
}

/** The same on each node, where the accounting says on how many it was and that is even. */
function perNode(row: Row, gpus: number): number | null {
  const nodes = Number(row.raw('NNodes') ?? /(?:^|,)node=(\d{1,6})(?:,|$)/.exec(tresOf(row))?.[1] ?? 0)
  const each = gpus / nodes
  return Number.isInteger(each) && each >= 1 && each <= GPUS_PER_NODE_MAX ? each : null
}

function elapsedOf(row: Row): number | null {
  if (row.raw('ElapsedRaw') !== null) return row.seconds('ElapsedRaw', TRACE_DURATION_S_MAX)
  const text = row.needed('Elapsed')
  if (text === null) return null
  // [DD-[HH:]]MM:SS, with a fraction in some versions.
  const [whole, days = '0', hours = '0', minutes = '0', seconds = '0'] =
    /^(?:(\d{1,4})-)?(?:(\d{1,2}):)?(\d{1,2}):(\d{2}(?:\.\d{1,6})?)$/.exec(text) ?? []
  if (whole === undefined)
    return row.wrong('Elapsed', `is no time: ${excerpt(text, 40)}`, 'write it as sacct does, such as 1-02:03:04')
  const all = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)
  if (all <= TRACE_DURATION_S_MAX) return Math.round(all * 1_000)
  return row.wrong('Elapsed', `is more than ${TRACE_DURATION_S_MAX} s: ${excerpt(text, 40)}`, 'no job runs for so long')
}

/** A moment of the cluster's zone is taken for UTC: only distances count, and a shift of an hour in spring is one of the trace. */
function submitOf(row: Row): number | null {
  const text = row.needed('Submit')
  if (text === null) return null
  if (/^\d{1,11}$/.test(text) && Number(text) <= SUBMIT_S_MAX) return Number(text) * 1_000
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(text) ? Date.parse(`${text}Z`) : Number.NaN
  if (Number.isFinite(at) && at >= 0) return at
  return row.wrong('Submit', `is no moment: ${excerpt(text, 40)}`, 'write 2026-01-31T23:59:59, or seconds since 1970')
}
