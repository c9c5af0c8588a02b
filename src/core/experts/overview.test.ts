import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bucketSteps, emptyStretches, gapsOf, historyOf, measureBuckets, partOfStep, rowsOf } from './overview.ts'

void test('buckets are powers of two of steps, as many as asked for at most', () => {
  assert.equal(bucketSteps(1, 600, 1_000), 1)
  assert.equal(bucketSteps(0, 1_999, 1_000), 2)
  assert.equal(bucketSteps(7, 7, 1), 1)
  fc.assert(
    fc.property(fc.nat(10 ** 7), fc.nat(10 ** 7), fc.integer({ min: 2, max: 2_000 }), (a, b, points) => {
      const [first, last] = [Math.min(a, b), Math.max(a, b)]
      const size = bucketSteps(first, last, points)
      assert.ok(Math.floor(last / size) - Math.floor(first / size) + 1 <= points)
      assert.ok(size === 1 || Math.floor(last / (size / 2)) - Math.floor(first / (size / 2)) + 1 > points)
    }),
  )
})

void test('a spike survives, a mean is one, a layer without a token is null, and what was not reported has no bucket', () => {
  const none = [Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN]
  const measured = (step: number, ...layers: number[][]) => partOfStep(step, new Float32Array(layers.flat()))
  const { buckets, spreads } = measureBuckets(
    [measured(0, [1, 2, 0.5, 0, 0], none), measured(1, [9, 4, 1, 3, 1], none), measured(8, none, none)],
    2,
    4,
  )
  assert.deepEqual(buckets, [
    { from: 0, to: 3, frames: 2 },
    { from: 8, to: 11, frames: 1 },
  ])
  const empty = [null, null]
  assert.deepEqual(rowsOf(spreads, 'maxVio', 'min'), [[1, null], empty])
  assert.deepEqual(rowsOf(spreads, 'maxVio', 'mean'), [[5, null], empty])
  assert.deepEqual(rowsOf(spreads, 'maxVio', 'max'), [[9, null], empty])
  assert.deepEqual(rowsOf(spreads, 'entropy', 'mean'), [[0.75, null], empty])
  assert.deepEqual(rowsOf(spreads, 'dead', 'max'), [[3, null], empty])
})

void test('between buckets lies what was not reported', () => {
  const bucket = (from: number, to: number) => ({ from, to, frames: 1 })
  assert.deepEqual(emptyStretches([bucket(0, 3), bucket(4, 7), bucket(16, 19)]), [{ from: 8, to: 15 }])
})

void test('a gap is what is missing by the usual distance', () => {
  assert.deepEqual(gapsOf([1, 2, 3, 7, 8]), [{ from: 4, to: 6 }])
  assert.deepEqual(gapsOf([10, 20, 30, 60, 70]), [{ from: 31, to: 59 }])
  assert.deepEqual([gapsOf([]), gapsOf([5])], [[], []])
})

void test('the history of an expert keeps the least and the most of a bucket', () => {
  const series = [1, 0.5, 3, 1.5].map((ratio, step) => {
    return { from: step, to: step, frames: 1, min: ratio, max: ratio, mean: ratio, p99: ratio }
  })
  assert.deepEqual(historyOf(series, 2), {
    buckets: [
      { from: 0, to: 1, frames: 2 },
      { from: 2, to: 3, frames: 2 },
    ],
    min: [0.5, 1.5],
    mean: [0.75, 2.25],
    max: [1, 3],
    p99: [1, 3],
  })
})
