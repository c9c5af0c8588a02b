import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseGpus, parsePresets } from './catalogue.ts'

const read = (path: string): string => readFileSync(new URL(`../../config/catalogue/${path}`, import.meta.url), 'utf8')

test('the catalogue has a slot without a device, and dense peaks for those with one', () => {
  const gpus = new Map(parseGpus(read('gpus.json')).map((gpu) => [gpu.id, gpu]))
  assert.equal(gpus.get('declared')?.peakBf16Tflops, null)
  // Twice as much is the figure with sparsity.
  assert.equal(gpus.get('h100-sxm')?.peakBf16Tflops, 989)
  assert.equal(gpus.get('a100-sxm-80')?.peakBf16Tflops, 312)
  assert.equal(gpus.get('mi250x')?.peakBf16Tflops, 191.5, 'a driver shows each of its two dies as a device')
  assert.equal(gpus.get('v100-sxm2-32')?.peakBf16Tflops, null, 'it has no BF16')
})

test('presets are sizes of models, with fewer active parameters for a mixture of experts', () => {
  const presets = parsePresets(read('models.json'))
  assert.deepEqual(presets.get('deepseek-v3'), { parameters: 671_026_279_424, activeParameters: 37_552_157_696 })
  const dense = presets.get('llama-3.1-405b')
  assert.equal(dense?.parameters, dense?.activeParameters)
})

test('a catalogue that contradicts itself is refused', () => {
  const gpu = {
    id: 'a',
    name: 'A',
    vendor: null,
    memoryGB: null,
    peakBf16Tflops: null,
    products: ['P'],
    labels: [],
    source: 's',
  }
  assert.throws(() => parseGpus(JSON.stringify([gpu, gpu])), /a twice/)
  assert.throws(() => parseGpus(JSON.stringify([gpu, { ...gpu, id: 'b' }])), /P twice/)
  assert.throws(() => parseGpus(JSON.stringify([{ ...gpu, peak: 1 }])))
  const model = { name: 'm', parameters: 1, activeParameters: 2, source: 's' }
  assert.throws(() => parsePresets(JSON.stringify([model])), /more active/)
})
