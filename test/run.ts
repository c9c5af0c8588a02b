// Runs the tests, part by part, and says at the end what passed, what failed and what could not run here and why. `npm test` runs all,
// `npm run test:fast` the pure ones, `npm run check` what CI runs, `npm run nightly` what takes hours, `npm run test:gpu` what a machine
// with GPUs alone can show. In CI nothing may be skipped; and a file of tests against real programs that failed while others ran beside it
// runs once more, alone, at the end: what passes then is named unsteady, with its first failure above, and is to be mended. Tests that
// compute have no second try.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtPages } from '../src/apps/up/web.ts'
import { torchBin } from './parts/python.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const bin = (name: string): string => join(root, 'node_modules', '.bin', name)

/** Of one whole run. */
const FILES_AGAIN_MAX = 3

type Name = 'fast' | 'check' | 'test' | 'nightly' | 'gpu'
type Lane = 'computes' | 'waits' | 'real node' | 'control planes'
type Part = {
  readonly name: string
  readonly in: readonly Name[]
  /** Parts of two lanes run beside each other: first those that compute and wait, then the rest alone, then those of Kubernetes. */
  readonly lane?: Lane
  /** In CI a file of it that failed has a second try. */
  readonly again?: true
  readonly run: (say: Say) => Promise<Outcome>
}
/** Where the output of a part goes: of a lane it is kept together and shown when the part has ended. */
type Say = 'inherit' | ((bytes: Uint8Array) => void)
type Outcome =
  | { readonly kind: 'passed' | 'unsteady' }
  /** `files` are those in which a test failed. */
  | { readonly kind: 'failed'; readonly files?: readonly string[] }
  | { readonly kind: 'skipped'; readonly why: string }

const PURE = [
  'src/domain',
  'src/core',
  'src/contract',
  'src/control',
  'src/sim',
  'src/ports',
  'src/web',
  'test/architecture',
]
const REAL = ['src/adapters', 'src/apps', 'test/conformance', 'test/integration', 'test/transcripts']

/** A machine has one real node at a time: whoever uses it is here, and so many others that both lanes are about as long. */
const REAL_NODE_LANE =
  /\/(example|real-node|chart|chart-rights|clusters|deployment|doctor|fence|quick-start|taints)\.test\.ts$/

const PARTS: readonly Part[] = [
  { name: 'environment', in: ['check', 'test'], run: environment },
  {
    name: 'pure',
    in: ['fast', 'check', 'test'],
    lane: 'computes',
    run: (say) => nodeTests(say, PURE, ['--test-isolation=none']),
  },
  {
    name: 'simulation',
    in: ['check', 'test'],
    lane: 'computes',
    run: (say) => nodeTests(say, ['test/simulation', 'test/frames'], ['--test-concurrency=1']),
  },
  { name: 'example', in: ['check', 'test'], lane: 'computes', run: exampleTests },
  { name: 'reporter', in: ['check', 'test'], lane: 'waits', run: reporterTests },
  // After what mostly waits, so that both lanes are about as long.
  { name: 'format', in: ['check'], lane: 'waits', run: (say) => command(say, bin('oxfmt'), ['--check']) },
  {
    name: 'lint',
    in: ['check'],
    lane: 'waits',
    run: (say) => command(say, bin('oxlint'), ['--type-aware', 'src', 'test', 'bench']),
  },
  { name: 'types', in: ['check'], lane: 'waits', run: (say) => command(say, bin('tsc'), ['--noEmit', '-p', '.']) },
  { name: 'types of pages', in: ['check'], lane: 'waits', run: typesOfPages },
  { name: 'dead code', in: ['check'], lane: 'waits', run: (say) => command(say, bin('knip'), []) },
  {
    name: 'real',
    in: ['check', 'test'],
    again: true,
    run: (say) => nodeTests(say, REAL, ['--test-concurrency=2']),
  },
  { name: 'browser', in: ['check', 'test'], again: true, run: browserTests },
  // PyTorch takes every core: alone.
  {
    name: 'demonstration',
    in: ['check', 'test'],
    again: true,
    run: (say) => nodeTests(say, ['test/demonstration'], ['--test-concurrency=1']),
  },
  {
    name: 'end to end',
    in: ['check', 'test'],
    again: true,
    run: (say) => nodeTests(say, ['test/end-to-end'], ['--test-concurrency=2']),
  },
  {
    name: 'kubernetes 1',
    in: ['check', 'test'],
    again: true,
    lane: 'real node',
    run: (say) => kubernetesTests(say, (file) => REAL_NODE_LANE.test(file)),
  },
  {
    name: 'kubernetes 2',
    in: ['check', 'test'],
    again: true,
    lane: 'control planes',
    run: (say) => kubernetesTests(say, (file) => !REAL_NODE_LANE.test(file)),
  },
  {
    name: 'gpu',
    in: ['gpu'],
    run: (say) => nodeTests(say, ['test/gpu'], ['--test-concurrency=1']),
  },
  { name: 'many seeds', in: ['nightly'], run: (say) => manySeeds(say, 20_000) },
  { name: 'many kills', in: ['nightly'], run: (say) => manyKills(say, 'test/end-to-end/crash.test.ts', 100) },
  { name: 'many faults', in: ['nightly'], run: (say) => manyKills(say, 'test/kubernetes/faults.test.ts', 100) },
]

