// Fills a home's database as if there had been a past: many waiting runs, or a day of ended attempts with their books.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Database } from '../src/adapters/postgres/pool.ts'

/** The embedded server of a home, as its own role. */
export async function withDatabase<Result>(
  home: string,
  body: (database: Database) => Promise<Result>,
): Promise<Result> {
  // Line 5 of postmaster.pid is the socket directory.
  const lines = readFileSync(join(home, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')
  const database = new Database(
    { host: lines[4] ?? '', port: Number(lines[3]), user: 'plimsoll', database: 'plimsoll' },
    2,
    () => {},
  )
  try {
    return await body(database)
  } finally {
    await database.end()
  }
}

const run = (name: string, id: string) => `jsonb_build_object(
  'id', ${id}, 'project', 'default', 'name', ${name}, 'user', 'bench', 'cluster', 'local', 'priority', 'normal', 'labels', '{}'::jsonb,
  'resources', '{"nodes":1,"gpusPerNode":1,"gpu":[],"topology":null,"parallelism":{}}'::jsonb,
  'state', '{"kind":"queued","reason":"capacity","message":"","notBefore":null}'::jsonb, 'wish', 'run', 'attempts', 0,
  'restartsLeft', '{"infrastructure":0,"unknown":0,"user":0}'::jsonb, 'failuresInRow', 0, 'estimateP80', null,
  'limits', '{"timeMs":null,"gpuMs":null}'::jsonb, 'sequenceLength', null, 'progressExpected', false, 'paidGpuMs', 0,
  'budgets', '[]'::jsonb, 'createdAt', 1700000000000 + i, 'startedAt', null, 'endedAt', null)`

const spec = (name: string) => `jsonb_build_object(
  'version', 1, 'name', ${name}, 'project', 'default', 'priority', 'normal', 'cluster', null, 'workdir', '/', 'labels', '{}'::jsonb,
  'image', null, 'command', '["sleep","600"]'::jsonb, 'env', '{}'::jsonb, 'secrets', '[]'::jsonb,
  'resources', '{"nodes":1,"gpusPerNode":1,"gpu":[],"topology":null,"parallelism":{}}'::jsonb,
  'training', '{"framework":"auto","tokens":null,"sequenceLength":null,"model":null}'::jsonb,
  'checkpoints', '{"path":null,"everySteps":null}'::jsonb, 'limits', '{"timeMs":null,"gpuMs":null}'::jsonb,
  'restart', '{"infrastructure":0,"unknown":0,"user":0}'::jsonb, 'watch', '{}'::jsonb, 'notify', '[]'::jsonb, 'source', null)`

/** Ids of the past: shorter times sort first. */
const ID = `'r' || lpad(i::text, 16, '0')`

export async function fillQueue(home: string, count: number, first = 1): Promise<void> {
  await withDatabase(home, async (database) => {
    const name = `'queued-' || i`
    await database.query({
      text: `insert into run (id, project, name, state, created_at, version, image)
             select ${ID}, 'default', ${name}, 'queued', 1700000000000 + i, 1, ${run(name, ID)} from generate_series($2::int, $2::int + $1::int - 1) i`,
      values: [count, first],
    })
    await database.query({
      text: `insert into run_spec (run, spec) select ${ID}, ${spec(name)} from generate_series($2::int, $2::int + $1::int - 1) i`,
      values: [count, first],
    })
    await database.query({ text: 'analyze', values: [] })
  })
}

/** Attempts of one minute each that ended within the last day on a node of their own, each posted in one cell. */
export async function fillDay(home: string, count: number): Promise<void> {
  await withDatabase(home, async (database) => {
    const day = 86_400_000
    const [row] = await database.query<{ first: number }>({
      text: `select (floor(extract(epoch from now()) * 1000 / 300000)::bigint * 300000 - $1) as first`,
      values: [day],
    })
    const first = row?.first ?? 0
    const slots = Math.ceil(count / (day / 300_000))
    const node = {
      id: 'local/past/1',
      cluster: 'local',
      name: 'past',
      incarnation: 1,
      gpuModel: 'declared',
      declared: true,
      inventory: slots,
      condition: { kind: 'lost', since: first + day },
      cordon: null,
      foreign: 0,
      registeredAt: first,
      deletedAt: first + day,
    }
    const query = (text: string, values: readonly unknown[]) => database.query({ text, values })
    await query(`insert into node values ('local/past/1', 'local', 'past', 1, $1, $1, 1, $2)`, [
      first + day,
      JSON.stringify(node),
    ])
    await query(`insert into inventory values ('local/past/1', $1, $2)`, [first, slots])
    const at = `($2::bigint + ((i - 1) / $3::int) * 300000)`
    const name = `'past-' || i`
    const values = [count, first, slots]
    const ended = `${run(name, ID)} || jsonb_build_object('state', '{"kind":"succeeded"}'::jsonb, 'attempts', 1)`
    const series = 'from generate_series(1, $1::int) i'
    await query(`insert into run_ended select ${ID}, 'default', ${name}, 'succeeded', 1, 1, ${ended} ${series}`, [
      count,
    ])
    await query(
      `insert into attempt (id, run, number, cluster, living, forgotten, image) select ${ID} || '-1', ${ID}, 1, 'local', false, true,
         jsonb_build_object('id', ${ID} || '-1', 'run', ${ID}, 'number', 1, 'plannedAt', ${at}) ${series}`,
      values,
    )
    await query(
      `insert into claim (node, holder, run, attempt, placed_at, released_at, image) select 'local/past/1', ${ID} || '-1-0', ${ID}, ${ID} || '-1',
         ${at}, ${at} + 60000, jsonb_build_object('holder', ${ID} || '-1-0', 'node', 'local/past/1', 'run', ${ID}, 'attempt', ${ID} || '-1',
         'slots', '[0]'::jsonb, 'price', '{"microsPerGpuHour":40000,"currency":"EUR"}'::jsonb, 'placedAt', ${at}, 'releasedAt', ${at} + 60000) ${series}`,
      values,
    )
    await query(
      `insert into attempt_books (attempt, posted_to, closed) select ${ID} || '-1', ${at}, true ${series}`,
      values,
    )
    await query(`insert into held select 'local/past/1', ${at}, ${at} + 60000, ${ID} || '-1-0', 1 ${series}`, values)
    await query(
      `insert into held select 'local/past/1', begin, begin + 60000, 'free', $3::int - n from (
         select ${at} as begin, count(*)::int as n ${series} group by 1) cells where $3::int - n > 0`,
      values,
    )
    await query(
      `insert into held select 'local/past/1', c + 60000, c + 300000, 'free', $2::int from generate_series($1::bigint, $1::bigint + ${day} - 300000, 300000) c`,
      [first, slots],
    )
    const filled = `select distinct ${at} ${series}`
    await query(
      `insert into held select 'local/past/1', c, c + 60000, 'free', $3::int from generate_series($2::bigint, $2::bigint + ${day} - 300000, 300000) c
       where c not in (${filled})`,
      values,
    )
    await query(`insert into cell_revision select ${ID} || '-1', ${at}, 1, 1 ${series}`, values)
    await query(
      `insert into posting select ${ID} || '-1', ${at}, 1, account, gpu_ms ${series}, (values ('productive', 50000), ('startup', 10000)) as a(account, gpu_ms)`,
      values,
    )
    await query('analyze', [])
  })
}

/** Eight steps said by each ended attempt, as its log would have. */
export async function fillSteps(home: string): Promise<void> {
  await withDatabase(home, async (database) => {
    await database.query({
      text: `insert into fact (source, sequence, attempt, at, sent_at, body)
             select 'log:' || id || '-0', k, id, (image->>'plannedAt')::bigint + k * 1000, (image->>'plannedAt')::bigint + k * 1000,
               jsonb_build_object('kind', 'step', 'step', k, 'steps', 1, 'durationMs', 1000, 'samples', k * 8, 'batch', 8, 'total', 8,
                 'loss', 2.5, 'tokens', null)
             from attempt cross join generate_series(1, 8) k where not living`,
      values: [],
    })
    await database.query({ text: 'analyze', values: [] })
  })
}
