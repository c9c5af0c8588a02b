// A commit in memory: the same `applyItem` as the real store, and the same walls around it. Everything that could refuse is asked
// before the first row is written, so that a commit is whole or nothing here too.
import type { Changes, Rows } from '../../domain/apply.ts'
import { applyItem, noChanges } from '../../domain/apply.ts'
import type { Attempt } from '../../domain/attempt.ts'
import type { Budget } from '../../domain/budget.ts'
import type { AttemptId, BudgetId, NodeId, RunId } from '../../domain/ids.ts'
import type { CommitResult, Item } from '../../domain/item.ts'
import { ITEMS_PER_COMMIT_MAX, WORKERS_FOLLOWED_MAX } from '../../domain/limits.ts'
import type { Run } from '../../domain/run.ts'
import type { Node } from '../../domain/node.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { Epoch } from '../../ports/store.ts'
import { keepSpent } from './budgets.ts'
import type { Commit, Tables } from './tables.ts'
import { pushTo, putAttempt, putClaim, putCursor, putRun, writeAudit, writeEvent } from './tables.ts'

export function commitItems(
  tables: Tables,
  now: EpochMs,
  blindAfterMs: number,
  epoch: Epoch | null,
  items: readonly Item[],
): CommitResult {
  if (items.length > ITEMS_PER_COMMIT_MAX) throw new Error(`bug: ${items.length} items in one commit`)
  if (items.length === 0) return { kind: 'committed', results: [], at: now }
  if (epoch !== null && tables.leader.epoch !== epoch) return { kind: 'deposed' }
  const rows = rowsOf(tables, items)
  const changes = noChanges()
  const results = items.map((item) => applyItem(rows, changes, item, now, blindAfterMs))
  refuseBroken(tables, changes)
  const before = tables.watch === null ? null : imagesBefore(tables, items, changes)
  save(tables, changes)
  if (before !== null) tables.watch?.({ at: now, epoch, items, results, before, changes })
  return { kind: 'committed', results, at: now }
}

function rowsOf(tables: Tables, items: readonly Item[]): Rows {
  const fresh = new Map<RunId, Run>()
  for (const item of items)
    for (const write of item.writes) if (write.kind === 'run') fresh.set(write.run.id, write.run)
  // Nothing is written before the last item was applied: the tables themselves are the working set.
  return {
    runs: tables.live,
    nodes: tables.nodes,
    projects: tables.projects,
    claims: tables.livingClaims,
    budgets: tables.budgets,
    reserves: tables.reserves,
    heldAfter: (node, holder, paidUntil) =>
      (tables.heldBy.get(holder) ?? []).filter((row) => row.node === node && row.to > paidUntil),
    budgetsOf: (run) => (tables.runs.get(run) ?? fresh.get(run))?.budgets ?? [],
  }
}

/** The constraints of the real tables. */
function refuseBroken(tables: Tables, changes: Changes): void {
  const keys = new Set<string>()
  for (const row of changes.held) {
    const key = `${row.node}|${row.from}|${row.holder}`
    if (tables.heldKeys.has(key) || keys.has(key)) throw new Error(`held: ${key} is there already`)
    if (row.to <= row.from || row.slots <= 0) throw new Error(`held: ${key} is empty`)
    keys.add(key)
  }
  for (const budget of changes.budgets.values()) {
    if (budget.reserved < 0 || budget.over < 0) throw new Error(`budget ${budget.id} would be negative`)
  }
}

