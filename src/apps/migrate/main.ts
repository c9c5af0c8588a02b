// `plimsoll migrate`: brings a database to what this version needs, before its processes start. It may be run again at any time.
import { migrateQueue } from '../../adapters/bullmq/line.ts'
import { migrate } from '../../adapters/postgres/migrate.ts'
import { Database } from '../../adapters/postgres/pool.ts'
import { postgresStore } from '../../adapters/postgres/store.ts'
import { makePartitions } from '../../adapters/postgres/upkeep.ts'
import { BootClock, bootMs } from '../../adapters/system/clock.ts'
import { secrets } from '../../adapters/system/secrets.ts'
import { BOOTSTRAP_CHARS_MIN, bootstrapToken } from '../../control/requests/bootstrap.ts'
import { measureFrame } from '../../core/experts/measures.ts'
import type { Store } from '../../ports/store.ts'
import { readDeployment } from '../parts/deployment.ts'
import { Exit, exitCodeOf, say } from '../parts/say.ts'
import { refuseStranger } from '../parts/owner.ts'
import { seedPolicy } from '../parts/seed.ts'

export type MigrateOptions = { readonly config: string | null }

export const runMigrate = (options: MigrateOptions): Promise<number> => exitCodeOf(() => run(options))

async function run({ config }: MigrateOptions): Promise<number> {
  const { files, id, connection } = readDeployment(config)
  const secret = process.env.PLIMSOLL_BOOTSTRAP_TOKEN ?? null
  if (secret !== null && secret.length < BOOTSTRAP_CHARS_MIN)
    throw new Exit(
      2,
      `PLIMSOLL_BOOTSTRAP_TOKEN has ${secret.length} characters and needs ${BOOTSTRAP_CHARS_MIN}: openssl rand -hex 32 makes one`,
    )
  const database = new Database(connection, 2, (error) => say(`a connection to PostgreSQL broke: ${error.message}`))
  try {
    const applied = await migrate(database)
    say(applied.length === 0 ? 'the schema is up to date' : `the schema was brought up to date: ${applied.join(', ')}`)
    if (files.config.queue.url === null) await migrateQueue(connection)
    const clock = new BootClock()
    const { blindAfterMs } = files.config.durations
    const store = postgresStore(database, clock, { blindAfterMs, measure: measureFrame })
    await refuseStranger(store, id)
    clock.setBase(await store.now(), bootMs())
    await makePartitions(database, await store.now())
    await seedPolicy(store, clock, files)
    await bootstrap(store, secret)
    return 0
  } finally {
    await database.end()
  }
}

async function bootstrap(store: Store, secret: string | null): Promise<void> {
  if (secret === null) return
  const made = await bootstrapToken(store, { secrets }, secret)
  say(
    made ? 'the bootstrap token is that of an admin: revoke it when there are others' : 'the bootstrap token is known',
  )
}
