import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Carry } from '../../domain/books.ts'
import { keepBounds, lostOf } from './keep.ts'
import { EMPTY_CARRY } from './timeline.ts'

const carryOf = (segments: Carry['segments'], over: Partial<Carry> = {}): Carry => ({
  ...EMPTY_CARRY,
  segments,
  ...over,
})
const ended = (carry: Carry) => ({ carry, endedWithoutSuccess: true })
const alive = (carry: Carry) => ({ carry, endedWithoutSuccess: false })

const ROWS: readonly {
  readonly name: string
  readonly attempts: Parameters<typeof keepBounds>[0]
  readonly bounds: ReturnType<typeof keepBounds>
}[] = [
  {
    name: 'while an attempt lives everything is kept',
    attempts: [alive(carryOf([{ resume: 0, last: 90 }]))],
    bounds: [[null]],
  },
  {
    name: 'a failed attempt keeps what its newest durable step holds',
    attempts: [ended(carryOf([{ resume: 0, last: 90 }], { durable: 50 }))],
    bounds: [[50]],
  },
  {
    name: 'a failed attempt that saved nothing keeps nothing of its own',
    attempts: [ended(carryOf([{ resume: 30, last: 90 }]))],
    bounds: [[30]],
  },
  {
    name: 'a restart from a checkpoint bounds the attempt before it',
    attempts: [ended(carryOf([{ resume: 0, last: 90 }], { durable: 80 })), alive(carryOf([{ resume: 50, last: 60 }]))],
    bounds: [[50], [null]],
  },
  {
    name: 'the least resume of all later attempts counts',
    attempts: [
      ended(carryOf([{ resume: 0, last: 90 }], { durable: 80 })),
      ended(carryOf([{ resume: 80, last: 95 }])),
      alive(carryOf([{ resume: 40, last: 45 }])),
    ],
    bounds: [[40], [40], [null]],
  },
  {
    name: 'a later attempt that has not resumed yet changes nothing',
    attempts: [ended(carryOf([{ resume: 0, last: 90 }], { durable: 80 })), alive(carryOf([]))],
    bounds: [[80], []],
  },
  {
    name: 'a load marker without a step is a resume',
    attempts: [ended(carryOf([{ resume: 0, last: 90 }], { durable: 80 })), alive(carryOf([], { resumed: 70 }))],
    bounds: [[70], []],
  },
  {
    name: 'a restart inside the process bounds the segment before it',
    attempts: [
      alive(
        carryOf([
          { resume: 0, last: 90 },
          { resume: 60, last: 70 },
        ]),
      ),
    ],
    bounds: [[60, null]],
  },
  {
    name: 'a restart inside the process and then a failure',
    attempts: [
      ended(
        carryOf(
          [
            { resume: 0, last: 90 },
            { resume: 60, last: 70 },
          ],
          { durable: 60 },
        ),
      ),
    ],
    bounds: [[60, 60]],
  },
]

for (const { name, attempts, bounds } of ROWS) void test(name, () => assert.deepEqual(keepBounds(attempts), bounds))

void test('a mark over several steps is divided evenly, and the first steps take what is left over', () => {
  const mark = { step: 10, steps: 3 }
  assert.deepEqual(
    [null, 12, 10, 9, 8, 7, 0].map((keep) => lostOf(mark, 11, keep)),
    [0, 0, 0, 3, 7, 11, 11],
  )
})

void test('safety: kept and lost are integers that sum to the amount, and a higher bound never loses more', () => {
  const mark = fc.record({ step: fc.nat(1_000), steps: fc.nat(50) })
  fc.assert(
    fc.property(mark, fc.nat(2 ** 45), fc.option(fc.integer({ min: -10, max: 1_100 })), (given, amount, keep) => {
      const lost = lostOf(given, amount, keep)
      assert.ok(Number.isSafeInteger(lost) && lost >= 0 && lost <= amount)
      if (keep !== null) assert.ok(lostOf(given, amount, keep + 1) <= lost)
      if (keep === null || keep >= given.step) assert.equal(lost, 0)
      if (keep !== null && keep <= given.step - Math.max(1, given.steps)) assert.equal(lost, amount)
    }),
  )
})
