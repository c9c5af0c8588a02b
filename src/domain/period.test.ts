import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Budget, Reserve } from './budget.ts'
import { budgetOf, runId } from './fixture.ts'
import type { BudgetId } from './ids.ts'
import type { Every } from './period.ts'
import { budgetsNow, EVERY, paidTo, periodAt, periodName, piecesOf, rowAt, shares, unbookedIn } from './period.ts'
import { CELL_MS, epochMs, micros } from './units.ts'

const HOUR = 3_600_000
const at = (text: string) => epochMs(Date.parse(text))
const series = (every: Every, over: Partial<Budget> = {}): Budget =>
  budgetOf('lab', { period: { kind: 'every', every }, ...over })
const none = () => undefined

void test('periods are of UTC, weeks of ISO 8601, and each has its name', () => {
  const names = (text: string): string[] =>
    EVERY.map((every) => {
      const { from, to } = periodAt(every, at(text))
      assert.ok(from <= at(text) && at(text) < to)
      assert.equal(from % CELL_MS, 0)
      return periodName(every, from)
    })
  assert.deepEqual(names('2026-11-26T23:59:59.999Z'), ['2026-11-26', '2026-W48', '2026-11', '2026-Q4'])
  assert.deepEqual(names('2026-11-27T00:00:00Z'), ['2026-11-27', '2026-W48', '2026-11', '2026-Q4'])
  // The first days of January may be in the last week of the year before, and the other way round.
  assert.deepEqual(names('2027-01-01T00:00:00Z'), ['2027-01-01', '2026-W53', '2027-01', '2027-Q1'])
  assert.deepEqual(names('2024-12-30T12:00:00Z'), ['2024-12-30', '2025-W01', '2024-12', '2024-Q4'])
  assert.deepEqual(names('2028-02-29T00:00:00Z'), ['2028-02-29', '2028-W09', '2028-02', '2028-Q1'])
})

void test('periods follow each other without a gap', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...EVERY),
      fc.integer({ min: 1_000_000_000, max: 4_000_000_000_000 }),
      (every, moment) => {
        const { from, to } = periodAt(every, epochMs(moment))
        assert.equal(periodAt(every, epochMs(to)).from, to)
        assert.equal(periodAt(every, epochMs(from - 1)).to, from)
      },
    ),
  )
})

void test('a row of a series is opened with the limit of the series and nothing used', () => {
  const lab = series('month', { limit: 700, used: 0 })
  const row = rowAt(lab, at('2026-11-26T12:00:00Z'), none)
  assert.equal(row?.id, 'lab@2026-11')
  assert.deepEqual(row?.period, { kind: 'window', series: 'lab', ...periodAt('month', at('2026-11-26T12:00:00Z')) })
  assert.deepEqual([row?.limit, row?.used, row?.reserved], [700, 0, 0])
  const used = { ...row, used: 5 } as Budget
  assert.equal(
    rowAt(lab, at('2026-11-01T00:00:00Z'), (id) => (id === used.id ? used : undefined)),
    used,
  )
  assert.deepEqual(
    budgetsNow(new Map([lab, used, budgetOf('all')].map((each) => [each.id, each])), at('2026-12-01T00:00:00Z')).map(
      ({ id }) => id,
    ),
    ['lab@2026-12', 'all'],
  )
})

void test('a window counts from its first millisecond to before its last', () => {
  const [from, to] = [at('2026-11-01T00:00:00Z'), at('2026-12-01T00:00:00Z')]
  const grant = budgetOf('grant', { period: { kind: 'window', series: null, from, to } })
  assert.equal(rowAt(grant, from, none), grant)
  assert.equal(rowAt(grant, epochMs(to - 1), none), grant)
  assert.equal(rowAt(grant, to, none), null)
  assert.deepEqual(
    piecesOf(grant, { from: epochMs(from - HOUR), to: epochMs(from + HOUR) }, none).map((piece) => [
      piece.from - from,
      piece.to - from,
    ]),
    [[0, HOUR]],
  )
  assert.deepEqual(piecesOf(grant, { from: to, to: epochMs(to + HOUR) }, none), [])
})

void test('a reserve that goes beyond midnight is asked of both days, and of no more than is needed', () => {
  const now = at('2026-11-26T22:30:00Z')
  const parts = shares(series('day'), 10 * HOUR, 4, now, null, none)
  assert.deepEqual(
    parts.map(({ row, at: moment, amount }) => [row.id, moment, amount]),
    [
      ['lab@2026-11-26', now, 6 * HOUR],
      ['lab@2026-11-27', at('2026-11-27T00:00:00Z'), 4 * HOUR],
    ],
  )
  assert.deepEqual(
    shares(budgetOf('all'), 10 * HOUR + 1, 4, now, null, none).map(({ amount }) => amount),
    [10 * HOUR + 1],
  )
})

