// Layer 2 in memory: what is due, one consistent read of it, and revisions as compare-and-set.
import type { Attempt } from '../../domain/attempt.ts'
import type { AttemptBooks, CellRecord, CellSummary } from '../../domain/books.ts'
import { byTime } from '../../domain/fact.ts'
import type { Held } from '../../domain/holdings.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { AttemptAccount } from '../../domain/reasons.ts'
import type { Cell, EpochMs } from '../../domain/units.ts'
import { CELL_MS, cellOf, earlier, epochMs, later } from '../../domain/units.ts'
import type { BooksLight, BooksRead, BooksWrite } from '../../ports/store.ts'
import type { StoredCell, Tables } from './tables.ts'
import { balanceKey, claimsOfAttempt } from './tables.ts'

const DUE_MAX = 200

export function booksDue(tables: Tables, now: EpochMs, after: AttemptId | null): AttemptId[] {
  const due: AttemptId[] = []
  for (const books of tables.books.values()) {
    const attempt = tables.attempts.get(books.attempt)
    if (attempt === undefined || (books.closed && books.dirtyFrom === null)) continue
    const next = books.postedTo === null ? cellOf(attempt.plannedAt) : books.postedTo + CELL_MS
    if (books.dirtyFrom !== null || attempt.state.kind === 'ended' || next + CELL_MS <= now) due.push(books.attempt)
  }
  const sorted = due.toSorted()
  const first = after === null ? 0 : sorted.findIndex((attempt) => attempt > after)
  return first <= 0 ? sorted.slice(0, DUE_MAX) : [...sorted.slice(first), ...sorted.slice(0, first)].slice(0, DUE_MAX)
}

type FirstCell = (light: BooksLight) => Cell

/** `allCells`: records from the first cell on, as a statement needs them. */
export function readAll(
  tables: Tables,
  ids: readonly AttemptId[],
  firstCell: FirstCell,
  allCells: boolean,
): BooksRead[] {
  return ids.flatMap((id) => readOne(tables, id, firstCell, allCells) ?? [])
}

function readOne(tables: Tables, id: AttemptId, firstCell: FirstCell, allCells: boolean): BooksRead | null {
  const attempt = tables.attempts.get(id)
  const run = attempt === undefined ? undefined : tables.runs.get(attempt.run)
  const books = tables.books.get(id)
  if (attempt === undefined || run === undefined || books === undefined) return null
  const claims = claimsOfAttempt(tables, id)
  const placedAt = claims.reduce(
    (least, claim) => earlier(least, claim.placedAt),
    claims[0]?.placedAt ?? attempt.plannedAt,
  )
  const lastMarkAt = newestCell(tables, id)?.summary.carry.lastMarkAt ?? null
  const readFrom = firstCell({ attempt, books, placedAt, lastMarkAt, ends: claims.map((claim) => claim.endedAt) })
  const cellsFrom = allCells ? -CELL_MS : readFrom - CELL_MS
  // What is dated before the placement counts at its moment: it is read with the first cell.
  const factsFrom = readFrom <= cellOf(placedAt) ? 0 : readFrom
  const heldFrom = Math.max(0, Math.min(readFrom, cellsFrom + CELL_MS))
  return {
    attempt,
    run,
    books,
    claims,
    readFrom,
    held: claims
      .flatMap((claim) => rowsFrom(tables.heldBy.get(claim.holder) ?? [], heldFrom))
      .toSorted((a, b) => a.from - b.from),
    facts: [...(tables.facts.get(id)?.values() ?? [])].filter((fact) => fact.at >= factsFrom).toSorted(byTime),
    cells: cellsOf(tables, id, cellsFrom),
    bookedTo: bookedTo(tables, attempt),
    sources: [
      ...(tables.cursorsOf.get(id) ?? [])
        .flatMap((worker) => tables.cursors.get(worker) ?? [])
        .map((cursor) => ({
          source: `log:${cursor.worker}`,
          lastAt: cursor.lastLineAt,
          observedTo: cursor.observedTo ?? epochMs(0),
        })),
      ...[...tables.sources].flatMap(([source, { attempt: of, lastAt, observedTo }]) =>
        of === id ? [{ source, lastAt, observedTo }] : [],
      ),
    ],
    siblings: (tables.attemptsOf.get(attempt.run) ?? []).flatMap((sibling) => siblingOf(tables, sibling)),
  }
}

function siblingOf(tables: Tables, id: AttemptId): BooksRead['siblings'] {
  const attempt = tables.attempts.get(id)
  const books = tables.books.get(id)
  return attempt === undefined || books === undefined ? [] : [{ attempt, books, newest: newestCell(tables, id) }]
}

/** Those of a holder lie in the order of time: the newest are at the end, and a long run has thousands before them. */
function rowsFrom(rows: readonly Held[], from: number): readonly Held[] {
  let first = rows.length
  while (first > 0 && (rows[first - 1]?.from ?? from) >= from) first -= 1
  return rows.slice(first)
}

/** From a cell on, in their order. Cells have no gap: one is posted after the other, so that none before the first has to be looked at. */
function cellsOf(tables: Tables, id: AttemptId, from: number): CellRecord[] {
  const records: CellRecord[] = []
  const cells = tables.cells.get(id)
  const newest = newestOf(tables, id)
  if (cells === undefined || newest === null) return records
  for (let cell = newest; cell >= from; cell = (cell - CELL_MS) as Cell) {
    const record = recordOf(tables, id, cell)
    if (record === null) break
    records.push(record)
  }
  return records.reverse()
}