const asked = process.argv[2] ?? 'test'
// A misspelt part would run nothing and look green.
if (asked !== 'fast' && asked !== 'check' && asked !== 'test' && asked !== 'nightly' && asked !== 'gpu') {
  process.stderr.write(`no tests are called ${asked}: there are fast, check, test, nightly and gpu\n`)
  process.exit(2)
}
const wanted = asked
/** Single tests that a part skipped, with their reasons. */
const skipped: string[] = []
const unsteady: string[] = []
type Result = { readonly name: string; outcome: Outcome; readonly seconds: number }
const results: Result[] = []
const parts = PARTS.filter((each) => each.in.includes(wanted))
const first = parts.filter(({ name }) => name === 'environment')
const beside = (lanes: readonly Lane[]): Promise<unknown> =>
  Promise.all(lanes.map((lane) => runAll(parts.filter((each) => each.lane === lane))))
await runAll(first)
await beside(['computes', 'waits'])
await runAll(parts.filter((each) => each.lane === undefined && !first.includes(each)))
await beside(['real node', 'control planes'])
if (wanted === 'check') await tryAgain()

process.stdout.write('\n')
for (const { name, outcome, seconds } of results) {
  const why = outcome.kind === 'skipped' ? `: ${outcome.why}` : ''
  process.stdout.write(`${outcome.kind.padEnd(10)}${name.padEnd(14)}${seconds.toFixed(1).padStart(8)} s${why}\n`)
}
for (const line of skipped) process.stdout.write(`skipped ${line}\n`)
const of = (kind: Outcome['kind']): number => results.filter((each) => each.outcome.kind === kind).length
for (const file of unsteady) process.stdout.write(`unsteady ${file}: it failed above, and passed alone\n`)
const passed = of('passed') + of('unsteady')
process.stdout.write(`${passed} passed, ${of('failed')} failed, ${of('skipped')} skipped\n`)
// A part that cannot run is a failure where everything must.
const missing = of('skipped') + skipped.length
process.exitCode = of('failed') > 0 || (process.env.CI !== undefined && missing > 0) ? 1 : 0

async function runAll(some: readonly Part[]): Promise<void> {
  for (const part of some) {
    const kept: Uint8Array[] = []
    const say: Say = part.lane === undefined ? 'inherit' : (bytes) => void kept.push(bytes)
    if (say === 'inherit') process.stdout.write(`\n== ${part.name}\n`)
    const begin = performance.now()
    const outcome = await part.run(say)
    results.push({ name: part.name, outcome, seconds: (performance.now() - begin) / 1000 })
    if (say !== 'inherit') process.stdout.write(Buffer.concat([Buffer.from(`\n== ${part.name}\n`), ...kept]))
  }
}

/** More than some files that fail at once are no accident of the machine. */
async function tryAgain(): Promise<void> {
  const may = new Set(parts.filter(({ again }) => again === true).map(({ name }) => name))
  const failed = results.filter(({ name, outcome }) => outcome.kind === 'failed' && may.has(name))
  const filesOf = ({ outcome }: Result): readonly string[] => (outcome.kind === 'failed' ? (outcome.files ?? []) : [])
  if (failed.flatMap(filesOf).length > FILES_AGAIN_MAX) return
  for (const result of failed) {
    const files = filesOf(result)
    if (files.length === 0) continue
    process.stdout.write(`\n== ${result.name}, once more and alone: ${files.join(', ')}\n`)
    const { kind } = await testsOf('inherit', files, ['--test-concurrency=1'])
    if (kind !== 'passed') continue
    result.outcome = { kind: 'unsteady' }
    unsteady.push(...files)
  }
}

/** The pages are built once for all of its files: each would take some seconds for the same. */
async function browserTests(say: Say): Promise<Outcome> {
  const home = mkdtempSync(join(tmpdir(), 'plimsoll-pages-'))
  try {
    if ((await builtPages(home)) === null) return { kind: 'failed' }
    return await nodeTests(say, ['test/browser'], ['--test-concurrency=1'], { PLIMSOLL_PAGES_BUILT: '1' })
  } finally {
    rmSync(home, { recursive: true })
  }
}

