// What detectors look at beside the world, and what they found.
import { compareStreams, reporterSource, reporterStream, streamOf } from '../../domain/fact.ts'
import type { Attempt } from '../../domain/attempt.ts'
import type { Finding } from '../../domain/finding.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { DetectStore, Hearing, NewestMeasures } from '../../ports/detect-store.ts'
import type { Database, Queryable } from './pool.ts'
import { columns } from './pool.ts'
import { storedMeasures } from './reports.ts'
import type { FactRow, RunRow } from './rows.ts'
import { factOf, runOf } from './rows.ts'

export function detectStore(database: Database): DetectStore {
  return {
    hearing: (attempts) => database.transaction('read', (tx) => hearing(tx, attempts)),
    async factsAfter(wanted, limit) {
      if (wanted.length === 0) return new Map()
      const rows = await database.query<FactRow>({
        text: `select f.source, f.sequence, f.attempt, f.at, f.sent_at, f.body from unnest($1::text[], $2::bigint[]) as w(source, after)
               cross join lateral (
                 select * from fact where fact.source = w.source and fact.sequence > w.after order by sequence desc limit $3
               ) f order by f.source, f.sequence`,
        values: [...columns(wanted, ({ source, after }) => [source, after]), limit],
      })
      return Map.groupBy(rows.map(factOf), (fact) => fact.source)
    },
    async phasesAfter(wanted, limit) {
      if (wanted.length === 0) return new Map()
      const rows = await database.query<FactRow>({
        text: `select f.source, f.sequence, f.attempt, f.at, f.sent_at, f.body from unnest($1::text[], $2::bigint[]) as w(attempt, after)
               cross join lateral (
                 select * from fact where fact.attempt = w.attempt and at > w.after and body->>'kind' in ('begin', 'end')
                 order by at desc limit $3
               ) f`,
        values: [...columns(wanted, ({ attempt, after }) => [attempt, after]), limit],
      })
      return Map.groupBy(rows.map(factOf), (fact) => fact.attempt)
    },
    async newestMeasures(attempts, steps) {
      if (attempts.length === 0) return []
      const rows = await database.query<MeasuresRow>({
        text: `select l.attempt, l.names, l.experts, l.top_k as "topK", m.* from expert_layers l
               cross join lateral (
                 select string_agg(step::text, ',' order by step) as steps, string_agg(at::text, ',' order by step) as ats,
                   string_agg(unconserved::text, ',' order by step) as unconserved,
                   encode(string_agg(measures, ''::bytea order by step), 'base64') as measures
                 from (select * from expert_measure e where e.attempt = l.attempt and e.layers = l.layers order by step desc limit $2) newest
               ) m where l.attempt = any($1) and l.frames > 0 and m.steps is not null order by l.attempt, l.names`,
        values: [attempts, steps],
      })
      return rows.map(({ attempt, names, experts, topK, ...packed }) => ({
        attempt,
        names,
        experts,
        topK,
        steps: storedMeasures(packed),
      }))
    },
    async newestEnded(runs) {
      if (runs.length === 0) return new Map()
      const rows = await database.query<{ image: Attempt }>({
        text: `select newest.image from unnest($1::text[]) as w(run)
               cross join lateral (
                 select image from attempt where attempt.run = w.run and not living order by number desc limit 1
               ) newest`,
        values: [runs],
      })
      return new Map(rows.map(({ image }) => [image.run, image]))
    },
    async failedSince(at, limit) {
      const rows = await database.query<RunRow>({
        text: `select image, version from run_ended r where state = 'failed' and (image->>'endedAt')::bigint > $1
               and not exists (select from run n where n.project = r.project and n.name = r.name)
               and not exists (select from run_ended n where n.project = r.project and n.name = r.name and n.id > r.id)
               order by (image->>'endedAt')::bigint desc limit $2`,
        values: [at, limit],
      })
      return rows.map(runOf)
    },
    async openFindings() {
      const rows = await database.query<{ image: Finding }>({
        text: 'select image from finding where resolved_at is null order by key',
        values: [],
      })
      return rows.map(({ image }) => image)
    },
    async findings({ projects, run, open, before, limit }) {
      const rows = await database.query<{ image: Finding }>({
        text: `select image from finding
               where ($1::text[] is null or project = any($1)) and ($2::text is null or run = $2)
                 and ($3::boolean is null or (resolved_at is null) = $3) and ($4::bigint is null or (since, id) < ($4, $5::text))
               order by since desc, id desc limit $6`,
        values: [projects, run, open, before?.since ?? null, before?.id ?? null, limit],
      })
      return rows.map(({ image }) => image)
    },
  }
}

type MeasuresRow = Omit<NewestMeasures, 'steps'> & Parameters<typeof storedMeasures>[0]

async function hearing(tx: Queryable, attempts: readonly AttemptId[]): Promise<Map<AttemptId, Hearing>> {
  const streams = await streamsOf(tx, attempts)
  const processes = await tx.query<{ attempt: AttemptId; rank: number; process: string; heard: EpochMs }>({
    text: `select distinct on (attempt, rank) attempt, rank, process, max(observed_to) over (partition by attempt, rank) as heard
           from report_source where attempt = any($1) order by attempt, rank, last_at desc nulls last, started_at desc`,
    values: [attempts],
  })
  const reporters = new Map(processes.map((row) => [reporterStream(row.attempt, row.rank), row]))
  const logs = await tx.query<{ worker: string; heard: EpochMs | null }>({
    text: 'select worker, observed_to as heard from log_cursor where worker = any($1)',
    values: [[...streams.values()].flatMap((stream) => (stream.startsWith('log:') ? [stream.slice(4)] : []))],
  })
  const logsHeard = new Map(logs.map(({ worker, heard }) => [`log:${worker}`, heard]))
  const anybody = await tx.query<{ attempt: AttemptId; heard: EpochMs | null }>({
    text: `select attempt, max(observed_to) as heard from (
             select attempt, observed_to from log_cursor where attempt = any($1)
             union all select attempt, observed_to from report_source where attempt = any($1)) heard group by attempt`,
    values: [attempts.filter((attempt) => !streams.has(attempt))],
  })
  const found = new Map<AttemptId, Hearing>(
    anybody.map(({ attempt, heard }) => [attempt, { source: null, heardTo: heard }]),
  )
  for (const [attempt, stream] of streams) {
    const reporter = reporters.get(stream)
    found.set(
      attempt,
      reporter === undefined
        ? { source: stream, heardTo: logsHeard.get(stream) ?? null }
        : { source: reporterSource(attempt, reporter.rank, reporter.process), heardTo: reporter.heard },
    )
  }
  return found
}

/** As the books elected, and where no cell is posted yet as they would. */
async function streamsOf(tx: Queryable, attempts: readonly AttemptId[]): Promise<Map<AttemptId, string>> {
  const elected = await tx.query<{ attempt: AttemptId; source: string }>({
    text: 'select attempt, source from attempt_books where attempt = any($1) and source is not null',
    values: [attempts],
  })
  const streams = new Map(elected.map(({ attempt, source }) => [attempt, source]))
  const said = await tx.query<{ attempt: AttemptId; source: string }>({
    text: `select distinct attempt, source from fact where attempt = any($1) and body->>'kind' = 'step'`,
    values: [attempts.filter((attempt) => !streams.has(attempt))],
  })
  for (const { attempt, source } of said) {
    const stream = streamOf(source)
    const best = streams.get(attempt)
    if (best === undefined || compareStreams(stream, best) < 0) streams.set(attempt, stream)
  }
  return streams
}
