import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { specOf } from '../../domain/fixture.ts'
import { estimateRun } from './estimate.ts'

const dense = (parameters: number) => ({ parameters, activeParameters: parameters })
const training = (tokens: number | null, model: { parameters: number; activeParameters: number } | null) =>
  specOf({ training: { framework: 'auto', tokens, sequenceLength: null, model } })

void test('without tokens or a model there is no estimate', () => {
  assert.equal(estimateRun(training(null, dense(1)), 1_000), null)
  assert.equal(estimateRun(training(1, null), 1_000), null)
})

void test('without a peak there are FLOPs and no GPU-hours', () => {
  const estimate = estimateRun(training(1_000, dense(10)), null)
  assert.deepEqual([estimate?.flops, estimate?.gpuMs, estimate?.p80], [60_000, null, null])
})

void test('7 billion parameters and 140 billion tokens take about 5,500 hours of a GPU of 989 TFLOP/s', () => {
  const p50 = estimateRun(training(140e9, dense(7e9)), 989)?.gpuMs?.p50 ?? 0
  assert.equal(Math.round(p50 / 3_600_000), 5_505)
})

void test('only the active parameters of a mixture of experts count', () => {
  const sparse = estimateRun(training(1e12, { parameters: 100e9, activeParameters: 10e9 }), 989)
  assert.deepEqual(sparse, estimateRun(training(1e12, dense(10e9)), 989))
})

void test('safety: the quantiles are in order, are safe integers and grow with the tokens', () => {
  const size = fc.integer({ min: 1, max: 1_000_000 }).map((millions) => millions * 1_000_000)
  const tokens = fc.integer({ min: 1, max: 2 ** 52 })
  fc.assert(
    fc.property(size, tokens, fc.integer({ min: 1, max: 5_000 }), (parameters, count, peak) => {
      const one = estimateRun(training(count, dense(parameters)), peak)
      const two = estimateRun(training(count * 2, dense(parameters)), peak)
      assert.ok(one?.gpuMs != null && one.p80 !== null && two?.gpuMs != null)
      const line = [one.gpuMs.p10, one.gpuMs.p50, one.p80, one.gpuMs.p90]
      assert.deepEqual(
        line.toSorted((a, b) => a - b),
        line,
      )
      for (const value of line) assert.ok(Number.isSafeInteger(value) && value >= 1)
      assert.ok(two.gpuMs.p50 >= one.gpuMs.p50)
    }),
  )
})
