// Reads for people. Each is one snapshot, bounded by a page or a window.
import type { CellRecord } from '../../domain/books.ts'
import type { EfficiencyRead } from '../../domain/efficiency.ts'
import type { AttemptId, NodeId, RunId } from '../../domain/ids.ts'
import { LOG_CHUNKS_A_PAGE_MAX, SAVES_READ_MAX } from '../../domain/limits.ts'
import type { LogCut } from '../../domain/log-limit.ts'
import type { Run } from '../../domain/run.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { LedgerRead, ViewStore } from '../../ports/store.ts'
import { readAll } from './books.ts'
import type { Database, Queryable } from './pool.ts'
import type { AttemptRow, ClaimRow, HeldRow, NodeRow, RunRow } from './rows.ts'
import { tableStore } from './table.ts'
import { attemptOf, claimOf, heldOf, nodeOf, runOf } from './rows.ts'

type FirstCell = Parameters<ViewStore['statementRead']>[1]

export function viewStore(database: Database): ViewStore {
  return {
    ...tableStore(database),
    async runsPage(filter, limit, before) {
      const rows = await database.query<RunRow>({
        text: `select image, version from (
                 select id, image, version, project, state from run
                 union all
                 select id, image, version, project, state from run_ended
               ) runs
               where ($1::text[] is null or project = any($1)) and ($2::text is null or state = $2) and ($3::text is null or id < $3)
               order by id desc limit $4`,
        values: [filter.projects, filter.state, before, limit],
      })
      return rows.map(runOf)
    },
    attemptsOf: (run) => database.transaction('read', (tx) => attemptsOf(tx, run)),
    efficiencyRead: (run) => database.transaction('read', (tx) => efficiencyRead(tx, run)),
    statementRead: (run, firstCell) => database.transaction('read', (tx) => statementRead(tx, run, firstCell)),
    ledgerRead: (from, to, firstCell) => database.transaction('read', (tx) => ledgerRead(tx, from, to, firstCell)),
    async events(run, limit, after) {
      return database.query({
        text: 'select id, run, at, kind, message from event where run = $1 and id > $2 order by id limit $3',
        values: [run, after, limit],
      })
    },
    async log(worker, asked, bytesMax) {
      const [cursor] = await database.query<{ complete: boolean; cut: boolean; end: number }>({
        text: `select complete, stored_to is not null as cut, coalesce(stored_to, "offset") as "end" from log_cursor where worker = $1`,
        values: [worker],
      })
      const end = cursor?.end ?? 0
      const offset = asked < 0 ? Math.max(0, end + asked) : asked
      // A log of which little comes at a time has many small chunks.
      const rows = await database.query<{ offset: number; next_offset: number; bytes: Buffer }>({
        text: `select "offset", next_offset, bytes from (
                 select *, sum(octet_length(bytes)) over (order by "offset") - octet_length(bytes) as before from (
                   select "offset", next_offset, bytes from log_chunk where worker = $1 and next_offset > $2
                   order by "offset" limit ${LOG_CHUNKS_A_PAGE_MAX}
                 ) chunks
               ) sized where before < $3 order by "offset"`,
        values: [worker, offset, bytesMax],
      })
      const parts: Uint8Array[] = []
      let at = offset
      let size = 0
      for (const row of rows) {
        if (size > 0 && size + row.bytes.length > bytesMax) break
        const skip = Math.max(0, offset - row.offset)
        if (parts.length === 0) at = row.offset + skip
        parts.push(row.bytes.subarray(skip))
        size += row.bytes.length - skip
      }
      const nextOffset = parts.length === 0 ? offset : at + size
      return {
        offset: at,
        bytes: Buffer.concat(parts),
        nextOffset,
        complete: (cursor?.complete ?? true) && nextOffset >= end,
        cut: cursor?.cut ?? false,
      }
    },
    async logCut(run) {
      const rows = await database.query<{ cut: LogCut | null }>({
        text: 'select cut from run_log where run = $1',
        values: [run],
      })
      return rows[0]?.cut ?? null
    },
    async audit(limit, before) {
      return database.query({
        text: 'select id, at, actor, verb, target, detail from audit where ($1::bigint is null or id < $1) order by id desc limit $2',
        values: [before, limit],
      })
    },
    async policy() {
      const rows = await database.query<{ version: number; document: unknown }>({
        text: 'select version, document from policy order by version desc limit 1',
        values: [],
      })
      return rows[0] ?? null
    },
  }
}

async function attemptsOf(tx: Queryable, run: RunId) {
  const attempts = await tx.query<AttemptRow>({
    text: 'select image from attempt where run = $1 order by number',
    values: [run],
  })
  const claims = await tx.query<ClaimRow>({ text: 'select image from claim where run = $1 order by id', values: [run] })
  const newest = await tx.query<CellRecord>({
    text: `select distinct on (attempt) attempt, cell, revision, summary, '{}'::jsonb as balance from cell_summary
           where attempt = any($1) order by attempt, cell desc`,
    values: [attempts.map((row) => row.image.id)],
  })
  return { attempts: attempts.map(attemptOf), claims: claims.map(claimOf), newest }
}

