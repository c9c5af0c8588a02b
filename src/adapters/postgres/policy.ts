// The policy, which an administrator writes, with its audit row in the same transaction.
import type { AuditEntry } from '../../domain/event.ts'
import type { Policy, PolicyBudget } from '../../domain/policy.ts'
import { LIMIT_MAX } from '../../domain/budget.ts'
import type { EpochMs } from '../../domain/units.ts'
import { accepted, otherVersion, refused } from '../../domain/refusal.ts'
import type { PolicyStore } from '../../ports/store.ts'
import type { Database, Queryable } from './pool.ts'
import { columns } from './pool.ts'

export function policyStore(database: Database): PolicyStore {
  return {
    applyPolicy: (policy, document, audit, ifVersion = null) =>
      database.transaction('write', async (tx) => {
        // One at a time: two that read the same version must not both write.
        await tx.query({ text: 'select pg_advisory_xact_lock(7420002)', values: [] })
        const [newest] = await tx.query<{ version: number | null }>({
          text: 'select max(version)::int as version from policy',
          values: [],
        })
        const other = otherVersion(ifVersion, newest?.version ?? 0)
        if (other !== null) return other
        await lockAll(tx)
        const missing = await inUse(tx, policy)
        if (missing !== null) return missing
        await saveProjects(tx, policy)
        await saveBudgets(tx, policy, audit.at)
        await savePrices(tx, policy)
        const [row] = await tx.query<{ version: number }>({
          text: 'insert into policy (applied_at, actor, document) values ($1, $2, $3) returning version',
          values: [audit.at, audit.actor, JSON.stringify(document)],
        })
        await writeAudit(tx, audit)
        return accepted({ version: row?.version ?? 0 })
      }),
    pauseQueue: (paused, reason, audit) =>
      database.transaction('write', async (tx) => {
        await tx.query({ text: 'update store set queue_paused = $1, queue_reason = $2', values: [paused, reason] })
        await writeAudit(tx, audit)
      }),
  }
}

/** In the order of commits, whatever that of the file, and before anything is looked at: what is in use is decided on what stays so. */
async function lockAll(tx: Queryable): Promise<void> {
  await tx.query({ text: 'select name from project order by name for no key update', values: [] })
  // Whoever has a row of a series has that too.
  await tx.query({ text: 'select id from budget where series is null order by id for update', values: [] })
}

/** A project or budget that something still counts on cannot just vanish. */
async function inUse(tx: Queryable, policy: Policy) {
  const [project] = await tx.query<{ name: string }>({
    text: `select name from project where name <> all($1)
           and (exists (select 1 from run where run.project = project.name) or exists (select 1 from run_ended where run_ended.project = project.name))`,
    values: [policy.projects.map((each) => each.name)],
  })
  if (project !== undefined) {
    return refused(
      'policy-in-use',
      `project ${project.name} has runs`,
      'keep it in the policy; a quota of 0 stops new ones',
    )
  }
  const [budget] = await tx.query<{ id: string }>({
    text: `select id from budget where coalesce(series, id) <> all($1)
           and (used <> 0 or reserved <> 0 or exists (select 1 from reserve where reserve.budget = budget.id))`,
    values: [policy.budgets.map((each) => each.id)],
  })
  if (budget !== undefined)
    return refused(
      'policy-in-use',
      `budget ${budget.id} has been used`,
      'keep it in the policy; its books would be lost',
    )
  return policy.budgets.length === 0 ? null : ((await otherPeriod(tx, policy)) ?? otherUnit(tx, policy))
}

/** What was counted by one period cannot be counted by another. */
async function otherPeriod(tx: Queryable, policy: Policy) {
  const [budget] = await tx.query<{ id: string }>({
    text: `select b.id from budget b
           join unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) as n(id, every, f, t) on n.id = b.id
           where (n.every, n.f, n.t) is distinct from (b.every, b."from", b."to")
             and exists (select 1 from reserve r join budget x on x.id = r.budget where coalesce(x.series, x.id) = b.id)`,
    values: columns(policy.budgets, (each) => [each.id, ...periodColumns(each.period)]),
  })
  return budget === undefined
    ? null
    : refused(
        'policy-in-use',
        `budget ${budget.id} has been used, and its period would be another`,
        'keep its period, and give the new one a name of its own',
      )
}

/** Nor in another unit; what somebody asked for is in the old one as well. */
async function otherUnit(tx: Queryable, policy: Policy) {
  const [budget] = await tx.query<{ id: string }>({
    text: `select b.id from budget b join unnest($1::text[], $2::text[], $3::text[]) as n(id, unit, currency) on n.id = b.id
           where (n.unit, n.currency) is distinct from (b.unit, b.currency)
             and (exists (select 1 from reserve r join budget x on x.id = r.budget where coalesce(x.series, x.id) = b.id)
                  or exists (select 1 from budget_extension e where e.budget = b.id))`,
    values: columns(policy.budgets, (each) => [each.id, ...unitColumns(each.unit)]),
  })
  return budget === undefined
    ? null
    : refused(
        'policy-in-use',
        `budget ${budget.id} has been used, and it would count in another unit`,
        'keep its unit, and give the new one a name of its own',
      )
}

