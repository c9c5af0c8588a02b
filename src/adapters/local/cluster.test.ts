import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { workerIdOf } from '../../domain/ids.ts'
import { durationMs } from '../../domain/units.ts'
import { createLocalCluster } from './cluster.ts'
import { bootMs, isAlive, localWorld, marked, PYTHON, until } from './fixture.ts'

const sh = (script: string): string[] => ['sh', '-c', script]
/** Open watches of files in this process. */
const watches = (): number => process.getActiveResourcesInfo().filter((kind) => kind.startsWith('FSEvent')).length
const ready = (text: readonly string[]): true | null => (text.includes('stdout ready') ? true : null)

void test('a gang is launched whole, each worker with its own rank, and repeated launches change nothing', async (t) => {
  const world = await localWorld(t)
  const plan = world.plan(sh('echo "$0" >> starts; sleep 0.3'), {}, 4)
  const command = [...plan.command, 'rank $PLIMSOLL_NODE_RANK of $PLIMSOLL_NODES']
  const mine = { ...plan, command }
  await Promise.all([world.cluster.launch(mine, null, null), world.cluster.launch(mine, null, null)])
  await world.cluster.launch(mine, null, null)
  const other = await world.again()
  await other.launch(mine, null, null)
  for (const { id } of plan.workers) {
    const seen = await world.exited(id)
    assert.deepEqual(seen.exit, { kind: 'code', code: 0 }, seen.message ?? '')
  }
  await world.cluster.launch(mine, null, null)
  const starts = readFileSync(join(world.home, 'starts'), 'utf8').trim().split('\n').sort()
  assert.deepEqual(
    starts,
    [0, 1, 2, 3].map((rank) => `rank ${rank} of 4`),
  )
})

void test('after an end nothing of the attempt starts, whether it was launched before or is launched later', async (t) => {
  const world = await localWorld(t)
  const plan = world.plan(sh('touch started'), {}, 2)
  await world.end(plan.attempt, 1_000)
  assert.deepEqual((await world.cluster.observe()).workers, [])
  await world.cluster.launch(plan, null, null)
  for (const { id } of plan.workers) {
    const seen = await world.exited(id)
    assert.deepEqual([seen.startedAt, seen.cause, seen.exit], [null, 'stop', { kind: 'code', code: 143 }])
  }
  assert.equal(existsSync(join(world.home, 'started')), false)
  await world.cluster.forget(plan.attempt)
  assert.deepEqual(readdirSync(join(world.home, 'work')), [])
})

void test('an end that overtakes the start of the supervisors leaves nothing running', async (t) => {
  const world = await localWorld(t)
  const plan = world.plan(['sleep', '3600'], {}, 4)
  // The supervisors are started and need some 20 ms to claim: some are met before it, some after.
  await world.cluster.launch(plan, null, null)
  await world.end(plan.attempt, 0)
  const seen = (await world.cluster.observe()).workers
  assert.ok(seen.length === 4 && seen.every(({ phase }) => phase !== 'claimed'), 'what shows no start has none')
  for (const { id } of plan.workers) assert.equal((await world.exited(id)).cause, 'stop')
  assert.deepEqual(marked(plan.attempt), [])
})

void test('a worker whose supervisor was killed is ended, and is gone only when nothing of it is left', async (t) => {
  const world = await localWorld(t)
  const { worker, attempt } = await world.launch(
    sh('trap "" TERM PIPE; setsid env -i sleep 3600 & echo child $!; echo ready; wait'),
  )
  await until('ready', async () => ready(await world.text(worker)))
  const bare = Number((await world.text(worker)).join(' ').split('child ')[1]?.split(' ')[0])
  assert.ok(isAlive(bare))
  process.kill(world.supervisorPid(worker), 'SIGKILL')
  await until('gone', async () => ((await world.seen(worker))?.phase === 'gone' ? true : null))
  assert.deepEqual(marked(attempt), [])
  assert.ok(!isAlive(bare), 'what had no mark of its own, but descended from what had one, is ended too')
  assert.equal(existsSync(join(world.folder(worker), 'exit')), false)
  const next = await world.again()
  assert.deepEqual((await next.observe()).workers, [{ worker, phase: 'gone' }])
  await next.forget(attempt)
})

void test('SIGTERM to the supervisor, as at a shutdown, is a stop with the plan’s grace', async (t) => {
  const world = await localWorld(t)
  const { worker } = await world.launch(sh('trap "echo saved; exit 0" TERM; echo ready; while :; do sleep 0.02; done'))
  await until('ready', async () => ready(await world.text(worker)))
  process.kill(world.supervisorPid(worker), 'SIGTERM')
  const seen = await world.exited(worker)
  assert.deepEqual([seen.exit, seen.cause], [{ kind: 'code', code: 0 }, 'stop'])
  assert.match(seen.message ?? '', /supervisor received SIGTERM/)
})

