import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { workerIdOf } from '../../domain/ids.ts'
import { durationMs } from '../../domain/units.ts'
import { createLocalCluster } from './cluster.ts'
import type { World } from './fixture.ts'
import { localWorld, marked, PYTHON, until, wholeLog } from './fixture.ts'

const sh = (script: string): string[] => ['sh', '-c', script]
const isThere = (path: string) => (): true | null => (existsSync(path) ? true : null)

void test('the code a program exits with is told, with when it started and ended on the leader’s clock', async (t) => {
  const world = await localWorld(t)
  const before = world.now()
  const { worker } = await world.launch(sh('echo out; echo err >&2; exit 3'))
  const seen = await world.exited(worker)
  assert.deepEqual(seen.exit, { kind: 'code', code: 3 })
  assert.equal(seen.cause, 'itself')
  assert.ok(seen.startedAt !== null && before - 20 <= seen.startedAt && seen.startedAt <= seen.endedAt)
  assert.ok(seen.endedAt <= world.now())
  assert.deepEqual((await world.text(worker)).sort(), ['stderr err', 'stdout out'])
})

void test('a signal that ends a program is told by its name', async (t) => {
  const world = await localWorld(t)
  const { worker } = await world.launch(sh('kill -SEGV $$$$'))
  assert.deepEqual((await world.exited(worker)).exit, { kind: 'signal', signal: 'SIGSEGV' })
})

const START_PROBLEMS = [
  { what: 'a program that does not exist', command: ['no-such-program'], code: 127, says: /does not exist/ },
  { what: 'a path that does not exist', command: ['./no-such-program'], code: 127, says: /does not exist/ },
  {
    what: 'a file that is not executable',
    command: ['./text'],
    code: 126,
    says: /cannot be executed: Permission denied/,
  },
  { what: 'a script without a first line', command: ['./bare'], code: 126, says: /neither a program nor a script/ },
  { what: 'a script whose interpreter is missing', command: ['./lost'], code: 127, says: /interpreter/ },
  { what: 'a folder', command: ['./'], code: 126, says: /cannot be executed/ },
] as const

for (const { what, command, code, says } of START_PROBLEMS) {
  void test(`could not start: ${what}`, async (t) => {
    const world = await localWorld(t)
    writeFileSync(join(world.home, 'text'), 'text\n')
    writeFileSync(join(world.home, 'bare'), 'text\n', { mode: 0o755 })
    writeFileSync(join(world.home, 'lost'), '#!/no/such/interpreter\n', { mode: 0o755 })
    const { worker } = await world.launch(command)
    const seen = await world.exited(worker)
    assert.deepEqual([seen.exit, seen.cause, seen.startedAt], [{ kind: 'code', code }, 'could-not-start', null])
    assert.match(seen.message ?? '', says)
    assert.match((await world.text(worker)).join('\n'), says)
  })
}

void test('could not start: a working directory that does not exist', async (t) => {
  const world = await localWorld(t)
  const { worker } = await world.launch(['true'], { workdir: join(world.home, 'nowhere') })
  const seen = await world.exited(worker)
  assert.deepEqual([seen.exit, seen.cause], [{ kind: 'code', code: 127 }, 'could-not-start'])
  assert.match(seen.message ?? '', /working directory .*nowhere cannot be entered: No such file/)
})

void test('secrets come from files that nobody else may read, and are stored nowhere', async (t) => {
  const world = await localWorld(t)
  mkdirSync(join(world.home, 'secrets'))
  const file = join(world.home, 'secrets', 'hf-token')
  writeFileSync(file, 'very secret\n', { mode: 0o600 })
  const command = sh('test ${#HF_TOKEN} = 11')
  const good = await world.launch(command, { secrets: ['hf-token'] })
  assert.deepEqual((await world.exited(good.worker)).exit, { kind: 'code', code: 0 })
  assert.doesNotMatch(readFileSync(join(world.folder(good.worker), 'plan.json'), 'utf8'), /very secret/)
  chmodSync(file, 0o640)
  const open = await world.exited((await world.launch(command, { secrets: ['hf-token'] })).worker)
  assert.deepEqual([open.cause, open.startedAt], ['could-not-start', null])
  assert.match(open.message ?? '', /hf-token is not used: others may read .*chmod 600/)
  const missing = await world.exited((await world.launch(command, { secrets: ['other'] })).worker)
  assert.match(missing.message ?? '', /secret other could not be read from .*secrets\/other: No such file/)
  const hostile = await world.exited((await world.launch(command, { secrets: ['../../etc/passwd'] })).worker)
  assert.match(hostile.message ?? '', /no name of a secret/)
})

