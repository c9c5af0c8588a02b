import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { MachineNode } from '../api/operate.ts'
import { HOLDERS, matching, slotsOf, sumsOf, wayBack, worstFirst } from './nodes.ts'

const nodeOf = (name: string, over: Partial<MachineNode> = {}): MachineNode => ({
  id: `c/${name}/1`,
  cluster: 'c',
  name,
  state: 'ready',
  reason: null,
  message: null,
  since: null,
  cordonedBy: null,
  unhealthy: false,
  taint: null,
  rack: 'r01',
  block: null,
  gpuModel: 'h100',
  declared: false,
  gpus: 8,
  held: 0,
  foreign: 0,
  holders: [],
  observedAt: '2026-11-24T02:00:00.000Z',
  ...over,
})

const STATES = ['ready', 'suspect', 'not-ready', 'draining', 'cordoned', 'lost', 'of-a-newer-server']

test('safety: each slot of a node is exactly one party’s, and the sums are the GPUs that there are', () => {
  const node = fc.record({
    state: fc.constantFrom(...STATES),
    reason: fc.constantFrom(null, 'cordoned', 'nodes-not-ready', 'preparing-environment'),
    gpus: fc.nat(16),
    held: fc.nat(20),
    foreign: fc.nat(20),
  })
  fc.assert(
    fc.property(fc.array(node), (parts) => {
      const nodes = parts.map((part, index) => nodeOf(String(index), part))
      for (const each of nodes) assert.equal(slotsOf(each).length, each.gpus)
      const sums = sumsOf(nodes)
      assert.equal(
        HOLDERS.reduce((sum, holder) => sum + sums.by[holder], 0),
        sums.gpus,
      )
    }),
  )
})

test('what is out of service is maintenance where that is planned, the machine where it broke, unknown where it is silent', () => {
  const of = (over: Partial<MachineNode>) => [...new Set(slotsOf(nodeOf('a', over)))]
  assert.deepEqual(of({ held: 2, foreign: 1 }), ['held', 'foreign', 'free'])
  assert.deepEqual(of({ state: 'cordoned', reason: 'cordoned' }), ['maintenance'])
  assert.deepEqual(of({ state: 'not-ready', reason: 'preparing-environment' }), ['maintenance'])
  assert.deepEqual(of({ state: 'not-ready', reason: 'nodes-not-ready' }), ['unhealthy'])
  assert.deepEqual(of({ state: 'suspect', foreign: 3, held: 1 }), ['held', 'unknown'])
  assert.deepEqual(of({ state: 'lost' }), ['unhealthy'])
})

test('worst first, and names in the order of their numbers', () => {
  const nodes = [
    nodeOf('n10'),
    nodeOf('n9'),
    nodeOf('used', { foreign: 1 }),
    nodeOf('c', { state: 'cordoned' }),
    nodeOf('l', { state: 'lost' }),
  ]
  assert.deepEqual(
    worstFirst(nodes).map(({ name }) => name),
    ['l', 'c', 'used', 'n9', 'n10'],
  )
})

test('a node is found by its name, rack, model, and by the run that holds it', () => {
  const holders = [{ run: 'r1', project: 'research', name: 'moe', gpus: 8 }]
  const nodes = [nodeOf('a', { holders }), nodeOf('b', { state: 'lost', foreign: 0 }), nodeOf('c', { foreign: 2 })]
  const found = (q: string, state = '') => matching(nodes, q, state).map(({ name }) => name)
  assert.deepEqual(found('research/moe'), ['a'])
  assert.deepEqual(found('H100 r01'), ['a', 'b', 'c'])
  assert.deepEqual(found('', 'out'), ['b'])
  assert.deepEqual(found('', 'foreign'), ['c'])
  assert.deepEqual(found('nothing'), [])
})

test('each node that is out of service has a way back, and a ready one needs none', () => {
  for (const state of STATES.slice(1, 6)) assert.ok(wayBack(nodeOf('a', { state })).length > 0, state)
  assert.deepEqual(wayBack(nodeOf('a')), [])
})
