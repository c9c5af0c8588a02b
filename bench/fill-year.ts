// A year of the past: a thousand projects, each with a node of one GPU that its ten attempts held one after the other, all of it posted.
import { withDatabase } from './fill.ts'

const PROJECTS = 1_000
const ATTEMPTS = 10
/** Of five minutes, of each attempt. */
const CELLS = 50
const CELL_MS = 300_000
const DAY_MS = 86_400_000

export async function fillYear(home: string): Promise<{ readonly projects: number; readonly postings: number }> {
  return withDatabase(home, async (database) => {
    const query = (text: string, values: readonly unknown[] = []) => database.query<{ first: number }>({ text, values })
    const [row] = await query(
      `select (floor(extract(epoch from now()) * 1000 / ${CELL_MS})::bigint * ${CELL_MS} - ${360 * DAY_MS}::bigint) as first`,
    )
    const first = row?.first ?? 0
    // Each project begins a little later than the one before it, so that the year is full.
    const begin = `($1::bigint + p::bigint * ${Math.floor((350 * DAY_MS) / PROJECTS / CELL_MS) * CELL_MS})`
    const length = ATTEMPTS * CELLS * CELL_MS
    const projects = `generate_series(1, ${PROJECTS}) p`
    const attempts = `${projects}, generate_series(1, ${ATTEMPTS}) a`
    const id = `'r' || lpad((p * 100 + a)::text, 16, '0')`
    const at = `(${begin} + (a - 1) * ${CELLS * CELL_MS}::bigint)`
    const to = `(${at} + ${CELLS * CELL_MS}::bigint)`
    const node = `'local/y' || p || '/1'`
    await query(`insert into project (name, quota_gpus, max_priority) select 'p' || p, null, 'normal' from ${projects}`)
    await query(
      `insert into node (id, cluster, name, incarnation, booked_to, last_observed, version, image)
       select ${node}, 'local', 'y' || p, 1, ${begin} + ${length}, ${begin} + ${length}, 1, jsonb_build_object(
         'id', ${node}, 'cluster', 'local', 'name', 'y' || p, 'incarnation', 1, 'gpuModel', 'declared', 'declared', true, 'inventory', 1,
         'condition', '{"kind":"ready"}'::jsonb, 'cordon', null, 'foreign', 0, 'registeredAt', ${begin}, 'deletedAt', ${begin} + ${length})
       from ${projects}`,
      [first],
    )
    await query(`insert into inventory (node, since, slots) select ${node}, ${begin}, 1 from ${projects}`, [first])
    await query(
      `insert into run_ended (id, project, name, state, created_at, version, image)
       select ${id}, 'p' || p, 'run-' || a, 'succeeded', ${at}, 1, jsonb_build_object(
         'id', ${id}, 'project', 'p' || p, 'name', 'run-' || a, 'user', 'bench', 'cluster', 'local', 'priority', 'normal', 'labels', '{}'::jsonb,
         'resources', '{"nodes":1,"gpusPerNode":1,"gpu":[],"topology":null,"parallelism":{}}'::jsonb, 'state', '{"kind":"succeeded"}'::jsonb,
         'wish', 'run', 'attempts', 1, 'budgets', '[]'::jsonb, 'createdAt', ${at}, 'startedAt', ${at}, 'endedAt', ${to})
       from ${attempts}`,
      [first],
    )
    await query(
      `insert into attempt (id, run, number, cluster, living, forgotten, image)
       select ${id} || '-1', ${id}, 1, 'local', false, true,
         jsonb_build_object('id', ${id} || '-1', 'run', ${id}, 'number', 1, 'plannedAt', ${at}) from ${attempts}`,
      [first],
    )
    await query(
      `insert into claim (node, holder, run, attempt, placed_at, released_at, image)
       select ${node}, ${id} || '-1-0', ${id}, ${id} || '-1', ${at}, ${to}, jsonb_build_object('holder', ${id} || '-1-0', 'node', ${node},
         'run', ${id}, 'attempt', ${id} || '-1', 'slots', '[0]'::jsonb, 'price', '{"microsPerGpuHour":40000,"currency":"EUR"}'::jsonb,
         'placedAt', ${at}, 'releasedAt', ${to}) from ${attempts}`,
      [first],
    )
    await query(
      `insert into attempt_books (attempt, posted_to, closed) select ${id} || '-1', ${to}, true from ${attempts}`,
      [first],
    )
    // Attempt by attempt of all projects: one statement for all would take longer than one may.
    const cells = `${projects}, (values ($2::int)) n(a), generate_series(0, ${CELLS - 1}) c`
    const cell = `(${at} + c * ${CELL_MS}::bigint)`
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const values = [first, attempt]
      await query(
        `insert into held (node, "from", "to", holder, slots) select ${node}, ${cell}, ${cell} + ${CELL_MS}, ${id} || '-1-0', 1 from ${cells}`,
        values,
      )
      await query(
        `insert into cell_revision (attempt, cell, revision, posted_at) select ${id} || '-1', ${cell}, 1, 1 from ${cells}`,
        values,
      )
      await query(
        `insert into posting (attempt, cell, revision, account, gpu_ms) select ${id} || '-1', ${cell}, 1, account, gpu_ms
         from ${cells}, (values ('productive', 290000), ('checkpoint', 10000)) as l(account, gpu_ms)`,
        values,
      )
    }
    await query('analyze')
    return { projects: PROJECTS, postings: PROJECTS * ATTEMPTS * CELLS * 2 }
  })
}
