import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { attemptIdOf, runIdFrom, workerIdOf } from '../../domain/ids.ts'
import { epochMs } from '../../domain/units.ts'
import { attemptFolder, createFile, readFields, replaceFile, workerFolder } from './directory.ts'

const run = runIdFrom(epochMs(1_700_000_000_000), 5)

void test('names become paths below the folder of all attempts', () => {
  const attempt = attemptIdOf(run, 2)
  assert.equal(workerFolder('/home', workerIdOf(attempt, 7)), `/home/work/${attempt}/${attempt}-7`)
})

void test('a name that is none of ours becomes no path', () => {
  for (const number of [-1, 0.5, Number.NaN]) {
    assert.throws(() => attemptFolder('/home', attemptIdOf(run, number)), /bug: .* is no name of an attempt/)
    assert.throws(
      () => workerFolder('/home', workerIdOf(attemptIdOf(run, 1), number)),
      /bug: .* is no name of a worker/,
    )
  }
})

void test('a created file is never overwritten, a replaced one is; both leave nothing else behind', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-directory-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'claim')
  assert.equal(readFields(path), null)
  assert.equal(createFile(path, 'void\npid 1\nmessage two words\n'), true)
  assert.equal(createFile(path, 'other'), false)
  assert.deepEqual(
    [...(readFields(path) ?? [])],
    [
      ['void', ''],
      ['pid', '1'],
      ['message', 'two words'],
    ],
  )
  replaceFile(path, 'new')
  assert.equal(readFileSync(path, 'utf8'), 'new')
  assert.deepEqual(readdirSync(folder), ['claim'])
})
