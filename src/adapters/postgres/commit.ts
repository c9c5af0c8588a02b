// One transaction for many independent items: lock, load, apply, save. What applying means stands in domain/apply; here are only
// the locks and their order (leader, projects, budgets, nodes by id, runs), which is what keeps two commits from waiting for each other.
import type { Changes, Rows } from '../../domain/apply.ts'
import { applyItem, claimKey, noChanges, reserveKey } from '../../domain/apply.ts'
import type { Claim } from '../../domain/claim.ts'
import type { Held } from '../../domain/holdings.ts'
import type { BudgetId, NodeId, ProjectName, RunId } from '../../domain/ids.ts'
import type { CommitResult, Item, ItemResult } from '../../domain/item.ts'
import { ITEMS_PER_COMMIT_MAX } from '../../domain/limits.ts'
import type { Run } from '../../domain/run.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Epoch } from '../../ports/store.ts'
import type { Database, Queryable } from './pool.ts'
import type { BudgetRow, ClaimRow, HeldRow, NodeRow, ReserveRow, RunRow } from './rows.ts'
import { budgetOf, claimOf, heldOf, nodeOf, reserveOf, runOf } from './rows.ts'
import { save } from './save.ts'

export async function commitItems(
  database: Database,
  clock: Clock,
  blindAfterMs: number,
  epoch: Epoch | null,
  items: readonly Item[],
): Promise<CommitResult> {
  if (items.length > ITEMS_PER_COMMIT_MAX) throw new Error(`bug: ${items.length} items in one commit`)
  if (items.length === 0) return { kind: 'committed', results: [], at: clock.now() }
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const result = await tryOnce(database, clock, blindAfterMs, epoch, items)
    if (result !== null) return result
  }
  throw new Error(`bug: ${TRIES_MAX} times a claim appeared whose run was not known`)
}

/** One placement between is rare, several are not to be expected. */
const TRIES_MAX = 10

/** Null, and nothing is written, where another commit has placed a run on a node of this one while this one waited for its locks. */
async function tryOnce(
  database: Database,
  clock: Clock,
  blindAfterMs: number,
  epoch: Epoch | null,
  items: readonly Item[],
): Promise<CommitResult | null> {
  return database.transaction('write', async (tx) => {
    if (epoch !== null && !(await leads(tx, epoch))) return { kind: 'deposed' }
    const rows = await lockRows(tx, items, clock.now())
    if (rows === null) return null
    const now = clock.now()
    const changes: Changes = noChanges()
    const results: ItemResult[] = items.map((item) => applyItem(rows, changes, item, now, blindAfterMs))
    await save(tx, rows, changes)
    return { kind: 'committed', results, at: now }
  })
}

/** Locks the row, not only reads it: whoever takes the lead waits for this commit, and this one sees whoever has taken it. */
export async function leads(tx: Queryable, epoch: Epoch): Promise<boolean> {
  const rows = await tx.query({ text: 'select epoch from leader where epoch = $1 for share', values: [epoch] })
  return rows.length === 1
}

async function lockRows(tx: Queryable, items: readonly Item[], now: EpochMs): Promise<Rows | null> {
  const touched = touchedBy(items)
  const nodeIds = [...touched.nodes]
  const covering = await runsBefore(tx, [...touched.runs], nodeIds)
  const runImages = new Map(covering.map((run) => [run.id, run]))
  for (const run of touched.newRuns) if (!runImages.has(run.id)) runImages.set(run.id, run)
  const budgetIds = [...new Set([...runImages.values()].flatMap((run) => run.budgets))]

  // A policy writes its projects before its budgets: the same order here.
  const projects = await tx.query<{ name: ProjectName; version: number }>({
    text: 'select name, version from project where name = any($1) order by name for share',
    values: [[...touched.projects]],
  })
  const budgets = await tx.query<BudgetRow>({
    text: 'select * from budget where id = any($1) order by id for update',
    values: [budgetIds],
  })
  budgets.push(...(await rowsOfSeries(tx, budgets, [...runImages.keys()], nodeIds, items, now)))
  const nodes = await tx.query<NodeRow>({
    text: 'select image, version, booked_to, last_observed from node where id = any($1) order by id for update',
    values: [nodeIds],
  })
  const runs = await tx.query<RunRow>({
    text: 'select image, version from run where id = any($1) order by id for update',
    values: [[...touched.runs]],
  })
  const claims = await tx.query<ClaimRow>({
    text: 'select image from claim where node = any($1) and released_at is null',
    values: [nodeIds],
  })
  // Its budgets are not locked, and what it holds here would be booked and charged to none of them.
  if (claims.map(claimOf).some((claim) => !runImages.has(claim.run))) return null
  const reserves = await tx.query<ReserveRow>({
    text: 'select run, budget, granted, posted, charge from reserve where run = any($1)',
    values: [[...runImages.keys()]],
  })
  const held = await heldOfReleased(tx, items)
  return {
    runs: new Map(runs.map(runOf).map((run) => [run.id, run])),
    projects: new Map(projects.map((project) => [project.name, project])),
    nodes: new Map(nodes.map(nodeOf).map((node) => [node.id, node])),
    claims: new Map(claims.map(claimOf).map((claim: Claim) => [claimKey(claim.node, claim.holder), claim])),
    budgets: new Map(budgets.map(budgetOf).map((budget) => [budget.id, budget])),
    reserves: new Map(reserves.map(reserveOf).map((reserve) => [reserveKey(reserve.run, reserve.budget), reserve])),
    heldAfter: (node, holder, paidUntil) =>
      held.filter((row) => row.node === node && row.holder === holder && row.to > paidUntil),
    budgetsOf: (run) => runImages.get(run)?.budgets ?? [],
  }
}

