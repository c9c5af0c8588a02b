import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { LOOPS } from '../../ports/doorbell.ts'
import type { LoopName } from '../../ports/doorbell.ts'
import { Fault } from '../../ports/fault.ts'
import { QueueFault, startLooks } from './looks.ts'
import type { Looks, LooksOptions } from './looks.ts'
import { recordOfLoops } from './turns.ts'

// A sibling adapter is not imported: the server is started, stopped and started again by a process of its own.
const SERVER = `
  import { startEmbeddedPostgres } from ${JSON.stringify(new URL('../postgres/embedded.ts', import.meta.url).href)}
  const home = process.argv[1]
  let server = null
  process.stdin.on('data', (bytes) => void obey(bytes.toString().trim()))
  process.stdin.on('end', () => void obey('stop').then(() => process.exit()))
  async function obey(word) {
    if (word === 'start') server = await startEmbeddedPostgres({ home, log: () => undefined })
    if (word === 'stop') await server?.stop()
    console.log(JSON.stringify(server?.connection ?? {}))
  }
`
const home = await mkdtemp(join(tmpdir(), 'plimsoll-looks-'))
const server = spawn(process.execPath, ['--input-type=module', '-e', SERVER, home], {
  stdio: ['pipe', 'pipe', 'inherit'],
})
const unhandled: unknown[] = []
process.on('unhandledRejection', (error) => unhandled.push(error))

function tell(word: 'start' | 'stop'): Promise<string> {
  const answer = new Promise<string>(
    (resolve) => void server.stdout.once('data', (bytes: Buffer) => resolve(bytes.toString())),
  )
  server.stdin.write(`${word}\n`)
  return answer
}

const socket = /"host":"([^"]*)"/.exec(await tell('start'))?.[1] ?? ''
const connection = { host: socket, port: 5432, user: 'plimsoll', database: 'plimsoll' }
const open = new Set<Looks>()

after(async () => {
  for (const looks of open) await looks.close()
  const ended = new Promise<void>((resolve) => void server.once('exit', () => resolve()))
  server.stdin.end()
  await ended
  await rm(home, { recursive: true, force: true })
  assert.deepEqual(unhandled, [])
})

type Counted = { readonly looks: Looks; readonly runs: Record<LoopName, number>; readonly said: string[] }

async function begin(
  options: Partial<LooksOptions> & { everyMs?: number; place?: () => Promise<void> },
): Promise<Counted> {
  const runs = recordOfLoops(() => 0)
  const said: string[] = []
  const everyMs = options.everyMs ?? 60_000
  const loops = recordOfLoops((loop) => ({
    everyMs,
    run: async () => {
      runs[loop] += 1
      if (loop === 'place') await options.place?.()
    },
  }))
  const log = (level: string, fields: object, message: string): void => {
    said.push(`${level} ${message} ${JSON.stringify(fields)}`)
  }
  const looks = await startLooks({ connection, redisUrl: null, loops, log, ...options })
  open.add(looks)
  // A new timer brings a first look at once: the counting starts after it.
  if (options.dropTimers !== true) {
    await until('the first looks of the timers', () => LOOPS.every((loop) => runs[loop] > 0))
  }
  return { looks, runs, said }
}

async function end(counted: Counted): Promise<void> {
  await counted.looks.close()
  open.delete(counted.looks)
}

async function until(what: string, holds: () => boolean, boundMs = 60_000): Promise<void> {
  const limit = performance.now() + boundMs
  while (!holds()) {
    assert.ok(performance.now() < limit, `waited ${boundMs} ms in vain for: ${what}`)
    await pause(1)
  }
}

async function within(boundMs: number, work: Promise<void>, what: string): Promise<void> {
  const bound = new AbortController()
  const late = pause(boundMs, 'late', { signal: bound.signal }).catch(() => 'stopped')
  const first = await Promise.race([work, late])
  bound.abort()
  assert.notEqual(first, 'late', `waited ${boundMs} ms in vain for: ${what}`)
}

async function connections(): Promise<number> {
  const client = new Client(connection)
  await client.connect()
  const answer = await client.query<{ n: number }>(
    `select count(*)::int n from pg_stat_activity where datname = 'plimsoll' and pid <> pg_backend_pid()`,
  )
  await client.end()
  return answer.rows[0]?.n ?? -1
}

void test('a ring makes its loop look, and only that loop', async () => {
  const counted = await begin({})
  const before = { ...counted.runs }
  counted.looks.ring('launch')
  await until('the look', () => counted.runs.launch > before.launch)
  counted.looks.ring('account')
  await until('the look', () => counted.runs.account > before.account)
  assert.deepEqual(counted.runs, { ...before, launch: before.launch + 1, account: before.account + 1 })
  assert.equal(await connections(), 3)
  assert.deepEqual(counted.said, [])
  await end(counted)
  assert.equal(await connections(), 0)
})

