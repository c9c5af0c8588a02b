// Layer 2: what is due, all that its decision needs in one snapshot, and the revisions that it gives. A revision row is inserted
// first; when it is there already somebody else was faster, and nothing of ours is written.
import type { Attempt } from '../../domain/attempt.ts'
import type { AttemptBooks, Balance, CellRecord, CellSummary } from '../../domain/books.ts'
import type { AttemptId, RunId } from '../../domain/ids.ts'
import type { Cell, EpochMs } from '../../domain/units.ts'
import { CELL_MS, epochMs, cellOf } from '../../domain/units.ts'
import type { Clock } from '../../ports/clock.ts'
import type { BooksRead, BooksStore, BooksWrite } from '../../ports/store.ts'
import { leads } from './commit.ts'
import type { Database, Queryable } from './pool.ts'
import { columns } from './pool.ts'
import type { AttemptRow, BooksRow, ClaimRow, FactRow, HeldRow, RunRow } from './rows.ts'
import { attemptOf, booksOf, claimOf, factOf, heldOf, runOf } from './rows.ts'
import { reportSources } from './reports.ts'

const DUE_MAX = 200

export function booksStore(database: Database, clock: Clock): BooksStore {
  return {
    async booksDue(now, after) {
      const rows = await database.query<{ attempt: AttemptId }>({
        text: `select b.attempt from attempt_books b join attempt a on a.id = b.attempt
               where (not b.closed or b.dirty_from is not null)
                 and (b.dirty_from is not null or not a.living
                      or coalesce(b.posted_to + $2, (a.image->>'plannedAt')::bigint - (a.image->>'plannedAt')::bigint % $2) + $2 <= $1)
               order by coalesce(b.attempt <= $4, false), b.attempt limit $3`,
        values: [now, CELL_MS, DUE_MAX, after],
      })
      return rows.map((row) => row.attempt)
    },
    async readBooks(attempts, firstCell) {
      if (attempts.length === 0) return []
      return database.transaction('read', (tx) => readAll(tx, attempts, firstCell, false))
    },
    async writeBooks(epoch, write) {
      return database.transaction('write', async (tx) => {
        if (!(await leads(tx, epoch))) return false
        return writeAll(tx, write, clock.now())
      })
    },
  }
}

type FirstCell = Parameters<BooksStore['readBooks']>[1]

/** `allCells`: records from the first cell on, as a statement needs them. */
export async function readAll(
  tx: Queryable,
  ids: readonly AttemptId[],
  firstCell: FirstCell,
  allCells: boolean,
): Promise<BooksRead[]> {
  const attempts = (
    await tx.query<AttemptRow>({
      text: `select image from attempt where run in (select run from attempt where id = any($1)) order by run, number`,
      values: [ids],
    })
  ).map(attemptOf)
  const runs = await runsOf(tx, [...new Set(attempts.map((attempt) => attempt.run))])
  const books = await booksFor(tx, attempts)
  const newest = await newestCells(tx, attempts)
  const reads: BooksRead[] = []
  for (const id of ids) {
    const attempt = attempts.find((each) => each.id === id)
    const run = attempt === undefined ? undefined : runs.get(attempt.run)
    const own = books.get(id)
    if (attempt === undefined || run === undefined || own === undefined) continue
    const claims = (
      await tx.query<ClaimRow>({ text: 'select image from claim where attempt = $1 order by id', values: [id] })
    ).map(claimOf)
    const placedAt = claims.reduce(
      (least, claim) => (claim.placedAt < least ? claim.placedAt : least),
      claims[0]?.placedAt ?? attempt.plannedAt,
    )
    const lastMarkAt = newest.get(id)?.summary.carry.lastMarkAt ?? null
    const readFrom = firstCell({
      attempt,
      books: own,
      placedAt,
      lastMarkAt,
      ends: claims.map((claim) => claim.endedAt),
    })
    reads.push({
      attempt,
      run,
      books: own,
      claims,
      readFrom,
      ...(await details(
        tx,
        attempt,
        claims.map((claim) => claim.holder),
        readFrom,
        // What is dated before the placement counts at its moment: it is read with the first cell.
        readFrom <= cellOf(placedAt) ? 0 : readFrom,
        allCells ? -CELL_MS : readFrom - CELL_MS,
      )),
      bookedTo: await bookedTo(tx, attempt),
      siblings: attempts
        .filter((each) => each.run === attempt.run)
        .map((each) => ({
          attempt: each,
          books: books.get(each.id) ?? emptyBooks(each.id),
          newest: newest.get(each.id) ?? null,
        })),
    })
  }
  return reads
}

