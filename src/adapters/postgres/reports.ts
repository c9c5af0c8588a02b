// What reporters send, in one transaction for a batch: who spoke, the facts, and expert load as it came. Repeats change nothing.
import { createHash } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { reporterStream } from '../../domain/fact.ts'
import type { AttemptId } from '../../domain/ids.ts'
import { type EpochMs, epochMs } from '../../domain/units.ts'
import type {
  FrameSave,
  MeasureFrame,
  ReportSave,
  ReportStore,
  StoredFrame,
  StoredMeasures,
} from '../../ports/store.ts'
import { reopenLooked, saveFacts } from './logs.ts'
import type { Database, Queryable } from './pool.ts'

type FrameRow = {
  readonly step: number
  readonly at: EpochMs
  readonly experts: number
  readonly tokens: number | null
  readonly top_k: number | null
  readonly flags: string[]
  readonly counts: Buffer
}

export function reportStore(database: Database, measure: MeasureFrame): ReportStore {
  return {
    async reportable(attempt) {
      const [row] = await database.query<{ living: boolean; ended_at: EpochMs | null }>({
        text: `select living, (image->>'endedAt')::bigint as ended_at from attempt where id = $1`,
        values: [attempt],
      })
      return row === undefined ? null : { endedAt: row.living ? null : row.ended_at }
    },
    saveReport: (report) =>
      database.transaction('write', async (tx) => {
        await saveSource(tx, report)
        await saveFacts(tx, report.facts)
        for (const frame of report.frames) await saveFrame(tx, report, frame, measure)
      }),
    async expertLayers(attempt) {
      return database.query({
        // A step has one row of measures, however many ranks sent it.
        text: `select l.layers, l.names, f.experts, f.top_k as "topK", m.first as "firstStep", m.last as "lastStep", m.frames
               from expert_layers l
               cross join lateral (select min(step) as first, max(step) as last, count(*) as frames
                 from expert_measure m where m.attempt = l.attempt and m.layers = l.layers) m
               cross join lateral (select experts, top_k from expert_frame f
                 where f.attempt = l.attempt and f.layers = l.layers order by step desc limit 1) f
               where l.attempt = $1 order by l.names`,
        values: [attempt],
      })
    },
    async expertMeasures(attempt, layers, from, to) {
      // A row for each of 10,000 steps, as hexadecimal digits, would take Node four times as long to read.
      const groups = await database.query<MeasuresRow>({
        text: `select string_agg(step::text, ',' order by step) as steps, string_agg(at::text, ',' order by step) as ats,
                 string_agg(unconserved::text, ',' order by step) as unconserved,
                 encode(string_agg(measures, ''::bytea order by step), 'base64') as measures
               from expert_measure where attempt = $1 and layers = $2 and step between $3 and $4
               group by step / ${MEASURES_A_ROW} order by step / ${MEASURES_A_ROW}`,
        values: [attempt, layers, from, to],
      })
      return groups.flatMap(storedMeasures)
    },
    async expertSeries(attempt, layers, { layer, expert, stride }) {
      const rows = await database.query<FrameRow & { size: number }>({
        text: `select f.step, f.experts, f.counts, cardinality(l.names) * f.experts as size
               from expert_frame f join expert_layers l on l.attempt = f.attempt and l.layers = f.layers
               where f.attempt = $1 and f.layers = $2 and f.step % $3 = 0 order by f.step`,
        values: [attempt, layers, stride],
      })
      const series: { step: number; count: number; total: number }[] = []
      for (const row of rows) {
        const counts = unpacked(row.counts, row.size).subarray(layer * row.experts, (layer + 1) * row.experts)
        const total = counts.reduce((sum, each) => sum + each, 0)
        const last = series.at(-1)
        // Ranks of one step are added.
        if (last?.step === row.step) {
          last.count += counts[expert] ?? 0
          last.total += total
        } else series.push({ step: row.step, count: counts[expert] ?? 0, total })
      }
      return series
    },
    async expertFrame(attempt, layers, step) {
      return database.transaction('read', async (tx) => {
        const [newest] = await tx.query<{ step: number | null }>({
          text: 'select max(step) as step from expert_frame where attempt = $1 and layers = $2 and step <= $3',
          values: [attempt, layers, step],
        })
        return newest?.step == null ? null : frameAt(tx, attempt, layers, newest.step)
      })
    },
  }
}

async function saveSource(tx: Queryable, report: ReportSave): Promise<void> {
  const { attempt, rank, process, startedAt, reporter, obeys, receivedAt, facts } = report
  const lastAt = facts.reduce<number | null>((last, fact) => Math.max(last ?? fact.at, fact.at), null)
  const [before] = await tx.query<{ observed_to: number | null }>({
    text: 'select max(observed_to) as observed_to from report_source where attempt = $1 and rank = $2',
    values: [attempt, rank],
  })
  await tx.query({
    text: `insert into report_source as s (attempt, rank, process, started_at, reporter, obeys, last_at, observed_to)
           values ($1, $2, $3, $4, $5, $6, $7, $8)
           on conflict (attempt, rank, process) do update set obeys = excluded.obeys, last_at = greatest(s.last_at, excluded.last_at),
             observed_to = greatest(s.observed_to, excluded.observed_to)`,
    values: [attempt, rank, process, startedAt, reporter, obeys, lastAt, receivedAt],
  })
  await reopenLooked(tx, [{ attempt, before: before?.observed_to ?? null, after: receivedAt }])
}

