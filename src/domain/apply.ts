// What a commit does to the rows that it touches: the same for the real store and the simulated one, which only lock, load and
// save. `Rows` is the working set as loaded under locks; the changes of the items that are applied pile up in `Changes`.
import type { Attempt } from './attempt.ts'
import type { Budget, Reserve } from './budget.ts'
import { giveBack, grant, post, remaining } from './budget.ts'
import type { Claim, Holder } from './claim.ts'
import type { AuditEntry, RunEvent } from './event.ts'
import type { Finding } from './finding.ts'
import type { Held } from './holdings.ts'
import { bookNode, heldGpuMs } from './holdings.ts'
import type { AttemptId, BudgetId, NodeId, ProjectName, RunId } from './ids.ts'
import type { Expect, Item, ItemResult, Write } from './item.ts'
import type { Node } from './node.ts'
import { rowAt } from './period.ts'
import { assertNever } from './reasons.ts'
import type { Run } from './run.ts'
import type { EpochMs, Price } from './units.ts'
import { epochMs, later } from './units.ts'

export type ClaimKey = `${NodeId}|${Holder}`
export type ReserveKey = `${RunId}|${BudgetId}`
export const claimKey = (node: NodeId, holder: Holder): ClaimKey => `${node}|${holder}`
export const reserveKey = (run: RunId, budget: BudgetId): ReserveKey => `${run}|${budget}`

/** Rows by key. Claims are the living ones of the nodes that are touched. */
export type Rows = {
  readonly runs: ReadonlyMap<RunId, Run>
  readonly nodes: ReadonlyMap<NodeId, Node>
  readonly projects: ReadonlyMap<ProjectName, { readonly version: number }>
  readonly claims: ReadonlyMap<ClaimKey, Claim>
  readonly budgets: ReadonlyMap<BudgetId, Budget>
  readonly reserves: ReadonlyMap<ReserveKey, Reserve>
  /** Rows of layer 1 that a release may have to give back: of the holder, ending after `paidUntil`. */
  readonly heldAfter: (node: NodeId, holder: Holder, paidUntil: EpochMs) => readonly Held[]
  /** The budgets that cover a run. Of a series `budgets` has those rows too that what is touched may change. */
  readonly budgetsOf: (run: RunId) => readonly BudgetId[]
}

/** The same shape, growing: what the items of a commit have changed so far. */
export type Changes = {
  readonly runs: Map<RunId, Run>
  readonly attempts: Map<AttemptId, Attempt>
  readonly nodes: Map<NodeId, Node>
  readonly claims: Map<ClaimKey, Claim>
  readonly budgets: Map<BudgetId, Budget>
  readonly reserves: Map<ReserveKey, Reserve>
  readonly held: Held[]
  /** What was posted to each budget of the policy, in its unit, and where in time: the trend is made of it. */
  readonly spent: { readonly budget: BudgetId; readonly at: EpochMs; readonly amount: number }[]
  readonly events: RunEvent[]
  readonly audit: AuditEntry[]
  readonly findings: Finding[]
  /** Whose version moves: allocation, health or inventory of a node, anything of a run, promises of a budget. */
  readonly touched: Set<RunId | NodeId | BudgetId>
}

export const noChanges = (): Changes => ({
  runs: new Map(),
  attempts: new Map(),
  nodes: new Map(),
  claims: new Map(),
  budgets: new Map(),
  reserves: new Map(),
  held: [],
  spent: [],
  events: [],
  audit: [],
  findings: [],
  touched: new Set(),
})

/**
 * Applies one item on top of what earlier items of the same commit changed, and adds its own changes there. Versions are compared with the rows as loaded: items
 * of one turn were decided one after the other, so a later one already counts on the earlier ones.
 */
export function applyItem(rows: Rows, changes: Changes, item: Item, now: EpochMs, blindAfterMs: number): ItemResult {
  const stale = findStale(rows, item)
  if (stale !== null) return { kind: 'stale', what: stale }
  const draft = new Draft(rows, changes, now, blindAfterMs)
  for (const write of item.writes) {
    const refusal = draft.write(write)
    if (refusal !== null) return refusal
  }
  draft.mergeInto(changes)
  return { kind: 'applied' }
}

function findStale(rows: Rows, item: Item): string | null {
  for (const expect of item.expects) {
    const row = rowOf(rows, expect)
    if (row === undefined) return `${expect.kind} ${expect.id} is gone`
    if (row.version !== expect.version) {
      return `${expect.kind} ${expect.id} is at version ${row.version}, not ${expect.version}`
    }
  }
  return null
}

