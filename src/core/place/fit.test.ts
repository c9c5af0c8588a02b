import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Holder } from '../../domain/claim.ts'
import { nodeId, nodeOf } from '../../domain/fixture.ts'
import { freeSlots } from './fit.ts'

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
