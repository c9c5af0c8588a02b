import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeIn } from './code.ts'

test('a code stands in the fragment, and nothing else is one', () => {
  assert.equal(codeIn('#code=aB-3_x'), 'aB-3_x')
  assert.equal(codeIn('#main'), null)
  assert.equal(codeIn('#code='), null)
  assert.equal(codeIn(''), null)
})