function rowOf(rows: Rows, expect: Expect): { readonly version: number } | undefined {
  switch (expect.kind) {
    case 'run':
      return rows.runs.get(expect.id)
    case 'node':
      return rows.nodes.get(expect.id)
    case 'project':
      return rows.projects.get(expect.id)
    default:
      return assertNever(expect)
  }
}

class Draft {
  readonly #rows: Rows
  readonly #before: Changes
  readonly #now: EpochMs
  readonly #blindAfterMs: number
  readonly #own = noChanges()

  constructor(rows: Rows, before: Changes, now: EpochMs, blindAfterMs: number) {
    this.#rows = rows
    this.#before = before
    this.#now = now
    this.#blindAfterMs = blindAfterMs
  }

  write(write: Write): ItemResult | null {
    switch (write.kind) {
      case 'run':
        this.#own.runs.set(write.run.id, write.run)
        this.#own.touched.add(write.run.id)
        return null
      case 'attempt':
        this.#own.attempts.set(write.attempt.id, write.attempt)
        return null
      case 'claim':
        this.#claim(write.claim)
        return null
      case 'release':
        this.#release(write.node, write.holder, write.paidUntil)
        return null
      case 'node':
        this.#node(write.node, write.heartbeat)
        return null
      case 'book':
        this.#book(write.node)
        return null
      case 'reserve':
        return this.#reserve(write)
      case 'give-back':
        for (const budget of write.budgets) this.#giveBack(write.run, budget)
        return null
      case 'event':
        this.#own.events.push(write.event)
        return null
      case 'audit':
        this.#own.audit.push(write.entry)
        return null
      case 'finding':
        this.#own.findings.push(write.finding)
        return null
      default:
        return assertNever(write)
    }
  }

