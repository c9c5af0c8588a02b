// What the account loop has to do, from what is cheap to know.
import type { Attempt } from '../../domain/attempt.ts'
import type { AttemptBooks, CellRecord } from '../../domain/books.ts'
import type { Claim } from '../../domain/claim.ts'
import type { Fact } from '../../domain/fact.ts'
import type { Held } from '../../domain/holdings.ts'
import type { Item } from '../../domain/item.ts'
import type { Outcome } from '../../domain/reasons.ts'
import type { Run } from '../../domain/run.ts'
import type { Cell, EpochMs } from '../../domain/units.ts'
import { cellOf } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'
import type { AttemptWork, SourceSeen } from './post.ts'
import { EMPTY_CARRY } from './timeline.ts'

/** Every node is booked at each end of a cell, also when nothing changed. */
export function bookItems(world: World): Item[] {
  return [...world.nodes.values()]
    .filter((node) => node.deletedAt === null && cellOf(node.bookedTo) < cellOf(world.now))
    .map((node) => ({ about: `book ${node.id}`, expects: [], writes: [{ kind: 'book', node: node.id }] }))
}

/** What the store reads for one attempt, in its own nouns. */
export type ReadAttempt = {
  readonly attempt: Attempt
  readonly run: Run
  readonly books: AttemptBooks
  readonly claims: readonly Claim[]
  readonly readFrom: Cell
  readonly held: readonly Held[]
  readonly facts: readonly Fact[]
  readonly cells: readonly CellRecord[]
  readonly bookedTo: EpochMs
  readonly sources: readonly SourceSeen[]
  readonly siblings: readonly {
    readonly attempt: Attempt
    readonly books: AttemptBooks
    readonly newest: CellRecord | null
  }[]
}

export const workOf = {
  light({
    attempt,
    placedAt,
    lastMarkAt,
    ends,
  }: {
    readonly attempt: Attempt
    readonly placedAt: EpochMs
    readonly lastMarkAt: EpochMs | null
    readonly ends: readonly (EpochMs | null)[]
  }) {
    return {
      placedAt,
      lastMarkAt,
      ends,
      startedAt: attempt.startedAt,
      failureAt: attempt.failureAt,
      outcome: outcomeOf(attempt),
    }
  },

  full(read: ReadAttempt): AttemptWork {
    const { attempt, claims } = read
    const placedAt = claims.reduce(
      (least, claim) => (claim.placedAt < least ? claim.placedAt : least),
      claims[0]?.placedAt ?? attempt.plannedAt,
    )
    return {
      attempt: attempt.id,
      books: read.books,
      placedAt,
      startedAt: attempt.startedAt,
      failureAt: attempt.failureAt,
      outcome: outcomeOf(attempt),
      releasedAt: lastRelease(claims),
      progressExpected: read.run.progressExpected,
      sequenceLength: read.run.sequenceLength,
      workers: claims,
      readFrom: read.readFrom,
      held: read.held,
      facts: read.facts,
      cells: read.cells,
      bookedTo: read.bookedTo,
      sources: read.sources,
      siblings: read.siblings.map((sibling) => ({
        attempt: sibling.attempt.id,
        carry: sibling.newest?.summary.carry ?? EMPTY_CARRY,
        endedWithoutSuccess: sibling.attempt.state.kind === 'ended' && sibling.attempt.state.outcome !== 'succeeded',
        assumedKeep: sibling.books.basis?.keep ?? [],
      })),
    }
  },
}

const outcomeOf = (attempt: Attempt): Outcome | null => (attempt.state.kind === 'ended' ? attempt.state.outcome : null)

/** Null while a worker still holds slots. */
function lastRelease(claims: readonly Claim[]): EpochMs | null {
  let last: EpochMs | null = null
  for (const claim of claims) {
    if (claim.releasedAt === null) return null
    if (last === null || claim.releasedAt > last) last = claim.releasedAt
  }
  return last
}