type Touched = {
  readonly runs: Set<RunId>
  readonly nodes: Set<NodeId>
  readonly projects: Set<ProjectName>
  readonly newRuns: Run[]
  readonly budgets: Set<BudgetId>
}

function touchedBy(items: readonly Item[]): Touched {
  const touched: Touched = { runs: new Set(), nodes: new Set(), projects: new Set(), newRuns: [], budgets: new Set() }
  for (const item of items) {
    for (const expect of item.expects) {
      if (expect.kind === 'run') touched.runs.add(expect.id)
      else if (expect.kind === 'node') touched.nodes.add(expect.id)
      else touched.projects.add(expect.id)
    }
    for (const write of item.writes) {
      if (write.kind === 'run') {
        touched.runs.add(write.run.id)
        touched.newRuns.push(write.run)
      } else if (write.kind === 'claim') touched.nodes.add(write.claim.node)
      else if (write.kind === 'release' || write.kind === 'book') touched.nodes.add(write.node)
      else if (write.kind === 'node') touched.nodes.add(write.node.id)
      else if (write.kind === 'reserve' || write.kind === 'give-back') touched.runs.add(write.run)
    }
  }
  return touched
}

/** Runs whose budgets this commit may charge: those it touches, and those that hold slots of the nodes that it books. */
async function runsBefore(tx: Queryable, runs: readonly RunId[], nodes: readonly NodeId[]): Promise<Run[]> {
  const rows = await tx.query<RunRow>({
    text: `with wanted as (
             select unnest($1::text[]) as id
             union
             select run from claim where node = any($2) and released_at is null
           )
           select image, version from run where id in (select id from wanted)
           union all
           select image, version from run_ended where id in (select id from wanted)`,
    values: [runs, nodes],
  })
  return rows.map(runOf)
}

/**
 * The rows of series that this commit may change: those that count what is booked or given back, those to come, and those of which a run
 * has something reserved. After the lock on the series itself, so that two commits do not open the same row.
 */
async function rowsOfSeries(
  tx: Queryable,
  budgets: readonly BudgetRow[],
  runs: readonly RunId[],
  nodes: readonly NodeId[],
  items: readonly Item[],
  now: EpochMs,
): Promise<BudgetRow[]> {
  const series = budgets.filter((each) => each.every !== null).map((each) => each.id)
  if (series.length === 0) return []
  const asked = items.flatMap((item) => item.writes.flatMap((write) => (write.kind === 'reserve' ? write.at : [])))
  const released = (await heldOfReleased(tx, items)).map((row) => row.from)
  const first = [...asked, ...released].reduce((least, at) => (at < least ? at : least), now)
  return tx.query<BudgetRow>({
    text: `select * from budget where series = any($1)
           and ("to" > least($2, (select min(booked_to) from node where id = any($3)))
                or id in (select budget from reserve where run = any($4) and granted > posted))
           order by id for update`,
    values: [series, first, nodes, runs],
  })
}

/** Layer 1 that a release may have to give back, where a worker had ended well before we saw it gone. */
async function heldOfReleased(tx: Queryable, items: readonly Item[]): Promise<Held[]> {
  const releases = items.flatMap((item) => item.writes.filter((write) => write.kind === 'release'))
  if (releases.length === 0) return []
  const since = Math.min(...releases.map((write) => write.paidUntil)) as EpochMs
  const rows = await tx.query<HeldRow>({
    text: 'select node, "from", "to", holder, slots from held where holder = any($1) and "to" > $2',
    values: [releases.map((write) => write.holder), since],
  })
  return rows.map(heldOf)
}