const emptyBooks = (attempt: AttemptId): AttemptBooks => ({
  attempt,
  source: null,
  postedTo: null,
  dirtyFrom: null,
  basis: null,
  heard: 0,
  closed: false,
})

async function runsOf(tx: Queryable, ids: readonly RunId[]) {
  const rows = await tx.query<RunRow>({
    text: 'select image, version from run where id = any($1) union all select image, version from run_ended where id = any($1)',
    values: [ids],
  })
  return new Map(rows.map(runOf).map((run) => [run.id, run]))
}

async function booksFor(tx: Queryable, attempts: readonly Attempt[]) {
  const rows = await tx.query<BooksRow>({
    text: 'select * from attempt_books where attempt = any($1)',
    values: [attempts.map((each) => each.id)],
  })
  return new Map(rows.map(booksOf).map((each) => [each.attempt, each]))
}

type CellRow = { attempt: AttemptId; cell: Cell; revision: number; summary: CellSummary }

async function newestCells(tx: Queryable, attempts: readonly Attempt[]): Promise<Map<AttemptId, CellRecord>> {
  const rows = await tx.query<CellRow>({
    text: `select distinct on (attempt) attempt, cell, revision, summary from cell_summary where attempt = any($1) order by attempt, cell desc`,
    values: [attempts.map((each) => each.id)],
  })
  return new Map(rows.map((row) => [row.attempt, { ...row, balance: {} }]))
}

async function details(
  tx: Queryable,
  attempt: Attempt,
  holders: readonly string[],
  readFrom: Cell,
  factsFrom: number,
  cellsFrom: number,
) {
  const held = await tx.query<HeldRow>({
    text: 'select node, "from", "to", holder, slots from held where holder = any($1) and "from" >= $2 order by "from"',
    // A statement prices everything that was held, posted or not.
    values: [holders, Math.max(0, Math.min(readFrom, cellsFrom + CELL_MS))],
  })
  const facts = await tx.query<FactRow>({
    text: 'select source, sequence, attempt, at, sent_at, body from fact where attempt = $1 and at >= $2 order by at, source, sequence, sent_at',
    values: [attempt.id, factsFrom],
  })
  const cells = await tx.query<CellRow>({
    text: 'select attempt, cell, revision, summary from cell_summary where attempt = $1 and cell >= $2 order by cell',
    values: [attempt.id, cellsFrom],
  })
  const balances = await balancesOf(tx, attempt.id, cellsFrom)
  const sources = await tx.query<{ worker: string; last_line_at: EpochMs | null; observed_to: EpochMs | null }>({
    text: 'select worker, last_line_at, observed_to from log_cursor where attempt = $1',
    values: [attempt.id],
  })
  return {
    held: held.map(heldOf),
    facts: facts.map(factOf),
    cells: cells.map((row) => ({ ...row, balance: balances.get(row.cell) ?? {} })),
    sources: [
      ...sources.map((row) => ({
        source: `log:${row.worker}`,
        lastAt: row.last_line_at,
        observedTo: row.observed_to ?? epochMs(0),
      })),
      ...(await reportSources(tx, attempt.id)),
    ],
  }
}

async function balancesOf(tx: Queryable, attempt: AttemptId, from: number): Promise<Map<Cell, Balance>> {
  const rows = await tx.query<{ cell: Cell; account: string; gpu_ms: bigint }>({
    text: 'select cell, account, sum(gpu_ms) as gpu_ms from posting where attempt = $1 and cell >= $2 group by cell, account',
    values: [attempt, from],
  })
  const balances = new Map<Cell, Record<string, number>>()
  for (const row of rows) {
    const balance = balances.get(row.cell) ?? {}
    balance[row.account] = Number(row.gpu_ms)
    balances.set(row.cell, balance)
  }
  return balances
}

