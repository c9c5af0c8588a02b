// The account step of one attempt: which cells are due, what each is, and the difference to what was posted. To classify again
// finds no difference and writes nothing: that is the idempotence of the books.
import type { AttemptBooks, Balance, BooksBasis, CellRecord, CellSummary, Revision } from '../../domain/books.ts'
import type { Claim } from '../../domain/claim.ts'
import type { Fact } from '../../domain/fact.ts'
import { compareStreams, streamOf } from '../../domain/fact.ts'
import type { Held } from '../../domain/holdings.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { AttemptAccount, Outcome } from '../../domain/reasons.ts'
import { ATTEMPT_ACCOUNTS } from '../../domain/reasons.ts'
import type { Cell, EpochMs } from '../../domain/units.ts'
import { cellEnd, cellOf, cellStart, earlier, epochMs, later, nextCell } from '../../domain/units.ts'
import { balanceOf, classifyCell } from './cell.ts'
import type { AttemptProgress } from './keep.ts'
import { keepBounds } from './keep.ts'
import { asSaid } from './order.ts'
import { EMPTY_CARRY } from './timeline.ts'

/** What is read for one attempt: everything from the cell on that may change. */
export type AttemptWork = {
  readonly attempt: AttemptId
  readonly books: AttemptBooks
  readonly placedAt: EpochMs
  readonly startedAt: EpochMs | null
  readonly failureAt: EpochMs | null
  /** Null while it lives. */
  readonly outcome: Outcome | null
  readonly releasedAt: EpochMs | null
  readonly progressExpected: boolean
  readonly sequenceLength: number | null
  readonly workers: readonly Claim[]
  /** From `readFrom` on. */
  readonly readFrom: Cell
  readonly held: readonly Held[]
  readonly facts: readonly Fact[]
  /** Records from `readFrom` on, and the one before it. */
  readonly cells: readonly CellRecord[]
  /** Layer 1 of all its nodes is booked up to here. */
  readonly bookedTo: EpochMs
  readonly sources: readonly SourceSeen[]
  /** The run's attempts in their order, this one included, as they stand without what this turn adds. */
  readonly siblings: readonly Sibling[]
}

/** `assumedKeep` is what the posted cells of that attempt were divided by. */
export type Sibling = AttemptProgress & {
  readonly attempt: AttemptId
  readonly assumedKeep: readonly (number | null)[]
}

/** How far a source is known: its newest word, and up to when its silence is silence. */
export type SourceSeen = { readonly source: string; readonly lastAt: EpochMs | null; readonly observedTo: EpochMs }

export type PostPlan = {
  readonly revisions: readonly Revision[]
  readonly books: AttemptBooks
  /** Earlier attempts whose `lost` changes, and the step after which it does. */
  readonly reopen: readonly { readonly attempt: AttemptId; readonly afterStep: number }[]
}

export function planPostings(work: AttemptWork, now: EpochMs, cellSettleMs: number): PostPlan {
  const source = work.books.source ?? electSource(work)
  const due = dueCells(work, source, now, cellSettleMs)
  const seen = classify(work, source, due)
  const carry = seen.at(-1)?.summary.carry ?? carryBefore(work)
  const bounds = keepBounds(progressWith(work, carry))
  const own = work.siblings.findIndex((sibling) => sibling.attempt === work.attempt)
  const keep = bounds[own] ?? []
  const revisions: Revision[] = []
  for (const { cell, summary } of seen) {
    const old = work.cells.find((record) => record.cell === cell)
    const balance = balanceOf(summary, keep)
    const lines = difference(balance, old?.balance ?? {})
    if (old !== undefined && Object.keys(lines).length === 0 && sameSummary(old.summary, summary)) continue
    revisions.push({ attempt: work.attempt, cell, revision: (old?.revision ?? 0) + 1, lines, summary })
  }
  const last = seen.at(-1)?.cell ?? work.books.postedTo
  const { releasedAt, placedAt } = work
  // What was held for no time at the border of a cell has no cell at all.
  const whole = releasedAt !== null && (releasedAt <= placedAt || (last !== null && cellEnd(last) >= releasedAt))
  return {
    revisions,
    books: {
      attempt: work.attempt,
      source: carry.marks > 0 ? source : work.books.source,
      postedTo: last,
      dirtyFrom: null,
      heard: work.books.heard,
      basis: basisOf(work, keep),
      closed: whole,
    },
    reopen: reopened(work, bounds, own),
  }
}

