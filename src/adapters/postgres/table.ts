// What the pages read: the table of runs, and a run's steps as a curve.
import type { Fact } from '../../domain/fact.ts'
import { compareStreams, streamOf } from '../../domain/fact.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { RunsQuery, ViewStore } from '../../ports/store.ts'
import { KnownSteps } from './known.ts'
import type { Database, Queryable } from './pool.ts'
import type { ClaimRow, FactRow, RunRow } from './rows.ts'
import { claimOf, factOf, runOf } from './rows.ts'

type TableStore = Pick<ViewStore, 'runsTable' | 'runsOf' | 'newestSteps' | 'resumedStep' | 'claimsOf' | 'seriesOf'>

/** Each expression has the id after it, so that equal values keep their order from page to page. */
const ORDER: Readonly<Record<RunsQuery['sort'], string>> = {
  created: 'id',
  name: "project || '/' || name",
  state: 'state',
  gpus: 'gpus',
  held: 'paid',
  ended: 'ended',
}

const NEWEST_STEPS = 8

export function tableStore(database: Database): TableStore {
  const known = new KnownSteps()
  return {
    async runsTable(query) {
      const { projects, states, user, text, sort, descending, offset, limit } = query
      const direction = descending ? 'desc' : 'asc'
      const pattern = text === null ? null : `%${text.replace(/[\\%_]/g, '\\$&')}%`
      const matches = `($1::text[] is null or project = any($1)) and ($2::text is null or submitter = $2)
        and ($3::text is null or words like $3)`
      const of = '($4::text[] is null or state = any($4))'
      return database.transaction('read', async (tx) => {
        // The images of those that are shown alone are read: they are nearly all that there is of a run.
        const rows = await tx.query<RunRow>({
          text: `select coalesce(r.image, e.image) as image, coalesce(r.version, e.version) as version
                 from (
                   select id, living, key from (
                     select id, state, true as living, ${ORDER[sort]} as key from run where ${matches} and ${of}
                     union all
                     select id, state, false as living, ${ORDER[sort]} as key from run_ended where ${matches} and ${of}
                   ) runs
                   order by key ${direction}, id ${direction} offset $5 limit $6
                 ) shown
                 left join run r on shown.living and r.id = shown.id left join run_ended e on not shown.living and e.id = shown.id
                 order by shown.key ${direction}, shown.id ${direction}`,
          values: [projects, user, pattern, states, offset, limit],
        })
        const counted = await tx.query<{ state: string; runs: number }>({
          text: `select state, count(*) as runs from (
                   select state from run where ${matches} union all select state from run_ended where ${matches}
                 ) runs group by state`,
          values: [projects, user, pattern],
        })
        const counts = Object.fromEntries(counted.map(({ state, runs }) => [state, runs]))
        const total = counted.reduce(
          (sum, { state, runs }) => (states === null || states.includes(state) ? sum + runs : sum),
          0,
        )
        return { runs: rows.map(runOf), total, counts }
      })
    },
    async runsOf(ids) {
      const rows = await database.query<RunRow>({
        text: `select image, version from run where id = any($1) union all select image, version from run_ended where id = any($1)`,
        values: [ids],
      })
      return rows.map(runOf)
    },
    newestSteps: (attempts) => known.of(database, attempts, (missing) => newestSteps(database, missing)),
    async resumedStep(attempt) {
      const [row] = await database.query<{ step: number }>({
        text: `select (body->>'step')::bigint as step from fact where attempt = $1 and body->>'kind' = 'resumed' order by at desc limit 1`,
        values: [attempt],
      })
      return row?.step ?? null
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

async function newestSteps(database: Database, attempts: readonly AttemptId[]): Promise<Map<AttemptId, Fact[]>> {
  const rows = await database.query<FactRow>({
    text: `select f.source, f.sequence, f.attempt, f.at, f.sent_at, f.body from unnest($1::text[]) as a(attempt)
           cross join lateral (
             select * from fact where fact.attempt = a.attempt and body->>'kind' = 'step' order by at desc, sequence desc limit $2
           ) f`,
    values: [attempts, NEWEST_STEPS],
  })
  return Map.groupBy(rows.map(factOf), (fact) => fact.attempt)
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
