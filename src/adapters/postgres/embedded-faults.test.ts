import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { access, chmod, chown, cp, mkdir, readdir, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { nobody } from './embedded-account.ts'
import { findPackage, prepareNative } from './embedded-binaries.ts'
import {
  dataOf,
  end,
  freshHome,
  isRoot,
  query,
  rootDirectory,
  start,
  STARTER,
  starter,
  until,
} from './embedded-fixture.ts'
import { describeUser, PostgresFault } from './embedded.ts'

void test('a home in a place where no folder can be made is refused, and not tried for ever', async () => {
  for (const home of ['/proc/no-such/home', '/proc/self/fd/x', '/dev/null/home', join(rootDirectory, 'n'.repeat(300))])
    await assert.rejects(start(home), (error) => {
      assert.ok(error instanceof PostgresFault)
      assert.equal(error.code, 'postgres-home-unusable')
      return true
    })
})

void test('a full disk is a fault that says so, and leaves no half database', async (t) => {
  // A disk of 16 MB, which goes away with the process that has it.
  const inner = `mount -t tmpfs -o size=16m none "$0" || exit 77; "$1" --input-type=module -e "$2" "$0/home" stop; ls "$0/home/postgres"`
  const mountPoint = freshHome()
  await mkdir(mountPoint)
  const unshared = ['-m', ...(isRoot ? [] : ['-U', '--map-root-user']), 'sh', '-c', inner, mountPoint, process.execPath]
  const ran = spawnSync('unshare', [...unshared, STARTER], { encoding: 'utf8', cwd: '/', timeout: 30_000 })
  if (ran.error !== undefined || ran.status === 77 || /unshare failed/.test(ran.stderr)) return t.skip('no mount here')
  assert.match(ran.stderr, /postgres-disk-full/)
  assert.doesNotMatch(ran.stdout, /data/)
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
