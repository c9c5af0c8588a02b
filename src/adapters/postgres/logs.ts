// Logs and the facts in them: one transaction for a chunk, its facts, the cursor, and the cells that the facts may change. Ingest
// writes facts, never the state of a run, and needs no leader: the cursor is the compare-and-set.
import type { Fact } from '../../domain/fact.ts'
import type { AttemptId, ClusterName, RunId, WorkerId } from '../../domain/ids.ts'
import { runOfAttempt } from '../../domain/ids.ts'
import type { Kept, LogCut } from '../../domain/log-limit.ts'
import { keptOf, logCutEvent } from '../../domain/log-limit.ts'
import type { EpochMs } from '../../domain/units.ts'
import { CELL_MS, cellOf, epochMs } from '../../domain/units.ts'
import type { IngestStore, LogAppend, LogCursor } from '../../ports/store.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Database, Queryable } from './pool.ts'
import { columns } from './pool.ts'

export function ingestStore(database: Database, clock: Clock): IngestStore {
  return {
    async logCursors() {
      const rows = await database.query<LogCursor>({
        text: `select l.worker, l.attempt, a.run, a.cluster, l."offset", l.mark, l.spool, l.observed_to as "observedTo", a.living
               from log_cursor l join attempt a on a.id = l.attempt where not l.complete order by l.worker`,
        values: [],
      })
      return rows
    },
    async appendLogs(appends, bytesMax) {
      if (appends.length === 0) return
      await database.transaction('write', async (tx) => {
        const { won, looked } = await moveCursors(tx, appends)
        // Before the books: whoever has both locked them in this order.
        const kept = await keep(tx, won, bytesMax)
        await reopenLooked(tx, looked)
        await saveChunks(tx, kept, clock.now())
        const facts = won.flatMap((append) => append.facts)
        await saveFacts(tx, facts)
      })
    },
    async keepTail(attempt, worker, bytes) {
      await database.query({
        text: `with made as (
                 insert into log_cursor (worker, attempt, "offset", complete) values ($1, $2, octet_length($3::bytea), true)
                 on conflict do nothing returning worker)
               insert into log_chunk (worker, "offset", next_offset, written_at, bytes)
               select worker, 0, octet_length($3::bytea), $4, $3::bytea from made where octet_length($3::bytea) > 0`,
        values: [worker, attempt, Buffer.from(bytes), clock.now()],
      })
    },
    async attemptsToForget() {
      return database.query<{ attempt: AttemptId; cluster: ClusterName }>({
        text: `select a.id as attempt, a.cluster from attempt a
               where not a.living and not a.forgotten
                 and not exists (select 1 from run r where r.id = a.run and r.image ? 'fence')
                 and not exists (select 1 from log_cursor l where l.attempt = a.id and not l.complete)
               order by a.id limit 100`,
        values: [],
      })
    },
    async forgotten(attempts) {
      await database.query({ text: 'update attempt set forgotten = true where id = any($1)', values: [attempts] })
    },
  }
}

/** How far a log had been read to its end before, and now. */
type Looked = { readonly attempt: AttemptId; readonly before: number | null; readonly after: number | null }

/** `isCut`: nothing of this log is stored any more. */
type Won = LogAppend & { readonly isCut: boolean }

