// The place step: candidates in, placements out. Each item is one gang with all that it needs (slots, quota, budget), so that one
// that turns out stale takes nothing from the others. Every run that is not placed gets exactly one reason. Nothing is preempted
// yet: `victims` of the report is what a later policy fills.
import type { Attempt } from '../../domain/attempt.ts'
import type { Budget, Reserve } from '../../domain/budget.ts'
import { amountText, chargeCeiling, chargeOf, grant, remaining } from '../../domain/budget.ts'
import type { Claim, Holder } from '../../domain/claim.ts'
import { avoidedAt, avoidedText } from '../../domain/failure.ts'
import type { BudgetId, ClusterName, NodeId } from '../../domain/ids.ts'
import { attemptIdOf, workerIdOf } from '../../domain/ids.ts'
import { deadlineAt } from '../../domain/deadline.ts'
import type { Expect, Item, Write } from '../../domain/item.ts'
import { lineage } from '../../domain/project.ts'
import type { WaitReason } from '../../domain/reasons.ts'
import { unbookedIn } from '../../domain/period.ts'
import type { Run } from '../../domain/run.ts'
import { NOT_LOOKED_AT, withoutFence } from '../../domain/run.ts'
import type { Durations } from '../../domain/settings.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { EpochMs, Price } from '../../domain/units.ts'
import { earlier, epochMs } from '../../domain/units.ts'
import { counted } from '../../domain/words.ts'
import type { Blocked, Candidate, World } from '../../domain/world.ts'
import type { BudgetPromise, Turn } from './turn.ts'
import { drawPort, openTurn, ownHolds, useUp } from './turn.ts'
import type { Seat } from './fit.ts'
import { needOf } from '../estimate/need.ts'
import { reserveRows } from '../estimate/reserve.ts'
import { findSeats } from './seats.ts'

export type PlaceSettings = {
  readonly durations: Durations
  /** Where worker 0 of an attempt is reached. */
  readonly masterAddress: (cluster: ClusterName, attempt: string) => string
  /** Chance of this turn, in [0, 1): the port of an attempt is drawn, so that the next attempt draws another. */
  readonly draw: () => number
}

export type PlaceReport = {
  readonly placed: readonly { readonly run: string; readonly attempt: string; readonly nodes: readonly string[] }[]
  readonly waiting: readonly { readonly run: string; readonly reason: WaitReason; readonly message: string }[]
}

export type PlacePlan = { readonly items: readonly Item[]; readonly report: PlaceReport }

export function planPlacements(world: World, candidates: readonly Candidate[], settings: PlaceSettings): PlacePlan {
  const turn = openTurn(world)
  const items: Item[] = []
  const placed: { run: string; attempt: string; nodes: string[] }[] = []
  const waiting: { run: string; reason: WaitReason; message: string }[] = []
  for (const candidate of candidates) {
    const run = world.runs.get(candidate.run)
    if (run === undefined || run.state.kind !== 'queued') continue
    const result = candidate.blocked ?? placeRun(world, turn, run, settings)
    if ('reason' in result) {
      waiting.push({ run: run.id, reason: result.reason, message: result.message })
      const changed = reasonItem(run, result)
      if (changed !== null) items.push(changed)
    } else {
      items.push(result.item)
      placed.push({
        run: run.id,
        attempt: result.attempt.id,
        nodes: result.attempt.placement.workers.map((each) => each.nodeName),
      })
    }
  }
  return { items, report: { placed, waiting } }
}

function placeRun(
  world: World,
  turn: Turn,
  run: Run,
  settings: PlaceSettings,
): Blocked | { item: Item; attempt: Attempt } {
  const quota = quotaRefusal(world, turn, run)
  if (quota !== null) return quota
  const seats = findSeats(world, turn, run, settings.durations)
  if ('reason' in seats) return seats
  const price = world.prices.get(seats[0]?.node.gpuModel ?? '') ?? null
  const promise = promiseBudgets(world, turn, run, price, settings.durations)
  if ('reason' in promise) return promise
  return commitPlacement(world, turn, run, seats, price, promise, settings)
}

