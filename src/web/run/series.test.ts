import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Series } from '../api/documents.ts'
import { lossLines, mostOf, stepTimes } from './series.ts'

const iso = (second: number): string => new Date(second * 1000).toISOString()
const attempt = (number: number, first: number, losses: readonly (number | null)[], begin: number) => ({
  number,
  step: losses.map((_, index) => first + index),
  at: losses.map((_, index) => iso(begin + index)),
  loss: [...losses],
  stepMs: losses.map(() => 1000),
})
const series = (...attempts: Series['attempts']): Series => ({ run: 'r', attempts, marks: [], thinned: false })

test('steps that were done again are lost in the earlier attempt and kept in the later one', () => {
  const lines = lossLines(series(attempt(1, 1, [5, 4, 3, 2], 0), attempt(2, 3, [3.5, 2.5, 1.5], 100)))
  assert.deepEqual(lines.steps, [1, 2, 3, 4, 5])
  assert.deepEqual(lines.kept, [5, 4, 3.5, 2.5, 1.5])
  assert.deepEqual(lines.lost, [null, null, 3, 2, null])
  assert.deepEqual(lines.restarts, [{ step: 3, number: 2 }])
  assert.equal(lines.last, 1.5)
})

test('safety: a loss that is not known is a gap, never a zero', () => {
  assert.deepEqual(lossLines(series(attempt(1, 1, [5, null, 3], 0))).kept, [5, null, 3])
})

test('a step that no other is near leaves the others their room, and is told', () => {
  const lied = attempt(1, 1, [5, 4, 3], 0)
  const far = Number.MAX_SAFE_INTEGER
  const lines = lossLines(series({ ...lied, step: [1, 2, far] }))
  assert.deepEqual([lines.steps, lines.kept, lines.apart], [[1, 2], [5, 4], [far]])
  // A script that reports each hundredth step, or that begins to, has no such step.
  for (const step of [
    [100, 200, 300],
    [1, 2, 100],
  ])
    assert.deepEqual(lossLines(series({ ...lied, step })).apart, [])
})

test('the first steps do not flatten all that follows', () => {
  const range = mostOf([100, ...Array.from({ length: 99 }, (_, index) => 3 - index / 100)])
  assert.ok(range !== null && range[1] < 4)
  assert.equal(mostOf([null]), null)
})

test('between attempts there is a gap', () => {
  const times = stepTimes(series(attempt(1, 1, [5, 4], 0), attempt(2, 3, [3], 100)))
  assert.deepEqual(times.gaps, [[1, 100]])
  assert.deepEqual(times.seconds, [1, 1, null, 1])
  assert.equal(times.last, 1)
})
