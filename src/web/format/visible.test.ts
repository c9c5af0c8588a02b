import assert from 'node:assert/strict'
import { test } from 'node:test'
import { visible } from './visible.ts'

test('colours go, other control characters are shown', () => {
  assert.equal(visible('\u001b[31mred\u001b[0m'), 'red')
  assert.equal(visible('a\u0007b'), 'a\u2407b')
  assert.equal(visible('a\u202eb'), 'a\ufffdb')
  assert.equal(visible('line\r'), 'line')
  assert.equal(visible('<b>tab\there</b>'), '<b>tab\there</b>')
})
