import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { DEFAULT_THRESHOLDS } from '../domain/thresholds.ts'
import { durationMs } from '../domain/units.ts'
import { parseThresholds } from './thresholds.ts'

const defaults = readFileSync(new URL('../../config/alerts/thresholds.yaml', import.meta.url), 'utf8')
const read = (override: string | null) =>
  parseThresholds(defaults, override, { default: 'default.yaml', override: 'mine.yaml' }, durationMs(60_000))

test('the defaults are whole, and are those that tests use', () => {
  for (const override of [null, '', '# nothing\n']) {
    const parsed = read(override)
    assert.ok(parsed.ok)
    assert.deepEqual(parsed.value, DEFAULT_THRESHOLDS)
  }
})

test('a file changes what it names and nothing else', () => {
  const parsed = read('progress: { silenceMin: 10m }\nbudget: { used: [0.75] }\n')
  assert.ok(parsed.ok)
  assert.deepEqual(parsed.value.progress, { ...DEFAULT_THRESHOLDS.progress, silenceMin: 600_000 })
  assert.deepEqual(parsed.value.budget, { ...DEFAULT_THRESHOLDS.budget, used: [0.75] })
  assert.deepEqual(parsed.value.loss, DEFAULT_THRESHOLDS.loss)
})

test('what is wrong is said with the file and the place', () => {
  const parsed = read(
    'progress: { silenceMin: 10, factr: 2 }\nbudget: { used: [0.9, 0.5] }\nexperts: { deadSteps: 1000, collapsedShare: 0 }\n',
  )
  assert.ok(!parsed.ok)
  assert.equal(parsed.file, 'mine.yaml')
  assert.deepEqual(
    parsed.problems.map(
      ({ line, column, message, hint }) => `${line}:${column} ${message}${hint === null ? '' : ` [${hint}]`}`,
    ),
    [
      '1:25 must be a duration such as 90s, 30m, 12h or 14d',
      '1:29 there is no key factr here [did you mean factor?]',
      '2:17 must ascend',
      '3:23 must be at most 200',
      '3:45 must be more than 0',
    ],
  )
})
