// What the pages read: the table of runs, and a run's steps as a curve.
import { compareStreams, streamOf } from '../../domain/fact.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { RunsQuery, ViewStore } from '../../ports/store.ts'
import type { Database, Queryable } from './pool.ts'
import type { ClaimRow, FactRow, RunRow } from './rows.ts'
import { claimOf, factOf, runOf } from './rows.ts'

type TableStore = Pick<ViewStore, 'runsTable' | 'runsOf' | 'newestSteps' | 'claimsOf' | 'seriesOf'>

/** Each expression has the id after it, so that equal values keep their order from page to page. */
const ORDER: Readonly<Record<RunsQuery['sort'], string>> = {
  created: 'id',
  name: "project || '/' || name",
  state: 'state',
  gpus: "(image->'resources'->>'nodes')::int * (image->'resources'->>'gpusPerNode')::int",
  held: "(image->>'paidGpuMs')::bigint",
  ended: "coalesce((image->>'endedAt')::bigint, 9007199254740991)",
}

const NEWEST_STEPS = 8

export function tableStore(database: Database): TableStore {
  return {
    async runsTable(query) {
      const { projects, states, user, text, sort, descending, offset, limit } = query
      const direction = descending ? 'desc' : 'asc'
      const pattern = text === null ? null : `%${text.replace(/[\\%_]/g, '\\$&')}%`
      return database.transaction('read', async (tx) => {
        const rows = await tx.query<RunRow & { total: number }>({
          text: `select image, version, count(*) over () as total from (
                   select id, image, version, project, name, state from run
                   union all
                   select id, image, version, project, name, state from run_ended
                 ) runs
                 where ($1::text[] is null or project = any($1)) and ($2::text[] is null or state = any($2))
                   and ($3::text is null or image->>'user' = $3)
                   and ($4::text is null or lower(project || '/' || name || ' ' || (image->>'user') || ' ' || id) like $4)
                 order by ${ORDER[sort]} ${direction}, id ${direction} offset $5 limit $6`,
          values: [projects, states, user, pattern, offset, limit],
        })
        const counts = await tx.query<{ state: string; runs: number }>({
          text: `select state, count(*) as runs from (
                   select project, state from run union all select project, state from run_ended
                 ) runs where $1::text[] is null or project = any($1) group by state`,
          values: [projects],
        })
        const total = rows[0]?.total ?? (offset === 0 ? 0 : await countOf(tx, query, pattern))
        return {
          runs: rows.map(runOf),
          total,
          counts: Object.fromEntries(counts.map(({ state, runs }) => [state, runs])),
        }
      })
    },
    async runsOf(ids) {
      const rows = await database.query<RunRow>({
        text: `select image, version from run where id = any($1) union all select image, version from run_ended where id = any($1)`,
        values: [ids],
      })
      return rows.map(runOf)
    },
    async newestSteps(attempts) {
      if (attempts.length === 0) return new Map()
      const rows = await database.query<FactRow>({
        text: `select f.source, f.sequence, f.attempt, f.at, f.sent_at, f.body from unnest($1::text[]) as a(attempt)
               cross join lateral (
                 select * from fact where fact.attempt = a.attempt and body->>'kind' = 'step' order by at desc, sequence desc limit $2
               ) f`,
        values: [attempts, NEWEST_STEPS],
      })
      return Map.groupBy(rows.map(factOf), (fact) => fact.attempt)
    },
    async claimsOf(runs) {
      const rows = await database.query<ClaimRow>({
        text: 'select image from claim where run = any($1)',
        values: [runs],
      })
      return rows.map(claimOf)
    },
    seriesOf: (run, points) => database.transaction('read', (tx) => seriesOf(tx, run, points)),
  }
}

async function countOf(tx: Queryable, query: RunsQuery, pattern: string | null): Promise<number> {
  const [row] = await tx.query<{ total: number }>({
    text: `select count(*) as total from (
             select id, image, project, name, state from run union all select id, image, project, name, state from run_ended
           ) runs
           where ($1::text[] is null or project = any($1)) and ($2::text[] is null or state = any($2))
             and ($3::text is null or image->>'user' = $3)
             and ($4::text is null or lower(project || '/' || name || ' ' || (image->>'user') || ' ' || id) like $4)`,
    values: [query.projects, query.states, query.user, pattern],
  })
  return row?.total ?? 0
}

async function seriesOf(tx: Queryable, run: string, points: number): ReturnType<ViewStore['seriesOf']> {
  const sources = await tx.query<{ attempt: AttemptId; source: string; steps: number }>({
    text: `select f.attempt, f.source, count(*) as steps from fact f join attempt a on a.id = f.attempt
           where a.run = $1 and f.body->>'kind' = 'step' group by f.attempt, f.source`,
    values: [run],
  })
  const elected = await tx.query<{ attempt: AttemptId; source: string | null }>({
    text: 'select b.attempt, b.source from attempt_books b join attempt a on a.id = b.attempt where a.run = $1',
    values: [run],
  })
  const chosen = new Map(
    elected.flatMap(({ attempt, source }) => (source === null ? [] : [[attempt, source] as const])),
  )
  for (const { attempt, source } of sources) {
    const known = elected.find((each) => each.attempt === attempt)?.source ?? null
    if (known !== null) continue
    const [stream, best] = [streamOf(source), chosen.get(attempt)]
    if (best === undefined || compareStreams(stream, best) < 0) chosen.set(attempt, stream)
  }
  const used = sources.filter(({ attempt, source }) => streamOf(source) === chosen.get(attempt))
  const all = used.reduce((sum, { steps }) => sum + steps, 0)
  const stride = Math.max(1, Math.ceil(all / points))
  const steps = await tx.query<FactRow>({
    text: `select source, sequence, attempt, at, sent_at, body from (
             select f.*, row_number() over (partition by f.attempt order by f.at, f.sequence) as place from fact f
             where f.attempt = any($1) and f.source = any($2) and f.body->>'kind' = 'step'
           ) numbered where (place - 1) % $3 = 0 order by attempt, at, sequence`,
    values: [used.map(({ attempt }) => attempt), used.map(({ source }) => source), stride],
  })
  const marks = await tx.query<FactRow>({
    text: `select f.source, f.sequence, f.attempt, f.at, f.sent_at, f.body from fact f join attempt a on a.id = f.attempt
           where a.run = $1 and f.body->>'kind' in ('saved', 'resumed') order by f.at limit 2000`,
    values: [run],
  })
  return { steps: steps.map(factOf), marks: marks.map(factOf), thinned: stride > 1 }
}
