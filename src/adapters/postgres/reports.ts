// What reporters send, in one transaction for a batch: who spoke, the facts, and expert load as it came. Repeats change nothing.
import { reporterStream } from '../../domain/fact.ts'
import type { AttemptId } from '../../domain/ids.ts'
import { type EpochMs, epochMs } from '../../domain/units.ts'
import type { LayerSet, MeasureFrame, ReportSave, ReportStore, StoredMeasures } from '../../ports/store.ts'
import { framesBetween, saveFrames } from './expert-frames.ts'
import { expertBlockStore } from './expert-rollups.ts'
import { reopenLooked, saveFacts } from './logs.ts'
import type { Database, Queryable } from './pool.ts'

export function reportStore(database: Database, measure: MeasureFrame): ReportStore {
  return {
    ...expertBlockStore(database),
    async reportable(attempt) {
      const [row] = await database.query<{
        living: boolean
        ended_at: EpochMs | null
        since: EpochMs | null
        until: EpochMs | null
      }>({
        text: `select living, (image->>'endedAt')::bigint as ended_at, (image->'state'->>'since')::bigint as since,
                 (image->'state'->>'checkpointUntil')::bigint as until
               from attempt where id = $1`,
        values: [attempt],
      })
      if (row === undefined) return null
      const { since, until } = row
      return {
        endedAt: row.living ? null : row.ended_at,
        checkpoint: since === null || until === null ? null : { since, until },
      }
    },
    saveReport: (report) =>
      database.transaction('write', async (tx) => {
        await saveSource(tx, report)
        await saveFacts(tx, report.facts)
        return saveFrames(tx, report, measure)
      }),
    async expertLayers(attempt) {
      return database.query<LayerSet>({
        text: `select l.layers, l.names, l.experts, l.top_k as "topK", l.first_step as "firstStep", l.last_step as "lastStep", l.frames,
                 l.ranks, l.unconserved, l.last_at as "lastAt",
                 (select max(step) from expert_measure m where m.attempt = l.attempt and m.layers = l.layers and m.unconserved > 0)
                   as "unconservedStep"
               from expert_layers l where l.attempt = $1 and l.frames > 0 order by l.names`,
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
    async expertFrame(attempt, layers, step) {
      return database.transaction('read', async (tx) => {
        const [newest] = await tx.query<{ step: number | null }>({
          text: 'select max(step) as step from expert_frame where attempt = $1 and layers = $2 and step <= $3',
          values: [attempt, layers, step],
        })
        if (newest?.step == null) return null
        return (await framesBetween(tx, attempt, layers, newest.step, newest.step))[0] ?? null
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
           on conflict (attempt, rank, process) do update set obeys = case when s.obeys <@ excluded.obeys then excluded.obeys else s.obeys end, last_at = greatest(s.last_at, excluded.last_at),
             observed_to = greatest(s.observed_to, excluded.observed_to)`,
    values: [attempt, rank, process, startedAt, reporter, obeys, lastAt, receivedAt],
  })
  await reopenLooked(tx, [{ attempt, before: before?.observed_to ?? null, after: receivedAt }])
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

const MEASURES_A_ROW = 32

type MeasuresRow = {
  readonly steps: string
  readonly ats: string
  readonly unconserved: string
  readonly measures: string
}

/** All measures of a set of layers are equally long. */
export function storedMeasures(row: MeasuresRow): StoredMeasures[] {
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