void test('another control plane on the same home sees the same start and the same end', async (t) => {
  const world = await localWorld(t)
  const { worker, attempt } = await world.launch(sh('echo ready; exec sleep 3600'))
  await until('ready', async () => ready(await world.text(worker)))
  await world.cluster.close()
  const next = await world.again()
  const before = await world.seen(worker)
  const after = (await next.observe()).workers[0]
  assert.ok(before?.phase === 'running' && after?.phase === 'running')
  // Boot time is told in hundredths of a second here.
  assert.ok(Math.abs(before.startedAt - after.startedAt) <= 20)
  await next.end({ attempt, graceMs: durationMs(5_000), askedAt: world.now() })
  assert.deepEqual((await world.exited(worker)).exit, { kind: 'signal', signal: 'SIGTERM' })
})

void test('whoever watches is told of a start and of an end without asking, and of nothing after the end of the watch', async (t) => {
  const world = await localWorld(t)
  let toldAt = 0
  const end = world.cluster.watch(() => {
    toldAt = performance.now()
  })
  const { worker } = await world.launch(sh('sleep 0.3'))
  await until('told of the start', () => (toldAt > 0 ? true : null))
  let absentAt = 0
  await until('exit', () => {
    if (existsSync(join(world.folder(worker), 'exit'))) return true
    absentAt = performance.now()
    return null
  })
  await until('told of the end', () => (toldAt > absentAt ? true : null))
  end()
  toldAt = 0
  await world.exited((await world.launch(['true'])).worker)
  assert.equal(toldAt, 0)
})

void test('the demonstration’s folder comes first in PATH, as it is when the command is launched', async (t) => {
  let extra: string | null = null
  const world = await localWorld(t, { extraPath: () => extra })
  const bin = join(world.home, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'torchrun'), '#!/bin/sh\necho ours\n', { mode: 0o755 })
  assert.equal((await world.exited((await world.launch(['torchrun'])).worker)).cause, 'could-not-start')
  extra = bin
  const { worker } = await world.launch(['torchrun'])
  await world.exited(worker)
  assert.deepEqual(await world.text(worker), ['stdout ours'])
})

void test('a master port that is taken keeps the attempt from starting, and says so', async (t) => {
  const world = await localWorld(t)
  const server = createServer().listen(0)
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const { worker } = await world.launch(['true'], { masterPort: address.port })
  const seen = await world.exited(worker)
  assert.equal(seen.cause, 'could-not-start')
  assert.match(seen.message ?? '', /MASTER_PORT.*EADDRINUSE/)
})

void test('a living attempt is not forgotten, an ended one leaves nothing behind', async (t) => {
  const world = await localWorld(t)
  const { worker, attempt } = await world.launch(['sleep', '3600'])
  await until('running', async () => ((await world.seen(worker))?.phase === 'running' ? true : null))
  await assert.rejects(world.cluster.forget(attempt), /still lives/)
  await world.end(attempt, 0)
  await world.exited(worker)
  await world.cluster.forget(attempt)
  await world.cluster.forget(attempt)
  assert.deepEqual((await world.cluster.observe()).workers, [])
  const none = await world.cluster.readLog(worker, 0, 1000)
  assert.deepEqual([none.offset, none.bytes.length, none.nextOffset, none.open], [0, 0, 0, false])
})

void test('a log is open while its process lives, and says so at its end', async (t) => {
  const world = await localWorld(t)
  const { attempt, worker } = await world.launch(sh('echo one; sleep 60'))
  const { nextOffset } = await until('a line', async () => {
    const slice = await world.cluster.readLog(worker, 0, 1000)
    return slice.bytes.length > 0 ? slice : null
  })
  assert.equal((await world.cluster.readLog(worker, nextOffset, 1000)).open, true)
  await world.end(attempt, 0)
  await world.exited(worker)
  assert.equal((await world.cluster.readLog(worker, nextOffset, 1000)).open, false)
})

void test('a claim of another boot is gone, and its processes are nobody’s that live now', async (t) => {
  const world = await localWorld(t)
  const plan = world.plan(['true'])
  const worker = workerIdOf(plan.attempt, 0)
  mkdirSync(world.folder(worker), { recursive: true })
  const claim = `pid ${process.pid}\nstart 1\nboot 00000000-0000-0000-0000-000000000000\n`
  writeFileSync(join(world.folder(worker), 'claim'), claim)
  assert.deepEqual((await world.cluster.observe()).workers, [{ worker, phase: 'gone' }])
})

