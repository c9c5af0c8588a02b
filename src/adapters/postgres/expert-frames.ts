// Frames of expert load as they came, with the measures of their sum over ranks. The row of the set of layers is locked first: what one
// batch adds to sums, counts and marks is whole before the next one looks.
import { createHash } from 'node:crypto'
import { BUILT_LEVEL } from '../../domain/expert-blocks.ts'
import type { AttemptId } from '../../domain/ids.ts'
import { EXPERT_SETS_MAX } from '../../domain/limits.ts'
import { sumOfRanks } from '../../domain/report.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { FrameSave, MeasureFrame, ReportSave, StoredFrame } from '../../ports/store.ts'
import { bytesOf, packedCounts, unpackedCounts } from './expert-codec.ts'
import type { Queryable } from './pool.ts'
import { columns } from './pool.ts'

/** Returns the places of frames that were not taken: an attempt has so many sets of layers and no more. */
export async function saveFrames(tx: Queryable, report: ReportSave, measure: MeasureFrame): Promise<number[]> {
  if (report.frames.length === 0) return []
  const refused = await beyondLimit(tx, report)
  const taken = report.frames.filter((_, index) => !refused.has(index))
  const sets = [...Map.groupBy(taken, (frame) => keyOf(frame.layers))]
  // In the same order everywhere, so that no two batches wait for each other.
  for (const [key, frames] of sets.toSorted(([a], [b]) => (a < b ? -1 : 1)))
    for (const [experts, some] of Map.groupBy(frames, (frame) => frame.experts))
      await saveSet(tx, report, await lockSet(tx, report.attempt, key, experts, some), some, measure)
  return [...refused]
}

async function beyondLimit(tx: Queryable, { attempt, frames }: ReportSave): Promise<Set<number>> {
  const rows = await tx.query<{ layers: string; experts: number }>({
    text: 'select layers, experts from expert_layers where attempt = $1',
    values: [attempt],
  })
  const nameOf = (key: string, experts: number | null): string => `${key.slice(0, 16)} ${experts}`
  const known = new Set(rows.map(({ layers, experts }) => nameOf(layers, experts)))
  const refused = new Set<number>()
  for (const [index, frame] of frames.entries()) {
    const name = nameOf(keyOf(frame.layers), frame.experts)
    if (known.size >= EXPERT_SETS_MAX && !known.has(name)) refused.add(index)
    else known.add(name)
  }
  return refused
}

const keyOf = (layers: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(layers)).digest('hex').slice(0, 16)

type LockedSet = { readonly layers: string; readonly told: boolean }

async function lockSet(
  tx: Queryable,
  attempt: AttemptId,
  layers: string,
  experts: number,
  frames: readonly FrameSave[],
): Promise<LockedSet> {
  const [first] = frames
  if (first === undefined) throw new Error('bug: a set of layers without a frame')
  const [row] = await tx.query<{ experts: number; told: boolean }>({
    text: `insert into expert_layers as l (attempt, layers, names, experts, top_k) values ($1, $2, $3, $4, $5)
           on conflict (attempt, layers) do update set top_k = coalesce(greatest(l.top_k, excluded.top_k), l.top_k, excluded.top_k)
           returning experts, told`,
    values: [attempt, layers, first.layers, experts, first.topK],
  })
  // The same names with another number of experts are other layers: a sum of both would mean nothing.
  if (row?.experts !== experts) return lockSet(tx, attempt, `${layers.slice(0, 16)}-${experts}`, experts, frames)
  return { layers, told: row.told }
}

async function saveSet(
  tx: Queryable,
  report: ReportSave,
  { layers, told }: LockedSet,
  frames: readonly FrameSave[],
  measure: MeasureFrame,
): Promise<void> {
  const { attempt, rank } = report
  const written = await writeFrames(tx, report, layers, frames)
  if (written.length === 0) return
  const steps = written.map(({ step }) => step)
  const others = await tx.query<{ step: number }>({
    text: 'select distinct step from expert_frame where attempt = $1 and layers = $2 and step = any($3) and rank <> $4',
    values: [attempt, layers, steps, rank],
  })
  // What this rank alone has sent is at hand and need not be read.
  const shared = new Set(others.map(({ step }) => step))
  const whole: StoredFrame[] = written.filter(({ step }) => !shared.has(step)).map((frame) => ({ ...frame, ranks: 1 }))
  for (const step of shared) whole.push(...(await framesBetween(tx, attempt, layers, step, step)))
  await writeMeasures(tx, attempt, layers, whole, measure)
  await mark(tx, attempt, layers, steps, report.receivedAt)
  const finding = told ? null : written.find((frame) => frame.finding != null)?.finding
  if (finding == null) return
  await tx.query({
    text: 'update expert_layers set told = true where attempt = $1 and layers = $2',
    values: [attempt, layers],
  })
  await tx.query({
    text: 'insert into event (run, at, kind, message) values ($1, $2, $3, $4)',
    values: [finding.run, finding.at, finding.kind, finding.message],
  })
}

