import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Client } from 'pg'
import { dataOf, end, freshHome, query, rootDirectory, start, starter, toldBy, until } from './embedded-fixture.ts'
import { orphansOf, readPostmaster, servesData } from './embedded-server.ts'

void test('a fresh home gets a database that answers, with the promised settings and nothing on TCP', async () => {
  const home = freshHome()
  const server = await start(home)
  assert.equal(server.adopted, false)
  const wanted = ['64MB', '60', '30s', 'UTC', 'on', 'on', '', 'UTF8', 'on']
  const names = ['shared_buffers', 'max_connections', 'idle_in_transaction_session_timeout', 'timezone', 'fsync']
  names.push('synchronous_commit', 'listen_addresses', 'server_encoding', 'data_checksums')
  assert.deepEqual(
    await query(server, `select ${names.map((name) => `current_setting('${name}')`).join(', ')}`),
    wanted,
  )
  assert.deepEqual(await query(server, 'select current_database(), current_user'), ['plimsoll', 'plimsoll'])
  assert.equal((await stat(server.connection.host)).mode & 0o777, 0o700)
  assert.equal((await stat(home)).mode & 0o777, 0o700)
})

void test('what was written is there after stop and start, and a second stop does nothing', async () => {
  const home = freshHome()
  const first = await start(home)
  await query(first, 'create table kept as select 42 as answer')
  await first.stop()
  await first.stop()
  assert.equal(servesData(first.pid, dataOf(home)), false)
  assert.equal(existsSync(join(dataOf(home), 'postmaster.pid')), false)
  const second = await start(home)
  assert.equal(second.adopted, false)
  assert.deepEqual(await query(second, 'select answer from kept'), [42])
})

void test('the server of a starter that was killed hard is adopted, and stopped by whoever adopted it', async () => {
  const home = freshHome()
  const child = starter(home, 'stay', {})
  await until('the starter tells its server', () => child.said().includes('\n'))
  const told = toldBy(child)
  end(child.pid)
  await child.ended
  const adopted = await start(home)
  assert.deepEqual([adopted.adopted, adopted.pid], [true, told.pid])
  await adopted.stop()
  assert.equal(servesData(told.pid, dataOf(home)), false)
})

void test('a server whose every process was killed starts again within five seconds with what was committed', async () => {
  const home = freshHome()
  const first = await start(home)
  await query(first, 'create table kept as select generate_series(1, 20000) as n')
  const all = [first.pid, ...orphansOf(dataOf(home))]
  assert.ok(all.length > 3, 'the server has children')
  for (const pid of all) end(pid)
  const begun = performance.now()
  const second = await start(home)
  assert.ok(performance.now() - begun < 5_000)
  assert.equal(second.adopted, false)
  assert.deepEqual(await query(second, 'select count(*)::int from kept'), [20_000])
})

