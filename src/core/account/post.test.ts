import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Fact } from '../../domain/fact.ts'
import { runId, t } from '../../domain/fixture.ts'
import { heldGpuMs } from '../../domain/holdings.ts'
import { attemptIdOf } from '../../domain/ids.ts'
import { CELL_MS, cellOf, cellStart, later, plusMs } from '../../domain/units.ts'
import type { Life } from './books-fixture.ts'
import { Books, total } from './books-fixture.ts'
import { factsArbitrary, OTHER, resumed, SOURCE, saved, step } from './fixture.ts'
import { difference, electSource, planPostings } from './post.ts'
import { attemptAccounts, openAccounts } from './statement.ts'

const FIRST: Life = {
  attempt: attemptIdOf(runId(1), 1),
  source: SOURCE,
  placedAt: t(20_000),
  startedAt: t(50_000),
  failureAt: t(640_000),
  releasedAt: t(700_000),
  outcome: 'failed',
}
const SECOND: Life = {
  ...FIRST,
  attempt: attemptIdOf(runId(1), 2),
  placedAt: t(800_000),
  startedAt: t(820_000),
  failureAt: null,
  releasedAt: t(1_450_000),
  outcome: 'succeeded',
}
const END = t(3_000_000)

const productive = (books: Books, index: number): number =>
  books.posted(index).reduce((sum, record) => sum + (record.balance.productive ?? 0), 0)
const lost = (books: Books, index: number): number =>
  books.posted(index).reduce((sum, record) => sum + (record.balance.lost ?? 0), 0)

/** Steps 1 to 10 of the first attempt, a minute each with four slots. */
const MINUTES = Array.from({ length: 10 }, (_, index) => step(50 + 57 * (index + 1), index + 1, { durationMs: 57_000 }))

void test('a cell is posted when it is over and settled, not before', () => {
  const books = new Books([{ ...FIRST, failureAt: null, releasedAt: END }])
  assert.equal(books.settle(t(CELL_MS + 299_999)), 0)
  assert.equal(books.settle(t(CELL_MS + 300_000)), 1)
  assert.equal(books.isClosed(0), false)
})

void test('the word of the elected source after the end of a cell settles it at once', () => {
  const books = new Books([{ ...FIRST, failureAt: null, releasedAt: END }])
  books.receive(0, step(60, 1))
  const work = books.work(0, t(310_000))
  const spoken = (at: number) => work.sources.map((seen) => ({ ...seen, lastAt: t(at) }))
  assert.equal(planPostings({ ...work, sources: spoken(299_999) }, t(310_000), 300_000).revisions.length, 0)
  assert.equal(planPostings({ ...work, sources: spoken(300_000) }, t(310_000), 300_000).revisions.length, 1)
})

void test('a cell that is not over is not posted, whoever spoke beyond its end by a clock that is ahead', () => {
  const books = new Books([{ ...FIRST, failureAt: null, releasedAt: END }])
  books.receive(0, step(60, 1))
  const work = { ...books.work(0, t(310_000)), bookedTo: t(250_000) }
  const sources = work.sources.map((seen) => ({ ...seen, lastAt: t(400_000) }))
  assert.deepEqual(planPostings({ ...work, sources }, t(250_000), 0).revisions, [])
})

void test('the last release settles all that is left, and the books of the attempt are closed', () => {
  const books = new Books([FIRST])
  for (const fact of MINUTES) books.receive(0, fact)
  assert.equal(books.settle(t(700_000)), 3)
  assert.equal(books.isClosed(0), true)
})

void test('the books of what was held for no time are closed, at the border of a cell as well', () => {
  for (const at of [t(0), t(20_000)]) {
    const books = new Books([{ ...FIRST, placedAt: at, startedAt: at, failureAt: at, releasedAt: at }])
    books.settle(t(700_000))
    assert.equal(books.isClosed(0), true)
  }
})

void test('a failed attempt that saved nothing keeps nothing', () => {
  const books = new Books([FIRST])
  for (const fact of MINUTES) books.receive(0, fact)
  books.settle(t(800_000))
  assert.equal(productive(books, 0), 0)
  assert.equal(lost(books, 0), 4 * (57_000 * 10 + 20_000))
})

void test('the resume of a later attempt reopens the earlier one and moves what was not kept to lost', () => {
  const books = new Books([FIRST, SECOND])
  for (const fact of MINUTES) books.receive(0, fact)
  books.receive(0, saved(600, 8))
  books.settle(t(800_000))
  assert.equal(productive(books, 0), 4 * 57_000 * 8)
  assert.equal(books.isClosed(0), true)
  books.receive(1, resumed(830, 3))
  books.receive(1, step(900, 4, { durationMs: 57_000 }))
  books.settle(t(1_500_000))
  assert.equal(productive(books, 0), 4 * 57_000 * 3)
  assert.equal(lost(books, 0), 4 * (57_000 * 7 + 20_000))
  assert.equal(books.isClosed(0), true)
  assert.deepEqual(
    books.posted(0).map((record) => record.revision),
    [2, 2, 1],
  )
})

void test('a line that is dated after the last release still counts', () => {
  const books = new Books([FIRST])
  for (const fact of MINUTES) books.receive(0, fact)
  books.receive(0, saved(705, 9))
  books.receive(0, saved(700, 8))
  books.settle(t(900_000))
  assert.equal(productive(books, 0), 4 * 57_000 * 9)
})

void test('the lowest worker that reports steps is elected, ten after two', () => {
  const of = (source: string) => step(1, 1, {}, source)
  assert.equal(electSource({ facts: [] }), null)
  assert.equal(electSource({ facts: [saved(1, 1)] }), null)
  assert.equal(electSource({ facts: [of('log:r1-1-10'), of('log:r1-1-2'), of('log:r1-1-3')] }), 'log:r1-1-2')
})