void test('an exit of another boot is told by the wall clock of then', async (t) => {
  const world = await localWorld(t)
  const plan = world.plan(['true'])
  const worker = workerIdOf(plan.attempt, 0)
  mkdirSync(world.folder(worker), { recursive: true })
  writeFileSync(join(world.folder(worker), 'claim'), 'pid 1\nstart 1\nboot other\n')
  const times = 'startedEpochMs 1700000000000\nstartedBootMs 5\nendedEpochMs 1700000001000\nendedBootMs 1005\n'
  writeFileSync(join(world.folder(worker), 'exit'), `code 0\ncause itself\nboot other\n${times}`)
  const [seen] = (await world.cluster.observe()).workers
  assert.ok(seen?.phase === 'exited')
  assert.deepEqual([seen.startedAt, seen.endedAt], [1_700_000_000_000, 1_700_000_001_000])
})

void test('without devices the declared slots are told as declared, with the condition they are given', async (t) => {
  const condition = { kind: 'not-ready', reason: 'preparing-environment', message: 'torch 40 %' } as const
  const world = await localWorld(t, { declaredSlots: 2, nodeCondition: () => condition })
  const { nodes } = await world.cluster.observe()
  assert.deepEqual(nodes, [
    { name: 'localhost', gpuModel: 'declared', slots: 2, declared: true, foreign: 0, condition },
  ])
})

void test('what is prepared and not claimed is not there; an end of it is an exit, and nothing starts later', async (t) => {
  // Not an interpreter: it stands for a supervisor that dies before it does anything.
  const world = await localWorld(t, { python: '/bin/true' })
  const { plan, worker, attempt } = await world.launch(sh('touch started'))
  assert.deepEqual((await world.cluster.observe()).workers, [])
  await world.end(attempt, 1_000)
  const [seen] = (await world.cluster.observe()).workers
  assert.ok(seen?.phase === 'exited')
  assert.deepEqual([seen.worker, seen.startedAt, seen.cause], [worker, null, 'stop'])
  const next = await createLocalCluster({ ...world.options, python: PYTHON })
  t.after(() => next.close())
  await next.launch(plan, null, null)
  const again = (await next.observe()).workers[0]
  assert.ok(again?.phase === 'exited' && again.cause === 'stop' && again.startedAt === null)
  assert.equal(existsSync(join(world.home, 'started')), false)
})

void test('a start under way is not repeated, one that came to nothing is repeated after some seconds', async (t) => {
  let laterMs = 0
  const world = await localWorld(t, { bootMs: () => bootMs() + laterMs })
  const python = join(world.home, 'python')
  writeFileSync(python, '#!/bin/sh\n# A fake interpreter that only counts.\necho start >> "$HOME/starts"\n', {
    mode: 0o755,
  })
  const cluster = await createLocalCluster({ ...world.options, python })
  t.after(() => cluster.close())
  const plan = world.plan(['true'])
  const starts = (): number => {
    const path = join(world.home, 'starts')
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').length : 0
  }
  await Promise.all([1, 2, 3].map(() => cluster.launch(plan, null, null)))
  await until('one start', () => (starts() === 1 ? true : null))
  await cluster.launch(plan, null, null)
  laterMs += 2_100
  await cluster.launch(plan, null, null)
  await until('two starts', () => (starts() === 2 ? true : null))
})

void test('the checkpoint directory is made; where it cannot be, nothing starts and the reason is told', async (t) => {
  const world = await localWorld(t)
  const checkpointDir = join(world.home, 'deep', 'down')
  const { worker } = await world.launch(sh('touch "$PLIMSOLL_CHECKPOINT_DIR/step-1"'), { checkpointDir })
  assert.deepEqual((await world.exited(worker)).exit, { kind: 'code', code: 0 })
  assert.ok(existsSync(join(checkpointDir, 'step-1')))
  writeFileSync(join(world.home, 'file'), '')
  const bad = await world.launch(['true'], { checkpointDir: join(world.home, 'file', 'below') })
  const seen = await world.exited(bad.worker)
  assert.equal(seen.cause, 'could-not-start')
  assert.match(seen.message ?? '', /the checkpoint directory .*file\/below could not be made: ENOTDIR/)
})

void test('without a working directory of its own a worker runs in its folder', async (t) => {
  const world = await localWorld(t)
  const { worker } = await world.launch(['pwd'], { workdir: null })
  await world.exited(worker)
  assert.deepEqual(await world.text(worker), [`stdout ${world.folder(worker)}`])
})

void test('watches and their timers are gone after close', async (t) => {
  const world = await localWorld(t)
  const before = watches()
  for (let turn = 0; turn < 20; turn += 1) world.cluster.watch(() => assert.fail('told after close'))
  assert.equal(watches(), before + 20)
  world.cluster.watch(() => assert.fail('told after its end'))()
  await world.cluster.close()
  await until('no watch left', () => (watches() === before ? true : null))
  await world.exited((await world.launch(['true'])).worker)
})