/** Every cell from `readFrom` on as it would be posted now, whether due or not: what a reader shows as provisional. */
export function classifyAll(work: AttemptWork, now: EpochMs): { cell: Cell; summary: CellSummary }[] {
  const source = work.books.source ?? electSource(work)
  const end = earlier(work.releasedAt ?? now, work.bookedTo)
  const cells: Cell[] = []
  for (let cell = work.readFrom; cellStart(cell) < end; cell = nextCell(cell)) cells.push(cell)
  return classify(work, source, cells)
}

/** The lowest rank whose reporter says steps, else the lowest worker whose log does. */
export function electSource(work: Pick<AttemptWork, 'facts'>): string | null {
  let elected: string | null = null
  for (const fact of work.facts) {
    const stream = streamOf(fact.source)
    if (fact.body.kind === 'step' && (elected === null || compareStreams(stream, elected) < 0)) elected = stream
  }
  return elected
}

/** Without a change of what is known, only cells that are over and settled; after the last release, all. */
function dueCells(work: AttemptWork, source: string | null, now: EpochMs, cellSettleMs: number): Cell[] {
  const due: Cell[] = []
  const { releasedAt } = work
  const end: number = releasedAt ?? Infinity
  const spoken = work.sources.find((seen) => seen.source === source)?.lastAt ?? null
  for (let cell = work.readFrom; cellStart(cell) < end; cell = nextCell(cell)) {
    // A cell of a living attempt is over at its end, whoever spoke beyond it by a clock that is ahead of ours.
    const over = releasedAt === null ? cellEnd(cell) : earlier(cellEnd(cell), releasedAt)
    const posted = work.books.postedTo !== null && cell <= work.books.postedTo
    // What was posted was over then, also by a clock that has stepped back since: left out, it would not become due again.
    if (work.bookedTo < over || (!posted && now < over)) break
    const settled = (spoken !== null && spoken >= cellEnd(cell)) || now >= cellEnd(cell) + cellSettleMs
    if (!posted && !settled && releasedAt === null) break
    due.push(cell)
  }
  return due
}

function classify(
  work: AttemptWork,
  source: string | null,
  cells: readonly Cell[],
): { cell: Cell; summary: CellSummary }[] {
  const facts = asSaid(work.facts.map((fact) => inHolding(work, fact)))
  const observedTo = work.sources.find((seen) => seen.source === source)?.observedTo ?? work.placedAt
  let carry = carryBefore(work)
  const result: { cell: Cell; summary: CellSummary }[] = []
  let first = 0
  for (const cell of cells) {
    const from = later(cellStart(cell), work.placedAt)
    const to = earlier(cellEnd(cell), earlier(work.releasedAt ?? work.bookedTo, work.bookedTo))
    while (first < facts.length && (facts[first]?.at ?? from) < from) first += 1
    const summary = classifyCell({
      from,
      to,
      carry,
      facts: facts.slice(first, endOfLook(facts, first, to, source)),
      held: clampHeld(work.held, from, to),
      workers: work.workers,
      source,
      observedTo,
      startedAt: work.startedAt,
      failureAt: work.failureAt,
      progressExpected: work.progressExpected,
      endedWithoutSuccess: endedWithoutSuccess(work),
      sequenceLength: work.sequenceLength,
      firstAttempt: work.siblings[0]?.attempt === work.attempt,
    })
    carry = summary.carry
    result.push({ cell, summary })
  }
  return result
}

/** A clock that differs from ours may date a line after the last release or before the placement: it counts at that end. */
function inHolding(work: AttemptWork, fact: Fact): Fact {
  const last = work.releasedAt === null ? fact.at : epochMs(work.releasedAt - 1)
  const at = later(work.placedAt, earlier(fact.at, last))
  return at === fact.at ? fact : { ...fact, at }
}

/** The first mark at or after the cell's end covers back into it; nothing later than that moment matters. */
function endOfLook(facts: readonly Fact[], first: number, to: EpochMs, source: string | null): number {
  let markAt: EpochMs | null = null
  for (let index = first; index < facts.length; index += 1) {
    const fact = facts[index]
    if (fact === undefined) continue
    if (markAt !== null && fact.at > markAt) return index
    if (fact.at >= to && fact.body.kind === 'step' && streamOf(fact.source) === source) markAt ??= fact.at
  }
  return facts.length
}

