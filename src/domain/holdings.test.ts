import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Claim } from './claim.ts'
import { restartHolder } from './claim.ts'
import { claimOf, nodeOf, runId, t } from './fixture.ts'
import { bookNode, heldGpuMs } from './holdings.ts'
import { attemptIdOf, workerIdOf } from './ids.ts'
import type { Node, NodeCondition } from './node.ts'
import { CELL_MS, cellOf } from './units.ts'

const BLIND = 60_000
const worker = (run: number) => workerIdOf(attemptIdOf(runId(run), 1), 0)
const bound = (run: number, slots: readonly number[]): Claim =>
  claimOf(nodeOf('a').id, worker(run), slots, { boundAt: t(0) })
const placed = (run: number, slots: readonly number[]): Claim => claimOf(nodeOf('a').id, worker(run), slots)
const hold = (run: number, slots: readonly number[]): Claim => claimOf(nodeOf('a').id, restartHolder(runId(run)), slots)
const PREPARING: NodeCondition = { kind: 'not-ready', reason: 'preparing-environment', message: 'torch' }
const BROKEN: NodeCondition = { kind: 'not-ready', reason: 'nodes-not-ready', message: 'disk' }

const told = (node: Node, claims: readonly Claim[], to: number): string =>
  bookNode(node, claims, t(to), BLIND)
    .rows.map((row) => `${(row.from - t(0)) / 1_000}-${(row.to - t(0)) / 1_000} ${row.holder} ${row.slots}`)
    .join(', ')

const CORDON = { by: 'ada', reason: 'fans' }
const ROWS: readonly { name: string; node: Node; claims: readonly Claim[]; to: number; is: string }[] = [
  { name: 'nobody holds anything', node: nodeOf('a'), claims: [], to: 10_000, is: '0-10 free 8' },
  {
    name: 'ours first, then foreign, then what is placed and not bound',
    node: nodeOf('a', { foreign: 4 }),
    claims: [bound(1, [0, 1, 2]), placed(2, [3, 4])],
    to: 10_000,
    is: `0-10 ${worker(1)} 3, 0-10 foreign 4, 0-10 ${worker(2)} 1`,
  },
  {
    name: 'a restart hold is served after what is out of service',
    node: nodeOf('a'),
    claims: [hold(1, [0, 1])],
    to: 10_000,
    is: `0-10 ${restartHolder(runId(1))} 2, 0-10 free 6`,
  },
  {
    name: 'a node that is preparing its environment is maintenance',
    node: nodeOf('a', { condition: PREPARING }),
    claims: [bound(1, [0])],
    to: 10_000,
    is: `0-10 ${worker(1)} 1, 0-10 maintenance 7`,
  },
  {
    name: 'a node that is not ready is unhealthy',
    node: nodeOf('a', { condition: BROKEN }),
    claims: [hold(1, [0])],
    to: 10_000,
    is: '0-10 unhealthy 8',
  },
  {
    name: 'a cordoned node is maintenance but for the runs that finish',
    node: nodeOf('a', { cordon: CORDON }),
    claims: [bound(1, [0])],
    to: 10_000,
    is: `0-10 ${worker(1)} 1, 0-10 maintenance 7`,
  },
  {
    name: 'a lost node is unhealthy, also when it is blind',
    node: nodeOf('a', { condition: { kind: 'lost', since: t(0) } }),
    claims: [],
    to: 100_000,
    is: '0-60 unhealthy 8, 60-100 unhealthy 8',
  },
  {
    name: 'from blindAfter on ours stays held and everything else is unknown',
    node: nodeOf('a', { foreign: 1, cordon: CORDON }),
    claims: [bound(1, [0]), placed(2, [1])],
    to: 100_000,
    is: `0-60 ${worker(1)} 1, 0-60 foreign 1, 0-60 ${worker(2)} 1, 0-60 maintenance 5, 60-100 ${worker(1)} 1, 60-100 ${worker(2)} 1, 60-100 unknown 6`,
  },
  {
    name: 'rows are cut at the borders of cells',
    node: nodeOf('a', { lastObserved: t(700_000) }),
    claims: [],
    to: 610_000,
    is: '0-300 free 8, 300-600 free 8, 600-610 free 8',
  },
  {
    name: 'a deleted node is booked up to its deletion',
    node: nodeOf('a', { deletedAt: t(5_000) }),
    claims: [],
    to: 10_000,
    is: '0-5 free 8',
  },
  { name: 'a moment that is booked already books nothing', node: nodeOf('a'), claims: [], to: -5_000, is: '' },
]
for (const { name, node, claims, to, is } of ROWS) void test(name, () => assert.equal(told(node, claims, to), is))

void test('a claim that gets fewer slots than it has is a finding', () => {
  const { cutShort } = bookNode(nodeOf('a', { inventory: 2 }), [bound(1, [0, 1]), bound(2, [0])], t(1_000), BLIND)
  assert.deepEqual(cutShort, [worker(2)])
})

const conditions: fc.Arbitrary<NodeCondition> = fc.constantFrom<NodeCondition>({ kind: 'ready' }, PREPARING, BROKEN, {
  kind: 'lost',
  since: t(0),
})
const slots = fc.integer({ min: 0, max: 8 }).map((count) => Array.from({ length: count }, (_, index) => index))

void test('safety: the rows of each cell sum to inventory times the time that is booked, whatever is claimed', () => {
  fc.assert(
    fc.property(
      fc.record({
        inventory: fc.integer({ min: 0, max: 12 }),
        foreign: fc.integer({ min: 0, max: 12 }),
        condition: conditions,
        cordon: fc.option(fc.constant(CORDON)),
        lastObserved: fc.integer({ min: -200_000, max: 2 * CELL_MS }).map(t),
        deletedAt: fc.option(fc.integer({ min: 1, max: 3 * CELL_MS }).map(t)),
      }),
      fc.array(fc.tuple(fc.constantFrom(bound, placed, hold), slots), { maxLength: 5 }),
      fc.array(fc.nat(3 * CELL_MS), { maxLength: 4 }),
      (over, wanted, stops) => {
        const claims = wanted.map(([make, which], index) => make(index, which))
        let node = nodeOf('a', over)
        const sums = new Map<number, number>()
        for (const stop of stops.toSorted((a, b) => a - b)) {
          const booking = bookNode(node, claims, t(stop), BLIND)
          for (const row of booking.rows) {
            assert.ok(row.to > row.from && row.slots > 0 && row.from >= node.bookedTo)
            assert.equal(cellOf(row.from), cellOf(t(row.to - t(0) - 1)))
            sums.set(cellOf(row.from), (sums.get(cellOf(row.from)) ?? 0) + heldGpuMs(row))
          }
          node = booking.node
        }
        for (const [cell, sum] of sums) {
          const from = Math.max(cell, t(0))
          assert.equal(sum, over.inventory * (Math.min(cell + CELL_MS, node.bookedTo) - from))
        }
        const booked = [...sums.values()].reduce((total, each) => total + each, 0)
        assert.equal(booked, over.inventory * (node.bookedTo - t(0)))
      },
    ),
    { numRuns: 300 },
  )
})
