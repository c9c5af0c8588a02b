import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeRecord } from './nodes.ts'
import { cordonsOf, nodeRecord, nodeSeen } from './nodes.ts'
import type { Node } from './objects.ts'

const OPTIONS = {
  gpuResource: 'gpu',
  gpuLabel: 'model',
  rackLabel: null,
  blockLabel: null,
  declaredSlots: null,
  badConditions: [],
  tolerations: [],
}

/** As Kubernetes shows it, with the taint that it adds by itself. */
function recordOf(name: string, cordon: 'ours' | 'others' | null): NodeRecord {
  const resources = { gpu: '8' }
  const taints = [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }]
  const node = {
    metadata: {
      name,
      uid: name,
      resourceVersion: '1',
      annotations: cordon === 'ours' ? { 'plimsoll.dev/cordoned': 'true' } : {},
    },
    spec: cordon === null ? {} : { unschedulable: true, taints },
    status: { capacity: resources, allocatable: resources, conditions: [{ type: 'Ready', status: 'True' }] },
  } satisfies Node
  const record = nodeRecord(node, OPTIONS)
  assert.ok(record !== null)
  return record
}

test('only what is not yet so is patched, and the cordon of somebody else is left to him', () => {
  const nodes = [recordOf('free', null), recordOf('ours', 'ours'), recordOf('others', 'others')]
  const names = (wanted: readonly string[]) =>
    cordonsOf(nodes, new Set(wanted)).map(({ name, patch }) => `${name} ${JSON.stringify(patch)}`)
  assert.deepEqual(names(['ours', 'others']), [])
  assert.deepEqual(names(['free', 'ours']), [
    'free {"metadata":{"annotations":{"plimsoll.dev/cordoned":"true"}},"spec":{"unschedulable":true}}',
  ])
  assert.deepEqual(names([]), [
    'ours {"metadata":{"annotations":{"plimsoll.dev/cordoned":null}},"spec":{"unschedulable":null}}',
  ])
})

test('a node that we cordoned is ready as far as Kubernetes goes, until it is to be let go and is not yet', () => {
  const kindOf = (cordon: 'ours' | 'others' | null, keptOff: readonly string[] | null): string =>
    nodeSeen(recordOf('a', cordon), { blind: false, foreign: 0, keptOff: keptOff === null ? null : new Set(keptOff) })
      .condition.kind
  assert.deepEqual(
    [kindOf(null, []), kindOf('ours', null), kindOf('ours', ['a']), kindOf('ours', []), kindOf('others', ['a'])],
    ['ready', 'ready', 'ready', 'not-ready', 'not-ready'],
  )
})
