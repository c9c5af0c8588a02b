// Before a reserve is spent it is extended, or the run is stopped at a checkpoint (design: books, Budgets). The account loop asks;
// the wall itself stands in the commit, and once more outside, as the deadline that the cluster keeps while we are dead.
import type { Attempt } from '../../domain/attempt.ts'
import type { Budget, Reserve } from '../../domain/budget.ts'
import { chargeCeiling, chargeOf, grant, lastsGpuMs, left, remaining } from '../../domain/budget.ts'
import type { BudgetId, RunId } from '../../domain/ids.ts'
import type { Item, Write } from '../../domain/item.ts'
import type { Unbooked } from '../../domain/period.ts'
import { paidTo, piecesOf, unbookedIn } from '../../domain/period.ts'
import type { Run } from '../../domain/run.ts'
import { deadlineAt } from '../../domain/deadline.ts'
import { livingAttempt } from '../../domain/run.ts'
import type { Durations } from '../../domain/settings.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { EpochMs, Price } from '../../domain/units.ts'
import { earlier, epochMs } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'
import { needGpuMs, roomGpuMs } from '../estimate/need.ts'

/** `extend` is asked when a fifth of what would be reserved now or 15 minutes are left, whichever is longer. */
const EXTEND_SHARE = 5
const EXTEND_MS = 900_000
/** Less than a tenth of the need, or half a minute, is not worth a write: while a run starts it is short by a little, turn after turn. */
const SHORT_SHARE = 10
const SHORT_MS = 30_000

export type BudgetStep = {
  readonly items: readonly Item[]
  /** Runs whose reserve ends and cannot be extended: they are to be stopped at a checkpoint now. */
  readonly stop: readonly { readonly run: Run; readonly attempt: Attempt }[]
}

export function decideBudgets(world: World, durations: Durations): BudgetStep {
  const reserves = Map.groupBy(world.reserves, (reserve) => reserve.run)
  const claims = Map.groupBy(world.claims, (claim) => claim.run)
  const budgets = new Map(world.budgets)
  const items: Item[] = []
  const stop: { run: Run; attempt: Attempt }[] = []
  for (const run of world.runs.values()) {
    const id = livingAttempt(run.state)
    const attempt = id === null ? undefined : world.attempts.get(id)
    if (attempt === undefined || attempt.state.kind === 'stopping' || attempt.state.kind === 'ended') continue
    const own = claims.get(run.id) ?? []
    const held = own.map((claim): Unbooked => ({
      gpus: claim.slots.length,
      from: earlier(world.nodes.get(claim.node)?.bookedTo ?? world.now, world.now),
    }))
    const purse: Purse = {
      budgets,
      reserves: new Map((reserves.get(run.id) ?? []).map((reserve) => [reserve.budget, reserve])),
      price: own[0]?.price ?? null,
      held,
    }
    const need = needNow(run, attempt, world.now, durations)
    const asked = extensions(run, purse, need, world.now, durations)
    if (asked.kind === 'stop') stop.push({ run, attempt })
    const writes = asked.kind === 'extend' ? asked.writes : []
    const moved = deadline(run, attempt, purse, durations)
    if (moved !== null) writes.push(moved)
    if (writes.length > 0) {
      items.push({ about: `extend ${run.id}`, expects: [{ kind: 'run', id: run.id, version: run.version }], writes })
    }
  }
  const stopping = new Set(stop.map(({ run }) => run.id))
  for (const budget of world.budgets.values()) {
    for (const each of beyondTheWall(world, budget, reserves, stopping)) {
      stopping.add(each.run.id)
      stop.push(each)
    }
  }
  return { items, stop }
}

/**
 * A hard budget that was lowered below what is used and reserved: runs are stopped, those that have held least since they were placed
 * first (the least loss that is known here: what lies between checkpoints is not), until the rest fits. What they used stays used.
 */
function beyondTheWall(
  world: World,
  budget: Budget,
  reserves: ReadonlyMap<RunId, readonly Reserve[]>,
  stopping: ReadonlySet<RunId>,
): { run: Run; attempt: Attempt }[] {
  let excess = budget.used + budget.reserved - budget.limit
  if (!budget.hard || excess <= 0) return []
  // What a period that is over lacks, no stop brings back.
  if (budget.period?.kind === 'window' && budget.period.to <= world.now) return []
  const living: { run: Run; attempt: Attempt; reserved: number }[] = []
  for (const run of world.runs.values()) {
    const reserve = reserves.get(run.id)?.find((each) => each.budget === budget.id)
    const id = livingAttempt(run.state)
    const attempt = id === null ? undefined : world.attempts.get(id)
    if (reserve === undefined || attempt === undefined) continue
    // What is being stopped already gives its reserve back by itself.
    if (attempt.state.kind === 'stopping' || stopping.has(run.id)) excess -= remaining(reserve)
    else living.push({ run, attempt, reserved: remaining(reserve) })
  }
  const heldMs = ({ run, attempt }: { run: Run; attempt: Attempt }): number =>
    gpusOf(run.resources) * (world.now - attempt.plannedAt)
  const stop: { run: Run; attempt: Attempt }[] = []
  for (const { run, attempt, reserved } of living.toSorted(
    (a, b) => heldMs(a) - heldMs(b) || (a.run.id < b.run.id ? -1 : 1),
  )) {
    if (excess <= 0) break
    if (reserved === 0) continue
    excess -= reserved
    stop.push({ run, attempt })
  }
  return stop
}

