// Before a reserve is spent it is extended, or the run is stopped at a checkpoint (design: books, Budgets). The account loop asks;
// the wall itself stands in the commit, and once more outside, as the deadline that the cluster keeps while we are dead.
import type { Attempt } from '../../domain/attempt.ts'
import type { Budget, Reserve } from '../../domain/budget.ts'
import { chargeCeiling, chargeOf, grant, lastsGpuMs, left, remaining } from '../../domain/budget.ts'
import type { BudgetId, RunId } from '../../domain/ids.ts'
import type { Item, Write } from '../../domain/item.ts'
import type { Run } from '../../domain/run.ts'
import { deadlineAt } from '../../domain/deadline.ts'
import { livingAttempt } from '../../domain/run.ts'
import type { Durations } from '../../domain/settings.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { EpochMs, Price } from '../../domain/units.ts'
import { earlier } from '../../domain/units.ts'
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
  const budgets = new Map(world.budgets)
  const prices = new Map(world.claims.map((claim) => [claim.run, claim.price]))
  const items: Item[] = []
  const stop: { run: Run; attempt: Attempt }[] = []
  for (const run of world.runs.values()) {
    const id = livingAttempt(run.state)
    const attempt = id === null ? undefined : world.attempts.get(id)
    if (attempt === undefined || attempt.state.kind === 'stopping' || attempt.state.kind === 'ended') continue
    const price = prices.get(run.id) ?? null
    const need = needNow(run, attempt, world.now, durations)
    const asked = extensions(
      run,
      reserves.get(run.id) ?? [],
      budgets,
      price,
      durations,
      need,
      unbookedGpuMs(world, run),
    )
    if (asked.kind === 'stop') stop.push({ run, attempt })
    const writes = asked.kind === 'extend' ? asked.writes : []
    const moved = deadline(
      world,
      run,
      attempt,
      asked.kind === 'extend' ? asked.reserves : (reserves.get(run.id) ?? []),
      budgets,
      price,
      durations,
    )
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

type Asked =
  | { readonly kind: 'none' }
  | { readonly kind: 'extend'; readonly writes: Write[]; readonly reserves: Reserve[] }
  | { readonly kind: 'stop' }

function extensions(
  run: Run,
  reserves: readonly Reserve[],
  budgets: Map<BudgetId, Budget>,
  price: Price | null,
  durations: Durations,
  need: number,
  unbooked: number,
): Asked {
  const gpus = gpusOf(run.resources)
  const writes: Write[] = []
  const extended: Reserve[] = []
  for (const reserve of reserves) {
    const budget = budgets.get(reserve.budget)
    const booked = budget === undefined ? null : lastsGpuMs(budget, reserve, price)
    if (budget === undefined || booked === null) continue
    const lasts = booked - unbooked
    if (lasts > Math.max(need / EXTEND_SHARE, EXTEND_MS * gpus)) {
      extended.push(reserve)
      continue
    }
    // Up to what it would reserve if it were placed now: a run whose limit is covered asks for nothing.
    const short = need - lasts
    if (short < Math.min(need / SHORT_SHARE, SHORT_MS * gpus)) {
      extended.push(reserve)
      continue
    }
    const want = chargeCeiling(budget.unit, chargeOf(budget.unit, short, price))
    // A hard budget gives what it has, down to nothing: the run lasts as long as there is money.
    const amount = budget.hard ? Math.min(want, Math.max(0, left(budget))) : want
    if (amount > 0) {
      writes.push({ kind: 'reserve', run: run.id, budget: budget.id, amount })
      const granted = grant(budget, reserve, amount)
      if (!granted.ok) throw new Error(`bug: budget ${budget.id} has not what it has left`)
      budgets.set(budget.id, granted.budget)
      extended.push(granted.reserve)
    } else if (budget.hard && lasts <= roomGpuMs(run, durations)) return { kind: 'stop' }
    else extended.push(reserve)
  }
  return writes.length === 0 ? { kind: 'none' } : { kind: 'extend', writes, reserves: extended }
}

/** What the run holds since its nodes were booked: it is spent, though no budget has been told yet. */
function unbookedGpuMs(world: World, run: Run): number {
  return world.claims.reduce((sum, claim) => {
    const bookedTo = world.nodes.get(claim.node)?.bookedTo ?? world.now
    return claim.run === run.id ? sum + claim.slots.length * Math.max(0, world.now - bookedTo) : sum
  }, 0)
}

/** What it would reserve if it were placed now. */
function needNow(run: Run, attempt: Attempt, now: EpochMs, durations: Durations): number {
  const used = run.paidGpuMs + gpusOf(run.resources) * Math.max(0, now - attempt.plannedAt)
  return needGpuMs(run, used, now, durations)
}

/** The deadline that the cluster should keep; a write only where it differs by more than a second from what it was told. */
function deadline(
  world: World,
  run: Run,
  attempt: Attempt,
  reserves: readonly Reserve[],
  budgets: ReadonlyMap<BudgetId, Budget>,
  price: Price | null,
  durations: Durations,
): Write | null {
  const booked = world.claims
    .filter((claim) => claim.attempt === attempt.id)
    .map((claim) => world.nodes.get(claim.node)?.bookedTo ?? world.now)
  const from = booked.reduce((least, at) => earlier(least, at), world.now)
  const due = deadlineAt(run, attempt, reserves, budgets, price, from, durations)
  if (due === attempt.deadlineAt) return null
  if (due !== null && attempt.deadlineAt !== null && Math.abs(due - attempt.deadlineAt) <= 1_000) return null
  return { kind: 'attempt', attempt: { ...attempt, deadlineAt: due } }
}
