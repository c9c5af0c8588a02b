import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { HomeFault, takeHomeLock } from './home-lock.ts'

const rootDirectory = await mkdtemp(join(tmpdir(), 'plimsoll-lock-'))
const started: number[] = []

after(async () => {
  for (const pid of started) end(pid)
  await rm(rootDirectory, { recursive: true, force: true })
})

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Already over.
  }
}

/** A process that takes the lock, starts a detached child that outlives it, and says so. */
const HOLDER = `
  import { spawn } from 'node:child_process'
  import { takeHomeLock } from ${JSON.stringify(new URL('./home-lock.ts', import.meta.url).href)}
  const lock = await takeHomeLock(process.argv[1])
  const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
  child.unref()
  console.log((lock.held ? 'held ' : 'refused ') + child.pid)
  setInterval(() => undefined, 60_000)
`

async function holder(home: string): Promise<{ pid: number; held: boolean; kill(): Promise<void> }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', HOLDER, home], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const pid = child.pid ?? -1
  started.push(pid)
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()))
  const said = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (bytes: Buffer) => resolve(bytes.toString()))
    child.once('exit', () => reject(new Error('the holder ended before it said anything')))
  })
  const [word, survivor] = said.trim().split(' ')
  started.push(Number(survivor))
  const kill = async (): Promise<void> => {
    end(pid)
    await ended
  }
  return { pid, held: word === 'held', kill }
}

void test('the lock keeps a second one out, in this process and in another, until it is released', async () => {
  const home = join(rootDirectory, 'first', 'home')
  const lock = await takeHomeLock(home)
  assert.equal(lock.held, true)
  assert.equal((await stat(home)).mode & 0o777, 0o700)
  assert.deepEqual(await takeHomeLock(home), { held: false, holder: { pid: process.pid, url: null } })
  const other = await holder(home)
  assert.equal(other.held, false)
  await other.kill()
  if (lock.held) {
    lock.release()
    lock.release()
  }
  const again = await takeHomeLock(home)
  assert.equal(again.held, true)
  if (again.held) again.release()
})

void test('kill -9 of the holder frees the lock at once, though a process that it started lives on', async () => {
  const home = join(rootDirectory, 'second')
  const other = await holder(home)
  assert.equal(other.held, true)
  await writeFile(join(home, 'client.json'), JSON.stringify({ url: 'http://127.0.0.1:7420' }))
  const refused = await takeHomeLock(home)
  assert.deepEqual(refused, { held: false, holder: { pid: other.pid, url: 'http://127.0.0.1:7420' } })
  await other.kill()
  const survivor = started.at(-1) ?? -1
  assert.equal(process.kill(survivor, 0), true, 'the child of the holder is alive')
  const taken = await takeHomeLock(home)
  assert.equal(taken.held, true)
  if (taken.held) taken.release()
})

void test('of twenty that come at once exactly one gets it', async () => {
  const home = join(rootDirectory, 'third')
  const locks = await Promise.all(Array.from({ length: 20 }, () => takeHomeLock(home)))
  assert.equal(locks.filter((lock) => lock.held).length, 1)
  for (const lock of locks) if (lock.held) lock.release()
})

void test('a home in a place where no folder can be made is refused, and not tried for ever', async () => {
  for (const home of ['/proc/no-such/home', '/proc/self/fd/x'])
    await assert.rejects(takeHomeLock(home), { code: 'home-unusable' })
})

void test('a home that cannot be made is a fault with what to do', async () => {
  const file = join(rootDirectory, 'file')
  await writeFile(file, '')
  await assert.rejects(takeHomeLock(join(file, 'home')), (error) => {
    assert.ok(error instanceof HomeFault)
    assert.equal(error.code, 'home-unusable')
    assert.notEqual(error.whatToDo, '')
    return true
  })
})
