import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AttemptBooks } from '../../domain/books.ts'
import { attemptOf, nodeId, nodeOf, runOf, t, worldOf } from '../../domain/fixture.ts'
import { CELL_MS, cellOf } from '../../domain/units.ts'
import { bookItems, workOf } from './due.ts'
import { firstCellToRead } from './post.ts'

void test('every node that is not deleted is booked at the end of each cell', () => {
  const nodes = [nodeOf('old'), nodeOf('new', { bookedTo: t(CELL_MS) }), nodeOf('gone', { deletedAt: t(5) })]
  const items = bookItems(worldOf({ nodes }, { now: t(CELL_MS) }))
  assert.deepEqual(
    items.map((item) => item.writes),
    [[{ kind: 'book', node: nodeId('old') }]],
  )
})

const { attempt, claims } = attemptOf(runOf(1), 1, [
  { node: 'a', slots: [0] },
  { node: 'b', slots: [0] },
])
const BOOKS: AttemptBooks = {
  attempt: attempt.id,
  source: null,
  postedTo: cellOf(t(2 * CELL_MS)),
  dirtyFrom: null,
  basis: { startedAt: null, failureAt: null, endedWithoutSuccess: false, ends: [null, null], keep: [] },
  heard: 0,
  closed: false,
}

void test('an attempt holds slots until its last claim is released', () => {
  const work = (released: readonly (number | null)[]) =>
    workOf.full({
      attempt,
      run: runOf(1),
      books: BOOKS,
      claims: claims.map((claim, index) => {
        const at = released[index] ?? null
        return { ...claim, placedAt: t(10 - index), releasedAt: at === null ? null : t(at) }
      }),
      readFrom: cellOf(t(0)),
      held: [],
      facts: [],
      cells: [],
      bookedTo: t(0),
      sources: [],
      siblings: [{ attempt, books: { ...BOOKS, basis: null }, newest: null }],
    })
  assert.equal(work([5_000, null]).releasedAt, null)
  assert.equal(work([5_000, 9_000]).releasedAt, t(9_000))
  assert.equal(work([]).placedAt, t(9))
  assert.deepEqual(
    work([]).siblings.map((each) => [each.endedWithoutSuccess, each.assumedKeep]),
    [[false, []]],
  )
})

type Light = Parameters<typeof firstCellToRead>[1]
const LIGHT: Light = {
  placedAt: t(1_000),
  startedAt: null,
  failureAt: null,
  outcome: null,
  lastMarkAt: t(CELL_MS + 5),
  ends: [null, null],
}
const READS: readonly [why: string, books: Partial<AttemptBooks>, light: Partial<Light>, cell: number][] = [
  ['nothing was posted', { postedTo: null }, {}, 0],
  ['nothing has changed', {}, {}, 3],
  ['a fact came late', { dirtyFrom: cellOf(t(CELL_MS)) }, {}, 1],
  ['its start became known', {}, { startedAt: t(2_000) }, 0],
  ['a failure became known', {}, { failureAt: t(2 * CELL_MS + 7) }, 2],
  ['it ended without success', {}, { outcome: 'failed' }, 1],
  ['it ended without success and without a step', {}, { outcome: 'failed', lastMarkAt: null }, 0],
  ['a worker turns out to have ended long ago', {}, { ends: [null, t(CELL_MS + 9)] }, 1],
  ['it succeeded', {}, { outcome: 'succeeded' }, 3],
]
for (const [why, books, light, cell] of READS) {
  void test(`where ${why}, an attempt is read from cell ${cell} on`, () => {
    assert.equal(firstCellToRead({ ...BOOKS, ...books }, { ...LIGHT, ...light }), cellOf(t(cell * CELL_MS)))
  })
}