async function saveFrame(tx: Queryable, report: ReportSave, frame: FrameSave, measure: MeasureFrame): Promise<void> {
  const { attempt, rank, process, startedAt } = report
  const layers = createHash('sha256').update(JSON.stringify(frame.layers)).digest('hex').slice(0, 16)
  await tx.query({
    text: 'insert into expert_layers (attempt, layers, names) values ($1, $2, $3) on conflict do nothing',
    values: [attempt, layers, frame.layers],
  })
  // Two processes of a rank are not added: the later one counts.
  const written = await tx.query({
    text: `insert into expert_frame as f (attempt, step, layers, rank, process, started_at, at, experts, tokens, top_k, flags, counts)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
           on conflict (attempt, layers, step, rank) do update set process = excluded.process, started_at = excluded.started_at,
             at = excluded.at, experts = excluded.experts, tokens = excluded.tokens, top_k = excluded.top_k, flags = excluded.flags,
             counts = excluded.counts
           where excluded.started_at > f.started_at returning step`,
    values: [
      attempt,
      frame.step,
      layers,
      rank,
      process,
      startedAt,
      frame.at,
      frame.experts,
      frame.tokens,
      frame.topK,
      frame.flags,
      packed(frame.counts),
    ],
  })
  if (written.length === 0) return
  const whole = await frameAt(tx, attempt, layers, frame.step)
  if (whole === null) return
  const { values, unconserved } = measure(whole)
  await tx.query({
    text: `insert into expert_measure (attempt, step, layers, at, ranks, measures, unconserved) values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (attempt, layers, step) do update set at = excluded.at, ranks = excluded.ranks, measures = excluded.measures,
             unconserved = excluded.unconserved`,
    values: [
      attempt,
      frame.step,
      layers,
      whole.at,
      whole.ranks,
      Buffer.from(values.buffer, values.byteOffset, values.byteLength),
      unconserved,
    ],
  })
}

/** The sum over the ranks that sent a step. */
async function frameAt(tx: Queryable, attempt: AttemptId, layers: string, step: number): Promise<StoredFrame | null> {
  const [set] = await tx.query<{ names: string[] }>({
    text: 'select names from expert_layers where attempt = $1 and layers = $2',
    values: [attempt, layers],
  })
  const rows = await tx.query<FrameRow>({
    text: `select step, at, experts, tokens, top_k, flags, counts from expert_frame
           where attempt = $1 and layers = $2 and step = $3 order by rank`,
    values: [attempt, layers, step],
  })
  const [first, ...others] = rows
  if (set === undefined || first === undefined) return null
  const counts = unpacked(first.counts, set.names.length * first.experts)
  let { tokens } = first
  for (const row of others) {
    const more = unpacked(row.counts, counts.length)
    for (let index = 0; index < counts.length; index += 1) counts[index] = (counts[index] ?? 0) + (more[index] ?? 0)
    tokens = tokens === null || row.tokens === null ? null : tokens + row.tokens
  }
  return {
    step,
    at: first.at,
    layers: set.names,
    experts: first.experts,
    counts,
    tokens,
    topK: first.top_k,
    flags: [...new Set(rows.flatMap((row) => row.flags))],
    ranks: rows.length,
  }
}

/** How far each rank that reports is known, for the books. */
export async function reportSources(
  tx: Queryable,
  attempt: AttemptId,
): Promise<{ source: string; lastAt: EpochMs | null; observedTo: EpochMs }[]> {
  const rows = await tx.query<{ rank: number; last_at: EpochMs | null; observed_to: EpochMs }>({
    text: `select rank, max(last_at) as last_at, max(observed_to) as observed_to from report_source where attempt = $1 group by rank`,
    values: [attempt],
  })
  return rows.map((row) => ({
    source: reporterStream(attempt, row.rank),
    lastAt: row.last_at,
    observedTo: row.observed_to,
  }))
}

/**
 * Low bytes of all counts first, then the next ones ...: the high ones are nearly all zero, so that this deflates to three quarters
 * of what the counts do as they are, in a third of the time.
 */
function packed(counts: Uint32Array): Buffer {
  const size = counts.length
  const planes = Buffer.alloc(size * 4)
  for (let index = 0; index < size; index += 1) {
    const count = counts[index] ?? 0
    planes[index] = count & 0xff
    planes[size + index] = (count >>> 8) & 0xff
    planes[2 * size + index] = (count >>> 16) & 0xff
    planes[3 * size + index] = count >>> 24
  }
  return deflateRawSync(planes, { level: 1 })
}

function unpacked(bytes: Buffer, size: number): Uint32Array {
  const planes = inflateRawSync(bytes, { maxOutputLength: size * 4 })
  const counts = new Uint32Array(size)
  for (let index = 0; index < size; index += 1) {
    counts[index] =
      (planes[index] ?? 0) |
      ((planes[size + index] ?? 0) << 8) |
      ((planes[2 * size + index] ?? 0) << 16) |
      ((planes[3 * size + index] ?? 0) << 24)
  }
  return counts
}

const MEASURES_A_ROW = 32

type MeasuresRow = {
  readonly steps: string
  readonly ats: string
  readonly unconserved: string
  readonly measures: string
}

/** All measures of a set of layers are equally long. */
function storedMeasures(row: MeasuresRow): StoredMeasures[] {
  const [steps, ats, unconserved] = [row.steps, row.ats, row.unconserved].map((text) => text.split(',').map(Number))
  const values = new Float32Array(new Uint8Array(Buffer.from(row.measures, 'base64')).buffer)
  const length = values.length / (steps?.length ?? 1)
  return (steps ?? []).map((step, index) => ({
    step,
    at: epochMs(ats?.[index] ?? 0),
    values: values.subarray(index * length, (index + 1) * length),
    unconserved: unconserved?.[index] ?? 0,
  }))
}
