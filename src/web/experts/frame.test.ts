import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conserved, decodeFrame, median, ratioAt, ratiosOf, shortLayer } from './frame.ts'

const counts = Uint32Array.of(1, 3, 0, 4, 70_000, 2)
const document = {
  step: 7,
  layers: ['3', '4', '5'],
  experts: 2,
  topK: 2,
  tokens: 2,
  counts: Buffer.from(counts.buffer).toString('base64'),
  maxVio: [],
  cv: [],
  entropy: [],
  dead: [],
  hot: [],
  observedAt: '2026-11-24T00:00:00.000Z',
}

test('counts are unsigned 32-bit little-endian, ratios are of the mean of their layer', () => {
  const frame = decodeFrame(document)
  assert.deepEqual([...frame.counts], [...counts])
  assert.equal(ratioAt(frame, { layer: 0, expert: 1 }), 1.5)
  assert.equal(ratioAt(frame, { layer: 1, expert: 0 }), 0)
  assert.equal(conserved(frame), 2)
  assert.equal(conserved({ ...frame, tokens: null }), null)
  assert.equal(conserved({ ...frame, topK: null }), null)
})

test('safety: a layer that nothing was reported of is not dead', () => {
  assert.ok(Number.isNaN(ratiosOf(Uint32Array.of(0, 0), 1, 2)[0]))
})

test('a frame of another size is refused', () => {
  assert.throws(() => decodeFrame({ ...document, experts: 3 }))
})

test('the median of an even number lies between two', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.equal(median([3, 1, 2]), 2)
})

test('a layer has its number in the model for a short name, where it has one', () => {
  assert.equal(shortLayer('layers.3.mlp', 0), '3')
  assert.equal(shortLayer('decoder.1.block.2', 5), '5')
  assert.equal(shortLayer('router', 2), '2')
  assert.equal(shortLayer(undefined, 7), '7')
})
