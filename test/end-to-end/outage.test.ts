// What everything stands on is away for a while: PostgreSQL hangs, and every message of the queue is lost.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { Home, pause, until } from '../parts/plimsoll.ts'

type Run = { state: string }
type Ledger = { capacityGpuMs: number; rows: { gpuMs: number }[] }

const home = new Home()
before(() => home.up())
after(() => home.remove())

const submit = (name: string, seconds: number): void => {
  const text = `name: ${name}\ncommand: [sleep, "${seconds}"]\nresources: { nodes: 1, gpusPerNode: 1 }\n`
  home.document('submit', home.file(`${name}.yaml`, text), '--yes')
}
const state = (name: string): string => home.document<Run>('show', name).state

test('with every message of the queue lost, a run comes through by the timers of the loops', async () => {
  const socket = readFileSync(join(home.path, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[4]
  const client = new Client({ connectionString: `postgres://plimsoll@/plimsoll?host=${socket}` })
  await client.connect()
  try {
    await client.query('alter schema bullmq rename to lost')
    submit('unrung', 1)
    await until('it ends', () => state('unrung') === 'succeeded')
    await client.query('alter schema lost rename to bullmq')
  } finally {
    await client.end()
  }
})

test('PostgreSQL that hangs for ten seconds under a run costs nothing but time', async () => {
  submit('through', 8)
  await until('it runs', () => state('through') === 'running')
  const servers = home.processes('postgres')
  assert.ok(servers.length > 0)
  const signal = (name: NodeJS.Signals): void => {
    for (const pid of servers) {
      try {
        process.kill(pid, name)
      } catch {
        // A connection's process comes and goes.
      }
    }
  }
  signal('SIGSTOP')
  await pause(10_000)
  signal('SIGCONT')
  await until('it has ended', () => home.say('show', 'through').stdout.includes('succeeded'))
  const { rows, capacityGpuMs } = home.document<Ledger>('ledger')
  assert.equal(
    rows.reduce((sum, row) => sum + row.gpuMs, 0),
    capacityGpuMs,
  )
})
