// Layer 2 of the books as it is stored: one record for each attempt and cell, with the summary from which `lost` can be decided
// later without reading a fact again (design: books, Cell by cell).
import type { Phase } from './fact.ts'
import type { AttemptId } from './ids.ts'
import type { AttemptAccount } from './reasons.ts'
import type { Cell, EpochMs } from './units.ts'

export type Balance = Readonly<Partial<Record<AttemptAccount, number>>>

/** What is known at the end of a cell, and all that the next one needs of the past. Plain data: it is stored as it is. */
export type Carry = {
  /** Marks of the elected source so far. */
  readonly marks: number
  readonly lastMarkAt: EpochMs | null
  readonly lastSamples: number | null
  /** The highest sequence of a mark of `lastSource` so far: the order in which it said them. */
  readonly lastSequence: number | null
  /** The process that said it: each counts its own. */
  readonly lastSource: string | null
  /** When it said so by its own clock, which tells two processes of a rank apart. */
  readonly lastSentAt: EpochMs | null
  /** Distances between the newest marks (at most 20), in ms, without what rules 1 to 3 cover. */
  readonly distances: readonly number[]
  /** Ms since the last mark, or since the attempt was placed, that rules 1 to 3 do not cover. */
  readonly uncovered: number
  readonly phases: readonly { readonly source: string; readonly phase: Phase; readonly since: EpochMs }[]
  readonly done: boolean
  /** The newest load marker that no segment has begun from yet. */
  readonly resumed: number | null
  /** The newest durable step of the newest segment. */
  readonly durable: number | null
  readonly segments: readonly Segment[]
}

/** Steps that went up without a break. A decrease within the elected source begins another one. */
export type Segment = { readonly resume: number; readonly last: number }

/** What one mark was worth in one cell. */
export type MarkShare = {
  readonly segment: number
  readonly step: number
  readonly steps: number
  /** Productive GPU-ms in this cell. */
  readonly gpuMs: number
  /** Tokens of all its steps; counted in the cell that the mark lies in, else 0. Null where they cannot be known. */
  readonly tokens: number | null
}

export type CellSummary = {
  readonly accounts: Balance
  readonly marks: readonly MarkShare[]
  readonly carry: Carry
}

export type CellRecord = {
  readonly attempt: AttemptId
  readonly cell: Cell
  /** The number of the newest revision. */
  readonly revision: number
  /** Sum of the lines of all revisions. */
  readonly balance: Balance
  readonly summary: CellSummary
}

/** Where the books of an attempt stand. */
export type AttemptBooks = {
  readonly attempt: AttemptId
  /** The source of progress, elected once by the commit that posts the first cell with a step. */
  readonly source: string | null
  readonly postedTo: Cell | null
  /** The earliest cell that a later fact may have changed. */
  readonly dirtyFrom: Cell | null
  /** What the attempt was when it was posted; another basis reopens cells. */
  readonly basis: BooksBasis | null
  /**
   * How often facts of it came in, or another attempt of its run reopened it: what comes while its books are being written would otherwise be
   * missed by both.
   */
  readonly heard: number
  /** Released, posted whole, nothing dirty: only a new fact or another `keep` opens it again. */
  readonly closed: boolean
}

export type BooksBasis = {
  readonly startedAt: EpochMs | null
  readonly failureAt: EpochMs | null
  readonly endedWithoutSuccess: boolean
  /** When each of its workers ended, in the order of its claims: an end may become known long after its cell was posted. */
  readonly ends: readonly (EpochMs | null)[]
  /** Steps up to here are kept; null: no bound. */
  readonly keep: readonly (number | null)[]
}

export type Revision = {
  readonly attempt: AttemptId
  readonly cell: Cell
  readonly revision: number
  /** Differences: revision 1 sums to layer 1 of the attempt in the cell, every later one to 0. */
  readonly lines: Balance
  readonly summary: CellSummary
}
