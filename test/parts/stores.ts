// The two stores that the conformance suite runs on, each empty and with a clock that stands until a test moves it.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { measureFrame } from '../../src/core/experts/measures.ts'
import type { EmbeddedPostgres } from '../../src/adapters/postgres/embedded.ts'
import { startEmbeddedPostgres } from '../../src/adapters/postgres/embedded.ts'
import { migrate } from '../../src/adapters/postgres/migrate.ts'
import { Database } from '../../src/adapters/postgres/pool.ts'
import { postgresStore } from '../../src/adapters/postgres/store.ts'
import type { EpochMs } from '../../src/domain/units.ts'
import { epochMs } from '../../src/domain/units.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Store } from '../../src/ports/store.ts'
import { simulatedStore } from '../../src/sim/store.ts'

export const BLIND_AFTER_MS = 60_000

export class StandingClock implements Clock {
  #now: EpochMs

  constructor(now: number) {
    this.#now = epochMs(now)
  }

  now(): EpochMs {
    return this.#now
  }

  set(now: number): void {
    this.#now = epochMs(now)
  }
}

export const APPEND_ONLY = ['held', 'posting', 'audit'] as const

export type Bench = {
  readonly store: Store
  readonly clock: StandingClock
  /** Tries to change the first row of a table that is only added to. */
  tamper(table: (typeof APPEND_ONLY)[number]): Promise<void>
  close(): Promise<void>
}

export type OpenBench = (begin: number) => Promise<Bench>

export async function openSimulated(begin: number): Promise<Bench> {
  const clock = new StandingClock(begin)
  const { store, tables } = simulatedStore(clock, { blindAfterMs: BLIND_AFTER_MS, measure: measureFrame })
  return {
    store,
    clock,
    async tamper(table) {
      const rows: Readonly<Record<typeof table, readonly object[]>> = {
        held: tables.held.rows,
        posting: tables.postings.rows,
        audit: tables.audit.rows,
      }
      Object.assign(rows[table][0] ?? {}, { changed: true })
    },
    close: async () => undefined,
  }
}

/** One server for a file of tests, one database for a test, copied from one that was migrated once. */
export class PostgresBenches {
  readonly #server: EmbeddedPostgres
  readonly #home: string
  #made = 0

  private constructor(server: EmbeddedPostgres, home: string) {
    this.#server = server
    this.#home = home
  }

  static async start(): Promise<PostgresBenches> {
    const home = await mkdtemp(join(tmpdir(), 'plimsoll-conformance-'))
    const server = await startEmbeddedPostgres({ home, log: () => undefined })
    const benches = new PostgresBenches(server, home)
    await benches.#administer('create database template_of_tests')
    const database = benches.database('template_of_tests')
    await migrate(database)
    await database.end()
    return benches
  }

  database(name: string): Database {
    return new Database({ ...this.#server.connection, database: name }, 6, () => undefined)
  }

  async fresh(): Promise<string> {
    this.#made += 1
    const name = `test_${this.#made}`
    await this.#administer(`create database ${name} template template_of_tests`)
    return name
  }

  readonly open: OpenBench = async (begin) => {
    const database = this.database(await this.fresh())
    const clock = new StandingClock(begin)
    return {
      store: postgresStore(database, clock, { blindAfterMs: BLIND_AFTER_MS, measure: measureFrame }),
      clock,
      async tamper(table) {
        const column = { held: 'slots = slots + 1', posting: 'gpu_ms = gpu_ms + 1', audit: `verb = 'changed'` }[table]
        await database.query({ text: `update ${table} set ${column}`, values: [] })
      },
      close: () => database.end(),
    }
  }

  async stop(): Promise<void> {
    await this.#server.stop()
    await rm(this.#home, { recursive: true, force: true })
  }

  async #administer(statement: string): Promise<void> {
    const client = new Client(this.#server.connection)
    await client.connect()
    try {
      await client.query(statement)
    } finally {
      await client.end()
    }
  }
}