const reserveOf = (granted: Readonly<Record<string, number>>) => (row: BudgetId) =>
  granted[row] === undefined
    ? undefined
    : ({ run: runId(1), budget: row, granted: granted[row], posted: 0, charge: 0n } satisfies Reserve)

void test('what is reserved of one day and of the next pays through midnight; without the next it ends there', () => {
  const now = at('2026-11-26T22:00:00Z')
  const midnight = at('2026-11-27T00:00:00Z')
  const held = [{ gpus: 2, from: now }]
  const paid = (granted: Readonly<Record<string, number>>): number =>
    (paidTo(series('day'), held, null, none, reserveOf(granted)) ?? 0) - midnight
  assert.equal(paid({ 'lab@2026-11-26': 2 * HOUR }), -HOUR)
  assert.equal(paid({ 'lab@2026-11-26': 4 * HOUR }), 0)
  // More of today does not pay for tomorrow.
  assert.equal(paid({ 'lab@2026-11-26': 40 * HOUR }), 0)
  assert.equal(paid({ 'lab@2026-11-26': 4 * HOUR, 'lab@2026-11-27': 6 * HOUR }), 3 * HOUR)
  assert.equal(paid({ 'lab@2026-11-27': 6 * HOUR }), -2 * HOUR)
})

void test('slots whose books stand at other moments are paid from there on, each', () => {
  const now = at('2026-11-26T23:00:00Z')
  const midnight = at('2026-11-27T00:00:00Z')
  const held = [
    { gpus: 1, from: now },
    { gpus: 3, from: epochMs(now + HOUR / 2) },
  ]
  assert.equal(unbookedIn(held, { from: now, to: midnight }), HOUR + 1.5 * HOUR)
  const paid = (today: number, tomorrow = 0): number =>
    (paidTo(series('day'), held, null, none, reserveOf({ 'lab@2026-11-26': today, 'lab@2026-11-27': tomorrow })) ?? 0) -
    now
  assert.equal(paid(HOUR / 4), HOUR / 4)
  assert.equal(paid(HOUR / 2 + 1 * HOUR), HOUR / 2 + HOUR / 4)
  // Exactly what the day takes is enough for it.
  assert.equal(paid(2.5 * HOUR, 4 * HOUR), 2 * HOUR)
  assert.equal(paid(2.5 * HOUR - 4, 4 * HOUR), HOUR - 1)
})

void test('a window that is over bounds nothing, one to come bounds from its beginning on', () => {
  const [from, to] = [at('2026-11-01T00:00:00Z'), at('2026-12-01T00:00:00Z')]
  const grant = budgetOf('grant', { period: { kind: 'window', series: null, from, to } })
  const paid = (moment: number, granted: Readonly<Record<string, number>>) =>
    paidTo(grant, [{ gpus: 1, from: epochMs(moment) }], null, none, reserveOf(granted))
  assert.equal(paid(to, {}), null)
  assert.equal(paid(from - HOUR, {}), from)
  assert.equal(paid(from - HOUR, { grant: HOUR }), from + HOUR)
  assert.equal(paid(to - HOUR, { grant: HOUR }), null)
  const money = { ...grant, unit: { kind: 'money', currency: 'EUR' } } as const
  assert.equal(paidTo(money, [{ gpus: 1, from }], null, none, reserveOf({})), null)
  const price = { microsPerGpuHour: micros(2_000_000), currency: 'EUR' }
  assert.equal(paidTo(money, [{ gpus: 1, from }], price, none, reserveOf({ grant: 1_000_000 })), from + HOUR / 2)
})

void test('safety: whatever is asked row by row pays for exactly that long', () => {
  const times = fc.integer({ min: 1_700_000_000_000, max: 1_900_000_000_000 })
  fc.assert(
    fc.property(
      fc.constantFrom(...EVERY),
      times,
      fc.integer({ min: 1, max: 64 }),
      fc.integer({ min: 1, max: 40 * 86_400_000 }),
      fc.option(fc.integer({ min: 1, max: 9_000_000 })),
      (every, moment, gpus, ms, perHour) => {
        const now = epochMs(moment)
        const unit = perHour === null ? ({ kind: 'gpu-ms' } as const) : ({ kind: 'money', currency: 'EUR' } as const)
        const price = perHour === null ? null : { microsPerGpuHour: micros(perHour), currency: 'EUR' }
        const lab = series(every, { unit })
        const parts = shares(lab, ms * gpus, gpus, now, price, none)
        const granted = Object.fromEntries(parts.map(({ row, amount }) => [row.id, amount]))
        const paid = paidTo(lab, [{ gpus, from: now }], price, none, reserveOf(granted)) ?? 0
        // A micro that is rounded up lasts a little longer.
        const slack = perHour === null ? 0 : Math.ceil(HOUR / perHour)
        assert.ok(paid >= now + ms && paid <= now + ms + slack, `${paid - now} for ${ms}`)
      },
    ),
  )
})
