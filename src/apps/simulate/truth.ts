// What must be true once the faults have stopped and the world is quiet: nothing is stuck, every reason that a waiting run shows is the
// one that a new decision gives, and the books are what the facts alone say, however these came in.
import { workOf } from '../../core/account/due.ts'
import { planPostings } from '../../core/account/post.ts'
import { candidatesOf } from '../../core/admit/admit.ts'
import { planPlacements } from '../../core/place/place.ts'
import { DEFAULT_DURATIONS } from '../../domain/settings.ts'
import type { ClusterName } from '../../domain/ids.ts'
import { isEnded } from '../../domain/run.ts'
import { cellOf, epochMs } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'
import type { Store } from '../../ports/store.ts'
import type { Tables } from '../../sim/store.ts'

/** Every run has ended or waits for a person, every slot is free and every cell is posted. */
export function unsettled(tables: Tables): string | null {
  for (const { id, state } of tables.runs.values()) {
    if (!isEnded(state) && state.kind !== 'suspended' && state.kind !== 'queued') return `${id} is ${state.kind}`
  }
  for (const claim of tables.claims) {
    if (claim.releasedAt === null) return `${claim.holder} still holds slots of ${claim.node}`
  }
  for (const books of tables.books.values()) {
    if (!books.closed || books.dirtyFrom !== null) return `the books of ${books.attempt} are open`
  }
  return null
}

export async function falseReason(store: Store, cluster: ClusterName): Promise<string | null> {
  const world: World = await store.world(new Map([[cluster, { kind: 'reachable' }]]))
  const settings = { durations: DEFAULT_DURATIONS, draw: () => 0, masterAddress: () => '' }
  const { placed, waiting } = planPlacements(world, candidatesOf(world), settings).report
  const [startable] = placed
  if (startable !== undefined) return `${startable.run} waits and could start`
  for (const { run, reason } of waiting) {
    const state = world.runs.get(run as never)?.state
    if (state?.kind === 'queued' && state.reason !== reason)
      return `${run} says ${state.reason}, and waits for ${reason}`
  }
  return null
}

/** The books of every attempt are made again from nothing; each cell must come out as it is posted. */
export async function falseBooks(store: Store, tables: Tables): Promise<string | null> {
  for (const id of tables.books.keys()) {
    const [read] = await store.readBooks([id], ({ placedAt }) => cellOf(placedAt))
    if (read === undefined) continue
    const work = workOf.full(read)
    const books = { ...read.books, postedTo: null, dirtyFrom: null, basis: null, closed: false }
    const fresh = planPostings(
      { ...work, books, cells: [] },
      epochMs(Number.MAX_SAFE_INTEGER - 10 ** 9),
      DEFAULT_DURATIONS.cellSettleMs,
    )
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
