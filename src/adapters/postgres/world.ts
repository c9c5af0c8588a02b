// The full read: one snapshot of everything that a decision may look at.
import type { AttemptId, ClusterName } from '../../domain/ids.ts'
import type { EpochMs, Price } from '../../domain/units.ts'
import { DAY_MS, epochMs } from '../../domain/units.ts'
import type { AttemptReports, ClusterHealth, World } from '../../domain/world.ts'
import type { Clock } from '../../ports/clock.ts'
import type { KnownRuns } from './known.ts'
import type { Database, Statement } from './pool.ts'
import type { AttemptRow, BudgetRow, ClaimRow, NodeRow, ProjectRow, ReserveRow } from './rows.ts'
import { attemptOf, budgetOf, claimOf, nodeOf, projectOf, reserveOf } from './rows.ts'

/** Of a series the rows of periods that may still be decided on: years of days would pile up. Each part is found by an index. */
const budgetsAt = (now: EpochMs): Statement => ({
  text: `select * from budget where series is null
         union all
         select r.* from budget b join budget r on r.series = b.id and r."to" > $1 where b.series is null
         union all
         select * from budget where series is not null and "to" <= $1
           and id in (select budget from reserve join run on run.id = reserve.run where granted > posted)
         order by id`,
  values: [now - 2 * DAY_MS],
})

/** What a run had of a period that is over and spent is decided on no more: a run of a year would bring each of its days. */
const reservesOf = (budgets: readonly BudgetRow[]): Statement => ({
  text: 'select r.* from reserve r join run on run.id = r.run where r.granted > r.posted or r.budget = any($1)',
  values: [budgets.map(({ id }) => id)],
})

const pricesAt = (now: EpochMs): Statement => ({
  text: `select distinct on (gpu_model) gpu_model, micros_per_gpu_hour, currency from price
         where since <= $1 order by gpu_model, since desc`,
  values: [now],
})

const sql = (text: string): Statement => ({ text, values: [] })

export async function readWorld(
  database: Database,
  clock: Clock,
  clusters: ReadonlyMap<ClusterName, ClusterHealth>,
  knownRuns: KnownRuns,
): Promise<World> {
  return database.transaction('read', async (tx) => {
    const nodes = (
      await tx.query<NodeRow>(sql('select image, version, booked_to, last_observed from node order by id'))
    ).map(nodeOf)
    const claims = await tx.query<ClaimRow>(
      sql('select image from claim where released_at is null order by node, holder'),
    )
    const runs = await knownRuns.all(tx)
    const attempts = await tx.query<AttemptRow>(sql('select image from attempt where living'))
    const projects = await tx.query<ProjectRow>(
      sql('select name, parent, quota_gpus, max_priority, version from project'),
    )
    const budgets = await tx.query<BudgetRow>(budgetsAt(clock.now()))
    const reserves = await tx.query<ReserveRow>(reservesOf(budgets))
    const prices = await tx.query<
      { gpu_model: string } & { micros_per_gpu_hour: Price['microsPerGpuHour']; currency: string }
    >(pricesAt(clock.now()))
    const [store] = await tx.query<{ queue_paused: boolean; queue_reason: string }>(
      sql('select queue_paused, queue_reason from store'),
    )
    const reports = await tx.query<{ attempt: AttemptId } & AttemptReports>(
      sql(
        // Once an attempt, however many ranks report.
        `with answered as materialized (
           select a.id as attempt, f.step from attempt a cross join lateral (
             select (f.body->>'step')::bigint as step from fact f
             where f.attempt = a.id and f.body->>'kind' = 'directive' and f.body->>'outcome' = 'done'
               and f.body->>'id' = 'checkpoint-' || (a.image->'state'->>'since')
             limit 1) f
           where a.living and a.image->'state'->>'checkpointUntil' is not null)
         select s.attempt, max(s.observed_to) filter (where 'checkpoint' = any(s.obeys)) as "obeysAt",
           bool_or(d.attempt is not null) as saved, max(d.step) as "savedStep"
         from report_source s join attempt a on a.id = s.attempt and a.living left join answered d on d.attempt = s.attempt
         group by s.attempt`,
      ),
    )
    const now = clock.now()
    return {
      now,
      newestBookedTo: nodes.reduce((newest, node) => (node.bookedTo > newest ? node.bookedTo : newest), epochMs(0)),
      queue: { paused: store?.queue_paused ?? false, reason: store?.queue_reason ?? '' },
      clusters,
      nodes: new Map(nodes.map((node) => [node.id, node])),
      claims: claims.map(claimOf),
      runs: new Map(runs.map((run) => [run.id, run])),
      attempts: new Map(attempts.map(attemptOf).map((attempt) => [attempt.id, attempt])),
      projects: new Map(projects.map(projectOf).map((project) => [project.name, project])),
      budgets: new Map(budgets.map(budgetOf).map((budget) => [budget.id, budget])),
      reserves: reserves.map(reserveOf),
      prices: new Map(
        prices.map((row) => [row.gpu_model, { microsPerGpuHour: row.micros_per_gpu_hour, currency: row.currency }]),
      ),
      reports: new Map(reports.map(({ attempt, ...rest }) => [attempt, rest])),
    }
  })
}

export async function readShares(database: Database): Promise<Pick<World, 'projects' | 'budgets'>> {
  const projects = await database.query<ProjectRow>(
    sql('select name, parent, quota_gpus, max_priority, version from project'),
  )
  const budgets = await database.query<BudgetRow>(sql('select * from budget where series is null order by id'))
  return {
    projects: new Map(projects.map(projectOf).map((project) => [project.name, project])),
    budgets: new Map(budgets.map(budgetOf).map((budget) => [budget.id, budget])),
  }
}