function quotaRefusal(world: World, turn: Turn, run: Run): Blocked | null {
  const mine = ownHolds(turn, run).reduce((sum, claim) => sum + claim.slots.length, 0)
  for (const project of lineage(world.projects, run.project)) {
    const used = (turn.gpusOfProject.get(project.name) ?? 0) - mine
    if (project.quotaGpus !== null && used + gpusOf(run.resources) > project.quotaGpus) {
      const message = `project ${project.name} holds ${used} of its ${project.quotaGpus} GPUs, and this run needs ${gpusOf(run.resources)}`
      return { reason: 'quota', message, until: null }
    }
  }
  return null
}

function promiseBudgets(
  world: World,
  turn: Turn,
  run: Run,
  price: Price | null,
  durations: Durations,
): Blocked | BudgetPromise {
  const need = needOf(run, run.paidGpuMs, world.now, durations)
  const amounts: { budget: BudgetId; at: EpochMs; amount: number }[] = []
  const reserves: { budget: Budget; reserve: Reserve }[] = []
  for (const id of run.budgets) {
    const budget = turn.budgets.get(id)
    if (budget === undefined) continue
    const reserveOf = (row: BudgetId): Reserve =>
      turn.reserves.get(`${run.id}|${row}`) ?? { run: run.id, budget: row, granted: 0, posted: 0, charge: 0n }
    const asked = reserveRows(
      budget,
      need,
      gpusOf(run.resources),
      world.now,
      price,
      (row) => turn.budgets.get(row),
      // What a restart hold has left of the reserve is the run's already: only the difference is asked for.
      (row) => remaining(reserveOf(row)),
    )
    if ('message' in asked) return { reason: 'budget', message: asked.message, until: null }
    for (const { row, at, amount: whole } of asked) {
      const old = reserveOf(row.id)
      const amount = Math.max(0, whole - remaining(old))
      const granted = grant(row, old, amount)
      if (!granted.ok)
        return {
          reason: 'budget',
          message: `budget ${row.id} is ${amountText(row.unit, granted.short)} short`,
          until: null,
        }
      amounts.push({ budget: id, at, amount })
      reserves.push({ budget: granted.budget, reserve: granted.reserve })
    }
  }
  return { amounts, reserves }
}

function commitPlacement(
  world: World,
  turn: Turn,
  run: Run,
  seats: readonly Seat[],
  price: Price | null,
  promise: BudgetPromise,
  settings: PlaceSettings,
): { item: Item; attempt: Attempt } {
  const holds = ownHolds(turn, run)
  const attempt = attemptOf(world, turn, run, seats, holds, promise, price, settings)
  const writes: Write[] = holds.map((hold) => ({
    kind: 'release',
    node: hold.node,
    holder: hold.holder,
    paidUntil: epochMs(Number.MAX_SAFE_INTEGER),
  }))
  for (const { budget, at, amount } of promise.amounts)
    if (amount > 0) writes.push({ kind: 'reserve', run: run.id, budget, at, amount })
  for (const worker of attempt.placement.workers)
    writes.push({ kind: 'claim', claim: claimOf(run, attempt, worker.id, worker.node, worker.slots, price, world) })
  writes.push({ kind: 'attempt', attempt })
  writes.push({
    kind: 'run',
    // A fence that held it back has passed.
    run: { ...withoutFence(run), state: { kind: 'admitted', attempt: attempt.id }, attempts: attempt.number },
  })
  const nodes = [...new Set(seats.map((seat) => seat.node))]
  const where = nodes.map((node) => node.name).join(', ')
  writes.push({
    kind: 'event',
    event: {
      run: run.id,
      at: world.now,
      kind: 'placed',
      message: `attempt ${attempt.number}: ${counted(gpusOf(run.resources), 'GPU')} on ${where}`,
    },
  })
  const again = avoidedAt(run.avoided, world.now).filter(({ node }) => nodes.some(({ id }) => id === node))
  if (again.length > 0)
    writes.push({
      kind: 'event',
      event: {
        run: run.id,
        at: world.now,
        kind: 'avoided-node-used',
        message: `attempt ${attempt.number} uses ${avoidedText(again)} again: without it no nodes in service could hold the run`,
      },
    })
  useUp(world, turn, run, attempt, holds, promise)
  const expects: Expect[] = [
    { kind: 'run', id: run.id, version: run.version },
    ...[...new Set([...nodes.map((node) => node.id), ...holds.map((hold) => hold.node)])].map((id): Expect => ({
      kind: 'node',
      id,
      version: world.nodes.get(id)?.version ?? -1,
    })),
    // A quota that was lowered since counts.
    ...lineage(world.projects, run.project).map(({ name, version }): Expect => ({
      kind: 'project',
      id: name,
      version,
    })),
  ]
  return { item: { about: `place ${attempt.id}`, expects, writes }, attempt }
}