/** Only the appends whose cursor stood where the reader thought. */
async function moveCursors(tx: Queryable, appends: readonly LogAppend[]): Promise<{ won: Won[]; looked: Looked[] }> {
  const moved = await tx.query<Looked & { worker: WorkerId; cut: boolean }>({
    text: `with n as (
             select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[], $7::text[], $8::text[])
               as n(worker, was, next, line, observed, complete, mark, spool)),
           old as (
             select c.worker, c.observed_to from log_cursor c join n on n.worker = c.worker
             where c."offset" = n.was and not c.complete order by c.worker for update of c)
           update log_cursor c set "offset" = n.next, mark = n.mark, spool = coalesce(n.spool, c.spool), last_line_at = coalesce(greatest(c.last_line_at, n.line), c.last_line_at, n.line),
             observed_to = coalesce(greatest(c.observed_to, n.observed), c.observed_to, n.observed), complete = n.complete
           from n join old on old.worker = n.worker
           where c.worker = n.worker and c."offset" = n.was and not c.complete
           returning c.worker, c.attempt, old.observed_to as before, c.observed_to as after, c.stored_to is not null as cut`,
    values: columns(appends, (each) => [
      each.worker,
      each.fromOffset,
      each.nextOffset,
      each.lastLineAt,
      each.observedTo,
      each.complete,
      each.mark,
      each.spool,
    ]),
  })
  const rows = new Map(moved.map((row) => [row.worker, row]))
  const won = appends.flatMap((append) => {
    const row = rows.get(append.worker)
    return row === undefined ? [] : [{ ...append, isCut: row.cut }]
  })
  return { won, looked: moved }
}

/**
 * Silence that is now known to be silence changes what was posted before it was: those cells are due again. Told once a cell while the
 * attempt lives, since a living one's newest cell is not posted before its log was read that far.
 */
export async function reopenLooked(tx: Queryable, looked: readonly Looked[]): Promise<void> {
  const rows = looked.flatMap(({ attempt, before, after }) => {
    if (after === null || (before !== null && after <= before)) return []
    const cell = before === null ? null : cellOf(epochMs(before))
    return [{ attempt, cell, crosses: cell === null || cell !== cellOf(epochMs(after)) }]
  })
  if (rows.length === 0) return
  await tx.query({
    text: `with n as (
             select n.attempt, min(coalesce(n.cell, (select min(s.cell) from cell_summary s where s.attempt = n.attempt))) as cell
             from unnest($1::text[], $2::bigint[], $3::boolean[]) as n(attempt, cell, crosses) join attempt a on a.id = n.attempt
             where n.crosses or not a.living group by n.attempt),
           heard as (
             select b.attempt, n.cell, n.cell <= b.posted_to as posted from attempt_books b join n on n.attempt = b.attempt
             order by b.attempt for update of b)
           update attempt_books b set heard = b.heard + 1, closed = b.closed and heard.posted is not true,
             dirty_from = case when heard.posted then least(b.dirty_from, heard.cell) else b.dirty_from end
           from heard where b.attempt = heard.attempt`,
    values: columns(rows, (each) => [each.attempt, each.cell, each.crosses]),
  })
}

/** What is stored of the appends. The count of a run is locked with its first bytes, so that two readers see each other whole. */
async function keep(tx: Queryable, won: readonly Won[], bytesMax: number): Promise<Kept<Won>[]> {
  const runs = [
    ...Map.groupBy(
      won.filter(({ bytes }) => bytes.length > 0),
      ({ attempt }) => runOfAttempt(attempt),
    ),
  ]
  if (runs.length === 0) return []
  const sizeOf = (appends: readonly Won[]): number => appends.reduce((sum, { bytes }) => sum + bytes.length, 0)
  const counts = await tx.query<{ run: RunId; printed: number; cut: LogCut | null }>({
    text: `insert into run_log as l (run, printed) select * from unnest($1::text[], $2::bigint[]) as n(run, bytes) order by run
           on conflict (run) do update set printed = l.printed + excluded.printed returning run, printed, cut`,
    values: columns(runs, ([run, appends]) => [run, sizeOf(appends)]),
  })
  const appendsOf = new Map(runs)
  const kept = counts.map(({ run, printed, cut }) => {
    const appends = appendsOf.get(run) ?? []
    return { cut, kept: keptOf(appends, printed - sizeOf(appends), bytesMax) }
  })
  for (const each of kept) await saveCuts(tx, each.kept, each.cut !== null, bytesMax)
  return kept.flatMap((each) => each.kept)
}

