// Promise 4, budgets are walls, seen from outside: a budget is the sum of its reserves, what is used is what its runs paid by layer 1,
// a promise is only made where there is room, and who holds nothing has nothing reserved.
import type { Attempt } from '../../domain/attempt.ts'
import type { Budget, Reserve } from '../../domain/budget.ts'
import type { Claim } from '../../domain/claim.ts'
import type { BudgetId, RunId } from '../../domain/ids.ts'
import type { Run } from '../../domain/run.ts'
import type { Commit, Tables } from '../store/tables.ts'

const MS_PER_HOUR = 3_600_000n
const rest = (reserve: Reserve): number => Math.max(0, reserve.granted - reserve.posted)

/** The sums of a budget are those of the reserves of its runs. */
export function checkSums(tables: Tables): string | null {
  const sums = new Map<BudgetId, { used: number; reserved: number; over: number }>()
  for (const reserve of tables.reserves.values()) {
    const sum = sums.get(reserve.budget) ?? { used: 0, reserved: 0, over: 0 }
    sum.used += reserve.posted
    sum.reserved += rest(reserve)
    sum.over += Math.max(0, reserve.posted - reserve.granted)
    sums.set(reserve.budget, sum)
  }
  for (const { id, used, reserved, over } of tables.budgets.values()) {
    const sum = sums.get(id) ?? { used: 0, reserved: 0, over: 0 }
    if (used !== sum.used) return `budget ${id} says used ${used}, and its runs ${sum.used}`
    if (reserved !== sum.reserved) return `budget ${id} says reserved ${reserved}, and its runs ${sum.reserved}`
    // Over all time: what a later grant covered again was over once.
    if (over < sum.over) return `budget ${id} says over ${over}, and its runs ${sum.over}`
  }
  return null
}

/** A commit that promises something keeps below the wall; what it books beyond a reserve is counted, and no promise. */
export function checkWall(commit: Commit): string | null {
  const asked = new Set<BudgetId>()
  for (const [index, item] of commit.items.entries()) {
    if (commit.results[index]?.kind !== 'applied') continue
    for (const write of item.writes) if (write.kind === 'reserve' && write.amount > 0) asked.add(write.budget)
  }
  for (const [id, budget] of commit.changes.budgets) {
    if (!asked.has(seriesOf(budget)) || !budget.hard) continue
    const { used = 0, reserved = 0, over = 0 } = commit.before.budgets.get(id) ?? {}
    const promised = budget.used + budget.reserved - (budget.over - over)
    // A limit that was lowered leaves more than it; what is asked of another day of the same series adds nothing to this one.
    if (promised > budget.limit && promised > used + reserved)
      return `budget ${id} promised ${promised} of ${budget.limit}`
  }
  return null
}

/** What each run of the commit was charged is what it held by layer 1, up to the moment until which it pays. */
export class Charges {
  readonly #tables: Tables
  readonly #claims = new Map<RunId, number[]>()
  #seen = 0

  constructor(tables: Tables) {
    this.#tables = tables
  }

  commit(commit: Commit): string | null {
    this.#index()
    const runs = new Set<RunId>()
    for (const claim of commit.changes.claims.values()) runs.add(claim.run)
    for (const reserve of commit.changes.reserves.values()) runs.add(reserve.run)
    for (const row of commit.changes.held) {
      const claim = this.#tables.livingClaims.get(`${row.node}|${row.holder}` as never)
      if (claim !== undefined) runs.add(claim.run)
    }
    for (const run of runs) {
      const problem = this.#checkRun(run)
      if (problem !== null) return problem
    }
    return null
  }