void test('a program saves on SIGTERM, in its own time, and its own exit code is kept', async (t) => {
  const world = await localWorld(t)
  const script = 'trap "sleep 0.3; echo saved > checkpoint; exit 7" TERM; echo ready; while :; do sleep 0.05; done'
  const { worker, attempt } = await world.launch(sh(script))
  await until('ready', async () => ((await world.text(worker)).includes('stdout ready') ? true : null))
  await world.end(attempt, 20_000)
  const seen = await world.exited(worker)
  assert.deepEqual([seen.exit, seen.cause], [{ kind: 'code', code: 7 }, 'stop'])
  assert.equal(readFileSync(join(world.home, 'checkpoint'), 'utf8'), 'saved\n')
})

void test('who ignores SIGTERM is killed when the grace is over, and not before', async (t) => {
  const world = await localWorld(t)
  const { worker, attempt } = await world.launch(sh('trap "" TERM; echo ready; while :; do sleep 0.05; done'))
  await until('ready', async () => ((await world.text(worker)).includes('stdout ready') ? true : null))
  const asked = world.now()
  await world.end(attempt, 600)
  const seen = await world.exited(worker)
  assert.deepEqual([seen.exit, seen.cause], [{ kind: 'signal', signal: 'SIGKILL' }, 'stop'])
  assert.ok(seen.endedAt - asked >= 580, `ended after ${seen.endedAt - asked} ms`)
})

void test('stop now does not wait for the grace that was asked for before', async (t) => {
  const world = await localWorld(t)
  const { worker, attempt } = await world.launch(sh('trap "" TERM; echo ready; while :; do sleep 0.05; done'))
  await until('ready', async () => ((await world.text(worker)).includes('stdout ready') ? true : null))
  await world.end(attempt, 3_600_000)
  await world.end(attempt, 3_600_000)
  await world.end(attempt, 0)
  assert.deepEqual((await world.exited(worker)).exit, { kind: 'signal', signal: 'SIGKILL' })
})

void test('the deadline ends a process that ignores SIGTERM while nobody of ours lives', async (t) => {
  const world = await localWorld(t)
  const command = sh('trap "" TERM; while :; do sleep 0.05; done')
  const { worker } = await world.launch(command, { graceMs: durationMs(300) }, { deadlineInMs: 300 })
  await world.cluster.close()
  // Nothing of the adapter runs here: only the file is waited for.
  await until('exit', isThere(join(world.folder(worker), 'exit')))
  const later = await world.again()
  const seen = (await later.observe()).workers.find((one) => one.worker === worker)
  assert.ok(seen?.phase === 'exited')
  assert.deepEqual([seen.exit, seen.cause], [{ kind: 'signal', signal: 'SIGKILL' }, 'deadline'])
})

void test('a deadline is moved while the worker lives, in both directions', async (t) => {
  const world = await localWorld(t)
  const { worker, attempt } = await world.launch(['sleep', '3600'], {}, { deadlineInMs: 3_600_000 })
  await until('running', async () => ((await world.seen(worker))?.phase === 'running' ? true : null))
  await world.cluster.deadline(attempt, null)
  await world.cluster.deadline(attempt, world.now())
  const seen = await world.exited(worker)
  assert.deepEqual([seen.exit, seen.cause], [{ kind: 'signal', signal: 'SIGTERM' }, 'deadline'])
})

void test('a deadline that is over before the start starts nothing', async (t) => {
  const world = await localWorld(t)
  const { worker } = await world.launch(sh('touch started'), {}, { deadlineInMs: -1 })
  const seen = await world.exited(worker)
  assert.deepEqual([seen.cause, seen.startedAt], ['deadline', null])
  assert.equal(existsSync(join(world.home, 'started')), false)
})