/**
 * Layer 1 of all nodes of the attempt is booked up to here. A released claim needs no more than its release, up to which its node was
 * booked then; the node may be forgotten since, and its books stand still.
 */
async function bookedTo(tx: Queryable, attempt: Attempt): Promise<EpochMs> {
  const rows = await tx.query<{ booked_to: number | null }>({
    text: `select coalesce(min(n.booked_to) filter (where c.released_at is null), max(c.released_at)) as booked_to
           from claim c join node n on n.id = c.node where c.attempt = $1`,
    values: [attempt.id],
  })
  return epochMs(rows[0]?.booked_to ?? 0)
}

async function writeAll(tx: Queryable, write: BooksWrite, now: EpochMs): Promise<boolean> {
  const { revisions, books } = write
  if (revisions.length > 0) {
    const inserted = await tx.query({
      text: `insert into cell_revision (attempt, cell, revision, posted_at)
             select a, c, r, $4 from unnest($1::text[], $2::bigint[], $3::int[]) as n(a, c, r)
             on conflict do nothing returning cell`,
      values: [...columns(revisions, (each) => [each.attempt, each.cell, each.revision]), now],
    })
    // All or nothing: the transaction is left without a trace by the exception that the caller turns into "read again".
    if (inserted.length !== revisions.length) throw new RevisionTaken()
    const lines = revisions.flatMap((each) =>
      Object.entries(each.lines).map(([account, gpuMs]) => ({ ...each, account, gpuMs })),
    )
    if (lines.length > 0) {
      await tx.query({
        text: `insert into posting (attempt, cell, revision, account, gpu_ms)
               select * from unnest($1::text[], $2::bigint[], $3::int[], $4::text[], $5::bigint[])`,
        values: columns(lines, (each) => [each.attempt, each.cell, each.revision, each.account, each.gpuMs]),
      })
    }
    await tx.query({
      text: `insert into cell_summary (attempt, cell, revision, last_step, summary)
             select * from unnest($1::text[], $2::bigint[], $3::int[], $4::bigint[], $5::jsonb[])
             on conflict (attempt, cell) do update set revision = excluded.revision, last_step = excluded.last_step, summary = excluded.summary`,
      values: columns(revisions, (each) => [
        each.attempt,
        each.cell,
        each.revision,
        lastStep(each.summary),
        JSON.stringify(each.summary),
      ]),
    })
  }
  // Facts that came in since these books were read are in none of the revisions: all that was written is due again.
  await tx.query({
    text: `update attempt_books set source = $2, posted_to = $3, basis = $4, closed = $5 and heard = $6,
             dirty_from = case when heard = $6 then null else least(dirty_from, $7) end where attempt = $1`,
    values: [
      books.attempt,
      books.source,
      books.postedTo,
      JSON.stringify(books.basis),
      books.closed,
      books.heard,
      revisions.length === 0 ? null : Math.min(...revisions.map((each) => each.cell)),
    ],
  })
  // Counted too: whoever writes those books from what was read before must know.
  for (const { attempt, afterStep } of write.reopen) {
    await tx.query({
      text: `update attempt_books b set heard = b.heard + 1, closed = b.closed and first.cell is null,
               dirty_from = least(b.dirty_from, first.cell)
             from (select min(cell) as cell from cell_summary where attempt = $1 and last_step > $2) first
             where b.attempt = $1`,
      values: [attempt, afterStep],
    })
  }
  return true
}

class RevisionTaken extends Error {}

export const isRevisionTaken = (error: unknown): boolean => error instanceof RevisionTaken

function lastStep(summary: CellSummary): number | null {
  return summary.marks.reduce<number | null>((last, mark) => Math.max(last ?? mark.step, mark.step), null)
}