/** Returns those that are new, or replace one of an earlier process of the rank: two of them are not added, the later one counts. */
async function writeFrames(
  tx: Queryable,
  { attempt, rank, process, startedAt }: ReportSave,
  layers: string,
  frames: readonly FrameSave[],
): Promise<FrameSave[]> {
  // One statement cannot write a row twice.
  const byStep = new Map(frames.map((frame) => [frame.step, frame]))
  const values: unknown[] = [attempt, layers, rank, process, startedAt]
  const rows = [...byStep.values()].map((frame) => {
    const { bytes, ends } = packedCounts(frame.counts, frame.experts)
    const own = [frame.step, frame.at, frame.experts, frame.tokens, frame.topK, frame.flags, bytes, ends]
    values.push(...own)
    const places = own.map((_, index) => `$${values.length - own.length + 1 + index}`)
    return `($1, $2, $3::int, $4, $5::bigint, ${places.join(', ')})`
  })
  const written = await tx.query<{ step: number }>({
    text: `insert into expert_frame as f (attempt, layers, rank, process, started_at, step, at, experts, tokens, top_k, flags, counts, ends)
           values ${rows.join(', ')}
           on conflict (attempt, layers, step, rank) do update set process = excluded.process, started_at = excluded.started_at,
             at = excluded.at, experts = excluded.experts, tokens = excluded.tokens, top_k = excluded.top_k, flags = excluded.flags,
             counts = excluded.counts, ends = excluded.ends
           where excluded.started_at > f.started_at returning step`,
    values,
  })
  const steps = new Set(written.map(({ step }) => step))
  return [...byStep.values()].filter(({ step }) => steps.has(step))
}

async function writeMeasures(
  tx: Queryable,
  attempt: AttemptId,
  layers: string,
  whole: readonly StoredFrame[],
  measure: MeasureFrame,
): Promise<void> {
  const steps = whole.map(({ step }) => step)
  const before = await tx.query<{ known: number; unconserved: number }>({
    text: `select count(*)::int as known, count(*) filter (where unconserved > 0)::int as unconserved from expert_measure
           where attempt = $1 and layers = $2 and step = any($3)`,
    values: [attempt, layers, steps],
  })
  const measured = whole.map((frame) => ({ frame, ...measure(frame) }))
  await tx.query({
    text: `insert into expert_measure (attempt, layers, step, at, ranks, measures, unconserved)
           select $1, $2, * from unnest($3::bigint[], $4::bigint[], $5::int[], $6::bytea[], $7::int[])
           on conflict (attempt, layers, step) do update set at = excluded.at, ranks = excluded.ranks, measures = excluded.measures,
             unconserved = excluded.unconserved`,
    values: [
      attempt,
      layers,
      ...columns(measured, ({ frame, values, unconserved }) => [
        frame.step,
        frame.at,
        frame.ranks,
        bytesOf(values),
        unconserved,
      ]),
    ],
  })
  const last = whole.reduce((newest, frame) => (frame.step > newest.step ? frame : newest))
  await tx.query({
    text: `update expert_layers set first_step = least(first_step, $3), last_at = case when $4 >= coalesce(last_step, 0) then $5 else last_at end,
             last_step = greatest(last_step, $4), frames = frames + $6, ranks = greatest(ranks, $7), unconserved = unconserved + $8
           where attempt = $1 and layers = $2`,
    values: [
      attempt,
      layers,
      Math.min(...steps),
      last.step,
      last.at,
      whole.length - (before[0]?.known ?? 0),
      Math.max(...whole.map(({ ranks }) => ranks)),
      measured.filter(({ unconserved }) => unconserved > 0).length - (before[0]?.unconserved ?? 0),
    ],
  })
}

/** The blocks of these steps are to be built, or built anew. */
async function mark(
  tx: Queryable,
  attempt: AttemptId,
  layers: string,
  steps: readonly number[],
  at: EpochMs,
): Promise<void> {
  await tx.query({
    text: `insert into expert_pending (attempt, layers, level, block, touched, at)
           select distinct $1, $2, $3::int, step / (2 ^ $3::int)::bigint, pg_current_xact_id()::text::bigint, $5::bigint from unnest($4::bigint[]) step
           on conflict (attempt, layers, level, block) do update set touched = excluded.touched, at = excluded.at`,
    values: [attempt, layers, BUILT_LEVEL, steps, at],
  })
}

type FrameRow = {
  readonly step: number
  readonly at: EpochMs
  readonly experts: number
  readonly tokens: number | null
  readonly top_k: number | null
  readonly flags: string[]
  readonly counts: Buffer
  readonly ends: number[] | null
}

/** Each summed over the ranks that sent it, by step. */
export async function framesBetween(
  tx: Queryable,
  attempt: AttemptId,
  layers: string,
  from: number,
  to: number,
): Promise<StoredFrame[]> {
  const [set] = await tx.query<{ names: string[] }>({
    text: 'select names from expert_layers where attempt = $1 and layers = $2',
    values: [attempt, layers],
  })
  if (set === undefined) return []
  const rows = await tx.query<FrameRow>({
    text: `select step, at, experts, tokens, top_k, flags, counts, ends from expert_frame
           where attempt = $1 and layers = $2 and step between $3 and $4 order by step, rank`,
    values: [attempt, layers, from, to],
  })
  return [...Map.groupBy(rows, ({ step }) => step).values()].flatMap((some) => summed(some, set.names))
}

function summed(rows: readonly FrameRow[], names: readonly string[]): StoredFrame[] {
  const [first] = rows
  if (first === undefined) return []
  const frames = rows.map((row) => ({
    ...row,
    counts: unpackedCounts(row.counts, row.ends, names.length, row.experts),
  }))
  return [
    {
      step: first.step,
      at: first.at,
      layers: names,
      experts: first.experts,
      topK: first.top_k,
      ...sumOfRanks(frames),
      ranks: rows.length,
    },
  ]
}
