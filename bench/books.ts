// The books under load: how fast what was held becomes postings, and how long a report over a year of them takes.
import { planPostings, firstCellToRead } from '../src/core/account/post.ts'
import { workOf } from '../src/core/account/due.ts'
import { nodeOf, runOf } from '../src/domain/fixture.ts'
import type { AttemptId } from '../src/domain/ids.ts'
import { CELL_MS, epochMs } from '../src/domain/units.ts'
import { auditOf, itemOf, placing, policyOf, register, submissionOf, T0 } from '../test/conformance/things.ts'
import { postgresStore } from '../src/adapters/postgres/store.ts'
import type { Database } from '../src/adapters/postgres/pool.ts'
import { measureFrame } from '../src/core/experts/measures.ts'
import { Home } from '../test/parts/plimsoll.ts'
import { PostgresBenches, StandingClock } from '../test/parts/stores.ts'
import { withDatabase } from './fill.ts'
import { fillYear } from './fill-year.ts'
import { api, quantile, rss } from './parts.ts'
import type { Result } from './run.ts'

const ATTEMPTS = 40
/** A day each. */
const CELLS = 288
const STEP_MS = 30_000
const DAY_MS = 86_400_000
const SETTLE_MS = 60_000

/** The account loop's own functions over a real PostgreSQL, durable: read what is due, classify each cell, write its revision. */
export async function postings(): Promise<Result> {
  const benches = await PostgresBenches.start()
  try {
    const database = benches.database(await benches.fresh())
    const clock = new StandingClock(T0)
    const store = postgresStore(database, clock, { blindAfterMs: DAY_MS * 2, measure: measureFrame })
    await store.applyPolicy(policyOf(1), {}, auditOf('policy.apply'))
    const end = T0 + CELLS * CELL_MS
    for (let index = 1; index <= ATTEMPTS; index += 1) {
      const run = runOf(index)
      await store.submit(submissionOf(run))
      const node = nodeOf(`n${index}`, { version: 0 })
      await store.commit(null, [register(node)])
      const { attempt, claims, item } = placing(run, [{ ...node, version: 1 }], 0)
      await store.commit(null, [item])
      const started = { boundAt: epochMs(T0), startedAt: epochMs(T0) }
      await store.commit(null, [
        itemOf('start', [
          { kind: 'attempt', attempt: { ...attempt, state: { kind: 'running' }, startedAt: epochMs(T0) } },
          ...claims.map((claim) => ({ kind: 'claim', claim: { ...claim, ...started } }) as const),
        ]),
      ])
    }
    clock.set(end)
    for (let index = 1; index <= ATTEMPTS; index += 1) {
      const node = { ...nodeOf(`n${index}`), lastObserved: epochMs(end) }
      await store.commit(null, [itemOf('seen', [{ kind: 'node', node, heartbeat: true }])])
      await store.commit(null, [itemOf('book', [{ kind: 'book', node: node.id }])])
    }
    await tellSteps(database)
    const epoch = await store.takeLead('bench', 3_600_000, true)
    if (epoch === null) throw new Error('the bench does not lead')
    clock.set(end + CELL_MS)
    const begin = performance.now()
    let after: AttemptId | null = null
    for (let turns = 0; turns < 10_000; turns += 1) {
      const due = await store.booksDue(clock.now(), after)
      let wrote = false
      for (const read of await store.readBooks(due, (light) => firstCellToRead(light.books, workOf.light(light)))) {
        const plan = planPostings(workOf.full(read), clock.now(), SETTLE_MS)
        if (plan === null || plan.revisions.length === 0) continue
        wrote = true
        if (!(await store.writeBooks(epoch, plan))) throw new Error('another writer')
      }
      after = due.at(-1) ?? null
      if (!wrote) break
    }
    const seconds = (performance.now() - begin) / 1_000
    const [row] = await database.query<{ count: number; sum: bigint; held: bigint }>({
      text: `select (select count(*)::int from posting) as count, (select sum(gpu_ms) from posting) as sum,
             (select sum(slots * ("to" - "from")) from held where holder like '%-1-0') as held`,
      values: [],
    })
    const count = row?.count ?? 0
    const plain = await plainInserts(database, count)
    await database.end()
    return {
      work: `${ATTEMPTS} attempts of a day with a step each ${STEP_MS / 1_000} s: read, classified and posted by the account loop's own functions, durable`,
      unit: 'postings/s',
      samples: [count / seconds],
      ours: count / seconds,
      baseline: count / plain,
      baselineIs: 'the same number of rows into a bare table, a transaction for each attempt',
      rssMiB: null,
      figures: [
        { name: 'postings a second', ours: count / seconds, unit: 'postings/s', limit: 5_000, atLeast: true },
        {
          name: 'difference to what was held',
          ours: Math.abs(Number((row?.sum ?? 0n) - (row?.held ?? 0n))),
          unit: 'GPU-ms',
          limit: 0,
        },
      ],
    }
  } finally {
    await benches.stop()
  }
}

