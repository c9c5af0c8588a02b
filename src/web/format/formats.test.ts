import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addUp,
  bytes,
  countOf,
  dec,
  duration,
  durationShort,
  gpuHours,
  gpuHoursShort,
  int,
  money,
  percent,
  ratio,
  si,
} from './numbers.ts'
import { day, hms, shortWhen, utc, when, zoneName } from './times.ts'

test('numbers have thousands in groups and the digits that were asked for', () => {
  assert.equal(int(1234567.4), '1,234,567')
  assert.equal(dec(0.25, 3), '0.250')
  assert.equal(percent(0.9623), '96.2\u202f%')
  assert.equal(ratio(0), '0×')
  assert.equal(ratio(0.0421), '0.042×')
  assert.equal(ratio(7.314), '7.31×')
})

test('GPU-hours lose their fraction when it says nothing, and gain one when it says all', () => {
  assert.equal(gpuHours(3_600_000 * 12_345.6), '12,346')
  assert.equal(gpuHours(3_600_000 * 36.94), '36.9')
  assert.equal(gpuHours(360_000), '0.100')
  assert.equal(gpuHours(0), '0.0')
  assert.equal(gpuHours(1), '<0.001')
  assert.equal(gpuHoursShort(3_600_000 * 999_999), '999,999')
  assert.equal(gpuHoursShort(3_600_000 * 1_794_884), '1.79 M')
})

test('a number with its noun', () => {
  assert.deepEqual([countOf(1, 'GPU'), countOf(0, 'GPU'), countOf(2048, 'GPU')], ['1 GPU', '0 GPUs', '2,048 GPUs'])
})

test('money has its sign, or its code when it has none', () => {
  assert.equal(money({ micros: 9_720_000, currency: 'USD' }), '$9.72')
  assert.equal(money({ micros: 20_480_000_000, currency: 'EUR' }), '€20,480')
  assert.equal(money({ micros: 1_000_000, currency: 'CHF' }), '1.00 CHF')
})

test('money that is little is not shown as nothing', () => {
  assert.equal(money({ micros: 2_500, currency: 'EUR' }), '€0.0025')
  assert.equal(money({ micros: 41_200, currency: 'CHF' }), '0.0412 CHF')
  assert.equal(money({ micros: 12, currency: 'USD' }), '$0.000012')
  assert.equal(money({ micros: 120_000, currency: 'USD' }), '$0.12')
  assert.equal(money({ micros: 0, currency: 'EUR' }), '€0.00')
})

test('large numbers have three digits or so and a prefix', () => {
  assert.equal(si(1_527_800), '1.53 M')
  assert.equal(si(261_000), '261 k')
  assert.equal(si(14.8e12, 3), '14.80 T')
  assert.equal(si(512), '512')
})

test('durations say their two largest units', () => {
  assert.equal(duration(4200), '4.2 s')
  assert.equal(duration(59_000), '59 s')
  assert.equal(duration(92_300), '1 min 32 s')
  assert.equal(duration(24_060_000), '6 h 41 min')
  assert.equal(duration(100_000_000), '1 d 3 h')
  assert.equal(durationShort(20_000), '<1 min')
  assert.equal(durationShort(24_060_000), '6 h 41')
})

test('bytes are binary', () => {
  assert.equal(bytes(10), '10 B')
  assert.equal(bytes(5 * 1024 ** 2), '5.0 MiB')
})

test('safety: parts add up to the total that is printed', () => {
  const thirds = addUp([1 / 3, 1 / 3, 1 / 3], 1, 2)
  assert.equal(
    thirds.reduce((sum, value) => sum + Math.round(value * 100), 0),
    100,
  )
})

test('times are in the zone of the viewer, and today has no date', () => {
  const before = process.env.TZ
  process.env.TZ = 'Europe/Helsinki'
  const now = Date.UTC(2026, 10, 24, 2, 14, 8)
  assert.equal(hms(now), '04:14:08')
  assert.equal(when(now - 3_600_000, now), '03:14')
  assert.equal(when(Date.UTC(2026, 10, 23, 10), now), '23 Nov 12:00')
  assert.equal(when(Date.UTC(2027, 2, 9), now), '9 Mar 2027')
  assert.equal(shortWhen(Date.UTC(2026, 10, 23, 10), now), '23 Nov')
  assert.equal(day(Date.UTC(2026, 10, 23, 23)), '24 Nov')
  assert.equal(utc(now), '2026-11-24T02:14:08Z')
  assert.equal(zoneName(now), 'EET')
  if (before === undefined) delete process.env.TZ
  else process.env.TZ = before
})