/** What a run has to pay with, as the turn leaves it: what is granted is put in. */
type Purse = {
  readonly budgets: Map<BudgetId, Budget>
  readonly reserves: Map<BudgetId, Reserve>
  readonly price: Price | null
  readonly held: readonly Unbooked[]
}

type Asked =
  | { readonly kind: 'none' }
  | { readonly kind: 'extend'; readonly writes: Write[] }
  | { readonly kind: 'stop' }

function extensions(run: Run, purse: Purse, need: number, now: EpochMs, durations: Durations): Asked {
  const writes: Write[] = []
  for (const id of run.budgets) {
    const budget = purse.budgets.get(id)
    const asked = budget === undefined ? [] : extend(run, budget, purse, need, now, durations)
    if (asked === 'stop') return { kind: 'stop' }
    writes.push(...asked)
  }
  return writes.length === 0 ? { kind: 'none' } : { kind: 'extend', writes }
}

/** Of one budget, row by row where it has periods. A hard one gives what it has, down to nothing: the run lasts as long as there is money. */
function extend(
  run: Run,
  budget: Budget,
  { budgets, reserves, price, held }: Purse,
  need: number,
  now: EpochMs,
  durations: Durations,
): Write[] | 'stop' {
  const gpus = gpusOf(run.resources)
  const rows = (id: BudgetId): Budget | undefined => budgets.get(id)
  const paid = paidTo(budget, held, price, rows, (id) => reserves.get(id))
  if (paid === null) return []
  const lasts = (paid - now) * gpus
  // Up to what it would reserve if it were placed now: a run whose limit is covered asks for nothing.
  const bookedTo = held.reduce((least, each) => earlier(least, each.from), now)
  const window = { from: bookedTo, to: epochMs(now + Math.ceil(need / gpus)) }
  const pieces = piecesOf(budget, window, rows)
  const shorts = pieces.flatMap(({ row, ...piece }) => {
    const reserve = reserves.get(row.id) ?? { run: run.id, budget: row.id, granted: 0, posted: 0, charge: 0n }
    const short = unbookedIn(held, piece) - (lastsGpuMs(row, reserve, price) ?? Infinity)
    return short > 0 ? [{ row, reserve, at: piece.from, short }] : []
  })
  const due =
    lasts <= Math.max(need / EXTEND_SHARE, EXTEND_MS * gpus) &&
    shorts.reduce((sum, { short }) => sum + short, 0) >= Math.min(need / SHORT_SHARE, SHORT_MS * gpus)
  // A period that is short by a little (a hold that cost more than what took its place) would end the run before the next, which is paid.
  const paidLater = (at: EpochMs): boolean =>
    pieces.some(({ row, from }) => from > at && remaining(reserves.get(row.id) ?? NOTHING) > 0)
  const asked = due ? shorts : shorts.filter(({ at }) => paidLater(at))
  const writes: Write[] = []
  for (const { row, reserve, at, short } of asked) {
    const want = chargeCeiling(row.unit, chargeOf(row.unit, short, price))
    const amount = row.hard ? Math.min(want, Math.max(0, left(row))) : want
    if (amount > 0) {
      writes.push({ kind: 'reserve', run: run.id, budget: budget.id, at, amount })
      const granted = grant(row, reserve, amount)
      if (!granted.ok) throw new Error(`bug: budget ${row.id} has not what it has left`)
      budgets.set(row.id, granted.budget)
      reserves.set(row.id, granted.reserve)
    }
    // What lies behind a wall is never reached.
    if (amount < want) break
  }
  return due && writes.length === 0 && budget.hard && lasts <= roomGpuMs(run, durations) ? 'stop' : writes
}

const NOTHING = { granted: 0, posted: 0 }

/** What it would reserve if it were placed now. */
function needNow(run: Run, attempt: Attempt, now: EpochMs, durations: Durations): number {
  const used = run.paidGpuMs + gpusOf(run.resources) * Math.max(0, now - attempt.plannedAt)
  return needGpuMs(run, used, now, durations)
}

/** The deadline that the cluster should keep; a write only where it differs by more than a second from what it was told. */
function deadline(run: Run, attempt: Attempt, purse: Purse, durations: Durations): Write | null {
  const { budgets, reserves, price, held } = purse
  const due = deadlineAt(
    run,
    attempt,
    (row) => reserves.get(row),
    (id) => budgets.get(id),
    price,
    held,
    durations,
  )
  if (due === attempt.deadlineAt) return null
  if (due !== null && attempt.deadlineAt !== null && Math.abs(due - attempt.deadlineAt) <= 1_000) return null
  return { kind: 'attempt', attempt: { ...attempt, deadlineAt: due } }
}
