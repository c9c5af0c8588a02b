import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Api } from './api.ts'
import type { Known } from './gone.ts'
import { goneNodes } from './gone.ts'
import { nodeRecord } from './nodes.ts'
import type { Node } from './objects.ts'

const OPTIONS = {
  gpuResource: 'gpu',
  gpuLabel: 'model',
  rackLabel: null,
  blockLabel: null,
  declaredSlots: 8,
  badConditions: [],
  tolerations: [],
}
const TAINTED = [{ key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' }]
const SILENT = [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }]

const nodeOf = (name: string, taints: NonNullable<Node['spec']>['taints'] & object): Node => ({
  metadata: { name, uid: name, resourceVersion: '1' },
  spec: { taints },
})

/** What the server has, and what of it the watch shows. */
function ask(nodes: readonly Node[], shown: readonly Node[], name: string, heard: readonly string[] = []) {
  const asked: unknown[] = []
  const api = {
    get: (_: string, query: { fieldSelector: string }) => {
      asked.push(query.fieldSelector)
      return Promise.resolve({
        items: nodes.filter((node) => query.fieldSelector === `metadata.name=${node.metadata.name}`),
      })
    },
  }
  const known: Known = {
    nodes: () => new Map(shown.flatMap((node) => [[node.metadata.name, nodeRecord(node, OPTIONS)]] as never)),
    isHeard: (node) => heard.includes(node),
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is asked of it
  return goneNodes(api as unknown as Api, known, new Set([name])).then((gone) => ({ gone: gone.get(name), asked }))
}

void test('a node that is silent is not gone, and nobody is asked', async () => {
  const silent = nodeOf('a', SILENT)
  assert.deepEqual(await ask([silent], [silent], 'a'), { gone: undefined, asked: [] })
})

void test('a node that the watch does not show is gone only where the server has none of that name', async () => {
  assert.deepEqual(await ask([], [], 'a'), { gone: 'was deleted', asked: ['metadata.name=a'] })
  assert.equal((await ask([nodeOf('a', SILENT)], [], 'a')).gone, undefined, 'its label was taken off')
  assert.match((await ask([nodeOf('a', TAINTED)], [], 'a')).gone ?? '', /has the taint .*out-of-service/)
})

void test('one that is tainted out-of-service is gone, unless it is heard', async () => {
  const tainted = nodeOf('a', TAINTED)
  assert.match((await ask([tainted], [tainted], 'a')).gone ?? '', /has the taint node.kubernetes.io\/out-of-service/)
  assert.equal((await ask([tainted], [tainted], 'a', ['a'])).gone, undefined)
})
