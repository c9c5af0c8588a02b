import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chosen } from './budget.ts'

test('what was whole stays whole, and as many more as the frame affords', () => {
  const { next, waits } = chosen([4, 5, 6, 7], new Set([3, 4]), 2)
  assert.deepEqual([...next], [4, 5, 6])
  assert.ok(waits)
})

test('liveness: lines that stand still are all whole in the end', () => {
  let whole: ReadonlySet<number> = new Set()
  let frames = 0
  for (let waits = true; waits; frames += 1) ({ next: whole, waits } = chosen([1, 2, 3, 4, 5, 6, 7], whole, 3))
  assert.equal(whole.size, 7)
  assert.equal(frames, 3)
})