async function statementRead(tx: Queryable, run: RunId, firstCell: FirstCell) {
  const ids = await tx.query<{ id: AttemptId }>({
    text: 'select id from attempt where run = $1 order by number',
    values: [run],
  })
  const books = await readAll(
    tx,
    ids.map((row) => row.id),
    firstCell,
    true,
  )
  const nodes = await tx.query<NodeRow>({
    text: `select image, version, booked_to, last_observed from node
           where id in (select node from claim where run = $1 and released_at is null)`,
    values: [run],
  })
  const claims = await tx.query<ClaimRow>({
    text: 'select image from claim where released_at is null and node = any($1)',
    values: [nodes.map((row) => row.image.id)],
  })
  const holdClaims = await tx.query<ClaimRow>({
    text: 'select image from claim where run = $1 and attempt is null',
    values: [run],
  })
  const holds = await tx.query<HeldRow>({
    text: 'select node, "from", "to", holder, slots from held where holder = $1',
    values: [`restart:${run}`],
  })
  return {
    books,
    nodes: nodes.map(nodeOf),
    claims: claims.map(claimOf),
    holds: holds.map(heldOf),
    holdClaims: holdClaims.map(claimOf),
  }
}

async function efficiencyRead(tx: Queryable, run: RunId): Promise<EfficiencyRead> {
  const ranOn = await tx.query<EfficiencyRead['ranOn'][number]>({
    text: `select distinct c.attempt, n.image->>'gpuModel' as "gpuModel", (n.image->>'declared')::boolean as declared
           from claim c join node n on n.id = c.node where c.run = $1 and c.attempt is not null`,
    values: [run],
  })
  const saves = await tx.query<EfficiencyRead['saves'][number]>({
    text: `select * from (
             select f.attempt, (f.body->>'step')::bigint as step, min(f.at) as at from fact f join attempt a on a.id = f.attempt
             where a.run = $1 and f.body->>'kind' = 'saved' group by 1, 2 order by at desc, step desc limit $2
           ) newest order by at, step`,
    values: [run, SAVES_READ_MAX],
  })
  return { ranOn, saves }
}

async function ledgerRead(tx: Queryable, from: EpochMs, to: EpochMs, firstCell: FirstCell): Promise<LedgerRead> {
  const nodes = await tx.query<NodeRow>({
    text: 'select image, version, booked_to, last_observed from node',
    values: [],
  })
  const inventory = await tx.query<{ node: NodeId; since: EpochMs; slots: number }>({
    text: 'select node, since, slots from inventory order by node, since',
    values: [],
  })
  const living = await tx.query<ClaimRow>({ text: 'select image from claim where released_at is null', values: [] })
  const held = await tx.query<{ node: NodeId; holder: string; gpu_ms: bigint }>({
    text: `select node, holder, sum(slots * ("to" - "from")) as gpu_ms from held where "from" >= $1 and "from" < $2 group by node, holder`,
    values: [from, to],
  })
  // The newest image of each holder says whose it is; a run's restart holds share a name and a run.
  const holders = await tx.query<ClaimRow>({
    text: `select distinct on (holder) image from claim
           where placed_at < $2 and (released_at is null or released_at >= $1) order by holder, id desc`,
    values: [from, to],
  })
  const postings = await tx.query<{ attempt: AttemptId; account: string; gpu_ms: bigint }>({
    text: 'select attempt, account, sum(gpu_ms) as gpu_ms from posting where cell >= $1 and cell < $2 group by attempt, account',
    values: [from, to],
  })
  const open = await tx.query<{ attempt: AttemptId }>({
    text: `select b.attempt from attempt_books b join attempt a on a.id = b.attempt
           where not b.closed and (a.living or coalesce(b.posted_to, 0) < $1) order by b.attempt`,
    values: [to],
  })
  const books = await readAll(
    tx,
    open.map((row) => row.attempt),
    firstCell,
    false,
  )
  const runIds = [...new Set(holders.map((row) => row.image.run))]
  const runs = await tx.query<RunRow>({
    text: 'select image, version from run where id = any($1) union all select image, version from run_ended where id = any($1)',
    values: [runIds],
  })
  return {
    nodes: nodes.map(nodeOf),
    inventory,
    claims: living.map(claimOf),
    held: held.map((row) => ({ node: row.node, holder: row.holder, gpuMs: Number(row.gpu_ms) })),
    holders: holders.map(claimOf),
    postings: postings.map((row) => ({ attempt: row.attempt, account: row.account, gpuMs: Number(row.gpu_ms) })),
    open: books,
    runs: runs.map(runOf) satisfies Run[],
  }
}
