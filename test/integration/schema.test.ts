// The live schema against its manifest, and the refusal of a database that a newer program has used. UPDATE_GOLDEN=1 writes the
// manifest anew: its diff is what a reviewer of a migration reads.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startEmbeddedPostgres } from '../../src/adapters/postgres/embedded.ts'
import { migrate } from '../../src/adapters/postgres/migrate.ts'
import { Database } from '../../src/adapters/postgres/pool.ts'
import { Fault } from '../../src/ports/fault.ts'

const manifest = fileURLToPath(new URL('../../src/adapters/postgres/schema.txt', import.meta.url))
const home = mkdtempSync(join(tmpdir(), 'plimsoll-schema-'))
const server = await startEmbeddedPostgres({ home, log: () => {} })
const database = new Database(server.connection, 2, () => {})

before(async () => {
  await migrate(database)
})
after(async () => {
  await database.end()
  await server.stop()
  rmSync(home, { recursive: true, force: true })
})

const LIVE = `
  select format('%s.%s %s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), case when a.attnotnull then ' not null' else '' end) as line
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'public' and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
  union all
  select format('index %s', pg_get_indexdef(i.indexrelid)) from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'public'
  union all
  select format('constraint %s on %s: %s', o.conname, o.conrelid::regclass, pg_get_constraintdef(o.oid)) from pg_constraint o join pg_namespace n on n.oid = o.connamespace
  where n.nspname = 'public' and o.contype in ('c', 'f')
  union all
  select format('trigger %s on %s', t.tgname, t.tgrelid::regclass) from pg_trigger t where not t.tgisinternal
  order by 1`

test('the live schema is what the manifest says', async () => {
  const rows = await database.query<{ line: string }>({ text: LIVE, values: [] })
  const live = `${rows.map((row) => row.line).join('\n')}\n`
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(manifest, live)
  assert.ok(rows.length > 100)
  assert.equal(live, readFileSync(manifest, 'utf8'))
})

test('to migrate again applies nothing', async () => {
  assert.deepEqual(await migrate(database), [])
})

test('the books and the audit log cannot be changed, whoever is connected', async () => {
  for (const table of ['held', 'posting', 'cell_revision', 'audit']) {
    await assert.rejects(database.query({ text: `delete from ${table}`, values: [] }), /append-only/)
    await assert.rejects(database.query({ text: `truncate ${table} cascade`, values: [] }), /append-only/)
  }
})

test('a database of a newer program is refused with what to do', async () => {
  await database.query({ text: `insert into migration (name, hash) values ('9999-future', 'x')`, values: [] })
  await assert.rejects(
    migrate(database),
    (error) => error instanceof Fault && error.code === 'store-newer' && /newer/.test(error.message),
  )
  await database.query({ text: `delete from migration where name = '9999-future'`, values: [] })
})