/** As the worker's log would have told them: a step, and a checkpoint of five seconds at every tenth. */
async function tellSteps(database: Database): Promise<void> {
  const body = {
    step: {
      kind: 'step',
      steps: null,
      durationMs: null,
      samples: null,
      batch: null,
      total: null,
      loss: 1,
      tokens: 1_000,
    },
    begin: { kind: 'begin', phase: 'checkpoint' },
    end: { kind: 'end', phase: 'checkpoint' },
  }
  await database.query({
    text: `insert into fact (source, sequence, attempt, at, sent_at, body)
           select 'log:' || a.id || '-0', i * 3 + k, a.id, $1::bigint + i * $2::bigint + k * 2500, $1::bigint + i * $2::bigint + k * 2500,
             case k when 0 then $4::jsonb || jsonb_build_object('step', i) when 1 then $5::jsonb else $6::jsonb end
           from attempt a, generate_series(1, $3::int - 1) i, generate_series(0, 2) k where k = 0 or i % 10 = 0`,
    values: [T0, STEP_MS, DAY_MS / STEP_MS, body.step, body.begin, body.end].map((each) =>
      typeof each === 'object' ? JSON.stringify(each) : each,
    ),
  })
}

/** Seconds that a bare table takes for so many rows. */
async function plainInserts(database: Database, count: number): Promise<number> {
  await database.query({
    text: 'create table plain (attempt text, cell bigint, revision int, account text, gpu_ms bigint)',
    values: [],
  })
  const each = Math.ceil(count / ATTEMPTS)
  const begin = performance.now()
  for (let index = 0; index < ATTEMPTS; index += 1)
    await database.transaction('write', (tx) =>
      tx.query({
        text: `insert into plain select 'a' || $1::int, i, 1, 'productive', i from generate_series(1, $2::int) i`,
        values: [index, each],
      }),
    )
  return (performance.now() - begin) / 1_000
}

/** The ledger of twelve months by project and account, over the API, as the page and the report ask for it. */
export async function report(): Promise<Result> {
  const home = new Home()
  try {
    await home.up()
    const { postings: filled, projects } = await fillYear(home.path)
    const ask = api(home)
    const now = Date.now()
    const samples: number[] = []
    let error = 0
    let rows = 0
    for (let index = 0; index < 7; index += 1) {
      // Another window each time: the answer to the same question is kept while nothing has changed.
      const from = new Date(now - 366 * DAY_MS + index * CELL_MS).toISOString()
      const begin = performance.now()
      const document = await ask<{ capacityGpuMs: number; rows: { gpuMs: number; project?: string | null }[] }>(
        'GET',
        `/ledger?by=project,account&from=${encodeURIComponent(from)}`,
      )
      samples.push(performance.now() - begin)
      error = Math.max(error, Math.abs(document.rows.reduce((sum, row) => sum + row.gpuMs, 0) - document.capacityGpuMs))
      rows = new Set(document.rows.map((row) => row.project)).size
    }
    const plain = await plainSum(home)
    return {
      work: `the ledger of twelve months by project and account: ${filled} postings, ${rows} of ${projects} projects`,
      unit: 'ms',
      samples,
      ours: quantile(samples, 0.5),
      baseline: plain,
      baselineIs: 'PostgreSQL alone: the sum of all postings by account',
      rssMiB: rss(home),
      figures: [
        { name: 'report', ours: quantile(samples, 0.5), unit: 'ms', limit: 1_000 },
        { name: 'conservation error', ours: error, unit: 'GPU-ms', limit: 0 },
      ],
    }
  } finally {
    await home.remove()
  }
}

const plainSum = (home: Home): Promise<number> =>
  withDatabase(home.path, async (database) => {
    const begin = performance.now()
    await database.query({ text: 'select account, sum(gpu_ms) from posting group by account', values: [] })
    return performance.now() - begin
  })
