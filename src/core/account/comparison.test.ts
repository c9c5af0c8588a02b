import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compared, comparedPublished } from './comparison.ts'

const H = 3_600_000
const peaks = new Map<string, number | null>([
  ['h100-sxm', 989],
  ['h800-sxm', 989],
  ['declared', null],
])
const run = { name: 'moe', gpuModels: ['h800-sxm'], activeParameters: 2e9, tokens: 3e9, heldGpuMs: 100 * H }

test('a rate of everything that was held, and its FLOPs', () => {
  const figures = compared(run, peaks)
  assert.equal(figures?.tokensPerGpuHour, 30_000_000)
  assert.ok(Math.abs((figures?.gpuHoursPerBillionTokens ?? 0) - 100 / 3) < 1e-9)
  // 6 x 2e9 x 3e9 FLOPs over 360,000 seconds of a GPU.
  assert.ok(Math.abs((figures?.tflopsPerGpu ?? 0) - 100) < 1e-9)
  assert.ok(Math.abs((figures?.ofPeak ?? 0) - 100 / 989) < 1e-12)
})

test('what is wasted makes a run slower: the same tokens in twice the hours are half the rate', () => {
  const [once, twice] = [compared(run, peaks), compared({ ...run, heldGpuMs: 2 * run.heldGpuMs }, peaks)]
  assert.equal(once?.tokensPerGpuHour, 2 * (twice?.tokensPerGpuHour ?? 0))
  assert.ok(Math.abs((once?.tflopsPerGpu ?? 0) / (twice?.tflopsPerGpu ?? 1) - 2) < 1e-12)
})

test('of two GPU models, or one without a peak, there is no share of a peak; the rest stands', () => {
  for (const gpuModels of [['h100-sxm', 'h800-sxm'], ['declared'], ['never-heard-of'], []]) {
    const figures = compared({ ...run, gpuModels }, peaks)
    assert.equal(figures?.ofPeak, null)
    assert.equal(figures.tokensPerGpuHour, 30_000_000)
  }
})

test('nothing that was held, or nothing that was made of it, has no rate', () => {
  assert.equal(compared({ ...run, heldGpuMs: 0 }, peaks), null)
  assert.equal(compared({ ...run, tokens: 0 }, peaks), null)
  assert.equal(compared({ ...run, activeParameters: 0 }, peaks), null)
})

test('the published runs: Llama makes a tenth of the tokens, and does slightly more FLOPs', () => {
  const [deepseek, llama] = comparedPublished(peaks)
  assert.equal(deepseek?.tokensPerGpuHour, 5_308_465)
  assert.equal(llama?.tokensPerGpuHour, 505_837)
  assert.equal(Math.round(deepseek.tflopsPerGpu), 327)
  assert.equal(Math.round(llama.tflopsPerGpu), 341)
  assert.equal(Math.round(deepseek.gpuHoursPerBillionTokens), 188)
  assert.equal(Math.round(llama.gpuHoursPerBillionTokens), 1_977)
  assert.ok(deepseek.ofPeak !== null && llama.ofPeak !== null && llama.ofPeak > deepseek.ofPeak)
})