const unitColumns = (unit: PolicyBudget['unit']): [string, string | null] => [
  unit.kind,
  unit.kind === 'money' ? unit.currency : null,
]

const periodColumns = (period: PolicyBudget['period']): [string | null, number | null, number | null] =>
  period?.kind === 'every' ? [period.every, null, null] : [null, period?.from ?? null, period?.to ?? null]

async function saveProjects(tx: Queryable, policy: Policy): Promise<void> {
  // Parents may stand after their children: the tree is put in first without them.
  await tx.query({
    text: `insert into project (name, quota_gpus, max_priority) select * from unnest($1::text[], $2::int[], $3::text[])
           on conflict (name) do update set quota_gpus = excluded.quota_gpus, max_priority = excluded.max_priority, version = project.version + 1`,
    values: columns(policy.projects, (each) => [each.name, each.quotaGpus, each.maxPriority]),
  })
  await tx.query({
    text: `update project p set parent = n.parent from unnest($1::text[], $2::text[]) as n(name, parent) where p.name = n.name`,
    values: columns(policy.projects, (each) => [each.name, each.parent]),
  })
  await tx.query({
    text: 'delete from budget where coalesce(series, id) <> all($1)',
    values: [policy.budgets.map((each) => each.id)],
  })
  await tx.query({
    text: 'delete from project where name <> all($1)',
    values: [policy.projects.map((each) => each.name)],
  })
}

async function saveBudgets(tx: Queryable, policy: Policy, now: EpochMs): Promise<void> {
  if (policy.budgets.length === 0) return
  // Nothing was counted in them, and those of the new period may end when they do.
  await tx.query({
    text: `delete from budget r using budget b, unnest($1::text[], $2::text[]) as n(id, every)
           where r.series = b.id and n.id = b.id and n.every is distinct from b.every`,
    values: columns(policy.budgets, (each) => [each.id, periodColumns(each.period)[0]]),
  })
  await tx.query({
    text: `insert into budget (id, project, unit, currency, hard, "limit", submitter, label_key, label_value, run_name, every, "from", "to")
           select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[],
             $11::text[], $12::bigint[], $13::bigint[])
           on conflict (id) do update set project = excluded.project, submitter = excluded.submitter, label_key = excluded.label_key,
             label_value = excluded.label_value, run_name = excluded.run_name, hard = excluded.hard, unit = excluded.unit, currency = excluded.currency,
             every = excluded.every, "from" = excluded."from", "to" = excluded."to",
             extended = case when excluded.every is distinct from budget.every then 0 else budget.extended end,
             "limit" = case when excluded.every is distinct from budget.every then excluded."limit"
               else least(${LIMIT_MAX}, excluded."limit" + budget.extended) end, version = budget.version + 1`,
    values: columns(policy.budgets, (each) => [
      each.id,
      each.project,
      ...unitColumns(each.unit),
      each.hard,
      each.limit,
      each.user,
      each.label?.key ?? null,
      each.label?.value ?? null,
      each.run,
      ...periodColumns(each.period),
    ]),
  })
  // The period that runs and those that are open beyond it take the new limit too; what is over keeps what it was.
  await tx.query({
    text: `update budget r set project = b.project, submitter = b.submitter, label_key = b.label_key, label_value = b.label_value,
             run_name = b.run_name, hard = b.hard, unit = b.unit, currency = b.currency,
             "limit" = least(${LIMIT_MAX}, b."limit" + r.extended), version = r.version + 1
           from budget b where r.series = b.id and r."to" > $1`,
    values: [now],
  })
}

async function savePrices(tx: Queryable, policy: Policy): Promise<void> {
  // Nothing counts on a price of the past: what was held carries its own.
  await tx.query({ text: 'delete from price', values: [] })
  if (policy.prices.length === 0) return
  await tx.query({
    text: `insert into price (gpu_model, since, micros_per_gpu_hour, currency) select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[])`,
    values: columns(policy.prices, (each) => [
      each.gpuModel,
      each.since,
      each.price.microsPerGpuHour,
      each.price.currency,
    ]),
  })
}

export async function writeAudit(tx: Queryable, audit: AuditEntry): Promise<void> {
  await tx.query({
    text: 'insert into audit (at, actor, verb, target, detail) values ($1, $2, $3, $4, $5)',
    values: [audit.at, audit.actor, audit.verb, audit.target, JSON.stringify(audit.detail)],
  })
}
