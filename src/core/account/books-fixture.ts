// The books of one run in memory: what the store keeps and what the account loop does with it, without a store. What becomes known
// becomes known at its moment; facts arrive when a test says so.
import type { AttemptBooks, Balance, CellRecord, CellSummary, Revision } from '../../domain/books.ts'
import type { Fact } from '../../domain/fact.ts'
import { claimOf, nodeId } from '../../domain/fixture.ts'
import type { Held } from '../../domain/holdings.ts'
import { heldGpuMs } from '../../domain/holdings.ts'
import type { AttemptId, WorkerId } from '../../domain/ids.ts'
import { workerIdOf } from '../../domain/ids.ts'
import type { Outcome } from '../../domain/reasons.ts'
import type { Cell, EpochMs } from '../../domain/units.ts'
import { cellEnd, cellOf, earlier, epochMs, nextCell } from '../../domain/units.ts'
import type { AttemptWork, PostPlan } from './post.ts'
import { firstCellToRead, planPostings } from './post.ts'
import { EMPTY_CARRY } from './timeline.ts'

export const SETTLE_MS = 300_000
const SLOTS = 2

export type Life = {
  readonly attempt: AttemptId
  readonly source: string
  readonly placedAt: EpochMs
  readonly startedAt: EpochMs
  readonly failureAt: EpochMs | null
  readonly releasedAt: EpochMs
  readonly outcome: Outcome
}

type Kept = {
  readonly life: Life
  books: AttemptBooks
  readonly cells: Map<Cell, CellRecord>
  facts: Map<string, Fact>
}

export class Books {
  readonly #kept: Kept[]
  readonly #workers = 2

