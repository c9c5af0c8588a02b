// Partitions by time: made ahead, and dropped when what is in them is old enough. The books and the audit log stay. Whoever does it twice,
// or beside another, changes nothing.
import type { DurationMs, EpochMs } from '../../domain/units.ts'
import type { Database } from './pool.ts'

export type Retention = {
  readonly facts: DurationMs
  readonly logs: DurationMs
  readonly experts: DurationMs
  readonly feed: DurationMs
}

export type Upkeep = {
  readonly made: number
  readonly dropped: number
  /** Attempts whose expert load was forgotten. */
  readonly forgotten: number
  /** Tables whose rows of now go to the DEFAULT partition, where no retention is cheap. */
  readonly unpartitioned: readonly string[]
}

/** How many attempts' expert load goes in one transaction: rows of a large run are many. */
const ATTEMPTS_MAX = 20
const REQUEST_KEYS_MS = 30 * 24 * 3_600_000
/** Messages with their tries, and who silenced and acknowledged what: the audit log keeps the acts. */
const ALERTS_MS = 90 * 24 * 3_600_000

/** What budgets spent by day, for their forecasts and a look a year back; the books keep all of it. */
const SPENT_MS = 400 * 24 * 3_600_000

const KEYS = { fact: 'sent_at', log_chunk: 'written_at', feed: 'at', audit: 'at', held: '"from"', posting: 'cell' }

/** Before anything is written: a day that was begun in the DEFAULT partition ends there. */
export async function makePartitions(database: Database, now: EpochMs): Promise<number> {
  const [made] = await database.query<{ count: number }>({
    text: 'select make_partitions($1) as count',
    values: [now],
  })
  return made?.count ?? 0
}

export async function upkeep(database: Database, now: EpochMs, retention: Retention): Promise<Upkeep> {
  const made = await makePartitions(database, now)
  let dropped = 0
  for (const [table, before] of [
    ['fact', now - retention.facts],
    ['log_chunk', now - retention.logs],
    ['feed', now - retention.feed],
  ] as const) {
    const [row] = await database.query<{ count: number }>({
      text: 'select drop_partitions($1, $2) as count',
      values: [table, before],
    })
    dropped += row?.count ?? 0
  }
  await database.query({ text: 'delete from request_key where created_at < $1', values: [now - REQUEST_KEYS_MS] })
  await database.query({ text: 'delete from budget_spent where day < $1', values: [now - SPENT_MS] })
  for (const old of [
    `delete from notice where ended_at < $1`,
    `delete from told where at < $1 and state = 'resolved'`,
    'delete from silence where ends_at < $1',
    'delete from acknowledgement where at < $1',
  ])
    await database.query({ text: old, values: [now - ALERTS_MS] })
  return {
    made,
    dropped,
    forgotten: await forgetAllExperts(database, now - retention.experts),
    unpartitioned: await unpartitioned(database, now),
  }
}

/** A transaction of a few attempts, again and again until none is left. */
async function forgetAllExperts(database: Database, before: number): Promise<number> {
  let forgotten = 0
  for (;;) {
    const some = await forgetExperts(database, before)
    forgotten += some
    if (some < ATTEMPTS_MAX) return forgotten
  }
}

async function forgetExperts(database: Database, before: number): Promise<number> {
  const attempts = await database.query<{ attempt: string }>({
    text: `select distinct l.attempt from expert_layers l join attempt a on a.id = l.attempt
           where not a.living and (a.image->>'endedAt')::bigint < $1 limit $2`,
    values: [before, ATTEMPTS_MAX],
  })
  if (attempts.length === 0) return 0
  const ids = attempts.map(({ attempt }) => attempt)
  await database.transaction('write', async (tx) => {
    for (const table of ['expert_frame', 'expert_measure', 'expert_rollup', 'expert_pending', 'expert_layers'])
      await tx.query({ text: `delete from ${table} where attempt = any($1)`, values: [ids] })
  })
  return ids.length
}

/** A table whose partition of now could not be made, since rows of it were in the DEFAULT one already: true for days after an upgrade. */
async function unpartitioned(database: Database, now: EpochMs): Promise<string[]> {
  const found: string[] = []
  for (const [table, key] of Object.entries(KEYS)) {
    const [row] = await database.query<{ used: boolean }>({
      text: `select exists(select 1 from ${table}_default where ${key} between $1 and $2) as used`,
      values: [now - 3_600_000, now],
    })
    if (row?.used === true) found.push(table)
  }
  return found
}
