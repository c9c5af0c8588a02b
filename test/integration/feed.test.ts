// The change feed, partitions and retention on a real PostgreSQL.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { feedOf } from '../../src/adapters/postgres/feed.ts'
import type { Database } from '../../src/adapters/postgres/pool.ts'
import { postgresStore } from '../../src/adapters/postgres/store.ts'
import { upkeep } from '../../src/adapters/postgres/upkeep.ts'
import { measureFrame } from '../../src/core/experts/measures.ts'
import { nodeOf, runOf } from '../../src/domain/fixture.ts'
import type { DurationMs } from '../../src/domain/units.ts'
import { epochMs } from '../../src/domain/units.ts'
import type { Feed, FeedChange, FeedPosition } from '../../src/ports/feed.ts'
import type { Store } from '../../src/ports/store.ts'
import { policyOf, auditOf, register, submissionOf, T0 } from '../conformance/things.ts'
import { PostgresBenches, StandingClock } from '../parts/stores.ts'

const DAY = 86_400_000
const days = (count: number): DurationMs => (count * DAY) as DurationMs
const RETENTION = { facts: days(90), logs: days(30), experts: days(90), feed: days(1) }

let benches: PostgresBenches
before(async () => {
  benches = await PostgresBenches.start()
})
after(() => benches.stop())

async function withFeed(work: (it: { database: Database; feed: Feed; store: Store }) => Promise<void>): Promise<void> {
  const database = benches.database(await benches.fresh())
  const store = postgresStore(database, new StandingClock(T0), { blindAfterMs: 60_000, measure: measureFrame })
  try {
    await store.applyPolicy(policyOf(1_000), {}, auditOf('policy.apply'))
    await work({ database, feed: feedOf(database), store })
  } finally {
    await database.end()
  }
}

/** All changes after a position, page by page. */
async function readAll(
  feed: Feed,
  from: FeedPosition,
  page = 3,
): Promise<{ changes: FeedChange[]; position: FeedPosition }> {
  const changes: FeedChange[] = []
  for (let position = from; ;) {
    const read = await feed.feedAfter(position, page, true)
    assert.ok(read !== null)
    changes.push(...read.changes)
    position = read.position
    if (!read.more) return { changes, position }
  }
}

const names = (changes: readonly FeedChange[]): string[] => changes.map(({ kind, id }) => `${kind} ${id}`)

test('what is committed comes in order, once, with its image', () =>
  withFeed(async ({ feed, store }) => {
    const begin = await feed.feedPosition()
    const run = runOf(1)
    await store.submit(submissionOf(run))
    assert.equal((await store.commit(null, [register(nodeOf('n1'))])).kind, 'committed')
    await store.pauseQueue(true, 'a look', auditOf('queue.pause'))
    const { changes, position } = await readAll(feed, begin, 1)
    assert.deepEqual(names(changes), [`run ${run.id}`, `node ${nodeOf('n1').id}`, 'queue queue'])
    assert.equal(changes[0]?.run, run.id)
    assert.equal((changes[0]?.image as { image: { name: string } } | undefined)?.image.name, run.name)
    assert.deepEqual((await readAll(feed, position)).changes, [])
    assert.equal((await feed.feedAfter(begin, 10, false))?.changes[0]?.image, null)
  }))

test('a heartbeat of a node is no change', () =>
  withFeed(async ({ database, feed, store }) => {
    await store.commit(null, [register(nodeOf('n1'))])
    const begin = await feed.feedPosition()
    await database.query({ text: 'update node set last_observed = last_observed + 1', values: [] })
    assert.deepEqual((await readAll(feed, begin)).changes, [])
    await database.query({ text: 'update node set version = version + 1', values: [] })
    assert.equal((await readAll(feed, begin)).changes.length, 1)
  }))

