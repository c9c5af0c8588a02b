import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { PreparationProgress } from './environment.ts'
import { EnvironmentFault, findPython, prepareEnvironment } from './environment.ts'

const REAL = await findPython({ PATH: process.env['PATH'] })
const UNREACHABLE = {
  PIP_INDEX_URL: 'http://name:secret@127.0.0.1:9/simple',
  UV_INDEX_URL: 'http://127.0.0.1:9/simple',
}

type Place = {
  readonly root: string
  readonly bin: string
  readonly cacheDir: string
  readonly env: NodeJS.Dict<string>
}

function place(t: TestContext): Place {
  const root = mkdtempSync(join(tmpdir(), 'plimsoll-environment-'))
  t.after(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))
  const bin = join(root, 'bin')
  mkdirSync(bin)
  return { root, bin, cacheDir: join(root, 'cache'), env: { PATH: bin, HOME: root, PIP_CONFIG_FILE: '/dev/null' } }
}

function script(path: string, text: string): string {
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  return path
}

/** The real interpreter under the name python3, without the modules of the folder that it comes from. */
function realPython(at: Place): void {
  script(join(at.bin, 'python3'), `exec '${REAL.python}' "$@"`)
}

/** What asks like the probe is answered; the interpreter itself is never started. */
function answering(path: string, answer: object): string {
  return script(path, `echo '${JSON.stringify(answer)}'`)
}

/** A PyTorch that imports at once. */
function fakeTorch(at: Place, version: string, body = ''): string {
  const modules = join(at.root, 'modules')
  mkdirSync(join(modules, 'torch', 'distributed'), { recursive: true })
  mkdirSync(join(modules, 'torch-0.dist-info'))
  writeFileSync(
    join(modules, 'torch-0.dist-info', 'METADATA'),
    `Metadata-Version: 2.1\nName: torch\nVersion: ${version}\n`,
  )
  writeFileSync(join(modules, 'torch', '__init__.py'), `${body}\n__version__ = '${version}'\n`)
  writeFileSync(join(modules, 'torch', 'distributed', '__init__.py'), '')
  writeFileSync(join(modules, 'torch', 'distributed', 'run.py'), '')
  return modules
}

const prepare = (at: Place, env: NodeJS.Dict<string> = {}, signal?: AbortSignal) => {
  const told: PreparationProgress[] = []
  const options = { env: { ...at.env, ...env }, cacheDir: at.cacheDir, onProgress: told.push.bind(told) }
  return prepareEnvironment(signal === undefined ? options : { ...options, signal })
}

async function fault(doing: Promise<unknown>): Promise<EnvironmentFault> {
  const error: unknown = await doing.then(
    () => assert.fail('it should have failed'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof EnvironmentFault)) throw error
  assert.notEqual(error.whatToDo, '')
  return error
}

void test('the real interpreter is found behind a shim, within a second', async (t) => {
  const at = place(t)
  realPython(at)
  const started = performance.now()
  assert.deepEqual(await findPython(at.env), REAL)
  assert.ok(performance.now() - started < 1000)
})

void test('an interpreter that does not answer is given up, and a slow one is waited for', async (t) => {
  const at = place(t)
  script(join(at.bin, 'python3'), '/bin/sleep 60')
  const started = performance.now()
  const { code, message, whatToDo } = await fault(findPython(at.env))
  assert.ok(performance.now() - started < 12_000)
  assert.equal(code, 'unusable')
  assert.match(message, /did not answer in time/)
  assert.doesNotMatch(whatToDo, /Install Python/)
  const real = place(t)
  realPython(real)
  script(join(real.bin, 'slow'), `/bin/sleep 1.2; exec ${join(real.bin, 'python3')} "$@"`)
  assert.deepEqual(await findPython({ ...real.env, PLIMSOLL_PYTHON: join(real.bin, 'slow') }), REAL)
})

void test('no Python on the path', async (t) => {
  const at = place(t)
  for (const doing of [findPython, () => prepare(at)]) {
    const { code, message, whatToDo } = await fault(doing(at.env))
    assert.equal(code, 'no-python')
    assert.match(message, /python3 was not found/)
    assert.match(whatToDo, /apt-get install python3/)
  }
  assert.equal(existsSync(at.cacheDir), false)
})

void test('a Python that is too old is named with its version', async (t) => {
  const at = place(t)
  answering(join(at.bin, 'python3'), { python: '/usr/bin/python3', version: [3, 8, 18] })
  for (const doing of [findPython, () => prepare(at)]) {
    const { code, message } = await fault(doing(at.env))
    assert.equal(code, 'python-too-old')
    assert.match(message, /3\.8\.18; 3\.9 is needed/)
  }
})

void test('beside one that is too old another is found by its version', async (t) => {
  const at = place(t)
  answering(join(at.bin, 'python3'), { python: '/usr/bin/python3', version: [3, 8, 18] })
  answering(join(at.bin, 'python3.12'), { python: '/usr/bin/python3.12', version: [3, 12, 1] })
  script(join(at.bin, 'python3.13'), 'exit 127')
  assert.deepEqual(await findPython(at.env), { python: '/usr/bin/python3.12', version: '3.12.1' })
})

