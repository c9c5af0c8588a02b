import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conservationOf, unconservedMessage, WHAT_TO_DO } from './finding.ts'

const frame = {
  step: 7,
  layers: ['a', 'b', 'c'],
  counts: [2, 2, 1_000, 235, 4, 1],
  experts: 2,
  tokens: 2,
  topK: 2,
  flags: ['local'],
}

void test('the first layer that is wrong is named with its numbers, and how many are', () => {
  assert.deepEqual(conservationOf(frame), { step: 7, layer: 'b', layers: 2, counted: 1_235, expected: 4 })
  assert.equal(
    unconservedMessage(frame),
    `step 7: the experts of layer b counted 1,235 tokens where tokens x top-k is 4, and 1 more of its layers is wrong; ${WHAT_TO_DO}`,
  )
})

void test('nothing is said where all add up, or nobody can know', () => {
  assert.equal(unconservedMessage({ ...frame, counts: [2, 2, 4, 0, 3, 1] }), null)
  for (const unknown of [{ tokens: null }, { topK: null }, { flags: ['after-drop'] }, { flags: ['padding'] }])
    assert.equal(unconservedMessage({ ...frame, ...unknown }), null)
})
