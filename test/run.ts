// Runs the tests, part by part, and says at the end what passed, what failed and what could not run here and why. `npm test` runs all,
// `npm run test:fast` the pure ones, `npm run check` what CI runs. In CI nothing may be skipped.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { torchBin } from './parts/python.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const bin = (name: string): string => join(root, 'node_modules', '.bin', name)

type Part = {
  readonly name: string
  readonly in: readonly ('fast' | 'check' | 'test')[]
  readonly run: () => Promise<Outcome>
}
type Outcome = { readonly kind: 'passed' | 'failed' } | { readonly kind: 'skipped'; readonly why: string }

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

const PARTS: readonly Part[] = [
  { name: 'format', in: ['check'], run: () => command(bin('oxfmt'), ['--check']) },
  { name: 'lint', in: ['check'], run: () => command(bin('oxlint'), ['--type-aware', 'src', 'test', 'bench']) },
  { name: 'types', in: ['check'], run: () => command(bin('tsc'), ['--noEmit', '-p', '.']) },
  { name: 'types of pages', in: ['check'], run: typesOfPages },
  { name: 'dead code', in: ['check'], run: () => command(bin('knip'), []) },
  { name: 'environment', in: ['check', 'test'], run: environment },
  { name: 'pure', in: ['fast', 'check', 'test'], run: () => nodeTests(PURE, ['--test-isolation=none']) },
  { name: 'real', in: ['check', 'test'], run: () => nodeTests(REAL, ['--test-concurrency=2']) },
  // Apart from what waits for real processes: it takes all the time of a core.
  { name: 'simulation', in: ['check', 'test'], run: () => nodeTests(['test/simulation'], ['--test-concurrency=1']) },
  { name: 'example', in: ['check', 'test'], run: exampleTests },
  { name: 'reporter', in: ['check', 'test'], run: reporterTests },
  { name: 'browser', in: ['check', 'test'], run: () => nodeTests(['test/browser'], ['--test-concurrency=1']) },
  { name: 'end to end', in: ['check', 'test'], run: () => nodeTests(['test/end-to-end'], ['--test-concurrency=1']) },
]

const asked = process.argv[2] ?? 'test'
// A misspelt part would run nothing and look green.
if (asked !== 'fast' && asked !== 'check' && asked !== 'test') {
  process.stderr.write(`no tests are called ${asked}: there are fast, check and test\n`)
  process.exit(2)
}
const wanted = asked
/** Single tests that a part skipped, with their reasons. */
const skipped: string[] = []
const results: { name: string; outcome: Outcome; seconds: number }[] = []
for (const part of PARTS.filter((each) => each.in.includes(wanted))) {
  process.stdout.write(`\n== ${part.name}\n`)
  const begin = performance.now()
  const outcome = await part.run()
  results.push({ name: part.name, outcome, seconds: (performance.now() - begin) / 1000 })
}

process.stdout.write('\n')
for (const { name, outcome, seconds } of results) {
  const why = outcome.kind === 'skipped' ? `: ${outcome.why}` : ''
  process.stdout.write(`${outcome.kind.padEnd(8)}${name.padEnd(14)}${seconds.toFixed(1).padStart(8)} s${why}\n`)
}
for (const line of skipped) process.stdout.write(`skipped ${line}\n`)
const of = (kind: Outcome['kind']): number => results.filter((each) => each.outcome.kind === kind).length
process.stdout.write(`${of('passed')} passed, ${of('failed')} failed, ${of('skipped')} skipped\n`)
// A part that cannot run is a failure where everything must.
const missing = of('skipped') + skipped.length
process.exitCode = of('failed') > 0 || (process.env.CI !== undefined && missing > 0) ? 1 : 0

async function nodeTests(folders: readonly string[], flags: readonly string[]): Promise<Outcome> {
  const files = folders.flatMap(testFiles)
  if (files.length === 0) return { kind: 'skipped', why: 'there are no test files' }
  const report = join(mkdtempSync(join(tmpdir(), 'plimsoll-skips-')), 'skips')
  const reporters = [
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./test/parts/skips.ts',
    `--test-reporter-destination=${report}`,
  ]
  // A file that leaves a handle open would hang for ever.
  const outcome = await command(process.execPath, ['--test', '--test-force-exit', ...reporters, ...flags, ...files])
  skipped.push(
    ...readFileSync(report, 'utf8')
      .split('\n')
      .filter((line) => line !== ''),
  )
  rmSync(dirname(report), { recursive: true })
  return outcome
}

/** They have another library than the rest: a document, and no process. */
async function typesOfPages(): Promise<Outcome> {
  for (const project of ['src/web', 'test/browser', 'bench']) {
    const outcome = await command(bin('tsc'), ['--noEmit', '-p', project])
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
async function exampleTests(): Promise<Outcome> {
  try {
    const python = join(await torchBin(), 'python')
    return await command(python, ['-B', '-m', 'unittest', 'discover', '-s', 'examples/moe', '-p', 'test_*.py'])
  } catch (error) {
    return { kind: 'skipped', why: error instanceof Error ? error.message : String(error) }
  }
}

/** The reporter's own tests, on each Python that is here, and with the frameworks whose routers it reads. */
async function reporterTests(): Promise<Outcome> {
  try {
    const python = join(await torchBin(), 'python')
    return await command('python3', ['-B', 'src/reporter/check.py', '--torch', python])
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

function command(file: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
    child.on('error', (error) => {
      process.stdout.write(`${file} could not be started: ${error.message}\n`)
      resolve({ kind: 'failed' })
    })
    child.on('exit', (code) => resolve({ kind: code === 0 ? 'passed' : 'failed' }))
  })
}
