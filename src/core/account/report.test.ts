import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReportRow } from './report.ts'
import { reportOf } from './report.ts'

const H = 3_600_000
const row = (
  project: string | null,
  run: string | null,
  account: string,
  hours: number,
  eur: number | null,
): ReportRow => ({
  project,
  run,
  runName: run === null ? null : `name-${run}`,
  user: 'ada',
  account,
  gpuMs: hours * H,
  money: eur === null ? null : { micros: eur * 1e6, currency: 'EUR' },
})
const ROWS = [
  row('vision', 'r1', 'productive', 100, 200),
  row('vision', 'r1', 'lost', 5, 10),
  row('vision', 'r2', 'stalled', 20, 40),
  row('vision', 'r2', 'startup', 1, 2),
  row('speech', 'r3', 'lost', 50, 100),
  row(null, null, 'free', 1_000, null),
]
const VISION = ROWS.filter(({ project }) => project === 'vision')

void test('a report has what a project held by account, and the dearest causes of its waste', () => {
  const report = reportOf(VISION)
  assert.equal(report.heldGpuMs, 126 * H)
  assert.equal(report.wasteGpuMs, 25 * H)
  assert.deepEqual(report.money, { micros: 252e6, currency: 'EUR' })
  assert.equal(
    report.accounts.reduce((sum, { gpuMs }) => sum + gpuMs, 0),
    report.heldGpuMs,
  )
  assert.deepEqual(
    report.causes.map(({ run, account, gpuMs }) => [run, account, gpuMs / H]),
    [
      ['r2', 'stalled', 20],
      ['r1', 'lost', 5],
    ],
  )
  assert.deepEqual(
    reportOf(ROWS).causes.map(({ run }) => run),
    ['r3', 'r2', 'r1'],
  )
})

void test('without a price money is unknown and causes are told by their time; five are told', () => {
  const rows = Array.from({ length: 7 }, (_, index) => row('vision', `r${index}`, 'lost', index + 1, null))
  const report = reportOf(rows)
  assert.equal(report.money, null)
  assert.deepEqual(
    report.causes.map(({ run }) => run),
    ['r6', 'r5', 'r4', 'r3', 'r2'],
  )
  assert.deepEqual(reportOf([]), { heldGpuMs: 0, wasteGpuMs: 0, money: null, accounts: [], causes: [] })
})

void test('the end of a worker that the platform pays makes no cost unknown', () => {
  const teardown: ReportRow = { ...row('vision', 'r1', 'teardown', 1, null), payer: 'platform' }
  const report = reportOf([...VISION, teardown])
  assert.equal(report.heldGpuMs, 127 * H)
  assert.deepEqual(report.money, { micros: 252e6, currency: 'EUR' })
  assert.equal(reportOf([{ ...teardown, payer: 'run' }, ...ROWS]).money, null)
})
