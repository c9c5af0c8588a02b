import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inView, scrolledTo } from './in-view.ts'

test('what is in view is what has a pixel in it', () => {
  assert.deepEqual(inView(0, 280, 28), [0, 10])
  assert.deepEqual(inView(27, 280, 28), [0, 11])
  assert.deepEqual(inView(28, 280, 28), [1, 11])
  assert.deepEqual(inView(-40, 280, 28), [0, 9])
  assert.deepEqual(inView(0, 0, 28), [0, 0])
})

test('a line is brought into view as little as it must be, and never under the head', () => {
  const at = { top: 560, room: 308, height: 28, head: 28 }
  assert.equal(scrolledTo(20, at), null)
  assert.equal(scrolledTo(29, at), null)
  assert.equal(scrolledTo(19, at), 19 * 28)
  assert.equal(scrolledTo(30, at), 21 * 28)
  assert.equal(scrolledTo(0, at), 0)
})
