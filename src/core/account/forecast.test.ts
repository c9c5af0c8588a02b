import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Budget } from '../../domain/budget.ts'
import { budgetOf } from '../../domain/fixture.ts'
import { DAY_MS, epochMs } from '../../domain/units.ts'
import type { Day } from './forecast.ts'
import { forecastOf } from './forecast.ts'

const NOON = epochMs(Date.parse('2026-11-21T12:00:00Z'))
const MIDNIGHT = epochMs(Date.parse('2026-11-21T00:00:00Z'))
const FROM = epochMs(Date.parse('2026-11-01T00:00:00Z'))
const TO = epochMs(Date.parse('2026-12-01T00:00:00Z'))
const november = (over: Partial<Budget>): Budget =>
  budgetOf('lab@2026-11', { period: { kind: 'window', series: null, from: FROM, to: TO }, ...over })
/** The newest last: the day before today. */
const daysOf = (...amounts: readonly number[]): Day[] =>
  amounts.map((amount, index) => ({ day: epochMs(MIDNIGHT - (amounts.length - index) * DAY_MS), amount }))

void test('days that are all alike go on as they were, and the interval is nothing', () => {
  const days = daysOf(...Array.from({ length: 20 }, () => 100))
  const forecast = forecastOf(november({ limit: 2_500, used: 2_050 }), days, 7, NOON)
  // Nine and a half days are left of the month.
  const { spent, ...rest } = forecast
  assert.equal(spent.length, 20)
  assert.deepEqual(rest, {
    basis: 'trend',
    expected: 3_000,
    low: 3_000,
    high: 3_000,
    perDay: 100,
    exhaustedAt: NOON + 4.5 * DAY_MS,
    exhaustedFrom: NOON + 4.5 * DAY_MS,
  })
})

void test('the interval is the prediction interval of a sum of days, worked out by hand for one case', () => {
  // Mean 100, deviation 10 x sqrt(8 / 7); m = 9.5, n = 8, t(7) = 1.415.
  const days = daysOf(90, 110, 90, 110, 90, 110, 90, 110)
  const { expected, low, high } = forecastOf(november({ limit: 10_000, used: 1_000 }), days, null, NOON)
  const wide = 1.415 * 10 * Math.sqrt(8 / 7) * Math.sqrt(9.5 + 9.5 ** 2 / 8)
  assert.equal(expected, 1_950)
  assert.equal(high, Math.round(1_950 + wide))
  assert.equal(low, Math.round(1_950 - wide))
})

void test('what is promised counts where days were cheaper, and not at the lower end', () => {
  const days = daysOf(...Array.from({ length: 10 }, () => 10))
  const { expected, low, high } = forecastOf(november({ limit: 10_000, used: 500, reserved: 4_000 }), days, null, NOON)
  assert.deepEqual([expected, low, high], [4_500, 595, 4_500])
})

void test('what a window of thousands of years would spend stays a number that can be read', () => {
  const window = { kind: 'window', series: null, from: FROM, to: epochMs(Date.parse('9999-12-31')) } as const
  const forecast = forecastOf(budgetOf('lab', { period: window, limit: 1_000 }), [], 1_000 * 3_600_000, NOON)
  assert.equal(forecast.expected, Number.MAX_SAFE_INTEGER)
})

void test('with fewer than seven whole days the rate of now goes on, and no interval is made up', () => {
  const days = [...daysOf(1, 2, 3, 4, 5, 6), { day: MIDNIGHT, amount: 1_000_000 }]
  const forecast = forecastOf(november({ limit: 1_000, used: 40 }), days, 2, NOON)
  assert.deepEqual([forecast.basis, forecast.expected, forecast.low, forecast.high], ['rate', 40 + 456, null, null])
  assert.equal(forecast.exhaustedAt, null)
  const none = forecastOf(november({}), [], null, NOON)
  assert.deepEqual([none.basis, none.expected, none.exhaustedAt], ['none', null, null])
})

void test('a quiet day is a day, today is none, and what is older than four weeks is forgotten', () => {
  const days: Day[] = [
    { day: epochMs(MIDNIGHT - 40 * DAY_MS), amount: 1_000_000 },
    { day: epochMs(MIDNIGHT - 10 * DAY_MS), amount: 1_000 },
    { day: MIDNIGHT, amount: 1_000_000 },
  ]
  assert.equal(forecastOf(november({}), days, null, NOON).perDay, 100)
})

void test('without a period there is no end to forecast, but a day on which it is used up', () => {
  const days = daysOf(...Array.from({ length: 7 }, () => 100))
  const forecast = forecastOf(budgetOf('all', { limit: 2_000, used: 1_000 }), days, null, NOON)
  assert.deepEqual([forecast.expected, forecast.exhaustedAt], [null, NOON + 10 * DAY_MS])
  assert.equal(forecastOf(budgetOf('all', { limit: 10 ** 9 }), days, null, NOON).exhaustedAt, null)
  assert.equal(forecastOf(budgetOf('all', { limit: 5, used: 9 }), days, null, NOON).exhaustedAt, NOON)
})

void test('safety: low <= expected <= high, never below what is used, and the dearer course is used up first', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 10 ** 9 }), { maxLength: 40 }),
      fc.nat(10 ** 9),
      fc.nat(10 ** 9),
      fc.nat(10 ** 9),
      (amounts, limit, used, reserved) => {
        const forecast = forecastOf(november({ limit, used, reserved }), daysOf(...amounts), 5, NOON)
        const { expected, low, high, exhaustedAt, exhaustedFrom } = forecast
        if (forecast.basis === 'trend') {
          assert.ok(used <= (low ?? 0) && (low ?? 0) <= (expected ?? 0) && (expected ?? 0) <= (high ?? 0))
          if (exhaustedAt !== null) assert.ok(exhaustedFrom !== null && exhaustedFrom <= exhaustedAt)
        }
        for (const at of [exhaustedAt, exhaustedFrom]) if (at !== null) assert.ok(at >= NOON && at <= TO)
      },
    ),
  )
})
