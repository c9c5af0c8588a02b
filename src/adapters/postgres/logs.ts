// Logs and the facts in them: one transaction for a chunk, its facts, the cursor, and the cells that the facts may change. Ingest
// writes facts, never the state of a run, and needs no leader: the cursor is the compare-and-set.
import type { AttemptId, ClusterName, WorkerId } from '../../domain/ids.ts'
import type { Cell, EpochMs } from '../../domain/units.ts'
import { CELL_MS, cellOf } from '../../domain/units.ts'
import type { IngestStore, LogAppend, LogCursor } from '../../ports/store.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Database, Queryable } from './pool.ts'
import { columns } from './pool.ts'

export function ingestStore(database: Database, clock: Clock): IngestStore {
  return {
    async logCursors() {
      const rows = await database.query<LogCursor>({
        text: `select l.worker, l.attempt, a.run, a.cluster, l."offset", a.living
               from log_cursor l join attempt a on a.id = l.attempt where not l.complete order by l.worker`,
        values: [],
      })
      return rows
    },
    async appendLogs(appends) {
      if (appends.length === 0) return
      await database.transaction('write', async (tx) => {
        const silent = await silentBefore(tx, appends)
        const won = await moveCursors(tx, appends)
        await reopenSilent(tx, won, silent)
        await saveChunks(tx, won, clock.now())
        await saveFacts(tx, won)
      })
    },
    async attemptsToForget() {
      return database.query<{ attempt: AttemptId; cluster: ClusterName }>({
        text: `select a.id as attempt, a.cluster from attempt a
               where not a.living and not a.forgotten
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

/** Only the appends whose cursor stood where the reader thought. */
async function moveCursors(tx: Queryable, appends: readonly LogAppend[]): Promise<LogAppend[]> {
  const moved = await tx.query<{ worker: WorkerId }>({
    text: `update log_cursor c set "offset" = n.next, last_line_at = coalesce(greatest(c.last_line_at, n.line), c.last_line_at, n.line),
             observed_to = coalesce(greatest(c.observed_to, n.observed), c.observed_to, n.observed), complete = n.complete
           from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[])
             as n(worker, was, next, line, observed, complete)
           where c.worker = n.worker and c."offset" = n.was and not c.complete
           returning c.worker`,
    values: columns(appends, (each) => [
      each.worker,
      each.fromOffset,
      each.nextOffset,
      each.lastLineAt,
      each.observedTo,
      each.complete,
    ]),
  })
  const names = new Set(moved.map((row) => row.worker))
  return appends.filter((append) => names.has(append.worker))
}

/** Up to where each log was known, as cells; of those that this append makes known further. */
async function silentBefore(tx: Queryable, appends: readonly LogAppend[]): Promise<Map<WorkerId, Cell | null>> {
  const rows = await tx.query<{ worker: WorkerId; observed_to: EpochMs | null }>({
    text: `select c.worker, c.observed_to from log_cursor c join unnest($1::text[], $2::bigint[]) as n(worker, observed) on c.worker = n.worker
           where n.observed is not null and (c.observed_to is null or c.observed_to < n.observed)`,
    values: columns(appends, (each) => [each.worker, each.observedTo]),
  })
  return new Map(rows.map((row) => [row.worker, row.observed_to === null ? null : cellOf(row.observed_to)]))
}

/** Cells that were posted while nobody read the log had its silence as unknown: now it is known to be silence. */
async function reopenSilent(
  tx: Queryable,
  won: readonly LogAppend[],
  silent: ReadonlyMap<WorkerId, Cell | null>,
): Promise<void> {
  const known = won.filter((append) => silent.has(append.worker))
  if (known.length === 0) return
  await tx.query({
    text: `with silent as (
             select n.attempt, min(coalesce(n.cell, (select min(s.cell) from cell_summary s where s.attempt = n.attempt))) as cell
             from unnest($1::text[], $2::bigint[]) as n(attempt, cell) group by n.attempt
           ), locked as (
             select b.attempt, silent.cell from attempt_books b join silent on silent.attempt = b.attempt
             where b.posted_to >= silent.cell order by b.attempt for update of b
           )
           update attempt_books b set closed = false, heard = b.heard + 1, dirty_from = least(b.dirty_from, locked.cell)
           from locked where b.attempt = locked.attempt`,
    values: columns(known, (each) => [each.attempt, silent.get(each.worker) ?? null]),
  })
}

async function saveChunks(tx: Queryable, appends: readonly LogAppend[], now: number): Promise<void> {
  const chunks = appends.filter((append) => append.bytes.length > 0)
  if (chunks.length === 0) return
  await tx.query({
    text: `insert into log_chunk (worker, "offset", next_offset, written_at, bytes)
           select worker, start, next, $5, bytes from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[]) as n(worker, start, next, bytes)`,
    values: [
      ...columns(chunks, (each) => [
        each.worker,
        each.nextOffset - each.bytes.length,
        each.nextOffset,
        Buffer.from(each.bytes),
      ]),
      now,
    ],
  })
}

async function saveFacts(tx: Queryable, appends: readonly LogAppend[]): Promise<void> {
  const facts = appends.flatMap((append) => append.facts)
  if (facts.length === 0) return
  const earliest = new Map<AttemptId, Cell>()
  for (const fact of facts) {
    const cell = cellOf(fact.at)
    const old = earliest.get(fact.attempt)
    if (old === undefined || cell < old) earliest.set(fact.attempt, cell)
  }
  // Counted and locked first, so that a writer of these books and this one see each other whole, whoever comes second.
  await tx.query({
    text: `with heard as (select attempt from attempt_books where attempt = any($1) order by attempt for update)
           update attempt_books b set heard = b.heard + 1 from heard where b.attempt = heard.attempt`,
    values: [[...earliest.keys()]],
  })
  // Before the facts are written: the first mark after the posted cells covers back into them, however late it comes. A fact reopens
  // from the newest earlier cell that has a mark of its own and no open phase on; what is not posted yet needs no reopening.
  await tx.query({
    text: `update attempt_books b set closed = false, dirty_from = least(b.dirty_from,
               coalesce((select max(s.cell) from cell_summary s where s.attempt = n.attempt and s.cell < n.cell
                           and (s.summary->'carry'->>'lastMarkAt')::bigint >= s.cell and s.summary->'carry'->'phases' = '[]'::jsonb),
                        (select min(s.cell) from cell_summary s where s.attempt = n.attempt), n.cell))
           from unnest($1::text[], $2::bigint[]) as n(attempt, cell)
           where b.attempt = n.attempt and b.posted_to is not null
             and (n.cell < b.posted_to + $3 or not exists (
               select 1 from fact f where f.attempt = n.attempt and f.at >= b.posted_to + $3 and f.body->>'kind' = 'step' and f.source = b.source))`,
    values: [...columns([...earliest], ([attempt, cell]) => [attempt, cell]), CELL_MS],
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
