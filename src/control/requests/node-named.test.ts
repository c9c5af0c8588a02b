import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeOf, t, worldOf } from '../../domain/fixture.ts'
import type { ClusterName } from '../../domain/ids.ts'
import { nodeIdOf } from '../../domain/ids.ts'
import { nodeNamed } from './node-named.ts'

const nodeIn = (cluster: string, name: string) =>
  nodeOf(name, { cluster: cluster as ClusterName, id: nodeIdOf(cluster as ClusterName, name, 1) })

test('a node is meant by its name, unless several clusters have one of that name', () => {
  const gone = { ...nodeIn('oslo', 'b'), deletedAt: t(1) }
  const world = worldOf({ nodes: [nodeIn('hamina', 'a'), nodeIn('oslo', 'a'), nodeIn('hamina', 'b'), gone] })
  const idOf = (name: string) => {
    const answer = nodeNamed(world, name)
    return answer.ok ? answer.value.id : `${answer.message}; ${answer.whatToDo}`
  }
  assert.equal(idOf('b'), 'hamina/b/1')
  assert.equal(idOf('oslo/a/1'), 'oslo/a/1')
  assert.equal(idOf('a'), '2 clusters have a node a; name it in full: hamina/a/1, oslo/a/1')
  assert.equal(idOf('c'), 'there is no node c; plimsoll nodes lists them')
})