test('a transaction that commits late hides what came after it, and nothing is missed', () =>
  withFeed(async ({ database, feed }) => {
    const begin = await feed.feedPosition()
    const late = Promise.withResolvers<void>()
    const written = Promise.withResolvers<void>()
    const first = database.transaction('write', async (tx) => {
      await tx.query({ text: `update project set quota_gpus = 1 where name = 'team'`, values: [] })
      written.resolve()
      await late.promise
    })
    await written.promise
    await database.query({ text: `update project set quota_gpus = 2 where name = 'default'`, values: [] })
    const early = await feed.feedAfter(begin, 10, true)
    assert.deepEqual(early?.changes, [])
    late.resolve()
    await first
    const { changes } = await readAll(feed, early?.position ?? '')
    assert.deepEqual(names(changes), ['project team', 'project default'])
  }))

test('of shuffled and repeated images the highest version of each item is what the table has', () =>
  withFeed(async ({ database, feed }) => {
    const begin = await feed.feedPosition()
    for (let step = 0; step < 40; step += 1) {
      const name = step % 3 === 0 ? 'team' : 'default'
      await database.query({
        text: 'update project set quota_gpus = $2 where name = $1',
        values: [name, (step * 7) % 11],
      })
    }
    const { changes } = await readAll(feed, begin)
    assert.equal(changes.length, 40)
    const shuffled = [...changes, ...changes].toSorted(
      (a, b) => ((a.version * 7919) % 101) - ((b.version * 7919) % 101),
    )
    const kept = new Map<string, FeedChange>()
    for (const change of shuffled) {
      if ((kept.get(change.id)?.version ?? -1) < change.version) kept.set(change.id, change)
    }
    const rows = await database.query<{ name: string; quota_gpus: number }>({
      text: 'select name, quota_gpus from project',
      values: [],
    })
    for (const { name, quota_gpus } of rows)
      assert.equal((kept.get(name)?.image as { quota_gpus: number } | undefined)?.quota_gpus, quota_gpus)
  }))

test('a position that is nonsense, of another database, of the future or older than what is kept is unknown', () =>
  withFeed(async ({ database, feed }) => {
    const begin = await feed.feedPosition()
    const [feedId, xid] = begin.split('.')
    for (const position of [
      '',
      'x',
      `${feedId}.1`,
      `00000000-0000-4000-8000-000000000000.${xid}.0`,
      `${feedId}.${Number(xid) + 1_000_000}.0`,
    ])
      assert.equal(await feed.feedAfter(position, 10, true), null, position)
    await database.query({ text: `update project set quota_gpus = 1 where name = 'team'`, values: [] })
    await database.query({ text: 'update feed set at = $1', values: [T0] })
    await upkeep(database, epochMs(T0 + 3 * DAY), RETENTION)
    assert.equal(await feed.feedAfter(begin, 10, true), null)
    const again = await feed.feedPosition()
    assert.deepEqual((await readAll(feed, again)).changes, [])
  }))