/** Of what was changed, and of what the items relied on. */
function imagesBefore(tables: Tables, items: readonly Item[], changes: Changes): Commit['before'] {
  const runs = sameKeys<RunId, Run>(tables.runs, changes.runs)
  const nodes = sameKeys<NodeId, Node>(tables.nodes, changes.nodes)
  for (const { kind, id } of items.flatMap((item) => item.expects)) {
    const [run, node] = [tables.runs.get(id as RunId), tables.nodes.get(id as NodeId)]
    if (kind === 'run' && run !== undefined) runs.set(run.id, run)
    if (kind === 'node' && node !== undefined) nodes.set(node.id, node)
  }
  return {
    runs,
    attempts: sameKeys<AttemptId, Attempt>(tables.attempts, changes.attempts),
    nodes,
    budgets: sameKeys<BudgetId, Budget>(tables.budgets, changes.budgets),
    reserves: sameKeys(tables.reserves, changes.reserves),
  }
}

function sameKeys<Key, Row>(rows: ReadonlyMap<Key, Row>, changed: ReadonlyMap<Key, Row>): Map<Key, Row> {
  const found = new Map<Key, Row>()
  for (const key of changed.keys()) {
    const row = rows.get(key)
    if (row !== undefined) found.set(key, row)
  }
  return found
}

function save(tables: Tables, changes: Changes): void {
  tables.writes += 1
  for (const budget of changes.budgets.values()) {
    const old = tables.budgets.get(budget.id) ?? budget
    const { used, reserved, over } = budget
    tables.budgets.set(budget.id, { ...old, used, reserved, over, version: old.version + bump(changes, budget.id) })
  }
  for (const [key, reserve] of changes.reserves) tables.reserves.set(key, reserve)
  keepSpent(tables, changes)
  saveNodes(tables, changes)
  for (const run of changes.runs.values()) {
    putRun(tables, { ...run, version: (tables.live.get(run.id)?.version ?? 0) + 1 })
  }
  saveAttempts(tables, changes)
  for (const claim of changes.claims.values()) putClaim(tables, claim)
  for (const row of changes.held) {
    tables.held.append(row)
    tables.heldKeys.add(`${row.node}|${row.from}|${row.holder}`)
    pushTo(tables.heldBy, row.holder, row)
  }
  for (const event of changes.events) writeEvent(tables, event)
  for (const entry of changes.audit) writeAudit(tables, entry)
  for (const finding of changes.findings) tables.findings.set(finding.id, finding)
}

const bump = (changes: Changes, id: Parameters<Changes['touched']['has']>[0]): number =>
  changes.touched.has(id) ? 1 : 0

function saveNodes(tables: Tables, changes: Changes): void {
  const touched = [...tables.nodes].filter(([id]) => changes.touched.has(id))
  for (const node of new Map([...touched, ...changes.nodes]).values()) {
    const old = tables.nodes.get(node.id)
    tables.nodes.set(node.id, { ...node, version: (old?.version ?? node.version) + bump(changes, node.id) })
    if (old?.inventory === node.inventory || !changes.nodes.has(node.id)) continue
    const since = { since: node.bookedTo, slots: node.inventory }
    const list = (tables.inventory.get(node.id) ?? []).filter((each) => each.since !== since.since)
    tables.inventory.set(
      node.id,
      [...list, since].toSorted((a, b) => a.since - b.since),
    )
  }
}

function saveAttempts(tables: Tables, changes: Changes): void {
  for (const attempt of changes.attempts.values()) {
    if (!tables.attempts.has(attempt.id)) pushTo(tables.attemptsOf, attempt.run, attempt.id)
    putAttempt(tables, attempt)
    if (attempt.state.kind !== 'planned') continue
    if (!tables.books.has(attempt.id)) {
      const books = { source: null, postedTo: null, dirtyFrom: null, basis: null, heard: 0, closed: false }
      tables.books.set(attempt.id, { attempt: attempt.id, ...books })
    }
    for (const worker of attempt.placement.workers.slice(0, WORKERS_FOLLOWED_MAX)) {
      if (tables.cursors.has(worker.id)) continue
      const cursor = {
        offset: 0,
        mark: null,
        spool: '',
        lastLineAt: null,
        observedTo: null,
        complete: false,
        storedTo: null,
      }
      putCursor(tables, { worker: worker.id, attempt: attempt.id, ...cursor })
    }
  }
}