void test('a hundred rings while a loop runs lead to exactly one more run, and other loops do not wait', async () => {
  let blocked = false
  const waiting: (() => void)[] = []
  const place = async (): Promise<void> => {
    if (blocked) await new Promise<void>((resolve) => void waiting.push(resolve))
  }
  const counted = await begin({ place })
  const { looks, runs } = counted
  blocked = true
  const first = runs.place
  looks.ring('place')
  await until('place runs', () => runs.place === first + 1)
  for (let n = 0; n < 100; n++) looks.ring('place')
  const launches = runs.launch
  looks.ring('launch')
  await until('launch looks while place runs', () => runs.launch > launches)
  for (let n = 0; n < 100; n++) looks.ring('place')
  looks.ring('observe')
  const observed = runs.observe
  await until('what was rung before has arrived', () => runs.observe > observed)
  blocked = false
  for (const release of waiting) release()
  await until('the run after', () => runs.place === first + 2)
  for (let n = 0; n < 3; n++) {
    const before = runs.launch
    looks.ring('launch')
    await until('the queue is empty again', () => runs.launch > before)
  }
  assert.equal(runs.place, first + 2)
  await end(counted)
})

void test('each of five hundred rings in a row is followed by a look, within milliseconds', async (t) => {
  const waiting: (() => void)[] = []
  const counted = await begin({ place: async () => waiting.pop()?.() })
  const taken: number[] = []
  for (let n = 0; n < 500; n++) {
    const rung = performance.now()
    const look = new Promise<void>((resolve) => void waiting.push(resolve))
    counted.looks.ring('place')
    await within(5_000, look, `the look after ring ${n}`)
    taken.push(performance.now() - rung)
  }
  taken.sort((a, b) => a - b)
  const [p50, p99, max] = [taken[250] ?? NaN, taken[495] ?? NaN, taken.at(-1) ?? NaN]
  t.diagnostic(`ring to look: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, max ${max.toFixed(2)} ms`)
  // A few on a free machine; the bound only tells a wake-up from a poll.
  assert.ok(p50 < 100, `p50 ${p50} ms`)
  await end(counted)
})

void test('when every ring is lost the timers still make every loop look', async () => {
  const counted = await begin({ dropRings: true, everyMs: 200 })
  const before = { ...counted.runs }
  for (const loop of LOOPS) counted.looks.ring(loop)
  await until('five looks of each loop', () => LOOPS.every((loop) => counted.runs[loop] >= before[loop] + 5))
  // The guard would have said so.
  assert.deepEqual(counted.said, [])
  await end(counted)
})

void test('when the timers of the queue are lost too, the guard makes every loop look and says so', async () => {
  const client = new Client(connection)
  await client.connect()
  await client.query('drop schema bullmq cascade')
  await client.end()
  const counted = await begin({ dropRings: true, dropTimers: true, everyMs: 100 })
  await until('two looks of each loop', () => LOOPS.every((loop) => counted.runs[loop] >= 2))
  assert.match(counted.said[0] ?? '', /^warn the timer of a loop did not come/)
  await end(counted)
})

void test('a run that fails is logged by its code and runs again at its timer', async () => {
  const fault = new Fault('store-unavailable', 'no', { retryable: true })
  const counted = await begin({ place: () => Promise.reject(fault), everyMs: 100 })
  await until('it runs again and again', () => counted.runs.place >= 4)
  const complaints = counted.said.filter((line) => line.includes('store-unavailable'))
  assert.equal(complaints.length, 1)
  assert.match(complaints[0] ?? '', /^warn /)
  await end(counted)
})

void test('PostgreSQL goes away and comes back: nothing is unhandled, little is said, and rings and timers go on', async () => {
  const counted = await begin({ everyMs: 500 })
  const { looks, runs, said } = counted
  await tell('stop')
  const during = runs.place
  for (let n = 0; n < 50; n++) {
    for (const loop of LOOPS) looks.ring(loop)
    await pause(10)
  }
  await until('the guard stands in for the queue', () => runs.place > during + 1)
  await tell('start')
  const before = { ...runs }
  await until('timers go on', () => LOOPS.every((loop) => runs[loop] >= before[loop] + 4))
  assert.ok(said.length > 0 && said.length < 20, said.join('\n'))
  const back = runs.launch
  looks.ring('launch')
  await until('a ring arrives', () => runs.launch > back)
  await end(counted)
})

void test('it can be closed while PostgreSQL is away', async () => {
  const counted = await begin({ everyMs: 1_000 })
  await tell('stop')
  const begun = performance.now()
  await end(counted)
  assert.ok(performance.now() - begun < 10_000)
  await tell('start')
})

void test('a process that was killed with a message in hand does not keep the next one from being rung', async () => {
  const script = `
    import { startLooks } from ${JSON.stringify(new URL('./looks.ts', import.meta.url).href)}
    const spec = { everyMs: 60_000, run: async () => undefined }
    const loops = { place: spec, launch: spec, observe: spec, account: spec }
    const looks = await startLooks({ connection: ${JSON.stringify(connection)}, redisUrl: null, loops, log: () => undefined })
    setInterval(() => { for (const loop of Object.keys(loops)) looks.ring(loop) }, 0)
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), 300)
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' })
  await new Promise<void>((resolve) => void child.once('exit', () => resolve()))
  const counted = await begin({ dropTimers: true })
  for (const loop of LOOPS) {
    const before = counted.runs[loop]
    counted.looks.ring(loop)
    await until('a look', () => counted.runs[loop] > before, 4_500)
  }
  await end(counted)
})

void test('an address that is no Redis is refused with what to do', async () => {
  await assert.rejects(
    begin({ redisUrl: 'http://example.org' }),
    (error) => error instanceof QueueFault && error.code === 'queue-url',
  )
})
