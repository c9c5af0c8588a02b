import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtIn, readViews, sameView, withView } from './views.ts'

test('what is not a view is left out, and a broken list is empty', () => {
  assert.deepEqual(readViews('[{"name":"a","search":{"q":"x"}},{"name":1},7,null]'), [
    { name: 'a', search: { q: 'x' } },
  ])
  assert.deepEqual(readViews('{'), [])
  assert.deepEqual(readViews(null), [])
})

test('a view of the same name is replaced', () => {
  const views = withView([{ name: 'a', search: { q: 'x' } }], { name: 'a', search: { q: 'y' } })
  assert.deepEqual(views, [{ name: 'a', search: { q: 'y' } }])
})

test('an address is known whatever the order of its parts', () => {
  assert.ok(sameView({ a: '1', b: '2' }, { b: '2', a: '1' }))
  assert.ok(!sameView({ a: '1' }, {}))
  assert.deepEqual(builtIn('ada')[1]?.search, { user: 'ada' })
})
