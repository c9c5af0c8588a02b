import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { access, chmod, chown, cp, mkdir, mkdtemp, readdir, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { nobody } from './embedded-account.ts'
import type { Account } from './embedded-account.ts'
import { findPackage, prepareNative } from './embedded-binaries.ts'
import { orphansOf, readPostmaster, servesData } from './embedded-process.ts'
import { describeUser, PostgresFault, startEmbeddedPostgres } from './embedded.ts'
import type { EmbeddedPostgres } from './embedded.ts'

const rootDirectory = await mkdtemp(join(tmpdir(), 'plimsoll-postgres-'))
const isRoot = process.getuid?.() === 0
const running = new Set<EmbeddedPostgres>()
const children = new Set<number>()

after(async () => {
  for (const server of running) await server.stop()
  for (const pid of children) end(pid)
  await rm(rootDirectory, { recursive: true, force: true })
})

let homes = 0
const freshHome = (): string => join(rootDirectory, `home-${++homes}`)
const dataOf = (home: string): string => join(home, 'postgres', 'data')

async function start(home: string, as?: Account): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ home, log: () => undefined, ...(as === undefined ? {} : { as }) })
  running.add(server)
  return server
}

async function query(server: EmbeddedPostgres, text: string): Promise<unknown[]> {
  const client = new Client(server.connection)
  await client.connect()
  try {
    return (await client.query<unknown[]>({ text, rowMode: 'array' })).rows[0] ?? []
  } finally {
    await client.end()
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Already over.
  }
}

async function until(what: string, holds: () => boolean, boundMs = 10_000): Promise<void> {
  const limit = performance.now() + boundMs
  while (!holds()) {
    assert.ok(performance.now() < limit, `waited ${boundMs} ms in vain for: ${what}`)
    await pause(5)
  }
}

/** A process that starts the server of `home`, prints its pid and then stays. */
const STARTER = `
  import { startEmbeddedPostgres } from ${JSON.stringify(new URL('./embedded.ts', import.meta.url).href)}
  const server = await startEmbeddedPostgres({ home: process.argv[1], log: () => undefined })
  console.log(JSON.stringify({ pid: server.pid, adopted: server.adopted, socket: server.connection.host }))
  if (process.argv[2] === 'stop') await server.stop()
  else setInterval(() => undefined, 60_000)
`

type Starter = { readonly pid: number; said(): string; readonly ended: Promise<number | null> }

function starter(
  home: string,
  mode: 'stay' | 'stop',
  identity: { uid?: number; gid?: number; env?: NodeJS.ProcessEnv },
): Starter {
  const args = ['--input-type=module', '-e', STARTER, home, mode]
  const child = spawn(process.execPath, args, { ...identity, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()))
  const ended = new Promise<number | null>((resolve) => void child.once('close', resolve))
  const pid = child.pid ?? -1
  children.add(pid)
  return { pid, said: () => said, ended }
}

function toldBy(child: Starter): { pid: number; adopted: boolean } {
  const [, pid, adopted] = /"pid":(\d+),"adopted":(true|false)/.exec(child.said()) ?? []
  return { pid: Number(pid), adopted: adopted === 'true' }
}

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