function recordOf(tables: Tables, id: AttemptId, cell: Cell): CellRecord | null {
  const stored = tables.cells.get(id)?.get(cell)
  if (stored === undefined) return null
  const balance = tables.balances.get(balanceKey(id, cell)) ?? {}
  return { attempt: id, cell, revision: stored.revision, balance, summary: stored.summary }
}

/** The last one that was posted; where a write was told otherwise, the greatest. */
function newestOf(tables: Tables, id: AttemptId): Cell | null {
  const cells = tables.cells.get(id)
  if (cells === undefined || cells.size === 0) return null
  const posted = tables.books.get(id)?.postedTo ?? null
  if (posted !== null && cells.has(posted) && !cells.has((posted + CELL_MS) as Cell)) return posted
  return [...cells.keys()].reduce((a, b) => (a > b ? a : b))
}

export function newestCell(tables: Tables, id: AttemptId): CellRecord | null {
  const newest = newestOf(tables, id)
  const record = newest === null ? null : recordOf(tables, id, newest)
  return record === null ? null : { ...record, balance: {} }
}

/**
 * Layer 1 of all nodes of the attempt is booked up to here. A released claim needs no more than its release, up to which its node was
 * booked then; the node may be forgotten since, and its books stand still.
 */
function bookedTo(tables: Tables, attempt: Attempt): EpochMs {
  const claims = claimsOfAttempt(tables, attempt.id)
  const living = claims.filter((claim) => claim.releasedAt === null)
  if (living.length > 0)
    return living.map((claim) => tables.nodes.get(claim.node)?.bookedTo ?? epochMs(0)).reduce(earlier)
  return claims.map((claim) => claim.releasedAt ?? epochMs(0)).reduce(later, epochMs(0))
}

export function writeBooks(tables: Tables, epoch: number, write: BooksWrite): boolean {
  if (tables.leader.epoch !== epoch) return false
  const { revisions, books } = write
  const keys = revisions.map((each) => `${each.attempt}|${each.cell}|${each.revision}`)
  if (keys.some((key) => tables.revisions.has(key)) || new Set(keys).size < keys.length) return false
  const balances = balancesAfter(tables, write)
  tables.writes += 1
  for (const key of keys) tables.revisions.add(key)
  for (const revision of revisions) {
    for (const [account, gpuMs] of Object.entries(revision.lines) as [AttemptAccount, number][]) {
      const { attempt, cell } = revision
      tables.postings.append({ attempt, cell, revision: revision.revision, account, gpuMs })
    }
    const cells = tables.cells.get(revision.attempt) ?? new Map<Cell, StoredCell>()
    cells.set(revision.cell, {
      revision: revision.revision,
      lastStep: lastStep(revision.summary),
      summary: revision.summary,
    })
    tables.cells.set(revision.attempt, cells)
  }
  for (const [key, balance] of balances) tables.balances.set(key, balance)
  const known = tables.books.get(books.attempt)
  if (known !== undefined) tables.books.set(books.attempt, afterWrite(known, write))
  for (const { attempt, afterStep } of write.reopen) reopen(tables, attempt, afterStep)
  return true
}

/** Facts that came in since these books were read are in none of the revisions: all that was written is due again. */
function afterWrite(known: AttemptBooks, { books, revisions }: BooksWrite): AttemptBooks {
  if (known.heard === books.heard) return { ...books, dirtyFrom: null }
  const [first, ...rest] = [known.dirtyFrom, ...revisions.map((each) => each.cell)].filter((cell) => cell !== null)
  return {
    ...books,
    heard: known.heard,
    closed: false,
    dirtyFrom: first === undefined ? null : rest.reduce(least, first),
  }
}

/** No balance of a cell is ever negative: refused before anything is written. */
function balancesAfter(
  tables: Tables,
  { revisions }: BooksWrite,
): Map<string, Partial<Record<AttemptAccount, number>>> {
  const balances = new Map<string, Partial<Record<AttemptAccount, number>>>()
  for (const { attempt, cell, revision, lines } of revisions) {
    if (!Number.isInteger(revision) || revision <= 0) throw new Error(`bug: revision ${revision}`)
    const key = balanceKey(attempt, cell)
    const balance = { ...(balances.get(key) ?? tables.balances.get(key)) }
    for (const [account, gpuMs] of Object.entries(lines) as [AttemptAccount, number][]) {
      if (gpuMs === 0) throw new Error(`a posting of 0 on ${account} of ${key}`)
      const sum = (balance[account] ?? 0) + gpuMs
      if (sum < 0)
        throw new Error(`the balance of account ${account} of attempt ${attempt} in cell ${cell} would be ${sum}`)
      balance[account] = sum
    }
    balances.set(key, balance)
  }
  return balances
}

function reopen(tables: Tables, attempt: AttemptId, afterStep: number): void {
  const books: AttemptBooks | undefined = tables.books.get(attempt)
  const cells = [...(tables.cells.get(attempt) ?? [])]
    .filter(([, stored]) => stored.lastStep !== null && stored.lastStep > afterStep)
    .map(([cell]) => cell)
  if (books === undefined) return
  // Whoever writes these books from what was read before must know.
  const heard = books.heard + 1
  const [first, ...rest] = cells
  if (first === undefined) return void tables.books.set(attempt, { ...books, heard })
  const earliest = rest.reduce(least, first)
  const dirtyFrom = books.dirtyFrom === null ? earliest : least(books.dirtyFrom, earliest)
  tables.books.set(attempt, { ...books, heard, closed: false, dirtyFrom })
}

const least = (a: Cell, b: Cell): Cell => (a < b ? a : b)

function lastStep(summary: CellSummary): number | null {
  return summary.marks.reduce<number | null>((last, mark) => Math.max(last ?? mark.step, mark.step), null)
}
