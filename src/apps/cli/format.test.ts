import assert from 'node:assert/strict'
import { test } from 'node:test'
import { budgetAmount, duration, gpuHours, integer, money, percent, table, visible, when } from './format.ts'

test('durations have two units at most', () => {
  const cases: [number, string][] = [
    [0, '0s'],
    [45_000, '45s'],
    [59_600, '1m 00s'],
    [200_000, '3m 20s'],
    [3_840_000, '1h 04m'],
    [183_600_000, '2d 03h'],
    [-5, '0s'],
  ]
  for (const [ms, text] of cases) assert.equal(duration(ms), text)
})

test('money is never rounded to nothing, and unknown is not nothing', () => {
  const eur = (micros: number): string => money({ micros, currency: 'EUR' })
  assert.deepEqual([0, 9_720_000, 120_000, 40_000, 1_234, 7, -2_500_000].map(eur), [
    '0.00 EUR',
    '9.72 EUR',
    '0.12 EUR',
    '0.0400 EUR',
    '0.0012 EUR',
    '0.000007 EUR',
    '-2.50 EUR',
  ])
  assert.equal(money(null), 'unknown')
  assert.equal(percent(null), 'unknown')
  assert.equal(integer(null), 'unknown')
  assert.equal(percent(0.903), '90.3 %')
})

test('GPU-time and budgets carry their unit', () => {
  assert.equal(gpuHours(14_400_000), '4.00 GPU-h')
  assert.equal(gpuHours(36_000), '0.0100 GPU-h')
  assert.equal(gpuHours(0), '0.00 GPU-h')
  assert.equal(budgetAmount({ unit: 'micros', currency: 'EUR' }, 1_000_000), '1.00 EUR')
  assert.equal(budgetAmount({ unit: 'gpu-ms', currency: null }, 3_600_000), '1.00 GPU-h')
})

test('a moment says how far away it is', () => {
  const now = Date.parse('2026-01-02T03:04:05Z')
  assert.match(when('2026-01-02T03:00:45Z', now), /^2026-01-0\d \d\d:\d\d:45 \(3m 20s ago\)$/)
  assert.match(when('2026-01-02T04:08:05Z', now), /\(in 1h 04m\)$/)
  assert.equal(when(null, now), '-')
})

test('tables align, numbers to the right', () => {
  assert.equal(
    table(
      ['NAME', 'GPUS', 'MONEY', ''],
      [
        ['a', 8, '10.00 EUR', 'x'],
        ['longer', null, 'unknown', null],
      ],
    ),
    'NAME    GPUS      MONEY\na          8  10.00 EUR  x\nlonger     -    unknown',
  )
})

test('what strangers wrote cannot steer a terminal', () => {
  assert.equal(visible('a\u001b[31mb\u0007\rc\u202ed\te'), 'a\\u001b[31mb\\u0007\\u000dc\\u202ed\te')
  assert.equal(table(['A'], [['x\ny']]), 'A\nx\\u000ay')
})