test('partitions are made for days ahead, take the rows, and are dropped when they are old; books and audit stay', () =>
  withFeed(async ({ database }) => {
    const count = async (table: string): Promise<number> => {
      const [row] = await database.query<{ rows: number }>({
        text: `select count(*) as rows from ${table}`,
        values: [],
      })
      return row?.rows ?? 0
    }
    // The audit row of the policy lies in the default partition: this month stays there, the months after it do not.
    const first = await upkeep(database, epochMs(T0), RETENTION)
    assert.equal(first.made, 3 * 4 + 4 * 4 - 1)
    assert.deepEqual(first.unpartitioned, ['audit'])
    assert.equal((await upkeep(database, epochMs(T0), RETENTION)).made, 0)
    assert.equal((await upkeep(database, epochMs(T0 + DAY), RETENTION)).made, 3)
    for (const at of [T0, T0 + DAY]) {
      await database.query({
        text: `insert into fact (source, sequence, attempt, at, sent_at, body) values ('s', 1, 'a', $1, $1, '{"kind":"step"}')`,
        values: [at],
      })
      await database.query({
        text: `insert into log_chunk (worker, "offset", next_offset, written_at, bytes) values ('w', $1 - $2::bigint, $1, $1, 'x')`,
        values: [at, T0],
      })
    }
    assert.deepEqual([await count('fact'), await count('fact_default')], [2, 0])
    // One day of logs, and all five of the feed.
    assert.equal((await upkeep(database, epochMs(T0 + 31.5 * DAY), RETENTION)).dropped, 1 + 5)
    assert.deepEqual([await count('fact'), await count('log_chunk')], [2, 1])
    await upkeep(database, epochMs(T0 + 91.5 * DAY), RETENTION)
    assert.deepEqual([await count('fact'), await count('log_chunk')], [1, 0])
    assert.ok((await count('audit')) > 0)
    for (const table of ['held', 'posting', 'cell_revision', 'audit'])
      await assert.rejects(
        database.query({ text: 'select drop_partitions($1, $2)', values: [table, T0] }),
        /is kept for ever/,
      )
    const [part] = await database.query<{ name: string }>({
      text: `select relname as name from pg_class where relname ~ '^posting_[0-9]{6}$' order by relname limit 1`,
      values: [],
    })
    await assert.rejects(database.query({ text: `delete from ${part?.name}`, values: [] }), /append-only/)
  }))

test('facts of a run that lives are kept, however old its source says that they are', () =>
  withFeed(async ({ database, store }) => {
    const run = runOf(1)
    await store.submit(submissionOf(run))
    const attempt = `${run.id}-1`
    await database.query({
      text: `insert into attempt (id, run, number, cluster, living, image) values ($1, $2, 1, 'c', true, '{}')`,
      values: [attempt, run.id],
    })
    await upkeep(database, epochMs(T0), RETENTION)
    const [then, never] = [T0 - 400 * DAY, T0 + 9_000 * DAY]
    for (const [sequence, at] of [T0, then, never].entries())
      await database.query({
        text: `insert into fact (source, sequence, attempt, at, sent_at, body) values ('s', $1, $2, $3, $3, '{"kind":"step"}')`,
        values: [sequence, attempt, at],
      })
    const facts = { text: 'select sent_at from fact order by sent_at', values: [] }
    const all = [then, T0, never].map((at) => ({ sent_at: at }))
    await upkeep(database, epochMs(T0 + 200 * DAY), RETENTION)
    assert.deepEqual(await database.query(facts), all)
    await database.query({ text: 'delete from run where id = $1', values: [run.id] })
    await database.query({
      text: `insert into attempt_books (attempt, closed) values ($1, false)`,
      values: [attempt],
    })
    await upkeep(database, epochMs(T0 + 200 * DAY), RETENTION)
    assert.deepEqual(await database.query(facts), all)
    await database.query({ text: 'update attempt_books set closed = true', values: [] })
    await database.query({
      text: `update attempt set living = false, image = jsonb_build_object('endedAt', $1::bigint)`,
      values: [T0],
    })
    await upkeep(database, epochMs(T0 + 200 * DAY), RETENTION)
    assert.deepEqual(await database.query(facts), [])
  }))

test('what came for a day before its partition was made moves into it', () =>
  withFeed(async ({ database }) => {
    await upkeep(database, epochMs(T0), RETENTION)
    await database.query({
      text: `insert into fact (source, sequence, attempt, at, sent_at, body) values ('s', 1, 'a', $1, $1, '{"kind":"step"}')`,
      values: [T0 + 10 * DAY],
    })
    const lies = async (): Promise<unknown> =>
      (await database.query({ text: 'select tableoid::regclass::text as part from fact', values: [] }))[0]
    assert.deepEqual(await lies(), { part: 'fact_default' })
    await upkeep(database, epochMs(T0 + 8 * DAY), RETENTION)
    assert.match(JSON.stringify(await lies()), /fact_2027\d{4}/)
  }))