  constructor(lives: readonly Life[]) {
    this.#kept = lives.map((life) => ({
      life,
      books: {
        attempt: life.attempt,
        source: null,
        postedTo: null,
        dirtyFrom: null,
        basis: null,
        heard: 0,
        closed: false,
      },
      cells: new Map(),
      facts: new Map(),
    }))
  }

  /** A fact that is known already changes nothing; any other one reopens all that is posted of its attempt. */
  receive(index: number, fact: Fact): void {
    const kept = this.#at(index)
    const name = `${fact.source}|${fact.sequence}`
    if (kept.facts.has(name)) return
    kept.facts.set(name, fact)
    if (kept.books.postedTo !== null)
      kept.books = { ...kept.books, dirtyFrom: cellOf(kept.life.placedAt), closed: false }
  }

  reopen(): void {
    for (const kept of this.#kept) kept.books = { ...kept.books, dirtyFrom: cellOf(kept.life.placedAt), closed: false }
  }

  /** Turns until one writes nothing: how many revisions they wrote. */
  settle(now: EpochMs): number {
    let written = 0
    for (let turns = 0; turns < 20; turns += 1) {
      const before = written
      for (const [index, kept] of this.#kept.entries()) {
        if (kept.life.placedAt >= now || kept.books.closed) continue
        const plan = planPostings(this.work(index, now), now, SETTLE_MS)
        this.#apply(kept, plan)
        written += plan.revisions.length
      }
      if (written === before && this.#kept.every((kept) => kept.books.dirtyFrom === null)) return written
    }
    throw new Error('the books never come to rest')
  }

  work(index: number, now: EpochMs): AttemptWork {
    const { life, books, cells, facts } = this.#at(index)
    const known = <Value>(at: EpochMs | null, value: Value): Value | null => (at !== null && at <= now ? value : null)
    const light = {
      placedAt: life.placedAt,
      startedAt: known(life.startedAt, life.startedAt),
      failureAt: known(life.failureAt, life.failureAt),
      outcome: known(life.releasedAt, life.outcome),
      ends: [],
      lastMarkAt: [...cells.values()].at(-1)?.summary.carry.lastMarkAt ?? null,
    }
    const readFrom = firstCellToRead(books, light)
    return {
      ...light,
      attempt: life.attempt,
      books,
      releasedAt: known(life.releasedAt, life.releasedAt),
      progressExpected: true,
      sequenceLength: null,
      workers: this.#workerIds(life).map((worker) =>
        claimOf(nodeId('a'), worker, [0, 1], {
          placedAt: life.placedAt,
          startedAt: light.startedAt,
          releasedAt: known(life.releasedAt, life.releasedAt),
        }),
      ),
      readFrom,
      held: this.held(index, now).filter((row) => row.to > readFrom),
      facts: [...facts.values()].filter((fact) => fact.at >= readFrom),
      cells: [...cells.values()].filter((record) => nextCell(record.cell) >= readFrom),
      bookedTo: this.bookedTo(index, now),
      sources: [{ source: life.source, lastAt: null, observedTo: epochMs(Number.MAX_SAFE_INTEGER) }],
      siblings: this.#kept
        .filter((kept) => kept.life.placedAt < now)
        .map((kept) => ({
          attempt: kept.life.attempt,
          carry: [...kept.cells.values()].at(-1)?.summary.carry ?? EMPTY_CARRY,
          endedWithoutSuccess: kept.life.releasedAt <= now && kept.life.outcome !== 'succeeded',
          assumedKeep: kept.books.basis?.keep ?? [],
        })),
    }
  }

  /** Booked at each end of a cell, and by the commit that releases. */
  bookedTo(index: number, now: EpochMs): EpochMs {
    const { releasedAt } = this.#at(index).life
    return releasedAt <= now ? releasedAt : epochMs(cellOf(now))
  }

  held(index: number, now: EpochMs, to = this.bookedTo(index, now)): Held[] {
    const { life } = this.#at(index)
    const rows: Held[] = []
    for (let from = life.placedAt; from < to;) {
      const until = earlier(cellEnd(cellOf(from)), to)
      for (const holder of this.#workerIds(life))
        rows.push({ node: nodeId('a'), from, to: until, holder, slots: SLOTS })
      from = until
    }
    return rows
  }

  balances(): Record<string, Balance> {
    const all: Record<string, Balance> = {}
    for (const { life, cells } of this.#kept)
      for (const { cell, balance } of cells.values())
        all[`${life.attempt} ${cell}`] = Object.fromEntries(
          Object.entries(balance)
            .filter(([, amount]) => amount !== 0)
            .toSorted(([a], [b]) => (a < b ? -1 : 1)),
        )
    return all
  }

  posted(index: number): CellRecord[] {
    return [...this.#at(index).cells.values()]
  }

  isClosed(index: number): boolean {
    return this.#at(index).books.closed
  }

  #at(index: number): Kept {
    const kept = this.#kept[index]
    if (kept === undefined) throw new Error('the books have no such attempt')
    return kept
  }

  #workerIds(life: Life): WorkerId[] {
    return Array.from({ length: this.#workers }, (_, index) => workerIdOf(life.attempt, index))
  }

  #apply(kept: Kept, plan: PostPlan): void {
    for (const revision of plan.revisions) this.#post(kept, revision)
    kept.books = plan.books
    for (const { attempt, afterStep } of plan.reopen) {
      const other = this.#kept.find((each) => each.life.attempt === attempt)
      const cell = [...(other?.cells.values() ?? [])].find((record) =>
        record.summary.marks.some((mark) => mark.step > afterStep),
      )?.cell
      if (other === undefined || cell === undefined) continue
      const { dirtyFrom } = other.books
      const from = dirtyFrom === null || cell < dirtyFrom ? cell : dirtyFrom
      other.books = { ...other.books, dirtyFrom: from, closed: false }
    }
  }

  #post(kept: Kept, { cell, revision, lines, summary }: Revision): void {
    const old = kept.cells.get(cell)
    must(revision === (old?.revision ?? 0) + 1, 'a revision follows the one before it')
    const index = this.#kept.indexOf(kept)
    const layer1 = this.held(index, epochMs(Number.MAX_SAFE_INTEGER))
      .filter((row) => cellOf(row.from) === cell)
      .reduce((sum, row) => sum + heldGpuMs(row), 0)
    must(total(lines) === (old === undefined ? layer1 : 0), 'revision 1 sums to layer 1, a later one to 0')
    const balance: Record<string, number> = { ...old?.balance }
    for (const [account, amount] of Object.entries(lines)) balance[account] = (balance[account] ?? 0) + amount
    for (const amount of Object.values(balance)) must(amount >= 0, 'no balance is negative')
    kept.cells.set(cell, { attempt: kept.life.attempt, cell, revision, balance, summary: stored(summary) })
    // Cells are kept in their order, as a store gives them back.
    const ordered = [...kept.cells].toSorted(([a], [b]) => a - b)
    kept.cells.clear()
    for (const [key, record] of ordered) kept.cells.set(key, record)
  }
}

export const total = (balance: Balance): number => Object.values(balance).reduce((sum, amount) => sum + amount, 0)

/** PostgreSQL's jsonb gives keys back by their length. */
function stored(summary: CellSummary): CellSummary {
  const byLength = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(byLength)
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(
      Object.entries(value)
        .map(([key, each]) => [key, byLength(each)] as const)
        .toSorted(([a], [b]) => a.length - b.length || (a < b ? -1 : 1)),
    )
  }
  return byLength(structuredClone(summary)) as CellSummary
}

/** A fixture checks as it goes, without a package: it lies among the pure code. */
function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`broken: ${what}`)
}