void test('a postmaster.pid whose number now belongs to another process is not believed', async () => {
  const home = freshHome()
  const first = await start(home)
  await first.stop()
  const stale = [process.pid, dataOf(home), 1, 5432, first.connection.host, '', '  1  1', 'ready   ', ''].join('\n')
  await writeFile(join(dataOf(home), 'postmaster.pid'), stale, { mode: 0o600 })
  if (isRoot) await chown(join(dataOf(home), 'postmaster.pid'), 0, 0)
  const second = await start(home)
  assert.equal(second.adopted, false)
  assert.equal(readPostmaster(dataOf(home))?.pid, second.pid)
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

void test('a database of another major version is refused with what to do', async () => {
  const home = freshHome()
  await mkdir(dataOf(home), { recursive: true })
  await writeFile(join(dataOf(home), 'PG_VERSION'), '17\n')
  await assert.rejects(start(home), (error) => {
    assert.ok(error instanceof PostgresFault)
    assert.equal(error.code, 'postgres-data-version')
    assert.match(error.message, /PostgreSQL 17.*PostgreSQL 18/)
    return true
  })
})

void test('a data directory that is no database is left alone and named', async () => {
  const home = freshHome()
  await mkdir(dataOf(home), { recursive: true })
  await writeFile(join(dataOf(home), 'thesis.tex'), 'x')
  await assert.rejects(start(home), { code: 'postgres-data-unusable' })
  assert.deepEqual(await readdir(dataOf(home)), ['thesis.tex'])
})

void test('a server that cannot start says why and what to do', async () => {
  const home = freshHome()
  await (await start(home)).stop()
  await writeFile(join(dataOf(home), 'postgresql.conf'), 'no_such_setting = 1\n')
  await assert.rejects(start(home), (error) => {
    assert.ok(error instanceof PostgresFault)
    assert.equal(error.code, 'postgres-start-failed')
    assert.match(error.message, /no_such_setting/)
    return true
  })
})

void test('describeUser tells as whom the server runs', () => {
  assert.ok(isRoot ? ['user-namespace', 'nobody'].includes(describeUser()) : describeUser() === 'self')
})

void test(
  'an ordinary user starts, is adopted, and cannot write to a foreign home',
  { skip: isRoot ? false : 'needs root' },
  async (t) => {
    const { uid, gid } = nobody()
    const home = join(rootDirectory, 'of-nobody')
    await mkdir(home, { mode: 0o700 })
    await chown(home, uid, gid)
    await chmod(rootDirectory, 0o755)
    const identity = { uid, gid, env: { PATH: process.env['PATH'], HOME: home } }
    const probe = starter('/no-such-home', 'stop', identity)
    await probe.ended
    if (/Cannot find|EACCES.*(node_modules|\.ts)/.test(probe.said()))
      return t.skip('this checkout is closed to other users')
    assert.match(probe.said(), /postgres-no-permission/)

    const first = starter(home, 'stay', identity)
    await until('the ordinary user has a server', () => first.said().includes('\n'))
    assert.match(first.said(), /"adopted":false/)
    end(first.pid)
    await first.ended
    const second = starter(home, 'stop', identity)
    assert.equal(await second.ended, 0, second.said())
    assert.match(second.said(), /"adopted":true/)

    const foreign = join(rootDirectory, 'of-root')
    await mkdir(foreign, { mode: 0o700 })
    const third = starter(foreign, 'stop', identity)
    assert.notEqual(await third.ended, 0)
    assert.match(third.said(), /postgres-no-permission/)
  },
)

void test(
  'root without user namespaces runs it as nobody, outside of the home',
  { skip: isRoot ? false : 'needs root' },
  async () => {
    const home = freshHome()
    const server = await start(home, nobody())
    const elsewhere = join(server.connection.host, '..')
    assert.match(elsewhere, /^\/var\/lib\/plimsoll\//)
    try {
      assert.deepEqual(await query(server, 'select 1'), [1])
      assert.match(readFileSync(`/proc/${server.pid}/status`, 'utf8'), /^Uid:\s+65534/m)
      await server.stop()
      // The next start needs no telling: the database is there.
      const again = await start(home)
      assert.equal(again.connection.host, server.connection.host)
      await again.stop()
    } finally {
      await rm(elsewhere, { recursive: true, force: true })
      // Other homes of this machine may be there too.
      await rmdir(join(elsewhere, '..')).catch(() => undefined)
    }
  },
)

void test('programs without their links get them, or a copy where the package cannot be written', async () => {
  const { native } = await findPackage()
  const bare = join(rootDirectory, 'native')
  await cp(native, bare, { recursive: true, verbatimSymlinks: true })
  const link = join(bare, 'lib', 'libpq.so.5')
  await rm(link)
  if (isRoot) {
    // Only another user than root can be kept from writing.
    const { uid, gid } = nobody()
    const cache = join(rootDirectory, 'cache')
    await mkdir(cache)
    await chown(cache, uid, gid)
    await chmod(rootDirectory, 0o755)
    const copy = join(cache, 'deep', 'postgres')
    const script = `
      import { prepareNative } from ${JSON.stringify(new URL('./embedded-binaries.ts', import.meta.url).href)}
      console.log(await prepareNative(process.argv[1], ['/no-such-place/postgres', process.argv[2]]))
    `
    const args = ['--input-type=module', '-e', script, bare, copy]
    const child = spawnSync(process.execPath, args, { uid, gid, cwd: '/', encoding: 'utf8' })
    assert.equal(child.stdout.trim(), copy, child.stderr)
    assert.equal(spawnSync(join(copy, 'bin', 'initdb'), ['--version']).status, 0)
    assert.equal(existsSync(link), false)
  }
  assert.equal(await prepareNative(bare, []), bare)
  await access(link)
})
