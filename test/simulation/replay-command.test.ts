// `plimsoll simulate --trace` as a user runs it: one document, exit codes, complaints that name the line, and a page.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DOCUMENTS } from '../../src/contract/documents.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'plimsoll-trace-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const EXAMPLE = 'examples/traces/week.csv'
const SHAPE = 'nodes=16,gpusPerNode=8,racks=4'

function simulate(...args: string[]) {
  const main = join(root, 'src/apps/cli/main.ts')
  return spawnSync(process.execPath, [main, 'simulate', ...args], { cwd: root, encoding: 'utf8', timeout: 120_000 })
}

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

test('the example gives one document, and nothing else is said', () => {
  const { status, stdout, stderr } = simulate('--trace', EXAMPLE, '--cluster', SHAPE, '-o', 'json')
  assert.equal(stderr, '')
  assert.equal(status, 0)
  const document = DOCUMENTS['trace-replay'].parse(JSON.parse(stdout))
  assert.deepEqual(
    [document.jobs, document.finished, document.refused, document.violations, document.seed],
    [16, 15, 1, 0, 1],
  )
  assert.equal(document.refusedJobs[0]?.id, 'too-wide')
})

test('a file of config/clusters is a cluster, words are for people, and the page needs nothing else', () => {
  const page = join(folder, 'report.html')
  const { status, stdout } = simulate(
    '--trace',
    EXAMPLE,
    '--cluster',
    'config/clusters/example-1024.yaml',
    '--report',
    page,
  )
  assert.equal(status, 0)
  assert.match(stdout, /^jobs +16: 16 finished, 0 refused\ncluster +1024 GPUs in 128 nodes and 16 racks\n/)
  assert.ok(existsSync(page))
  const text = readFileSync(page, 'utf8')
  assert.match(text, /^<!doctype html>/)
  assert.doesNotMatch(text, /https?:|url\(|<script|@font-face|@import/)
})

test('broken lines are named, nothing is simulated, and --skip-broken counts what it leaves out', () => {
  const lines = Array.from({ length: 30 }, (_, index) => `b${index},${index},0,60`)
  const trace = file('broken.csv', ['id,submit_s,gpus,duration_s', ...lines, 'good,0,8,60'].join('\r\n'))
  const refused = simulate('--trace', trace, '--cluster', SHAPE, '-o', 'json')
  assert.equal(refused.status, 2)
  assert.equal(refused.stdout, '')
  assert.match(
    refused.stderr,
    /broken\.csv:2:6: gpus is not a whole number from 1 to 524288: 0\n {2}write it in digits/,
  )
  assert.match(
    refused.stderr,
    /\n10 more problems are not shown\n30 broken lines: .*--skip-broken\nnothing was simulated\n$/,
  )
  const skipped = simulate('--trace', trace, '--cluster', SHAPE, '-o', 'json', '--skip-broken')
  assert.equal(skipped.status, 0)
  const { jobs, skippedLines } = DOCUMENTS['trace-replay'].parse(JSON.parse(skipped.stdout))
  assert.deepEqual([jobs, skippedLines], [1, 30])
})

const WRONG: readonly (readonly [args: readonly string[], said: RegExp])[] = [
  [['--trace', EXAMPLE], /on which cluster\?/],
  [['--trace', 'nothing.csv', '--cluster', SHAPE], /nothing\.csv is not there/],
  [['--trace', EXAMPLE, '--cluster', 'nothing.yaml'], /nothing\.yaml is not there/],
  [['--trace', EXAMPLE, '--cluster', 'nodes=0'], /--cluster nodes=0: must be at least 1/],
  [['--trace', EXAMPLE, '--cluster', SHAPE, '--story'], /--story tells a seed/],
  [['--trace', EXAMPLE, '--cluster', SHAPE, '--seed', 'x'], /whole numbers/],
  [['--trace', EXAMPLE, '--cluster', SHAPE, '--report', '/nowhere/at/all.html'], /cannot be written \(ENOENT\)/],
  [['--cluster', SHAPE], /--cluster belongs to --trace FILE/],
  [['--trace', EXAMPLE, '--cluster', 'nodes=16384,gpusPerNode=1'], /can be replayed for 1: cut the trace/],
]
for (const [args, said] of WRONG)
  test(`usage: simulate ${args.join(' ')}`, () => {
    const { status, stdout, stderr } = simulate(...args)
    assert.match(stderr, said)
    assert.equal(stdout, '')
    assert.equal(status, 2)
  })
