// Writes the changes of a commit: one statement for each kind of row, whatever their number.
import type { Changes, Rows } from '../../domain/apply.ts'
import type { Attempt } from '../../domain/attempt.ts'
import type { Budget } from '../../domain/budget.ts'
import { keyOf } from '../../domain/finding.ts'
import { WORKERS_FOLLOWED_MAX } from '../../domain/limits.ts'
import { isEnded } from '../../domain/run.ts'
import { dayOf } from '../../domain/units.ts'
import type { Queryable } from './pool.ts'
import { columns } from './pool.ts'

export async function save(tx: Queryable, rows: Rows, changes: Changes): Promise<void> {
  await saveBudgets(tx, rows, changes)
  await saveSpent(tx, changes)
  await saveNodes(tx, rows, changes)
  await saveInventory(tx, rows, changes)
  await saveRuns(tx, rows, changes)
  await saveAttempts(tx, changes)
  await saveClaims(tx, changes)
  await saveHeld(tx, changes)
  await saveWords(tx, changes)
  await saveFindings(tx, changes)
}

async function saveBudgets(tx: Queryable, rows: Rows, changes: Changes): Promise<void> {
  await openBudgets(
    tx,
    [...changes.budgets.values()].filter(({ id }) => !rows.budgets.has(id)),
  )
  if (changes.budgets.size > 0) {
    await tx.query({
      text: `update budget b set used = n.used, reserved = n.reserved, "over" = n."over", version = b.version + n.touched
             from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::int[]) as n(id, used, reserved, "over", touched)
             where b.id = n.id`,
      values: columns([...changes.budgets.values()], (each) => [
        each.id,
        each.used,
        each.reserved,
        each.over,
        changes.touched.has(each.id) ? 1 : 0,
      ]),
    })
  }
  if (changes.reserves.size > 0) {
    await tx.query({
      text: `insert into reserve (run, budget, granted, posted, charge)
             select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::numeric[])
             on conflict (run, budget) do update set granted = excluded.granted, posted = excluded.posted, charge = excluded.charge`,
      values: columns([...changes.reserves.values()], (each) => [
        each.run,
        each.budget,
        each.granted,
        each.posted,
        String(each.charge),
      ]),
    })
  }
}

/** Rows of series that this commit needed first. One that is there all the same was not locked, and the commit fails. */
export async function openBudgets(tx: Queryable, budgets: readonly Budget[]): Promise<void> {
  if (budgets.length === 0) return
  await tx.query({
    text: `insert into budget (id, series, "from", "to", project, submitter, label_key, label_value, run_name, unit, currency, hard, "limit")
           select n.id, b.id, n.f, n.t, b.project, b.submitter, b.label_key, b.label_value, b.run_name, b.unit, b.currency, b.hard, b."limit"
           from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) as n(id, series, f, t) join budget b on b.id = n.series`,
    values: columns(budgets, ({ id, period }) => [
      id,
      ...(period?.kind === 'window' ? [period.series, period.from, period.to] : [null, null, null]),
    ]),
  })
}

/** By day, so that a trend reads a row a day. */
async function saveSpent(tx: Queryable, { spent }: Changes): Promise<void> {
  const days = new Map<string, { budget: string; day: number; amount: number }>()
  for (const { budget, at, amount } of spent) {
    const day = dayOf(at)
    const sum = days.get(`${day} ${budget}`) ?? { budget, day, amount: 0 }
    sum.amount += amount
    days.set(`${day} ${budget}`, sum)
  }
  // Sorted, so that two commits lock them in one order; both hold the budgets themselves already.
  const rows = [...days].filter(([, { amount }]) => amount !== 0).toSorted(([a], [b]) => (a < b ? -1 : 1))
  if (rows.length === 0) return
  await tx.query({
    text: `insert into budget_spent (budget, day, amount) select * from unnest($1::text[], $2::bigint[], $3::bigint[])
           on conflict (budget, day) do update set amount = budget_spent.amount + excluded.amount`,
    values: columns(rows, ([, each]) => [each.budget, each.day, each.amount]),
  })
}

async function saveNodes(tx: Queryable, rows: Rows, changes: Changes): Promise<void> {
  const touched = [...rows.nodes].filter(([id]) => changes.touched.has(id))
  const nodes = [...new Map([...touched, ...changes.nodes]).values()]
  if (nodes.length === 0) return
  await tx.query({
    text: `insert into node (id, cluster, name, incarnation, booked_to, last_observed, version, image)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::bigint[], $8::jsonb[])
           on conflict (id) do update set booked_to = excluded.booked_to, last_observed = excluded.last_observed,
             version = excluded.version, image = excluded.image`,
    values: columns(nodes, ({ bookedTo, lastObserved, version, ...image }) => [
      image.id,
      image.cluster,
      image.name,
      image.incarnation,
      bookedTo,
      lastObserved,
      (rows.nodes.get(image.id)?.version ?? version) + (changes.touched.has(image.id) ? 1 : 0),
      JSON.stringify(image),
    ]),
  })
}

async function saveInventory(tx: Queryable, rows: Rows, changes: Changes): Promise<void> {
  const changed = [...changes.nodes.values()].filter((node) => rows.nodes.get(node.id)?.inventory !== node.inventory)
  if (changed.length === 0) return
  await tx.query({
    text: `insert into inventory (node, since, slots) select * from unnest($1::text[], $2::bigint[], $3::int[])
           on conflict (node, since) do update set slots = excluded.slots`,
    values: columns(changed, (node) => [node.id, node.bookedTo, node.inventory]),
  })
}

