// What a start asks the embedded PostgreSQL over its socket.
import { Client, DatabaseError } from 'pg'

export const USER = 'plimsoll'
export const DATABASE = 'plimsoll'

const ANSWER_MS_MAX = 3_000

type Address = { readonly host: string; readonly port: number; readonly user: string; readonly database: string }

/** The data directory of the server that answers there, or the code of what went wrong. */
export async function whatAnswers(address: Address): Promise<string> {
  try {
    return await ask(address, async (client) => {
      const result = await client.query<{ data_directory: string }>('show data_directory')
      return result.rows[0]?.data_directory ?? ''
    })
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

export async function ensureDatabase(address: Address): Promise<void> {
  await ask({ ...address, database: 'postgres' }, async (client) => {
    const found = await client.query('select from pg_database where datname = $1', [address.database])
    if (found.rowCount === 1) return
    await client.query(`create database ${client.escapeIdentifier(address.database)}`).catch((error: unknown) => {
      // duplicate_database, or the unique key of its catalogue: a second start made it at the same moment.
      if (!(error instanceof DatabaseError && (error.code === '42P04' || error.code === '23505'))) throw error
    })
  })
}

async function ask<Answer>(address: Address, question: (client: Client) => Promise<Answer>): Promise<Answer> {
  const client = new Client({
    ...address,
    connectionTimeoutMillis: ANSWER_MS_MAX,
    query_timeout: ANSWER_MS_MAX * 10,
  })
  // A server that stops while we ask also breaks the query, whose error is the one that counts.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await question(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}