void test('grandchildren in sessions of their own end with the worker, also when their parents are gone', async (t) => {
  const world = await localWorld(t)
  const script =
    'setsid sh -c "setsid sh -c \\"trap : TERM; while :; do sleep 0.05; done\\" & exit" & wait; echo ready; sleep 3600'
  const { worker, attempt } = await world.launch(sh(script))
  await until('ready', async () => ((await world.text(worker)).includes('stdout ready') ? true : null))
  await world.end(attempt, 200)
  await world.exited(worker)
  assert.deepEqual(marked(attempt), [])
})

void test('what a program leaves behind is ended before its exit is written', async (t) => {
  const world = await localWorld(t)
  const { worker, attempt } = await world.launch(sh('setsid sleep 3600 & setsid sleep 3600 & exit 4'))
  const seen = await world.exited(worker)
  assert.deepEqual([seen.exit, seen.cause], [{ kind: 'code', code: 4 }, 'itself'])
  assert.deepEqual(marked(attempt), [])
})

void test('a program that Python did not start sees ordinary signals and the environment it was given', async (t) => {
  const world = await localWorld(t, { baseEnv: { PATH: '/usr/bin:/bin', PLIMSOLL_TOKEN: 'admin', GIVEN: 'yes' } })
  const ingest = { url: 'http://127.0.0.1:7421', token: 'of the attempt' }
  const { worker } = await world.launch(
    sh('env; grep -E "Sig(Ign|Blk)" /proc/self/status'),
    { env: { WHERE: '$PLIMSOLL_CHECKPOINT_DIR', PRICE: '$$5' } },
    { ingest },
  )
  await world.exited(worker)
  const text = await world.text(worker)
  const wanted = ['GIVEN=yes', 'PRICE=$5', 'PYTHONUNBUFFERED=1', `WHERE=${world.home}/checkpoints`]
  for (const line of [...wanted, 'PLIMSOLL_INGEST_TOKEN=of the attempt', `PLIMSOLL_WORKER=${worker}`]) {
    assert.ok(text.includes(`stdout ${line}`), `${line} is missing in ${text.join('\n')}`)
  }
  assert.doesNotMatch(text.join('\n'), /PLIMSOLL_TOKEN|LC_CTYPE/)
  assert.match(text.join('\n'), /SigIgn:\s*0{16}/)
  assert.doesNotMatch(readFileSync(join(world.folder(worker), 'plan.json'), 'utf8'), /of the attempt/)
})

void test('a line of 10 MB is cut into parts of at most 16 KiB and nothing of it is lost', async (t) => {
  const world = await localWorld(t)
  const { worker } = await world.launch(sh('head -c 10000000 /dev/zero | tr "\\0" x; echo; echo after'))
  await world.exited(worker)
  const lines = Buffer.from(await wholeLog(world.cluster, worker))
    .toString('latin1')
    .split('\n')
    .slice(0, -1)
  assert.ok(lines.every((line) => line.length <= 16_384 + 48))
  assert.deepEqual(await world.text(worker).then((text) => text.map((line) => line.length)), [10_000_007, 12])
})

void test('bytes that are no UTF-8 are kept as they are', async (t) => {
  const world = await localWorld(t)
  const { worker } = await world.launch(sh("printf 'a\\377\\000\\303b\\n\\303'; printf '\\251 without an end'"))
  await world.exited(worker)
  const log = Buffer.from(await wholeLog(world.cluster, worker))
    .toString('latin1')
    .replace(/^\S+ /gm, '')
  assert.equal(log, 'stdout F a\xff\0\xc3b\nstdout F \xc3\xa9 without an end\n')
})

void test('an unfinished line is seen before it ends', async (t) => {
  const world = await localWorld(t)
  const { worker, attempt } = await world.launch(sh('printf "loading"; exec sleep 3600'))
  const log = await until('the part', async () => {
    const bytes = await wholeLog(world.cluster, worker)
    return bytes.length > 0 ? Buffer.from(bytes).toString() : null
  })
  assert.match(log, / stdout P loading\n$/)
  await world.end(attempt, 0)
  await world.exited(worker)
  assert.deepEqual(await world.text(worker), ['stdout loading'])
})

