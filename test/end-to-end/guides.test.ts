// The guides, read and obeyed: every block of each in one shell, in its order, against a real `up`.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Home, root } from '../parts/plimsoll.ts'

const home = new Home()
const bin = join(home.folder, 'bin')

before(async () => {
  mkdirSync(bin)
  const command = join(bin, 'plimsoll')
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'bin', 'plimsoll.mjs')}" "$@"\n`)
  chmodSync(command, 0o755)
  await home.up()
})
after(() => home.remove())

/** What was said, block by block. */
function obey(name: string): string[] {
  const page = readFileSync(join(root, 'docs', 'guides', `${name}.md`), 'utf8')
  const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block ?? '')
  assert.ok(blocks.length > 3)
  const ran = spawnSync(
    'bash',
    ['-c', ['set -euo pipefail', 'exec 2>&1', ...blocks.map((block) => `echo "== block"\n${block}`)].join('\n')],
    {
      cwd: home.folder,
      env: { ...home.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` },
      encoding: 'utf8',
      timeout: 120_000,
    },
  )
  assert.equal(ran.status, 0, ran.stdout + ran.stderr)
  return ran.stdout.split('== block\n').slice(1)
}

test('for those who train', () => {
  const said = obey('researchers')
  assert.match(said[1] ?? '', /1 GPU/)
  assert.match(said.at(-1) ?? '', /productive/)
})

test('for those who lead', () => {
  const said = obey('leads')
  const all = said.join('\n')
  assert.match(all, /vision-oncall +slack +hooks\.example\.org/)
  assert.doesNotMatch(all, /not-a-real-one/)
  assert.match(all, /core +label team=core +hard/)
  assert.match(said.at(-1) ?? '', /channel\.create[\s\S]*policy\.apply|policy\.apply[\s\S]*channel\.create/)
})

test('for those who pay', () => {
  const said = obey('payers')
  assert.match(said.join('\n'), /default +productive|productive/)
  for (const file of ['ledger.csv', 'ledger.parquet', 'focus.csv', 'ledger.json'])
    assert.ok(existsSync(join(home.folder, file)) && readFileSync(join(home.folder, file)).length > 0, file)
  assert.equal(readFileSync(join(home.folder, 'ledger.parquet')).subarray(0, 4).toString(), 'PAR1')
})