  #node(image: Node, heartbeat: boolean): void {
    const old = this.#nodeNow(image.id)
    // A new node has no past to book; an old one is booked with what it was before it becomes something else. A heartbeat in time
    // changes nothing that was booked, one after a blind stretch does.
    const blind = old !== undefined && image.lastObserved - old.lastObserved > this.#blindAfterMs
    if (old !== undefined && (!heartbeat || blind)) this.#book(image.id)
    const bookedTo = this.#nodeNow(image.id)?.bookedTo ?? image.bookedTo
    // A node ends where its books stand, so that its capacity ends there too.
    const deletedAt = image.deletedAt === null ? null : (old?.deletedAt ?? bookedTo)
    this.#own.nodes.set(image.id, { ...image, bookedTo, deletedAt })
    if (!heartbeat) this.#own.touched.add(image.id)
  }

  #claim(claim: Claim): void {
    const key = claimKey(claim.node, claim.holder)
    const old = this.#claimNow(key)
    if (old !== undefined && old.releasedAt === null) {
      if (old.boundAt !== claim.boundAt) this.#book(claim.node)
      this.#own.claims.set(key, claim)
      return
    }
    // A holding begins in the commit that places it, where the books of its node stand now.
    this.#book(claim.node)
    const placedAt = this.#nodeNow(claim.node)?.bookedTo ?? this.#now
    this.#own.claims.set(key, { ...claim, placedAt })
    this.#own.touched.add(claim.node)
  }

  #release(node: NodeId, holder: Holder, paidUntil: EpochMs): void {
    const key = claimKey(node, holder)
    const claim = this.#claimNow(key)
    // Released already: to repeat a step is harmless.
    if (claim === undefined || claim.releasedAt !== null) return
    this.#book(node)
    const at = this.#nodeNow(node)?.bookedTo ?? this.#now
    // Never before it was placed: what an earlier claim of the same holder was charged there is not given back a second time.
    const until = later(claim.placedAt, paidUntil < at ? paidUntil : at)
    for (const row of [...this.#rows.heldAfter(node, holder, until), ...this.#before.held, ...this.#own.held]) {
      if (row.node !== node || row.holder !== holder || row.to <= until) continue
      this.#post(claim.run, row.from, -row.slots * (row.to - later(row.from, until)), claim.price)
    }
    this.#own.claims.set(key, { ...claim, releasedAt: epochMs(at), paidUntil: epochMs(until) })
    this.#own.touched.add(node)
  }

  #book(id: NodeId): void {
    const node = this.#nodeNow(id)
    if (node === undefined) throw new Error(`bug: node ${id} is not in the working set`)
    const claims = this.#claimsOf(id)
    const booking = bookNode(node, claims, this.#now, this.#blindAfterMs)
    if (booking.rows.length === 0) return
    this.#own.nodes.set(id, booking.node)
    const byHolder = new Map(claims.map((claim) => [claim.holder as string, claim]))
    for (const row of booking.rows) {
      this.#own.held.push(row)
      const claim = byHolder.get(row.holder)
      if (claim !== undefined) this.#post(claim.run, row.from, heldGpuMs(row), claim.price)
    }
  }

  /** A row of layer 1 lies in one cell, and so in one period: where it begins says which. */
  #post(run: RunId, at: EpochMs, amount: number, price: Price | null): void {
    for (const id of this.#rows.budgetsOf(run)) {
      const budget = this.#rowAt(id, at)
      if (budget === null) continue
      const posted = post(budget, this.#reserveNow(run, budget.id), amount, price)
      this.#own.budgets.set(budget.id, posted.budget)
      this.#own.reserves.set(reserveKey(run, budget.id), posted.reserve)
      this.#own.spent.push({ budget: id, at, amount: posted.budget.used - budget.used })
    }
  }

  #reserve({ run, budget: of, at, amount }: Extract<Write, { kind: 'reserve' }>): ItemResult | null {
    const budget = this.#rowAt(of, at)
    if (budget === null) return { kind: 'stale', what: `budget ${of} is gone` }
    const { id } = budget
    const granted = grant(budget, this.#reserveNow(run, id), amount)
    if (!granted.ok) return { kind: 'refused', reason: 'budget', budget: id, short: granted.short }
    this.#own.budgets.set(id, granted.budget)
    this.#own.reserves.set(reserveKey(run, id), granted.reserve)
    this.#own.touched.add(id)
    return null
  }

  /** Of a series, all that the run has in any of its rows. */
  #giveBack(run: RunId, of: BudgetId): void {
    for (const budget of this.#rowsOf(of)) {
      const reserve = this.#reserveNow(run, budget.id)
      if (remaining(reserve) === 0) continue
      const given = giveBack(budget, reserve)
      this.#own.budgets.set(budget.id, given.budget)
      this.#own.reserves.set(reserveKey(run, budget.id), given.reserve)
      this.#own.touched.add(budget.id)
    }
  }

  #rowAt(id: BudgetId, at: EpochMs): Budget | null {
    const budget = this.#budgetNow(id)
    return budget === undefined ? null : rowAt(budget, at, (each) => this.#budgetNow(each))
  }

  #rowsOf(id: BudgetId): Budget[] {
    const budget = this.#budgetNow(id)
    if (budget === undefined) return []
    if (budget.period?.kind !== 'every') return [budget]
    const rows = new Map<BudgetId, Budget>()
    for (const source of [this.#rows.budgets, this.#before.budgets, this.#own.budgets]) {
      for (const [key, row] of source) if (row.period?.kind === 'window' && row.period.series === id) rows.set(key, row)
    }
    return [...rows.values()]
  }

  #nodeNow(id: NodeId): Node | undefined {
    return this.#own.nodes.get(id) ?? this.#before.nodes.get(id) ?? this.#rows.nodes.get(id)
  }

  #claimNow(key: ClaimKey): Claim | undefined {
    return this.#own.claims.get(key) ?? this.#before.claims.get(key) ?? this.#rows.claims.get(key)
  }

  #budgetNow(id: BudgetId): Budget | undefined {
    return this.#own.budgets.get(id) ?? this.#before.budgets.get(id) ?? this.#rows.budgets.get(id)
  }

  #reserveNow(run: RunId, budget: BudgetId): Reserve {
    const key = reserveKey(run, budget)
    const found = this.#own.reserves.get(key) ?? this.#before.reserves.get(key) ?? this.#rows.reserves.get(key)
    return found ?? { run, budget, granted: 0, posted: 0, charge: 0n }
  }

  #claimsOf(node: NodeId): Claim[] {
    const merged = new Map<ClaimKey, Claim>()
    for (const source of [this.#rows.claims, this.#before.claims, this.#own.claims]) {
      for (const [key, claim] of source) if (claim.node === node) merged.set(key, claim)
    }
    return [...merged.values()].filter((claim) => claim.releasedAt === null)
  }

  /** An applied item joins the changes of its commit; a refused one leaves no trace. */
  mergeInto(changes: Changes): void {
    for (const [id, row] of this.#own.runs) changes.runs.set(id, row)
    for (const [id, row] of this.#own.attempts) changes.attempts.set(id, row)
    for (const [id, row] of this.#own.nodes) changes.nodes.set(id, row)
    for (const [key, row] of this.#own.claims) changes.claims.set(key, row)
    for (const [id, row] of this.#own.budgets) changes.budgets.set(id, row)
    for (const [key, row] of this.#own.reserves) changes.reserves.set(key, row)
    changes.held.push(...this.#own.held)
    changes.spent.push(...this.#own.spent)
    changes.events.push(...this.#own.events)
    changes.audit.push(...this.#own.audit)
    changes.findings.push(...this.#own.findings)
    for (const id of this.#own.touched) changes.touched.add(id)
  }
}
