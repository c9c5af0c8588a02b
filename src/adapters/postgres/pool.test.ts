import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { Fault } from '../../ports/fault.ts'
import { freshHome, start } from './embedded-fixture.ts'
import { Database } from './pool.ts'

test('a connection that breaks between two statements of a transaction ends the transaction, not the process', async () => {
  const server = await start(freshHome())
  const database = new Database(server.connection, 2, () => {})
  const other = new Client(server.connection)
  await other.connect()
  try {
    const broken = database.transaction('write', async (tx) => {
      const [row] = await tx.query<{ pid: number }>({ text: 'select pg_backend_pid() as pid', values: [] })
      await other.query('select pg_terminate_backend($1)', [row?.pid])
      // Nobody waits for an answer when the word comes that it is over.
      await pause(300)
      await tx.query({ text: 'select 1', values: [] })
    })
    await assert.rejects(broken, (error) => error instanceof Fault && error.retryable)
    assert.deepEqual(await database.query({ text: 'select 7 as n', values: [] }), [{ n: 7 }])
  } finally {
    await other.end()
    await database.end()
  }
})

test('who stands still in the middle of a transaction lets go of its locks sooner than a lease ends, and may try again', async () => {
  const server = await start(freshHome())
  const database = new Database(server.connection, 2, () => {})
  try {
    const shown = await database.query({ text: 'show idle_in_transaction_session_timeout', values: [] })
    assert.deepEqual(shown, [{ idle_in_transaction_session_timeout: '5s' }])
    const still = database.transaction('write', async (tx) => {
      await tx.query({ text: 'set local idle_in_transaction_session_timeout = 100', values: [] })
      await pause(500)
      await tx.query({ text: 'select 1', values: [] })
    })
    await assert.rejects(still, (error) => error instanceof Fault && error.retryable)
  } finally {
    await database.end()
  }
})
