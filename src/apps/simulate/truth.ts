// What must be true once the faults have stopped and the world is quiet: nothing is stuck, every reason that a waiting run shows is the
// one that a new decision gives, and the books are what the facts alone say, however these came in.
import { resumptions } from '../../core/account/resume.ts'
import { workOf } from '../../core/account/due.ts'
import { planPostings } from '../../core/account/post.ts'
import { candidatesOf } from '../../core/admit/admit.ts'
import { planPlacements } from '../../core/place/place.ts'
import { byTime } from '../../domain/fact.ts'
import { isEnded } from '../../domain/run.ts'
import { cellOf, epochMs, later } from '../../domain/units.ts'
import { checkExperts, checkGaps } from '../../sim/checkers/experts.ts'
import { checkStoredLogs } from '../../sim/checkers/logs.ts'
import { checkLost } from '../../sim/checkers/lost.ts'
import { checkTaints } from '../../sim/checkers/taints.ts'
import { BaseClock } from '../../sim/clocks.ts'
import type { Tables } from '../../sim/store.ts'
import { CLUSTER } from '../../sim/workload.ts'
import { ingestOf } from './ingest.ts'
import type { SimulatedWorld } from './world.ts'

export type End =
  /** Something has still to happen. */
  | { readonly kind: 'moves'; readonly why: string }
  /** Nothing will happen by itself any more; a problem where it should have ended otherwise. */
  | { readonly kind: 'rest'; readonly problem: string | null }

export async function falseEnd(world: SimulatedWorld): Promise<End> {
  const { tables, cluster } = world
  const taints = cluster.taints === null ? null : checkTaints(tables, cluster.tainted)
  const why = unsettled(tables) ?? underWay(world) ?? falseReason(tables) ?? taints ?? (await doubtful(world))
  if (why !== null) return { kind: 'moves', why }
  const [left] = cluster.running
  if (left !== undefined) return { kind: 'rest', problem: `${left} runs, and its attempt has ended` }
  const { store } = world.view()
  const problem =
    checkRest(tables) ??
    checkSteps(world) ??
    (await falseBooks(world)) ??
    checkGaps(tables, world.mail.flushed, world.mail.said) ??
    checkStoredLogs(tables, world.logBytesMax) ??
    (await checkExperts(tables, store)) ??
    (await deadTokens(world))
  return { kind: 'rest', problem }
}

const underWay = ({ mail }: SimulatedWorld): string | null =>
  mail.open === 0 ? null : `${mail.open} reports are under way`

const LONG_MS = 7_200_000

/** Two hours later nobody's token is good any more. */
async function deadTokens(world: SimulatedWorld): Promise<string | null> {
  const { database, mail, tables, timeline } = world
  const { store, cluster } = world.view()
  const clock = new BaseClock(timeline, { now: () => epochMs(database.now() + LONG_MS) })
  const bugs: unknown[] = []
  const deliver = ingestOf(world.requests(world.control({ clock, store, cluster })), (error) => bugs.push(error))
  const last = new Map(mail.said.flatMap(({ owner, post }) => (owner === null ? [] : [[owner, post]])))
  const writes = tables.writes
  for (const [attempt, post] of last) {
    const { status } = await deliver(post)
    if (status === 200 || tables.writes !== writes) return `the token of ${attempt} outlives it by hours`
  }
  return bugs.length > 0 ? String(bugs[0]) : null
}

/** Every run has ended or waits for a person, every slot is free and every cell is posted. */
function unsettled(tables: Tables): string | null {
  for (const { id, state } of tables.runs.values()) {
    if (!isEnded(state) && state.kind !== 'suspended' && state.kind !== 'queued') return `${id} is ${state.kind}`
  }
  for (const claim of tables.livingClaims.values()) return `${claim.holder} still holds slots of ${claim.node}`
  for (const books of tables.books.values()) {
    if (!books.closed || books.dirtyFrom !== null) return `the books of ${books.attempt} are open`
  }
  return null
}

/** A clock that steps puts marks into another order than the one they came in; the sums hold, and which step was first does not. */
const checkSteps = ({ tables, database, lies }: SimulatedWorld): string | null =>
  database.worstMs === 0 ? checkLost(tables, lies) : null

/** Nobody holds anything: nothing may be reserved either. */
function checkRest(tables: Tables): string | null {
  for (const { id, reserved } of tables.budgets.values())
    if (reserved !== 0) return `nobody holds anything, and ${reserved} of budget ${id} are reserved`
  return null
}

/** A waiting run says why in words; the first turn that looks at it writes them. */
function falseReason(tables: Tables): string | null {
  for (const { id, state } of tables.live.values())
    if (state.kind === 'queued' && state.message === '') return `${id} waits, and does not say why`
  return null
}

/** Each reason is the one that a new decision gives. */
async function doubtful(simulated: SimulatedWorld): Promise<string | null> {
  const { tables, durations } = simulated
  if (![...tables.live.values()].some((run) => run.state.kind === 'queued')) return null
  const seen = await simulated.view().store.world(new Map([[CLUSTER, { kind: 'reachable' }]]))
  // The leader's clock goes by what it saw and booked last: no step of the database's clock has reached it.
  const heard = [...seen.nodes.values()].map((node) => node.lastObserved)
  const world = { ...seen, now: heard.reduce(later, seen.newestBookedTo) }
  const settings = { durations, draw: () => 0, masterAddress: () => '' }
  const { placed, waiting } = planPlacements(world, candidatesOf(world), settings).report
  const [startable] = placed
  if (startable !== undefined) return `${startable.run} waits and could start`
  const [affordable] = resumptions(world, durations)
  if (affordable !== undefined) return `${affordable.about}: it is suspended, and its budgets have room for it`
  for (const { run, reason } of waiting) {
    const state = world.runs.get(run as never)?.state
    if (state?.kind === 'queued' && state.reason !== reason)
      return `${run} says ${state.reason}, and waits for ${reason}`
  }
  return null
}

/** The books of every attempt are made again from nothing; each cell must come out as it is posted. */
async function falseBooks(world: SimulatedWorld): Promise<string | null> {
  const { store } = world.view()
  for (const id of world.tables.books.keys()) {
    const [read] = await store.readBooks([id], ({ placedAt }) => cellOf(placedAt))
    if (read === undefined) continue
    const books = { ...read.books, postedTo: null, dirtyFrom: null, basis: null, closed: false }
    const late = epochMs(Number.MAX_SAFE_INTEGER - 10 ** 9)
    // All of them, whatever they are dated: the store's own bounds are not trusted.
    const facts = [...(world.tables.facts.get(id)?.values() ?? [])].toSorted(byTime)
    const fresh = planPostings({ ...workOf.full(read), facts, books, cells: [] }, late, world.durations.cellSettleMs)
    for (const { cell, lines } of fresh.revisions) {
      const posted = read.cells.find((record) => record.cell === cell)?.balance ?? {}
      if (textOf(posted) !== textOf(lines))
        return `cell ${cell} of ${id} is ${textOf(posted)}; its facts say ${textOf(lines)}`
    }
  }
  return null
}

const textOf = (balance: object): string =>
  JSON.stringify(
    Object.entries(balance)
      .filter(([, gpuMs]) => gpuMs !== 0)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
