import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CLUSTER, nodeOf, t, worldOf } from '../../domain/fixture.ts'
import type { ClusterName } from '../../domain/ids.ts'
import type { Node } from '../../domain/node.ts'
import type { Taint, TaintPolicy } from '../../domain/taint.ts'
import { decideTaints, taintsOf } from './taints.ts'

const TAINT: Taint = { key: 'example.com/out', value: 'yes', effect: 'NoSchedule' }
const NOTE = 'example.com/out=yes:NoSchedule'
const POLICY: TaintPolicy = { taint: TAINT, nodes: ['cordoned', 'unhealthy'] }
const CORDON = { by: 'user:ada', reason: 'fans' }
const notReady = (unhealthy?: true): Node['condition'] => ({
  kind: 'not-ready',
  reason: 'nodes-not-ready',
  message: 'Xid 79',
  ...(unhealthy === undefined ? {} : { unhealthy }),
})

/** What is written of a node: its taint, and the audit rows. */
function decide(over: Partial<Node>, policy: TaintPolicy | null = POLICY) {
  const node = nodeOf('a', over)
  const [item, ...more] = decideTaints(worldOf({ nodes: [node] }, { now: t(5) }), CLUSTER, policy)
  assert.equal(more.length, 0)
  if (item === undefined) return null
  assert.deepEqual(item.expects, [{ kind: 'node', id: node.id, version: node.version }])
  const written = item.writes.flatMap((write) => (write.kind === 'node' ? [write.node] : []))
  const audit = item.writes.flatMap((write) => (write.kind === 'audit' ? [write.entry] : []))
  assert.ok(audit.every(({ actor, target, at }) => actor === 'rule:taint' && target === node.id && at === t(5)))
  return { taint: written[0]?.taint, audit: audit.map(({ verb, detail }) => [verb, detail]) }
}

test('a node that a person took out of service gets the taint, and the audit log says whose word it was', () => {
  assert.deepEqual(decide({ cordon: CORDON }), {
    taint: TAINT,
    audit: [['node.taint', { taint: NOTE, why: 'cordoned', by: 'user:ada', reason: 'fans' }]],
  })
})

test('a node that is lost, or unhealthy by what is seen of it, gets the taint with what is wrong', () => {
  assert.deepEqual(decide({ condition: { kind: 'lost', since: t(0) } })?.audit, [
    ['node.taint', { taint: NOTE, why: 'unhealthy', condition: 'lost' }],
  ])
  assert.deepEqual(decide({ condition: notReady(true) })?.audit, [
    ['node.taint', { taint: NOTE, why: 'unhealthy', condition: 'Xid 79' }],
  ])
})

test('nothing is decided of a node that others keep out of service, that is in service, or that is as it should be', () => {
  for (const over of [{}, { condition: notReady() }, { cordon: CORDON, taint: TAINT }]) assert.equal(decide(over), null)
  const both = { cordon: CORDON, condition: notReady(true) }
  assert.equal(decide(both, null), null, 'there is no policy')
  assert.equal(decide({ ...both, taint: TAINT }), null, 'the reason is another, and the taint is the same')
})

test('a policy may be for one of the two only', () => {
  const only = (reason: 'cordoned' | 'unhealthy'): TaintPolicy => ({ taint: TAINT, nodes: [reason] })
  const decided = [
    decide({ cordon: CORDON }, only('unhealthy')),
    decide({ condition: notReady(true) }, only('cordoned')),
    decide({ cordon: CORDON, condition: notReady(true) }, only('unhealthy'))?.audit[0]?.[1],
  ]
  assert.deepEqual(decided, [null, null, { taint: NOTE, why: 'unhealthy', condition: 'Xid 79' }])
})

test('when the reason is over, the policy is gone or the node is forgotten, the taint is taken off and that is told', () => {
  const off = { taint: undefined, audit: [['node.untaint', { taint: NOTE }]] }
  assert.deepEqual(decide({ taint: TAINT }), off)
  assert.deepEqual(decide({ taint: TAINT, cordon: CORDON }, null), off)
  assert.deepEqual(decide({ taint: TAINT, cordon: CORDON, deletedAt: t(1) }), off)
})

test('when the policy has another taint the old one is taken off and the new one is put, each told', () => {
  const taint: Taint = { ...TAINT, effect: 'NoExecute' }
  const decided = decide({ taint: TAINT, cordon: CORDON }, { ...POLICY, taint })
  assert.deepEqual(decided?.taint, taint)
  assert.deepEqual(
    decided.audit.map(([verb]) => verb),
    ['node.untaint', 'node.taint'],
  )
})

test('what nodes are to have is told of those of a cluster that are there', () => {
  const nodes = [nodeOf('a', { taint: TAINT }), nodeOf('b'), nodeOf('c', { taint: TAINT, deletedAt: t(1) })]
  assert.deepEqual([...taintsOf(worldOf({ nodes }), CLUSTER)], [['a', TAINT]])
  const other = 'other' as ClusterName
  assert.deepEqual([...taintsOf(worldOf({ nodes }), other)], [])
  assert.deepEqual(decideTaints(worldOf({ nodes }), other, null), [])
})
