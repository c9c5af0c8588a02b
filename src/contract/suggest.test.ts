import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { editDistance, nearest } from './suggest.ts'

test('a slip of the finger finds its word, anything else does not', () => {
  const known = ['priority', 'project', 'resources', 'name', 'env']
  assert.equal(nearest('prioriy', known), 'did you mean priority?')
  assert.equal(nearest('Resource', known), 'did you mean resources?')
  assert.equal(nearest('nmae', known), 'did you mean name?')
  assert.equal(nearest('xyz', known), `known are ${known.join(', ')}`)
  assert.equal(nearest('x'.repeat(100_000), known), `known are ${known.join(', ')}`)
  assert.equal(nearest('anything', []), null)
})

test('safety: the distance is symmetric, and 0 for the same word only', () => {
  const word = fc.string({ maxLength: 12 })
  fc.assert(
    fc.property(word, word, (a, b) => {
      assert.equal(editDistance(a, b), editDistance(b, a))
      assert.equal(editDistance(a, b) === 0, a === b)
    }),
  )
})
