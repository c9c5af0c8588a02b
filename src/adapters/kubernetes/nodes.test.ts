import assert from 'node:assert/strict'
import { test } from 'node:test'
import { taintText } from '../../domain/taint.ts'
import type { NodeRecord } from './nodes.ts'
import { nodeRecord, nodeSeen } from './nodes.ts'
import type { Node, NodeTaint } from './objects.ts'

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

test('a node that we cordoned is ready as far as Kubernetes goes, until it is to be let go and is not yet', () => {
  const wanted = (cordoned: readonly string[] | null) =>
    cordoned === null ? null : { cordoned: new Set(cordoned), tainted: new Map() }
  const kindOf = (cordon: 'ours' | 'others' | null, keptOff: readonly string[] | null): string =>
    nodeSeen(recordOf('a', cordon), { blind: false, foreign: 0, keptOff: wanted(keptOff) }).condition.kind
  assert.deepEqual(
    [kindOf(null, []), kindOf('ours', null), kindOf('ours', ['a']), kindOf('ours', []), kindOf('others', ['a'])],
    ['ready', 'ready', 'ready', 'not-ready', 'not-ready'],
  )
})

const TAINT = { key: 'example.com/out', value: 'yes', effect: 'NoSchedule' } as const
const NOTE = 'example.com/out=yes:NoSchedule'

function taintedRecord(taint: NodeTaint, noted: string | null): NodeRecord {
  const resources = { gpu: '8' }
  const annotations = noted === null ? {} : { 'plimsoll.dev/taint': `${noted} one` }
  const node = {
    metadata: { name: 'a', uid: 'a', resourceVersion: '1', annotations },
    spec: { taints: [taint] },
    status: { capacity: resources, allocatable: resources, conditions: [{ type: 'Ready', status: 'True' }] },
  } satisfies Node
  const record = nodeRecord(node, OPTIONS, 'one')
  assert.ok(record !== null)
  return record
}

test('the taint that we put on a node says nothing of it, and that of somebody else does, though it has the same key', () => {
  assert.equal(taintedRecord(TAINT, NOTE).condition.kind, 'ready')
  assert.equal(taintedRecord(TAINT, null).condition.kind, 'not-ready')
  assert.equal(taintedRecord({ ...TAINT, value: 'theirs' }, NOTE).condition.kind, 'not-ready')
})

test('a node that has our taint yet is not in service before it is off, unless that keeps nobody away', () => {
  const kindOf = (taint: NodeTaint, tainted: readonly string[] | null): string => {
    const record = taintedRecord(taint, taintText(taint))
    const keptOff = tainted === null ? null : { cordoned: null, tainted: new Map(tainted.map((name) => [name, TAINT])) }
    return nodeSeen(record, { blind: false, foreign: 0, keptOff }).condition.kind
  }
  assert.deepEqual([kindOf(TAINT, null), kindOf(TAINT, ['a']), kindOf(TAINT, [])], ['ready', 'ready', 'not-ready'])
  assert.equal(kindOf({ ...TAINT, effect: 'PreferNoSchedule' }, []), 'ready')
})

test('a node says where it stands, by the labels that the cluster file names, in service or not', () => {
  const placeOf = (rackLabel: string | null, spec: NonNullable<Node['spec']>) => {
    const labels = { rack: 'r1', block: 'b1' }
    const node = {
      metadata: { name: 'a', uid: 'a', resourceVersion: '1', labels },
      spec,
      status: { capacity: { gpu: '8' }, allocatable: { gpu: '8' }, conditions: [{ type: 'Ready', status: 'True' }] },
    } satisfies Node
    const record = nodeRecord(node, { ...OPTIONS, rackLabel, blockLabel: 'block' })
    assert.ok(record !== null)
    return nodeSeen(record, { blind: false, foreign: 0, keptOff: null }).place
  }
  assert.deepEqual(placeOf('rack', {}), { rack: 'r1', block: 'b1' })
  assert.deepEqual(placeOf(null, { unschedulable: true }), { rack: null, block: 'b1' })
})
