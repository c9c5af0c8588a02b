import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Holder } from '../../domain/claim.ts'
import { nodeId, nodeOf } from '../../domain/fixture.ts'
import type { Resources } from '../../domain/spec.ts'
import { freeSlots, seatGang } from './fit.ts'

const MINE: Holder = 'restart:r0000000000000001'
const held = (slots: readonly number[], holder: Holder = 'restart:r0000000000000002') =>
  new Map([[nodeId('a'), new Map(slots.map((slot) => [slot, holder] as const))]])

const ROWS: readonly [why: string, foreign: number, ours: ReturnType<typeof held>, free: readonly number[]][] = [
  ['nobody holds any', 0, held([]), [0, 1, 2, 3]],
  ['another run holds some', 0, held([1, 2]), [0, 3]],
  ['the run holds them itself', 0, held([1, 2], MINE), [0, 1, 2, 3]],
  ['somebody else uses some', 1, held([]), [0, 1, 2]],
  ['somebody else uses as many as there are', 5, held([]), []],
  ['ours holds the last one and somebody else uses another', 1, held([3]), [0, 1]],
]
for (const [why, foreign, ours, free] of ROWS) {
  void test(`slots are free where ${why}`, () => {
    assert.deepEqual(freeSlots(nodeOf('a', { inventory: 4, foreign }), ours, MINE), free)
  })
}

const at = (name: string, rack: string | null, block: string | null = null) => ({
  node: nodeOf(name, { inventory: 2, place: { rack, block } }),
  slots: [0, 1],
})
const wants = (nodes: number, topology: Resources['topology'] = null): Resources => {
  return { nodes, gpusPerNode: 2, gpu: [], topology, parallelism: {} }
}
const names = (seats: ReturnType<typeof seatGang>): string | null =>
  seats === null ? null : seats.map(({ node }) => node.name).join(' ')
const REQUIRED = { within: 'rack', mode: 'required' } as const

/** Two racks of three and two nodes in one block, two of two in another, and a node of which nobody says it. */
const PLACES = [
  at('a1', 'a', 'x'),
  at('a2', 'a', 'x'),
  at('a3', 'a', 'x'),
  at('b1', 'b', 'x'),
  at('b2', 'b', 'x'),
  at('c1', 'c', 'y'),
  at('c2', 'c', 'y'),
  at('d1', 'd', 'y'),
  at('d2', 'd', 'y'),
  at('e', null),
]
const GANGS: readonly [what: string, resources: Resources, is: string | null][] = [
  ['one worker gets the first that fits', wants(1), 'a1'],
  ['two get the smallest rack that holds them', wants(2), 'b1 b2'],
  ['three get the rack that does', wants(3), 'a1 a2 a3'],
  ['four get the smallest block, rack by rack', wants(4), 'c1 c2 d1 d2'],
  ['five get the other block', wants(5), 'a1 a2 a3 b1 b2'],
  ['six get as few racks as possible', wants(6), 'a1 a2 a3 b1 b2 c1'],
  ['all get all', wants(10), 'a1 a2 a3 b1 b2 c1 c2 d1 d2 e'],
  ['eleven get none', wants(11), null],
  ['a rack that is required is one', wants(3, REQUIRED), 'a1 a2 a3'],
  ['a rack that is too small is none', wants(4, REQUIRED), null],
  ['a block that is required is one', wants(5, { within: 'block', mode: 'required' }), 'a1 a2 a3 b1 b2'],
  ['a block that is too small is none', wants(6, { within: 'block', mode: 'required' }), null],
]
for (const [what, resources, is] of GANGS) {
  void test(`a gang and its neighbours: ${what}`, () => {
    assert.equal(names(seatGang(resources, PLACES)), is)
    assert.equal(names(seatGang(resources, PLACES.toReversed())), is, 'in whatever order they come')
  })
}

void test('racks of one name in two blocks are two', () => {
  const free = [at('p', '1', 'x'), at('q', '1', 'y'), at('r', '2', 'y')]
  assert.equal(names(seatGang(wants(2, REQUIRED), free)), null)
})