void test('children that outlive a killed server do not keep the next one from starting', async () => {
  const home = freshHome()
  const first = await start(home)
  const client = new Client(first.connection)
  client.on('error', () => undefined)
  await client.connect()
  // A backend in a calculation looks neither at its client nor at its dead parent.
  const calculation = client
    .query("select count(*) from generate_series(1, 100000000) n where md5(n::text) = ''")
    .catch(() => null)
  await until('the calculation runs', () => {
    return orphansOf(dataOf(home)).some((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('SELECT'))
  })
  end(first.pid)
  const second = await start(home)
  assert.equal(second.adopted, false)
  await calculation
  await client.end().catch(() => undefined)
})

void test('a start that was killed in the middle of initdb leaves nothing that hinders the next one', async () => {
  const home = freshHome()
  const child = starter(home, 'stay', {})
  const isHalf = (): boolean => existsSync(join(home, 'postgres', `data.new-${child.pid}`, 'PG_VERSION'))
  await until('initdb has begun', isHalf)
  end(child.pid)
  await child.ended
  assert.equal(existsSync(dataOf(home)), false)
  await start(home)
  const left = (await readdir(join(home, 'postgres'))).filter((name) => name.startsWith('data.new-'))
  assert.deepEqual(left, [])
})

void test('two starts at once on one home end with one server, which the second adopts', async () => {
  const home = freshHome()
  const both = [starter(home, 'stay', {}), starter(home, 'stay', {})]
  for (const child of both) await until('both answer', () => child.said().includes('\n'))
  const told = both.map(toldBy)
  assert.equal(told[0]?.pid, told[1]?.pid)
  assert.equal(told.filter((one) => one.adopted).length, 1)
  for (const child of both) end(child.pid)
  await (await start(home)).stop()
})

const pidFileOf = (pid: number, home: string, socket: string): string =>
  [pid, dataOf(home), 1, 5432, socket, '', '  1  1', 'ready   ', ''].join('\n')

void test('a postmaster.pid whose number now belongs to another process is not believed', async () => {
  const home = freshHome()
  const first = await start(home)
  await first.stop()
  // Not our own number: PostgreSQL takes that of its parent for its own from an earlier boot, and would start beside it.
  const stranger = spawn('sleep', ['60'], { stdio: 'ignore' })
  try {
    const stale = pidFileOf(stranger.pid ?? -1, home, first.connection.host)
    await writeFile(join(dataOf(home), 'postmaster.pid'), stale, { mode: 0o600 })
    const second = await start(home)
    assert.equal(second.adopted, false)
    assert.equal(readPostmaster(dataOf(home))?.pid, second.pid)
    assert.equal(stranger.exitCode ?? stranger.signalCode, null)
  } finally {
    end(stranger.pid ?? -1)
  }
})

void test('a killed server that its parent has not taken notice of is not believed, though a signal still reaches it', async () => {
  const home = freshHome()
  const first = await start(home)
  await first.stop()
  // The shell becomes a program that never asks for its child, which ends only after that: a shell would ask.
  const parent = spawn('sh', ['-c', 'exec 3<&0; cat <&3 & echo $!; exec sleep 60'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    const said = await new Promise<string>((resolve) =>
      parent.stdout.once('data', (b: Buffer) => resolve(b.toString())),
    )
    const zombie = Number(said)
    await until('the shell is no shell', () => readFileSync(`/proc/${parent.pid}/comm`, 'utf8') === 'sleep\n')
    parent.stdin.end()
    await until('it is a zombie', () => readFileSync(`/proc/${zombie}/stat`, 'utf8').includes(') Z '))
    assert.equal(process.kill(zombie, 0), true)
    await writeFile(join(dataOf(home), 'postmaster.pid'), pidFileOf(zombie, home, first.connection.host), {
      mode: 0o600,
    })
    const second = await start(home)
    assert.equal(second.adopted, false)
    assert.deepEqual(await query(second, 'select 1'), [1])
  } finally {
    end(parent.pid ?? -1)
  }
})

void test('an empty postmaster.pid, which a crash can leave, keeps no server from starting', async () => {
  const home = freshHome()
  await (await start(home)).stop()
  await writeFile(join(dataOf(home), 'postmaster.pid'), '', { mode: 0o600 })
  const again = await start(home)
  assert.deepEqual([again.adopted, await query(again, 'select 1')], [false, [1]])
})

void test('a path that is too long for a socket gets a short private directory, which goes away with the server', async () => {
  const home = join(freshHome(), 'a-rather-long-name-of-a-directory'.repeat(3), 'and, another one'.repeat(4))
  const server = await start(home)
  assert.match(server.connection.host, /^\/tmp\/plimsoll-/)
  assert.equal((await stat(server.connection.host)).mode & 0o777, 0o700)
  assert.deepEqual(await query(server, 'select 1'), [1])
  await server.stop()
  assert.equal(existsSync(server.connection.host), false)
})

void test('a socket directory in the home may have a comma, a quote or a blank in its path', async () => {
  const server = await start(join(rootDirectory, 'a, "b" c'))
  assert.deepEqual(await query(server, 'select 1'), [1])
})
