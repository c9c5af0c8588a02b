import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ATTEMPT_ACCOUNTS, POOLS } from '../../domain/reasons.ts'
import type { Ledger, LedgerLine } from '../api/operate.ts'
import { daysOf, OVERHEAD, overheadOf, paidText, poolsOf, spentBy, together, windowOf, worstOf } from './books.ts'
import { WASTE } from '../../domain/waste.ts'

const line = (over: Partial<LedgerLine>): LedgerLine => ({
  project: 'p',
  user: 'u',
  account: 'productive',
  gpuMs: 1,
  money: null,
  ...over,
})
const eur = (micros: number) => ({ micros, currency: 'EUR' }) as LedgerLine['money']

test('safety: by whatever key, what was held is the same sum, and the accounts of a row sum to what it held', () => {
  const row = fc.record({
    project: fc.constantFrom('a', 'b', null),
    user: fc.constantFrom('x', 'y'),
    account: fc.constantFrom(...new Set([...ATTEMPT_ACCOUNTS, ...POOLS])),
    gpuMs: fc.nat(1_000_000),
  })
  fc.assert(
    fc.property(fc.array(row), (parts) => {
      const rows = parts.map((part) => line(part as Partial<LedgerLine>))
      const byProject = spentBy(rows, ({ project }) => project ?? null)
      const byUser = spentBy(rows, ({ user }) => user ?? null)
      assert.equal(together(byProject).heldGpuMs, together(byUser).heldGpuMs)
      for (const each of byProject) {
        assert.equal(
          Object.values(each.by).reduce<number>((sum, gpuMs) => sum + (gpuMs ?? 0), 0),
          each.heldGpuMs,
        )
        const grouped =
          (each.by.productive ?? 0) +
          (each.by.evaluate ?? 0) +
          overheadOf(each) +
          each.wasteGpuMs +
          (each.by.unknown ?? 0)
        assert.equal(grouped, each.heldGpuMs)
      }
      const capacityGpuMs = rows.reduce((sum, { gpuMs }) => sum + gpuMs, 0)
      const pools = poolsOf({ rows, capacityGpuMs } as unknown as Ledger)
      const whole = together(byProject)
      assert.equal(whole.heldGpuMs + whole.reservedGpuMs + pools.gpuMs, capacityGpuMs)
      assert.equal(pools.hidden, 0)
    }),
  )
})

test('the views of a row are all that runs can hold', () => {
  const viewed = ['productive', 'evaluate', 'unknown', ...OVERHEAD, ...WASTE]
  assert.deepEqual(viewed.toSorted(), [...ATTEMPT_ACCOUNTS].toSorted())
})

test('money is summed by currency; what has no price is no zero', () => {
  const rows = [line({ money: eur(5) }), line({ money: eur(7), account: 'lost' }), line({ project: 'q' })]
  const [p, q] = spentBy(rows, ({ project }) => project ?? null)
  assert.deepEqual(p?.costs, [{ currency: 'EUR', micros: 12 }])
  assert.deepEqual(q?.costs, [])
})

test('a sum that lacks what has no price says so; what the platform pays lacks nothing', () => {
  const rows = [line({ money: eur(5) }), line({ gpuMs: 3, account: 'lost' }), line({ gpuMs: 7, payer: 'platform' })]
  const [all] = spentBy(rows, () => 'all')
  assert.equal(all?.unpricedGpuMs, 3)
  assert.equal(paidText(all ?? assert.fail()), '≥ €0.000005')
  assert.equal(paidText(together([{ ...all, unpricedGpuMs: 0 }])), '€0.000005')
})

test('what is of no project of the caller is hidden, not free', () => {
  const pools = poolsOf({ rows: [line({ gpuMs: 5 })], capacityGpuMs: 50 } as unknown as Ledger)
  assert.deepEqual([pools.hidden, pools.by], [45, {}])
})

test('months and days are those of UTC', () => {
  const now = Date.parse('2026-03-01T00:30:00Z')
  const iso = (at: number | null) => (at === null ? null : new Date(at).toISOString().slice(0, 10))
  const of = (period: Parameters<typeof windowOf>[0]) => {
    const { from, to } = windowOf(period, now)
    return [iso(from), iso(to)]
  }
  assert.deepEqual(of('month'), ['2026-03-01', null])
  assert.deepEqual(of('last-month'), ['2026-02-01', '2026-03-01'])
  assert.deepEqual(of('7d'), ['2026-02-23', null])
  const days = daysOf(windowOf('last-month', now), now, 90)
  assert.deepEqual([days.length, iso(days[0]?.from ?? 0), iso(days.at(-1)?.to ?? 0)], [28, '2026-02-01', '2026-03-01'])
  assert.deepEqual(daysOf(windowOf('7d', now), now, 90).at(-1)?.to, null)
})

test('the worst account of waste is the largest', () => {
  assert.equal(worstOf({ by: { lost: 1, idle: 9, stalled: 3 } }), 'idle')
})