function attemptOf(
  world: World,
  turn: Turn,
  run: Run,
  seats: readonly Seat[],
  holds: readonly Claim[],
  promise: BudgetPromise,
  price: Price | null,
  settings: PlaceSettings,
): Attempt {
  const number = run.attempts + 1
  const id = attemptIdOf(run.id, number)
  const first = seats[0]?.node.name ?? ''
  const rows = new Map(promise.reserves.map((each) => [each.budget.id, each]))
  return {
    id,
    run: run.id,
    number,
    cluster: run.cluster,
    placement: {
      workers: seats.map((seat, index) => ({
        id: workerIdOf(id, index),
        index,
        node: seat.node.id,
        nodeName: seat.node.name,
        slots: seat.slots,
      })),
      masterAddress: settings.masterAddress(run.cluster, id),
      masterPort: drawPort(turn.ports.get(first) ?? new Set(), settings.draw),
    },
    state: { kind: 'planned' },
    plannedAt: world.now,
    startedAt: null,
    failureAt: null,
    endedAt: null,
    deadlineAt: deadlineAt(
      run,
      { plannedAt: world.now },
      (row) => {
        const promised = rows.get(row)
        return promised === undefined ? undefined : withoutHolds(world, promised, holds)
      },
      (row) => rows.get(row)?.budget ?? turn.budgets.get(row),
      price,
      [{ gpus: gpusOf(run.resources), from: world.now }],
      settings.durations,
    ),
  }
}

/** What a restart hold has spent since its node was booked is spent of the same reserve, at the hold's price. */
function withoutHolds(
  world: World,
  { budget, reserve }: BudgetPromise['reserves'][number],
  holds: readonly Claim[],
): Reserve {
  const window = budget.period?.kind === 'window' ? budget.period : { from: epochMs(0), to: world.now }
  const spent = holds.reduce((sum, hold) => {
    const since = { gpus: hold.slots.length, from: world.nodes.get(hold.node)?.bookedTo ?? world.now }
    const gpuMs = unbookedIn([since], { from: window.from, to: earlier(window.to, world.now) })
    return sum + chargeOf(budget.unit, gpuMs, hold.price)
  }, 0n)
  return { ...reserve, posted: reserve.posted + chargeCeiling(budget.unit, spent) }
}

function claimOf(
  run: Run,
  attempt: Attempt,
  holder: Holder,
  node: NodeId,
  slots: readonly number[],
  price: Price | null,
  world: World,
): Claim {
  return {
    holder,
    node,
    run: run.id,
    attempt: attempt.id,
    slots,
    price,
    placedAt: world.now,
    boundAt: null,
    startedAt: null,
    endedAt: null,
    exit: null,
    releasedAt: null,
    paidUntil: null,
    until: null,
  }
}

/** A reason is written when it changes and at the first look; the message goes with it, since it is what the person reads. */
function reasonItem(run: Run, blocked: Blocked): Item | null {
  const { state } = run
  if (state.kind !== 'queued') return null
  if (state.reason === blocked.reason && state.message !== NOT_LOOKED_AT) return null
  // While a backoff or fence lasts its moment stays; any other reason has none.
  const next: Run = {
    ...run,
    state: { kind: 'queued', reason: blocked.reason, message: blocked.message, notBefore: state.notBefore },
  }
  return {
    about: `wait ${run.id} ${blocked.reason}`,
    expects: [{ kind: 'run', id: run.id, version: run.version }],
    writes: [{ kind: 'run', run: next }],
  }
}
