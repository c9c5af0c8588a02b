// The policy, which an administrator writes, with its audit row in the same transaction.
import type { AuditEntry } from '../../domain/event.ts'
import type { Policy } from '../../domain/policy.ts'
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
        const missing = await inUse(tx, policy)
        if (missing !== null) return missing
        await saveProjects(tx, policy)
        await saveBudgets(tx, policy)
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
    text: 'select id from budget where id <> all($1) and (used <> 0 or reserved <> 0)',
    values: [policy.budgets.map((each) => each.id)],
  })
  return budget === undefined
    ? null
    : refused('policy-in-use', `budget ${budget.id} has been used`, 'keep it in the policy; its books would be lost')
}

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
  await tx.query({ text: 'delete from budget where id <> all($1)', values: [policy.budgets.map((each) => each.id)] })
  await tx.query({
    text: 'delete from project where name <> all($1)',
    values: [policy.projects.map((each) => each.name)],
  })
}

async function saveBudgets(tx: Queryable, policy: Policy): Promise<void> {
  if (policy.budgets.length === 0) return
  await tx.query({
    text: `insert into budget (id, project, unit, currency, hard, "limit", submitter, label_key, label_value, run_name)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[])
           on conflict (id) do update set project = excluded.project, submitter = excluded.submitter, label_key = excluded.label_key,
             label_value = excluded.label_value, run_name = excluded.run_name, hard = excluded.hard, "limit" = excluded."limit", version = budget.version + 1`,
    values: columns(policy.budgets, (each) => [
      each.id,
      each.project,
      each.unit.kind,
      each.unit.kind === 'money' ? each.unit.currency : null,
      each.hard,
      each.limit,
      each.user,
      each.label?.key ?? null,
      each.label?.value ?? null,
      each.run,
    ]),
  })
}

async function savePrices(tx: Queryable, policy: Policy): Promise<void> {
  await tx.query({
    text: 'delete from price where gpu_model <> all($1)',
    values: [policy.prices.map((each) => each.gpuModel)],
  })
  if (policy.prices.length === 0) return
  await tx.query({
    text: `insert into price (gpu_model, micros_per_gpu_hour, currency) select * from unnest($1::text[], $2::bigint[], $3::text[])
           on conflict (gpu_model) do update set micros_per_gpu_hour = excluded.micros_per_gpu_hour, currency = excluded.currency`,
    values: columns(policy.prices, (each) => [each.gpuModel, each.price.microsPerGpuHour, each.price.currency]),
  })
}

export async function writeAudit(tx: Queryable, audit: AuditEntry): Promise<void> {
  await tx.query({
    text: 'insert into audit (at, actor, verb, target, detail) values ($1, $2, $3, $4, $5)',
    values: [audit.at, audit.actor, audit.verb, audit.target, JSON.stringify(audit.detail)],
  })
}