async function saveRuns(tx: Queryable, rows: Rows, changes: Changes): Promise<void> {
  const runs = [...changes.runs.values()].map((run) => ({ ...run, version: (rows.runs.get(run.id)?.version ?? 0) + 1 }))
  const ended = runs.filter((run) => isEnded(run.state))
  const live = runs.filter((run) => !isEnded(run.state))
  for (const [table, some] of [['run', live] as const, ['run_ended', ended] as const]) {
    if (some.length === 0) continue
    await tx.query({
      text: `insert into ${table} (id, project, name, state, created_at, version, image)
             select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::jsonb[])
             on conflict (id) do update set state = excluded.state, version = excluded.version, image = excluded.image`,
      values: columns(some, ({ version, ...image }) => [
        image.id,
        image.project,
        image.name,
        image.state.kind,
        image.createdAt,
        version,
        JSON.stringify(image),
      ]),
    })
  }
  if (ended.length > 0)
    await tx.query({ text: 'delete from run where id = any($1)', values: [ended.map((run) => run.id)] })
}

async function saveAttempts(tx: Queryable, changes: Changes): Promise<void> {
  const attempts = [...changes.attempts.values()]
  if (attempts.length === 0) return
  await tx.query({
    text: `insert into attempt (id, run, number, cluster, living, image)
           select * from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::boolean[], $6::jsonb[])
           on conflict (id) do update set living = excluded.living, image = excluded.image`,
    values: columns(attempts, (each) => [
      each.id,
      each.run,
      each.number,
      each.cluster,
      each.state.kind !== 'ended',
      JSON.stringify(each),
    ]),
  })
  await openBooks(
    tx,
    attempts.filter((attempt) => attempt.state.kind === 'planned'),
  )
}

/** A new attempt gets its books and the cursors of the logs that are followed, in the commit that places it. */
async function openBooks(tx: Queryable, attempts: readonly Attempt[]): Promise<void> {
  if (attempts.length === 0) return
  await tx.query({
    text: `insert into attempt_books (attempt, closed) select unnest($1::text[]), false on conflict do nothing`,
    values: [attempts.map((attempt) => attempt.id)],
  })
  const workers = attempts.flatMap((attempt) =>
    attempt.placement.workers.slice(0, WORKERS_FOLLOWED_MAX).map((worker) => ({ attempt, worker })),
  )
  await tx.query({
    text: `insert into log_cursor (worker, attempt) select * from unnest($1::text[], $2::text[]) on conflict do nothing`,
    values: columns(workers, (each) => [each.worker.id, each.attempt.id]),
  })
}

async function saveClaims(tx: Queryable, changes: Changes): Promise<void> {
  const claims = [...changes.claims.values()]
  if (claims.length === 0) return
  await tx.query({
    text: `insert into claim (node, holder, run, attempt, placed_at, released_at, paid_until, image)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::jsonb[])
           on conflict (node, holder) where released_at is null
             do update set released_at = excluded.released_at, paid_until = excluded.paid_until, image = excluded.image`,
    // A claim that is released in the commit that made it would meet no living row: it is inserted as released, which is the same.
    values: columns(claims, (each) => [
      each.node,
      each.holder,
      each.run,
      each.attempt,
      each.placedAt,
      null,
      each.paidUntil,
      JSON.stringify(each),
    ]),
  })
  const released = claims.filter((claim) => claim.releasedAt !== null)
  if (released.length === 0) return
  await tx.query({
    text: `update claim c set released_at = n.at from unnest($1::text[], $2::text[], $3::bigint[]) as n(node, holder, at)
           where c.node = n.node and c.holder = n.holder and c.released_at is null`,
    values: columns(released, (each) => [each.node, each.holder, each.releasedAt]),
  })
}

async function saveHeld(tx: Queryable, changes: Changes): Promise<void> {
  if (changes.held.length === 0) return
  await tx.query({
    text: `insert into held (node, "from", "to", holder, slots)
           select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::int[])`,
    values: columns(changes.held, (each) => [each.node, each.from, each.to, each.holder, each.slots]),
  })
}

async function saveWords(tx: Queryable, changes: Changes): Promise<void> {
  if (changes.events.length > 0) {
    await tx.query({
      text: `insert into event (run, at, kind, message) select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[])`,
      values: columns(changes.events, (each) => [each.run, each.at, each.kind, each.message]),
    })
  }
  if (changes.audit.length > 0) {
    await tx.query({
      text: `insert into audit (at, actor, verb, target, detail)
             select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::jsonb[])`,
      values: columns(changes.audit, (each) => [
        each.at,
        each.actor,
        each.verb,
        each.target,
        JSON.stringify(each.detail),
      ]),
    })
  }
}

async function saveFindings(tx: Queryable, { findings }: Changes): Promise<void> {
  if (findings.length === 0) return
  await tx.query({
    text: `insert into finding (id, key, rule, severity, project, run, since, resolved_at, image)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::jsonb[])
           on conflict (id) do update set severity = excluded.severity, resolved_at = excluded.resolved_at, image = excluded.image`,
    values: columns(findings, (each) => [
      each.id,
      keyOf(each),
      each.rule,
      each.severity,
      each.subject.project,
      each.subject.run,
      each.since,
      each.resolvedAt,
      JSON.stringify(each),
    ]),
  })
}