function clampHeld(rows: readonly Held[], from: EpochMs, to: EpochMs): Held[] {
  const clamped: Held[] = []
  for (const row of rows) {
    const start = later(row.from, from)
    const end = earlier(row.to, to)
    if (start < end) clamped.push({ ...row, from: start, to: end })
  }
  return clamped
}

function carryBefore(work: AttemptWork) {
  return work.cells.find((record) => nextCell(record.cell) === work.readFrom)?.summary.carry ?? EMPTY_CARRY
}

export function endedWithoutSuccess(work: Pick<AttemptWork, 'outcome'>): boolean {
  return work.outcome !== null && work.outcome !== 'succeeded'
}

export function progressWith(work: AttemptWork, carry: CellSummary['carry']): AttemptProgress[] {
  return work.siblings.map((sibling) =>
    sibling.attempt === work.attempt ? { carry, endedWithoutSuccess: endedWithoutSuccess(work) } : sibling,
  )
}

function basisOf(work: AttemptWork, keep: readonly (number | null)[]): BooksBasis {
  return {
    startedAt: work.startedAt,
    failureAt: work.failureAt,
    endedWithoutSuccess: endedWithoutSuccess(work),
    ends: work.workers.map((claim) => claim.endedAt),
    keep,
  }
}

/** `lost` is decided by what came after: where a bound is not what the posted cells were divided by, they are due again. */
function reopened(work: AttemptWork, bounds: readonly (number | null)[][], own: number): PostPlan['reopen'] {
  const reopen: { attempt: AttemptId; afterStep: number }[] = []
  for (const [index, sibling] of work.siblings.slice(0, own + 1).entries()) {
    const changed = (bounds[index] ?? []).flatMap((bound, segment) => {
      const assumed = sibling.assumedKeep[segment] ?? null
      return bound === assumed ? [] : [Math.min(bound ?? Infinity, assumed ?? Infinity)]
    })
    if (changed.length > 0) reopen.push({ attempt: sibling.attempt, afterStep: Math.min(...changed) })
  }
  return reopen
}

/** What has to be added to `old` to make it `balance`; accounts without a difference are left out. */
export function difference(balance: Balance, old: Balance): Balance {
  const lines: Partial<Record<AttemptAccount, number>> = {}
  for (const account of ATTEMPT_ACCOUNTS) {
    const change = (balance[account] ?? 0) - (old[account] ?? 0)
    if (change !== 0) lines[account] = change
  }
  return lines
}

/** A store may give the keys back in another order. */
function sameSummary(a: CellSummary, b: CellSummary): boolean {
  return JSON.stringify(inOrder(a)) === JSON.stringify(inOrder(b))
}

function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, each]) => [key, inOrder(each)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** The cell from which an attempt has to be read again; null when nothing about it is due. */
export function firstCellToRead(
  books: AttemptBooks,
  attempt: Pick<AttemptWork, 'placedAt' | 'startedAt' | 'failureAt' | 'outcome'> & {
    readonly lastMarkAt: EpochMs | null
    readonly ends: readonly (EpochMs | null)[]
  },
): Cell {
  const begin = cellOf(attempt.placedAt)
  if (books.postedTo === null) return begin
  const starts = [nextCell(books.postedTo)]
  if (books.dirtyFrom !== null) starts.push(books.dirtyFrom)
  const { basis } = books
  if (basis !== null) {
    if (basis.startedAt !== attempt.startedAt) starts.push(begin)
    if (basis.failureAt !== attempt.failureAt)
      starts.push(
        cellOf(
          earlier(basis.failureAt ?? attempt.failureAt ?? attempt.placedAt, attempt.failureAt ?? attempt.placedAt),
        ),
      )
    for (const [index, end] of attempt.ends.entries()) {
      const before = basis.ends[index] ?? null
      if (end !== before)
        starts.push(cellOf(earlier(end ?? before ?? attempt.placedAt, before ?? end ?? attempt.placedAt)))
    }
    if (basis.endedWithoutSuccess !== endedWithoutSuccess(attempt))
      starts.push(cellOf(attempt.lastMarkAt ?? attempt.placedAt))
  }
  return starts.reduce((least, cell) => (cell < least ? cell : least))
}