void test('old log files go, offsets stay, and the gap is seen in the slice', async (t) => {
  const world = await localWorld(t, { logLimits: { fileBytes: 200_000, files: 3 } })
  const { worker } = await world.launch(sh('i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done'))
  await world.exited(worker)
  const files = readdirSync(world.folder(worker)).filter((name) => name.startsWith('log.'))
  assert.equal(files.length, 3)
  assert.ok(files.every((name) => statSync(join(world.folder(worker), name)).size <= 200_000))
  const first = await world.cluster.readLog(worker, 0, 1 << 20)
  assert.ok(first.offset > 0 && files.includes(`log.${first.offset}`))
  const text = await world.text(worker)
  const numbers = text.map((line) => Number(line.split(' ')[2]))
  assert.equal(numbers.at(-1), 19_999)
  assert.deepEqual(
    numbers,
    Array.from(numbers, (_, index) => (numbers[0] ?? 0) + index),
  )
  // A small room gives whole lines, and the same ones.
  const small = await world.cluster.readLog(worker, first.offset, 1)
  assert.ok(small.offset === first.offset && small.bytes.at(-1) === 10 && small.bytes.length <= 17 * 1024)
  assert.ok(small.nextOffset === small.offset + small.bytes.length)
  const end = await world.cluster.readLog(worker, 10_000_000, 1000)
  assert.deepEqual([end.offset, end.bytes.length, end.nextOffset], [10_000_000, 0, 10_000_000])
})

void test('a full disk costs log lines, which are counted, and neither the training nor its exit', async (t) => {
  const world = await localWorld(t)
  if (!mountSmall(world)) return t.skip('mounting a small file system needs root')
  const filler = join(world.home, 'work', 'filler')
  const script = `head -c 100000000 /dev/zero > ${filler}; i=0; while [ $i -lt 3000 ]; do echo "full $i"; i=$((i+1)); done
    sleep 0.5; rm ${filler}; i=0; while [ $i -lt 10 ]; do echo "again $i"; sleep 0.02; i=$((i+1)); done; head -c 100000000 /dev/zero > ${filler}; exit 5`
  const { worker } = await world.launch(sh(script))
  const seen = await world.exited(worker)
  assert.deepEqual([seen.exit, seen.cause], [{ kind: 'code', code: 5 }, 'itself'])
  const text = await world.text(worker)
  assert.match(text.join('\n'), /stderr plimsoll: \d+ bytes of this log are missing here/)
  assert.ok(text.includes('stdout again 9'))
  assert.ok(!text.includes('stdout full 2999'))
})

void test('killed with SIGKILL, torchrun leaves no rank behind', async (t) => {
  const python = torchPython()
  if (python === null) return t.skip('no Python with torch: set PLIMSOLL_PYTHON to one')
  const world = await localWorld(t)
  const script = join(world.home, 'rank.py')
  writeFileSync(script, 'import os, time\nprint("rank", os.environ["RANK"], flush=True)\ntime.sleep(3600)\n')
  const launch = ['-m', 'torch.distributed.run', '--nproc-per-node=2', '--nnodes=1', '--node-rank=0']
  const { worker, attempt } = await world.launch([
    python,
    ...launch,
    '--master-addr=$MASTER_ADDR',
    '--master-port=$MASTER_PORT',
    script,
  ])
  await until(
    'two ranks',
    async () => {
      const text = (await world.text(worker)).join('\n')
      return /rank 0/.test(text) && /rank 1/.test(text) ? true : null
    },
    120_000,
  )
  const agent = Number(/pid (\d+)/.exec(readFileSync(join(world.folder(worker), 'pid'), 'utf8'))?.[1])
  assert.ok(marked(attempt).length >= 3)
  process.kill(agent, 'SIGKILL')
  const seen = await world.exited(worker)
  assert.deepEqual([seen.exit, seen.cause], [{ kind: 'signal', signal: 'SIGKILL' }, 'itself'])
  assert.deepEqual(marked(attempt), [])
})

void test('the supervisor stays within 15 MiB, also after a flood of short lines', async (t) => {
  const world = await localWorld(t)
  const { worker } = await world.launch(sh('head -c 5000000 /dev/zero | tr "\\0" "\\n"; echo ready; exec sleep 3600'))
  await until('ready', async () => (lastLine(world.folder(worker)).endsWith('ready\n') ? true : null))
  const status = readFileSync(`/proc/${world.supervisorPid(worker)}/status`, 'utf8')
  const residentKiB = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])
  t.diagnostic(`resident: ${(residentKiB / 1024).toFixed(1)} MiB (${PYTHON})`)
  assert.ok(residentKiB <= 15 * 1024)
})

