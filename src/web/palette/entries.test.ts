import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Entry, matching, moved } from './entries.ts'

const entry = (name: string, note = ''): Entry => ({ key: name, kind: 'page', name, note })
const ALL = [entry('Now', 'what needs a person'), entry('Nodes', 'machines'), entry('Queue'), entry('Dark theme')]
const found = (typed: string) => matching(ALL, typed).map(({ name }) => name)

test('nothing typed offers everything, in its order', () => {
  assert.deepEqual(found('  '), ['Now', 'Nodes', 'Queue', 'Dark theme'])
})

test('what begins with the words comes first, each word must be there, capitals are the same', () => {
  assert.deepEqual(found('NO'), ['Now', 'Nodes'])
  assert.deepEqual(found('theme dark'), ['Dark theme'])
  assert.deepEqual(
    matching([entry('snow'), entry('right now'), entry('now')], 'now').map(({ name }) => name),
    ['now', 'right now', 'snow'],
  )
  assert.deepEqual(found('nothing'), [])
})

test('keys go around, and a page at a time to the ends', () => {
  assert.equal(moved(2, 3, 'ArrowDown'), 0)
  assert.equal(moved(0, 3, 'ArrowUp'), 2)
  assert.equal(moved(1, 30, 'PageDown'), 9)
  assert.equal(moved(3, 30, 'PageUp'), 0)
  assert.equal(moved(3, 30, 'x'), null)
  assert.equal(moved(0, 0, 'ArrowDown'), null)
})