  #index(): void {
    const { claims } = this.#tables
    for (; this.#seen < claims.length; this.#seen += 1) {
      const claim = claims[this.#seen]
      if (claim === undefined) continue
      const list = this.#claims.get(claim.run)
      if (list === undefined) this.#claims.set(claim.run, [this.#seen])
      else list.push(this.#seen)
    }
  }

  #checkRun(id: RunId): string | null {
    const run = this.#tables.runs.get(id)
    // Where no budget covers it, there is nothing to compare with.
    if (run === undefined || run.budgets.length === 0) return null
    const claims = (this.#claims.get(id) ?? []).flatMap((at) => this.#tables.claims[at] ?? [])
    for (const budget of countingRows(this.#tables, run)) {
      const budgetId = budget.id
      const reserve = this.#tables.reserves.get(`${id}|${budgetId}`)
      let charge = 0n
      for (const claim of claims) charge += BigInt(this.#paid(claim, budget)) * weight(budget, claim)
      const posted = Number(budget.unit.kind === 'gpu-ms' ? charge : charge / MS_PER_HOUR)
      if ((reserve?.posted ?? 0) !== posted)
        return `run ${id} was charged ${reserve?.posted ?? 0} of budget ${budgetId}, and layer 1 says ${posted}`
    }
    // Who holds nothing has nothing reserved: a restart hold is a claim too.
    if (claims.some((claim) => claim.releasedAt === null)) return null
    for (const { id: budgetId } of countingRows(this.#tables, run)) {
      const reserve = this.#tables.reserves.get(`${id}|${budgetId}`)
      if (reserve !== undefined && rest(reserve) > 0)
        return `run ${id} holds nothing, and ${rest(reserve)} of budget ${budgetId} are still reserved for it`
    }
    return null
  }

  #paid(claim: Claim, { period }: Budget): number {
    const [from, to] = period?.kind === 'window' ? [period.from, period.to] : [0, Infinity]
    const until = claim.paidUntil ?? Infinity
    let sum = 0
    for (const row of this.#tables.heldBy.get(claim.holder) ?? []) {
      if (row.node !== claim.node || row.from < claim.placedAt) continue
      if (claim.releasedAt !== null && row.to > claim.releasedAt) continue
      if (row.from < from || row.from >= to) continue
      sum += row.slots * Math.max(0, Math.min(row.to, until) - row.from)
    }
    return sum
  }
}

const seriesOf = ({ id, period }: Budget): BudgetId => (period?.kind === 'window' ? (period.series ?? id) : id)

/** The rows in which something of a run may be counted: of a series each of its periods. */
function countingRows(tables: Tables, run: Run): Budget[] {
  return run.budgets.flatMap((id) => {
    const budget = tables.budgets.get(id)
    if (budget === undefined) return []
    if (budget.period?.kind !== 'every') return [budget]
    return [...tables.budgets.values()].filter((row) => row.id !== id && seriesOf(row) === id)
  })
}

const weight = (budget: Budget, claim: Claim): bigint =>
  budget.unit.kind === 'gpu-ms' ? 1n : BigInt(claim.price?.microsPerGpuHour ?? 0)

/** Deadlines are written where they differ by more than a second from what the cluster was told. */
const DEADLINE_SLACK_MS = 1_001

/** The deadline outside is a moment at which the reserve still lasts for the grace: it holds while we are dead. */
export function checkDeadline(tables: Tables, attempt: Attempt, graceMs: number): string | null {
  const run = tables.runs.get(attempt.run)
  if (run === undefined || attempt.state.kind === 'ended' || attempt.state.kind === 'stopping') return null
  const claims = [...tables.livingClaims.values()].filter((claim) => claim.attempt === attempt.id)
  let gpus = 0
  let booked = 0
  for (const claim of claims) {
    gpus += claim.slots.length
    booked += claim.slots.length * (tables.nodes.get(claim.node)?.bookedTo ?? 0)
  }
  const price = claims[0]?.price ?? null
  const rows = countingRows(tables, run)
  for (const budget of rows) {
    const { id, period } = budget
    const reserve = tables.reserves.get(`${run.id}|${id}`)
    if (!budget.hard || reserve === undefined || gpus === 0) continue
    // What lasts to the end of its period is followed by the next: only where it ends before, there is a wall.
    if (period?.kind === 'window' && period.to <= booked / gpus) continue
    const lasts = budget.unit.kind === 'gpu-ms' ? rest(reserve) : inGpuMs(rest(reserve), price?.microsPerGpuHour ?? 0)
    const due = (lasts + Math.max(booked, period?.kind === 'window' ? period.from * gpus : 0)) / gpus - graceMs
    if (period?.kind === 'window' && due + graceMs >= period.to - DEADLINE_SLACK_MS) {
      const next = rows.find((row) => row.period?.kind === 'window' && row.period.from === period.to)
      if (period.series === null || (next !== undefined && tables.reserves.has(`${run.id}|${next.id}`))) continue
    }
    if (attempt.deadlineAt === null) return `attempt ${attempt.id} has no deadline, and budget ${id} is hard`
    if (attempt.deadlineAt > due + DEADLINE_SLACK_MS)
      return `attempt ${attempt.id} may run until ${attempt.deadlineAt}, and its reserve of budget ${id} lasts until ${Math.floor(due)}`
  }
  return null
}

const inGpuMs = (micros: number, perHour: number): number => (perHour === 0 ? Infinity : (micros / perHour) * 3_600_000)
