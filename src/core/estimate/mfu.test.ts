import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MS_PER_HOUR } from '../../domain/units.ts'
import type { Worked } from './mfu.ts'
import { mfuOf } from './mfu.ts'

const worked = (over: Partial<Worked> = {}): Worked => ({
  productiveGpuMs: 50,
  heldGpuMs: 100,
  peakTflops: 989,
  ...over,
})
const MODEL = { parameters: 10e9, activeParameters: 1e9 }
const known = (...args: Parameters<typeof mfuOf>) => {
  const mfu = mfuOf(...args)
  assert.ok(mfu.kind === 'known')
  return mfu
}

void test('37.55 billion active parameters at 272.8 billion tokens a day on 2,048 GPUs of 989 TFLOP/s are 35 %', () => {
  const day = 2_048 * 24 * MS_PER_HOUR
  const deepseek = { parameters: 671.03e9, activeParameters: 37.55e9 }
  const mfu = known(deepseek, 272.8e9, [worked({ productiveGpuMs: day, heldGpuMs: day })])
  assert.equal(mfu.productive.toFixed(4), '0.3512')
})

void test('in what was held it is less by the goodput', () => {
  const mfu = known(MODEL, 1_000, [worked({ productiveGpuMs: 903, heldGpuMs: 1_000 })])
  assert.ok(Math.abs(mfu.held - 0.903 * mfu.productive) < 1e-12)
})

void test('time on each GPU model counts with the peak of that model', () => {
  const mfu = known(MODEL, 1e6, [
    worked({ productiveGpuMs: 2_000, heldGpuMs: 4_000, peakTflops: 1_000 }),
    worked({ productiveGpuMs: 1_000, heldGpuMs: 1_000, peakTflops: 300 }),
  ])
  assert.ok(Math.abs(mfu.productive - 6e15 / 2_300e12) < 1e-12)
  assert.ok(Math.abs(mfu.held - 6e15 / 4_300e12) < 1e-12)
})

void test('what is not known is never guessed, and says why', () => {
  const cases: [string, ...Parameters<typeof mfuOf>][] = [
    ['no-model', null, 1, [worked()]],
    ['nothing-kept', MODEL, 0, []],
    ['nothing-kept', MODEL, 0, [worked({ productiveGpuMs: 0 })]],
    ['no-tokens', MODEL, null, [worked()]],
    ['no-peak', MODEL, 1, [worked(), worked({ peakTflops: null })]],
  ]
  for (const [why, ...given] of cases) assert.deepEqual(mfuOf(...given), { kind: 'unknown', why })
  assert.equal(mfuOf(MODEL, 1, [worked(), worked({ heldGpuMs: 0, peakTflops: null })]).kind, 'known')
})
