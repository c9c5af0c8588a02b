// Numbered SQL files, each applied once and never edited afterwards. A database newer than this program is refused: an old program
// would write what the new one no longer reads.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { Fault } from '../../ports/fault.ts'
import type { Database } from './pool.ts'

type Migration = { readonly name: string; readonly sql: string; readonly hash: string }

const FOLDER = new URL('./migrations/', import.meta.url)

export function migrations(): Migration[] {
  return readdirSync(FOLDER)
    .filter((file) => /^\d{4}-.*\.sql$/.test(file))
    .toSorted()
    .map((file) => {
      const sql = readFileSync(new URL(file, FOLDER), 'utf8')
      return { name: file.replace(/\.sql$/, ''), sql, hash: createHash('sha256').update(sql).digest('hex') }
    })
}

/** Brings the schema up to date in one transaction. Returns the names of what was applied. */
export async function migrate(database: Database): Promise<string[]> {
  const known = migrations()
  return database.transaction('write', async (tx) => {
    // Two processes that start at once: the second waits here and finds nothing to do.
    await tx.query({ text: `select pg_advisory_xact_lock(7420001)`, values: [] })
    await tx.query({ text: `set local lock_timeout = '10s'`, values: [] })
    await tx.query({
      text: `create table if not exists migration (name text primary key, hash text not null, applied_at timestamptz not null default now())`,
      values: [],
    })
    const applied = await tx.query<{ name: string; hash: string }>({
      text: 'select name, hash from migration order by name',
      values: [],
    })
    refuseNewer(applied, known)
    const done = new Set(applied.map((row) => row.name))
    const missing = known.filter((migration) => !done.has(migration.name))
    for (const migration of missing) {
      await tx.query({ text: migration.sql, values: [] })
      await tx.query({
        text: 'insert into migration (name, hash) values ($1, $2)',
        values: [migration.name, migration.hash],
      })
    }
    return missing.map((migration) => migration.name)
  })
}

/** Refuses a database whose schema is not this program's: older, and `plimsoll migrate` has to run first, or newer. */
export async function refuseOutdated(database: Database): Promise<void> {
  const [there] = await database.query<{ is: boolean }>({
    text: `select to_regclass('migration') is not null as is`,
    values: [],
  })
  const applied =
    there?.is === true
      ? await database.query<{ name: string; hash: string }>({ text: 'select name, hash from migration', values: [] })
      : []
  const known = migrations()
  refuseNewer(applied, known)
  const done = new Set(applied.map(({ name }) => name))
  const missing = known.filter(({ name }) => !done.has(name)).map(({ name }) => name)
  if (missing.length === 0) return
  throw new Fault('store-older', `the database has not had the migrations ${missing.join(', ')}`, {
    retryable: false,
    whatToDo: 'Run plimsoll migrate on it: in the chart that is the hook before an installation or an upgrade.',
  })
}

function refuseNewer(applied: readonly { name: string; hash: string }[], known: readonly Migration[]): void {
  for (const row of applied) {
    const migration = known.find((each) => each.name === row.name)
    if (migration === undefined) {
      throw new Fault(
        'store-newer',
        `the database has migration ${row.name}, which this version of plimsoll does not know: it was used by a newer one. ` +
          `Install that version again, or restore a backup from before it.`,
        { retryable: false },
      )
    }
    if (migration.hash !== row.hash) {
      throw new Error(`bug: migration ${row.name} was edited after it had been applied; write another one instead`)
    }
  }
}
