import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { differences, leaves } from './diff.ts'

test('each place that is not the same is one line', () => {
  assert.deepEqual(
    differences(
      { name: 'a', command: ['x', '1'], resources: { nodes: 1 }, gone: null },
      { name: 'b', command: ['x', '1'], resources: { nodes: 2, gpusPerNode: 8 } },
    ),
    [
      { path: 'gone', here: 'null', there: null },
      { path: 'name', here: 'a', there: 'b' },
      { path: 'resources.gpusPerNode', here: null, there: '8' },
      { path: 'resources.nodes', here: '1', there: '2' },
    ],
  )
})

test('a command is one value, a list of things is not', () => {
  assert.deepEqual(leaves({ command: ['a', 'b'], list: [{ x: 1 }, { x: 2 }] }), [
    { path: 'command', text: '["a","b"]' },
    { path: 'list[0].x', text: '1' },
    { path: 'list[1].x', text: '2' },
  ])
})

test('safety: nothing differs from itself', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.deepEqual(differences(value, value), [])))
})