function nodeTests(
  say: Say,
  folders: readonly string[],
  flags: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  return testsOf(say, folders.flatMap(testFiles), flags, env)
}

async function testsOf(
  say: Say,
  files: readonly string[],
  flags: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  if (files.length === 0) return { kind: 'skipped', why: 'there are no test files' }
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-outcomes-'))
  const report = join(folder, 'outcomes')
  const reporters = [
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./test/parts/outcomes.ts',
    `--test-reporter-destination=${report}`,
  ]
  // A file that leaves a handle open would hang for ever.
  const args = ['--test', '--test-force-exit', ...reporters, ...flags, ...files]
  const outcome = await command(say, process.execPath, args, env)
  const lines = readFileSync(report, 'utf8').split('\n')
  rmSync(folder, { recursive: true })
  const said = (word: string): string[] =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1))
  skipped.push(...said('skipped'))
  return outcome.kind === 'failed'
    ? { kind: 'failed', files: [...new Set(said('failed'))].map((file) => relative(root, file)) }
    : outcome
}

function kubernetesTests(say: Say, isOurs: (file: string) => boolean): Promise<Outcome> {
  return testsOf(say, testFiles('test/kubernetes').filter(isOurs), ['--test-concurrency=1'])
}

/** The other world, as many seeds at once as there are cores. A seed that fails is named with what repeats it. */
async function manySeeds(say: Say, seeds: number): Promise<Outcome> {
  const width = availableParallelism()
  const each = Math.ceil(seeds / width)
  const outcomes = await Promise.all(
    Array.from({ length: width }, (_, index) =>
      command(say, process.execPath, [
        'bin/plimsoll.mjs',
        'simulate',
        '--from',
        `${index * each + 1}`,
        '--seeds',
        `${each}`,
      ]),
    ),
  )
  return { kind: outcomes.every(({ kind }) => kind === 'passed') ? 'passed' : 'failed' }
}

function manyKills(say: Say, file: string, kills: number): Promise<Outcome> {
  return command(say, process.execPath, ['--test', '--test-force-exit', file], { PLIMSOLL_TEST_KILLS: `${kills}` })
}

/** They have another library than the rest: a document, and no process. */
async function typesOfPages(say: Say): Promise<Outcome> {
  for (const project of ['src/web', 'test/browser', 'bench']) {
    const outcome = await command(say, bin('tsc'), ['--noEmit', '-p', project])
    if (outcome.kind !== 'passed') return outcome
  }
  return { kind: 'passed' }
}

/** A Python with PyTorch, made where there is none: several parts use it. */
async function environment(): Promise<Outcome> {
  try {
    process.stdout.write(`${await torchBin()}\n`)
    return { kind: 'passed' }
  } catch (error) {
    return { kind: 'skipped', why: error instanceof Error ? error.message : String(error) }
  }
}

/** The example's own tests, in Python, with the PyTorch that the demonstration uses. */
async function exampleTests(say: Say): Promise<Outcome> {
  try {
    const python = join(await torchBin(), 'python')
    return await command(say, python, ['-B', '-m', 'unittest', 'discover', '-s', 'examples/moe', '-p', 'test_*.py'])
  } catch (error) {
    return { kind: 'skipped', why: error instanceof Error ? error.message : String(error) }
  }
}

/** The reporter's own tests, on each Python that is here, and with the frameworks whose routers it reads. */
async function reporterTests(say: Say): Promise<Outcome> {
  try {
    const python = join(await torchBin(), 'python')
    return await command(say, 'python3', ['-B', 'src/reporter/check.py', '--torch', python])
  } catch (error) {
    return { kind: 'skipped', why: error instanceof Error ? error.message : String(error) }
  }
}

function testFiles(folder: string): string[] {
  try {
    return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => join(folder, file))
      .toSorted()
  } catch {
    return []
  }
}

function command(
  say: Say,
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const to = say === 'inherit' ? 'inherit' : 'pipe'
    const child = spawn(file, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', to, to] })
    if (say !== 'inherit') for (const stream of [child.stdout, child.stderr]) stream?.on('data', say)
    child.on('error', (error) => {
      process.stdout.write(`${file} could not be started: ${error.message}\n`)
      resolve({ kind: 'failed' })
    })
    // What it said last may still be under way at its exit; a process that it left behind may keep the pipe open for ever.
    child.on('exit', (code) => {
      const end = (): void => resolve({ kind: code === 0 ? 'passed' : 'failed' })
      child.on('close', end)
      setTimeout(end, 2_000).unref()
    })
  })
}