void test('one that lacks venv is told with the package to install, and one that is too new with what was tried', async (t) => {
  const at = place(t)
  const answer = {
    python: '/usr/bin/python3',
    lacks: ['ensurepip'],
    torch: null,
    torchFile: null,
    scripts: ['/usr/bin'],
  }
  answering(join(at.bin, 'python3'), { ...answer, version: [3, 11, 2] })
  const lacking = await fault(prepare(at))
  assert.equal(lacking.code, 'unusable')
  assert.match(lacking.message, /lacks ensurepip/)
  assert.match(lacking.whatToDo, /apt-get install python3\.11-venv/)
  answering(join(at.bin, 'python3'), { ...answer, version: [3, 15, 0], lacks: [] })
  assert.match((await fault(prepare(at))).message, /Python 3\.15\.0; the demonstration was tried with 3\.9 to 3\.13/)
})

void test('PLIMSOLL_PYTHON is never passed over: what is wrong with it is said', async (t) => {
  const at = place(t)
  realPython(at)
  const missing = await fault(prepare(at, { PLIMSOLL_PYTHON: join(at.root, 'nowhere') }))
  assert.equal(missing.code, 'no-python')
  assert.match(missing.message, /^PLIMSOLL_PYTHON \(.*nowhere\) was not found/)
  const other = script(join(at.root, 'other'), 'echo hello')
  assert.match((await fault(prepare(at, { PLIMSOLL_PYTHON: other }))).message, /does not answer like Python: hello/)
  const answer = {
    python: REAL.python,
    version: [3, 11, 2],
    lacks: [],
    torch: null,
    torchFile: null,
    scripts: [at.bin],
  }
  const bare = await fault(prepare(at, { PLIMSOLL_PYTHON: answering(join(at.root, 'bare'), answer) }))
  assert.match(bare.message, /has no PyTorch/)
  assert.match(bare.whatToDo, /pip install torch/)
  const modules = fakeTorch(at, '2.9.0', 'raise ImportError("libcudart.so.13 is missing")')
  const torch = answering(join(at.root, 'broken'), { ...answer, torch: '2.9.0' })
  const alone = await fault(prepare(at, { PLIMSOLL_PYTHON: torch, PYTHONPATH: modules }))
  assert.match(alone.message, /no torchrun stands beside it/)
  script(join(at.bin, 'torchrun'), 'exit 0')
  const broken = await fault(prepare(at, { PLIMSOLL_PYTHON: torch, PYTHONPATH: modules }))
  assert.equal(broken.code, 'unusable')
  assert.match(broken.message, /cannot import PyTorch: ImportError: libcudart\.so\.13 is missing/)
})

void test('a Python that has PyTorch is used, and imported only once to see that it works', async (t) => {
  const at = place(t)
  script(join(at.bin, 'torchrun'), 'exit 0')
  const modules = fakeTorch(at, '2.9.0', `open('${join(at.root, 'imports')}', 'a').write('x')`)
  const torchFile = join(modules, 'torch', '__init__.py')
  const answer = { python: REAL.python, version: [3, 11, 2], lacks: [], torch: '2.9.0', torchFile, scripts: [at.bin] }
  answering(join(at.bin, 'python3'), answer)
  const expected = { python: REAL.python, binDir: at.bin, torchVersion: '2.9.0', origin: 'found' }
  assert.deepEqual(await prepare(at, { PYTHONPATH: modules }), expected)
  assert.deepEqual(await prepare(at, { PYTHONPATH: modules }), expected)
  assert.equal(readFileSync(join(at.root, 'imports'), 'utf8'), 'x')
  const named = await prepare(at, { PYTHONPATH: modules, PLIMSOLL_PYTHON: 'python3' })
  assert.deepEqual(named, { ...expected, origin: 'PLIMSOLL_PYTHON' })
})

/** What a preparation leaves, with a PyTorch that nobody could import. */
function cached(at: Place, name: string): string {
  const folder = join(at.cacheDir, name)
  mkdirSync(join(folder, 'bin'), { recursive: true })
  symlinkSync(REAL.python, join(folder, 'bin', 'python'))
  script(join(folder, 'bin', 'torchrun'), 'exit 1')
  writeFileSync(join(folder, 'plimsoll-complete.json'), JSON.stringify({ folder, torch: '2.15.0+cpu' }))
  return folder
}