void test('a difference names only what changes', () => {
  assert.deepEqual(difference({ productive: 5, lost: 2 }, { productive: 7, startup: 1, lost: 2 }), {
    startup: -1,
    productive: -2,
  })
})

/** Facts with when they arrive and whether they come again; only the elected source reports steps. */
const story = (spanMs: number) =>
  factsArbitrary(spanMs, 20)
    .map((facts) => facts.filter((fact) => fact.source !== OTHER || fact.body.kind !== 'step'))
    .chain((facts) =>
      fc.tuple(
        fc.constant(facts),
        fc.array(fc.record({ delay: fc.nat(1_500_000), again: fc.boolean() }), {
          minLength: facts.length,
          maxLength: facts.length,
        }),
      ),
    )

type Delivery = { readonly index: number; readonly fact: Fact; readonly at: number }

function deliveries(
  index: number,
  life: Life,
  [facts, when]: [Fact[], { delay: number; again: boolean }[]],
): Delivery[] {
  return facts.flatMap((early, place) => {
    const fact = { ...early, at: plusMs(life.placedAt, early.at - t(0)) }
    const first = { index, fact, at: fact.at + (when[place]?.delay ?? 0) }
    return when[place]?.again === true ? [first, { ...first, at: first.at + 70_000 }] : [first]
  })
}

const SPANS = [FIRST.releasedAt - FIRST.placedAt, SECOND.releasedAt - SECOND.placedAt] as const

void test('safety: facts in any order and multiplicity give the balances of all facts at once, and rest', () => {
  fc.assert(
    fc.property(story(SPANS[0]), story(SPANS[1]), fc.constantFrom(40_000, 130_000, 400_000), (one, two, every) => {
      const arriving = [...deliveries(0, FIRST, one), ...deliveries(1, SECOND, two)].toSorted((a, b) => a.at - b.at)
      const piecemeal = new Books([FIRST, SECOND])
      let next = 0
      for (let now = t(0); now <= END; now = plusMs(now, every)) {
        for (; (arriving[next]?.at ?? Infinity) <= now; next += 1) {
          const delivery = arriving[next]
          if (delivery !== undefined) piecemeal.receive(delivery.index, delivery.fact)
        }
        piecemeal.settle(now)
      }
      for (const { index, fact } of arriving.slice(next)) piecemeal.receive(index, fact)
      piecemeal.settle(END)
      const atOnce = new Books([FIRST, SECOND])
      for (const { index, fact } of arriving.toReversed()) atOnce.receive(index, fact)
      atOnce.settle(END)
      assert.deepEqual(piecemeal.balances(), atOnce.balances())
      // To classify again finds no difference and writes nothing.
      piecemeal.reopen()
      assert.equal(piecemeal.settle(END), 0)
    }),
    { numRuns: 60 },
  )
})

void test('safety: what is posted and what is open sum to layer 1 at every moment', () => {
  fc.assert(
    fc.property(story(SPANS[0]), fc.integer({ min: 30_000, max: 1_400_000 }), fc.nat(900_000), (one, seconds, ago) => {
      const now = t(seconds)
      const books = new Books([FIRST])
      for (const { fact } of deliveries(0, FIRST, one)) if (fact.at <= now) books.receive(0, fact)
      books.settle(t(Math.max(21_000, seconds - ago)))
      const work = books.work(0, now)
      const end = now < FIRST.releasedAt ? now : FIRST.releasedAt
      const booked = books.held(0, now)
      const extra = books.held(0, now, end).filter((row) => row.from >= books.bookedTo(0, now))
      const posted = books.posted(0).reduce((sum, record) => sum + total(record.balance), 0)
      const sumOf = (rows: typeof booked): number => rows.reduce((sum, row) => sum + heldGpuMs(row), 0)
      assert.equal(posted + total(openAccounts(work, extra, t(0), now)), 4 * (end - FIRST.placedAt))
      // A window that begins later has what its own cells hold, though earlier ones are still open.
      const from = cellStart(cellOf(t(Math.floor(seconds / 2))))
      const postedLater = books.posted(0).filter((record) => cellStart(record.cell) >= from)
      const window = postedLater.reduce((sum, record) => sum + total(record.balance), 0)
      const expected = 4 * Math.max(0, end - later(from, FIRST.placedAt))
      assert.equal(window + total(openAccounts(work, extra, from, now)), expected)
      assert.equal(sumOf(booked) + sumOf(extra), 4 * (end - FIRST.placedAt))
      const accounts = attemptAccounts({ ...work, cells: books.posted(0) }, extra, now)
      assert.equal(accounts.heldGpuMs, 4 * (end - FIRST.placedAt))
      assert.ok(accounts.provisionalGpuMs >= 0 && accounts.provisionalGpuMs <= accounts.heldGpuMs)
      const saves = accounts.checkpointCells.reduce((sum, each) => sum + each.gpuMs, 0)
      assert.equal(saves, accounts.byAccount.checkpoint ?? 0)
    }),
    { numRuns: 100 },
  )
})

void test('liveness: once all is released and said, the books of every attempt are closed', () => {
  const books = new Books([FIRST, SECOND])
  books.settle(END)
  assert.deepEqual([books.isClosed(0), books.isClosed(1)], [true, true])
  assert.deepEqual(
    books.posted(1).map((record) => record.cell),
    [600_000, 900_000, 1_200_000].map((at) => cellOf(t(at))),
  )
})
