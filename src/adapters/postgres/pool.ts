// Connections, and the one place where PostgreSQL's types and errors become ours.
import type { PoolClient, QueryResultRow } from 'pg'
import { Pool, types } from 'pg'
import { Fault } from '../../ports/fault.ts'

export type Connection = {
  readonly host?: string
  readonly port?: number
  readonly user?: string
  readonly database?: string
  readonly password?: string
  readonly connectionString?: string
}

/** A statement as data: what it says and its values. One with a name is parsed and planned once by each connection: for what many wait for. */
export type Statement = { readonly text: string; readonly values: readonly unknown[]; readonly name?: string }

export type Queryable = {
  query<Row extends QueryResultRow>(statement: Statement): Promise<Row[]>
}

const INT8 = 20
const NUMERIC = 1700

/** bigint and sum() arrive as text: parsed here, and nowhere else, to safe integers or to BigInt. */
function parserOf(oid: number, format?: 'text' | 'binary'): (text: string) => unknown {
  if (oid === INT8) return safeInteger
  if (oid === NUMERIC) return (text) => BigInt(text)
  const parse: unknown = (types.getTypeParser as (oid: number, format?: string) => unknown)(oid, format)
  return parse as (text: string) => unknown
}

function safeInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new Error(`bug: ${text} from the store is not a safe integer`)
  return value
}

const IDLE_IN_TRANSACTION_MS_MAX = 5_000

export class Database {
  readonly #pool: Pool
  /** Tests look between the statements of a transaction. */
  onStatement: ((text: string) => Promise<void>) | null = null

  constructor(connection: Connection, max: number, onError: (error: Error) => void) {
    this.#pool = new Pool({
      ...connection,
      max,
      types: { getTypeParser: parserOf as typeof types.getTypeParser },
      connectionTimeoutMillis: 5_000,
      statement_timeout: 30_000,
      // A server that hangs answers no timeout of its own.
      query_timeout: 35_000,
      // Who stands still in the middle of one holds what the next leader waits for: shorter than a lease.
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS_MAX,
      application_name: 'plimsoll',
    })
    // An idle connection that breaks is replaced when it is needed; without a listener it would end the process.
    this.#pool.on('error', onError)
  }

  async query<Row extends QueryResultRow>(statement: Statement): Promise<Row[]> {
    try {
      return (await this.#pool.query<Row>({ ...statement, values: [...statement.values] })).rows
    } catch (error) {
      throw translate(error)
    }
  }

  /** Runs `body` in one transaction; rolls back when it throws. A read sees one snapshot. */
  async transaction<Result>(kind: 'read' | 'write', body: (tx: Queryable) => Promise<Result>): Promise<Result> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw translate(error)
    })
    let broken = false
    // The pool listens to idle connections only: one that breaks between two statements would end the process.
    const onError = (): void => {
      broken = true
    }
    client.on('error', onError)
    try {
      await client.query(kind === 'read' ? 'begin isolation level repeatable read read only' : 'begin')
      const result = await body({ query: (statement) => this.#run(client, statement) })
      await this.onStatement?.('commit')
      await client.query('commit')
      return result
    } catch (error) {
      await client.query('rollback').catch(() => {
        broken = true
      })
      throw translate(error)
    } finally {
      client.off('error', onError)
      client.release(broken)
    }
  }

  async #run<Row extends QueryResultRow>(client: PoolClient, statement: Statement): Promise<Row[]> {
    await this.onStatement?.(statement.text)
    return (await client.query<Row>({ ...statement, values: [...statement.values] })).rows
  }

  async end(): Promise<void> {
    await this.#pool.end()
  }
}

/** What an operator has to mend: nothing passes by itself. */
const REFUSED: Readonly<Record<string, string>> = {
  '28000': 'See that the address names a user who may connect from here (pg_hba.conf).',
  '28P01': 'See that the address has the right password.',
  '3D000': 'Create the database, or name another one in the address.',
  '42501': 'Grant the user the right to create tables in the database.',
}

/** Classes of SQLSTATE that say "not now", not "wrong"; 25P03: we stood still in the middle of a transaction. */
const PASSING = /^(08|40|53|55|57|25P03)/
const UNREACHABLE = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN', 'ENOTFOUND'])

export function translate(error: unknown): unknown {
  if (error instanceof Fault || !(error instanceof Error)) return error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code === '53100') {
    return new Fault('disk-full', 'PostgreSQL has no disk space left; free some, nothing is lost', {
      retryable: true,
      cause: error,
    })
  }
  const lost =
    /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error/.test(
      error.message,
    )
  const refused = REFUSED[code]
  if (refused !== undefined) {
    const message = `PostgreSQL refuses: ${error.message}`
    return new Fault('store-refused', message, { retryable: false, whatToDo: refused, cause: error })
  }
  if (UNREACHABLE.has(code) || PASSING.test(code) || lost) {
    return new Fault('store-unavailable', `PostgreSQL does not answer: ${error.message}`, {
      retryable: true,
      cause: error,
    })
  }
  return error
}

/** `unnest` of arrays: many rows in one statement, in the order of the columns. */
export function columns<Row>(rows: readonly Row[], pick: (row: Row) => readonly unknown[]): unknown[][] {
  const picked = rows.map(pick)
  return (picked[0] ?? []).map((_, index) => picked.map((row) => row[index]))
}