/** Where logs end for good, and the first time that one of the run does. */
async function saveCuts(tx: Queryable, kept: readonly Kept<Won>[], isTold: boolean, bytesMax: number): Promise<void> {
  const cuts = kept.filter((each) => each.cuts)
  const [first] = cuts
  if (first === undefined) return
  await tx.query({
    text: `update log_cursor c set stored_to = n.stored_to from unnest($1::text[], $2::bigint[]) as n(worker, stored_to) where c.worker = n.worker`,
    values: columns(cuts, ({ slice, bytes }) => [slice.worker, beginOf(slice) + bytes.length]),
  })
  if (isTold) return
  const { worker, attempt, readAt } = first.slice
  const cut: LogCut = { at: readAt, worker, bytesMax }
  const { run, at, kind, message } = logCutEvent(attempt, cut)
  await tx.query({ text: 'update run_log set cut = $2 where run = $1', values: [run, JSON.stringify(cut)] })
  await tx.query({
    text: 'insert into event (run, at, kind, message) values ($1, $2, $3, $4)',
    values: [run, at, kind, message],
  })
}

const beginOf = ({ nextOffset, bytes }: LogAppend): number => nextOffset - bytes.length

async function saveChunks(tx: Queryable, kept: readonly Kept<Won>[], now: number): Promise<void> {
  if (kept.length === 0) return
  await tx.query({
    text: `insert into log_chunk (worker, "offset", next_offset, written_at, bytes)
           select worker, start, next, $5, bytes from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[]) as n(worker, start, next, bytes)`,
    values: [
      ...columns(kept, ({ slice, bytes }) => [
        slice.worker,
        beginOf(slice),
        beginOf(slice) + bytes.length,
        Buffer.from(bytes),
      ]),
      now,
    ],
  })
}

/** Facts, and the cells that they may change. */
export async function saveFacts(tx: Queryable, facts: readonly Fact[]): Promise<void> {
  if (facts.length === 0) return
  const earliest = new Map<AttemptId, EpochMs>()
  for (const fact of facts) {
    const old = earliest.get(fact.attempt)
    if (old === undefined || fact.at < old) earliest.set(fact.attempt, fact.at)
  }
  // Counted and locked first, so that a writer of these books and this one see each other whole, whoever comes second.
  await tx.query({
    text: `with heard as (select attempt from attempt_books where attempt = any($1) order by attempt for update)
           update attempt_books b set heard = b.heard + 1 from heard where b.attempt = heard.attempt`,
    values: [[...earliest.keys()]],
  })
  // Before the facts are written: the first mark after the posted cells covers back into them, however late it comes, and so does one
  // that comes before it in time. A fact reopens from the newest earlier cell that has a mark of its own and no open phase on; what is
  // not posted yet needs no reopening. Of closed books nothing is still to be posted: whatever comes after them opens them.
  await tx.query({
    text: `update attempt_books b set closed = false, dirty_from = least(b.dirty_from,
               coalesce((select max(s.cell) from cell_summary s where s.attempt = n.attempt and s.cell < n.cell
                           and (s.summary->'carry'->>'lastMarkAt')::bigint >= s.cell and s.summary->'carry'->'phases' = '[]'::jsonb),
                        (select min(s.cell) from cell_summary s where s.attempt = n.attempt), n.cell))
           from unnest($1::text[], $2::bigint[], $3::bigint[]) as n(attempt, cell, at)
           where b.attempt = n.attempt and b.posted_to is not null
             and (b.closed or n.cell < b.posted_to + $4 or not exists (
               select 1 from fact f where f.attempt = n.attempt and f.at >= b.posted_to + $4 and f.at <= n.at and f.body->>'kind' = 'step' and (f.source = b.source or starts_with(f.source, b.source || ':'))))`,
    values: [...columns([...earliest], ([attempt, at]) => [attempt, cellOf(at), at]), CELL_MS],
  })
  await tx.query({
    text: `insert into fact (source, sequence, attempt, at, sent_at, body)
           select * from unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::jsonb[])
           on conflict do nothing`,
    values: columns(facts, (each) => [
      each.source,
      each.sequence,
      each.attempt,
      each.at,
      each.sentAt,
      JSON.stringify(each.body),
    ]),
  })
}