void test('runs on every Python from 3.9 on that is installed here', async (t) => {
  const found = new Set<string>()
  for (const minor of [9, 10, 11, 12, 13, 14]) {
    for (const python of installed(minor)) {
      const world = await localWorld(t, { python })
      const { worker } = await world.launch(sh('echo é; exit 3'))
      assert.deepEqual((await world.exited(worker)).exit, { kind: 'code', code: 3 })
      assert.deepEqual(await world.text(worker), ['stdout é'])
      found.add(`3.${minor}`)
    }
  }
  t.diagnostic(`found: ${[...found].join(', ')}`)
})

void test('without ctypes, so neither orphans nor a watch, it follows the mark and looks ten times a second', async (t) => {
  const world = await localWorld(t)
  const python = join(world.home, 'python')
  const code =
    'import runpy, sys; sys.modules["ctypes"] = None; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name="__main__")'
  const script = `#!/bin/sh\n# A fake interpreter for a test: Python as it is built without ctypes.\nshift 2; exec ${PYTHON} -I -S -c '${code}' "$@"\n`
  writeFileSync(python, script, { mode: 0o755 })
  const bare = await createLocalCluster({ ...world.options, python })
  t.after(() => bare.close())
  const plan = world.plan(sh('setsid sh -c "setsid sleep 3600 & exit" & wait; echo ready; exec sleep 3600'))
  await bare.launch(plan, null, null)
  const worker = workerIdOf(plan.attempt, 0)
  await until('ready', async () => ((await world.text(worker)).includes('stdout ready') ? true : null))
  await until('two processes', () => (marked(plan.attempt).length === 2 ? true : null))
  await world.end(plan.attempt, 1_000)
  const seen = await world.exited(worker)
  assert.deepEqual([seen.exit, seen.cause], [{ kind: 'signal', signal: 'SIGTERM' }, 'stop'])
  assert.deepEqual(marked(plan.attempt), [])
})

void test('a second supervisor for the same worker leaves at once', async (t) => {
  const world = await localWorld(t)
  const { worker } = await world.launch(sh('echo started >> starts; sleep 0.2'))
  const supervisor = join(import.meta.dirname, 'supervisor.py')
  for (let turn = 0; turn < 3; turn += 1) {
    const second = spawn(PYTHON, ['-I', '-S', supervisor, world.folder(worker)], { stdio: 'ignore' })
    await once(second, 'exit')
  }
  await world.exited(worker)
  assert.equal(readFileSync(join(world.home, 'starts'), 'utf8'), 'started\n')
  const left = readdirSync(world.folder(worker)).filter((name) => /\.\d+$/.test(name) && !name.startsWith('log.'))
  assert.deepEqual(left, [])
})

function lastLine(folder: string): string {
  const last = readdirSync(folder)
    .filter((name) => name.startsWith('log.'))
    .sort((a, b) => Number(a.slice(4)) - Number(b.slice(4)))
    .at(-1)
  return last === undefined ? '' : execFileSync('tail', ['-n1', join(folder, last)], { encoding: 'utf8' })
}

function mountSmall(world: World): boolean {
  const path = join(world.home, 'work')
  try {
    execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=1m', 'plimsoll-test', path], { stdio: 'ignore' })
  } catch {
    return false
  }
  world.undo.push(() => execFileSync('/bin/umount', ['-l', path]))
  return true
}

function torchPython(): string | null {
  const cache = join(homedir(), '.cache', 'plimsoll')
  const cached = existsSync(cache) ? readdirSync(cache).map((name) => join(cache, name, 'bin', 'python')) : []
  const candidates = [process.env['PLIMSOLL_PYTHON'], ...cached].filter(
    (path) => path !== undefined && existsSync(path),
  )
  return candidates.find((python) => python !== undefined && hasTorch(python)) ?? null
}

function hasTorch(python: string): boolean {
  try {
    const code = 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)'
    execFileSync(python, ['-c', code], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Beside PYTHON as a version manager puts them, and in PATH. */
function installed(minor: number): string[] {
  const versions = dirname(dirname(dirname(PYTHON)))
  const beside = existsSync(versions) ? readdirSync(versions).filter((name) => name.startsWith(`3.${minor}.`)) : []
  const paths = [...beside.map((name) => join(versions, name, 'bin', 'python3')), `/usr/bin/python3.${minor}`]
  return paths.filter((path) => existsSync(path))
}