void test('a whole cached environment is used by its marker alone; a PyTorch that is too old does not come before it', async (t) => {
  const at = place(t)
  const answer = {
    python: REAL.python,
    version: [3, 11, 2],
    lacks: [],
    torch: '1.13.1',
    torchFile: null,
    scripts: [at.bin],
  }
  answering(join(at.bin, 'python3'), answer)
  script(join(at.bin, 'torchrun'), 'exit 0')
  const folder = cached(at, 'python-2.15.0-3.11')
  const started = performance.now()
  const [python, binDir] = [join(folder, 'bin', 'python'), join(folder, 'bin')]
  assert.deepEqual(await prepare(at), { python, binDir, torchVersion: '2.15.0+cpu', origin: 'cache' })
  assert.ok(performance.now() - started < 500)
})

void test('an index that cannot be reached is told soon, without its password, and leaves no environment', async (t) => {
  const at = place(t)
  realPython(at)
  const folder = cached(at, `python-2.15.0-3.11`)
  // Killed before its marker was written; its python is another's.
  rmSync(join(folder, 'plimsoll-complete.json'))
  const told: PreparationProgress[] = []
  const times: number[] = []
  const started = performance.now()
  const onProgress = (progress: PreparationProgress): void => {
    told.push(progress)
    times.push(performance.now())
  }
  const doing = prepareEnvironment({ env: { ...at.env, ...UNREACHABLE }, cacheDir: at.cacheDir, onProgress })
  const { code, message, whatToDo } = await fault(doing)
  assert.equal(code, 'no-network')
  assert.match(message, /package index cannot be reached/)
  assert.doesNotMatch(message, /secret/)
  assert.match(whatToDo, /PIP_INDEX_URL/)
  assert.ok(performance.now() - started < 20_000)
  assert.ok(told.length >= 2)
  for (const [index, time] of times.slice(1, -1).entries()) assert.ok(time - (times[index] ?? 0) > 400)
  if (REAL.version.startsWith('3.11.')) assert.equal(existsSync(folder), false)
})

void test('an abort ends what was started and rejects with its reason', async (t) => {
  const at = place(t)
  const pids = join(at.root, 'pids')
  const slow = `echo $$ >> ${pids}; /bin/sleep 60 & echo $! >> ${pids}; wait`
  script(join(at.bin, 'python3'), slow)
  const controller = new AbortController()
  const doing = prepare(at, {}, controller.signal)
  while (!existsSync(pids) || readFileSync(pids, 'utf8').split('\n').length < 3) await new Promise(setImmediate)
  const reason = new Error('enough')
  controller.abort(reason)
  await assert.rejects(doing, reason)
  for (const pid of readFileSync(pids, 'utf8').trim().split('\n')) await gone(Number(pid))
})

void test('a preparation whose process was killed does not hold the next one up, and its installer ends with it', async (t) => {
  const at = place(t)
  // An interpreter whose venv takes for ever, until it is told otherwise.
  const pids = join(at.root, 'pids')
  const shim = script(
    join(at.root, 'base'),
    `case "$1 $2" in '-m venv') test -e ${at.root}/fast || { echo $$ >> ${pids}; exec /bin/sleep 60; };; esac\nexec '${REAL.python}' "$@"`,
  )
  const answer = { python: shim, version: [3, 11, 2], lacks: [], torch: null, torchFile: null, scripts: [at.bin] }
  answering(join(at.bin, 'python3'), answer)
  const code = `
    const { prepareEnvironment } = await import(${JSON.stringify(new URL('environment.ts', import.meta.url).href)})
    await prepareEnvironment({ env: process.env, cacheDir: ${JSON.stringify(at.cacheDir)}, onProgress: () => {} })
  `
  const holder = spawn(process.execPath, ['--input-type=module', '-e', code], { env: at.env, stdio: 'ignore' })
  t.after(() => holder.kill('SIGKILL'))
  await until(() => existsSync(pids))
  const waiting: PreparationProgress[] = []
  const env = { ...at.env, ...UNREACHABLE }
  const second = prepareEnvironment({ env, cacheDir: at.cacheDir, onProgress: (progress) => waiting.push(progress) })
  const ended = fault(second)
  await until(() => waiting.some(({ phase }) => phase === 'waiting'))
  writeFileSync(join(at.root, 'fast'), '')
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  for (const pid of readFileSync(pids, 'utf8').trim().split('\n')) await gone(Number(pid))
  // It got the lock and went as far as the network.
  assert.equal((await ended).code, 'no-network')
  assert.deepEqual(
    readdirSync(at.cacheDir).filter((name) => name.endsWith('3.11')),
    [],
  )
})

void test('a folder that cannot be written to is told', async (t) => {
  const at = place(t)
  realPython(at)
  writeFileSync(at.cacheDir, '')
  const { code, message } = await fault(prepare(at))
  assert.equal(code, 'unusable')
  assert.match(message, /cache cannot be used/)
})

const gone = (pid: number): Promise<void> =>
  until(() => {
    const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'latin1') : ''
    return stat === '' || /\) [ZX] /.test(stat)
  })

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!holds()) {
    assert.ok(performance.now() < deadline, `not within 10 s: ${holds.toString()}`)
    await new Promise((resolve) => void setTimeout(resolve, 20))
  }
}
