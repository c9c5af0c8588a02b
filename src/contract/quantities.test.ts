import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { bytesOf, countOf, durationOf, durationText, microsOf } from './quantities.ts'

test('counts are exact, with and without a suffix', () => {
  const rows: [number | string, number | null][] = [
    ['2T', 2_000_000_000_000],
    ['1.5T', 1_500_000_000_000],
    ['0.1B', 100_000_000],
    ['4096', 4096],
    [4096, 4096],
    ['16 B', 16_000_000_000],
    ['1.2345K', null],
    ['2t', null],
    ['9007T', 9_007_000_000_000_000],
    ['9008T', null],
    [1.5, null],
    [-1, null],
    ['1e6', null],
    ['', null],
    ['T', null],
  ]
  for (const [given, expected] of rows) assert.equal(countOf(given), expected, String(given))
})

test('a size has a unit, and is exact', () => {
  const rows: [string, number | null][] = [
    ['4GiB', 4 * 1024 ** 3],
    ['1.5 MiB', 1.5 * 1024 ** 2],
    ['1KiB', 1024],
    ['2TiB', 2 * 1024 ** 4],
    ['0.3KiB', null],
    ['9000000TiB', null],
    ['4GB', null],
    ['4gib', null],
    ['4096', null],
    ['', null],
  ]
  for (const [given, expected] of rows) assert.equal(bytesOf(given), expected, given)
})

test('a duration has a unit for each number, each unit once', () => {
  const rows: [number | string, number | null][] = [
    ['14d', 1_209_600_000],
    ['12h', 43_200_000],
    ['90m', 5_400_000],
    ['30s', 30_000],
    ['250ms', 250],
    ['1h 30m', 5_400_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['0s', null],
    ['30', null],
    [30, null],
    ['1h 1h', null],
    ['1h ', null],
    [' 1h', null],
    ['1h  30m', null],
    ['-1h', null],
    ['999999999999999d', null],
    ['', null],
  ]
  for (const [given, expected] of rows) assert.equal(durationOf(given), expected, JSON.stringify(given))
})

test('safety: a duration that was written by us is read as it was', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 ** 12 }), (ms) => {
      assert.equal(durationOf(durationText(ms)), ms)
    }),
  )
})

test('safety: money of six places is kept to the last micro', () => {
  fc.assert(
    fc.property(fc.nat({ max: 10 ** 9 }), fc.nat({ max: 999_999 }), (whole, part) => {
      assert.equal(microsOf(`${whole}.${String(part).padStart(6, '0')}`), whole * 1_000_000 + part)
    }),
  )
  assert.equal(microsOf(0.1), 100_000)
  assert.equal(microsOf(0.1 + 0.2), null, 'a number that is not what anybody wrote is refused, not rounded')
  assert.equal(microsOf('1e3'), null)
  assert.equal(microsOf(-1), null)
})
