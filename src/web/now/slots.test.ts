import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ATTEMPT_ACCOUNTS, POOLS } from '../../domain/reasons.ts'
import type { Ledger, LedgerLine } from '../api/operate.ts'
import { costsOf, goodputOf, slotsByAccount } from './slots.ts'

const line = (account: string, gpuMs: number, project: string | null = 'p', micros: number | null = null): LedgerLine =>
  ({ account, gpuMs, project, money: micros === null ? null : { micros, currency: 'EUR' } }) as unknown as LedgerLine
const ledger = (rows: readonly LedgerLine[], capacity: number | null = null, ms = 60_000): Ledger =>
  ({
    from: new Date(0).toISOString(),
    to: new Date(ms).toISOString(),
    capacityGpuMs: capacity ?? rows.reduce((sum, { gpuMs }) => sum + gpuMs, 0),
    rows,
  }) as unknown as Ledger

test('safety: what is printed of the accounts adds up to the GPUs that are printed', () => {
  const accounts = [...new Set([...ATTEMPT_ACCOUNTS, ...POOLS])]
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...accounts), fc.nat(10_000_000))),
      fc.nat(1_000_000),
      (parts, hidden) => {
        const rows = parts.map(([account, gpuMs]) => line(account, gpuMs))
        const seen = rows.reduce((sum, { gpuMs }) => sum + gpuMs, 0)
        const slots = slotsByAccount(ledger(rows, seen + hidden), null)
        const sum = slots.accounts.reduce((all, { gpus }) => all + gpus, 0) + slots.hidden
        assert.equal(sum, slots.total)
      },
    ),
  )
})

test('what is not in the rows is not yours to see, and never drawn as free', () => {
  const slots = slotsByAccount(ledger([line('productive', 4 * 60_000)], 16 * 60_000), null)
  assert.deepEqual(
    [slots.accounts.map(({ account, gpus }) => [account, gpus]), slots.hidden, slots.total],
    [[['productive', 4]], 12, 16],
  )
})

test('a machine that came a moment ago is there with all its GPUs', () => {
  const slots = slotsByAccount(ledger([line('productive', 10_000), line('free', 70_000, null)]), 8)
  const shown = slots.accounts.map(({ account, gpus }) => [account, gpus])
  assert.deepEqual(
    [slots.total, shown],
    [
      8,
      [
        ['productive', 1],
        ['free', 7],
      ],
    ],
  )
})

test('goodput is of what runs hold: pools and what is kept for a restart are not held', () => {
  const rows = [
    line('productive', 80),
    line('lost', 20),
    line('reserved', 500),
    line('free', 900, null),
    line('unknown', 7, null),
  ]
  assert.deepEqual(goodputOf(ledger(rows)), { heldGpuMs: 100, productiveGpuMs: 80, goodput: 0.8 })
  assert.equal(goodputOf(ledger([line('free', 1, null)])).goodput, null)
})

test('costs are summed by currency, and none is none, not zero', () => {
  assert.deepEqual(costsOf({ rows: [line('productive', 1, 'p', 5), line('lost', 1, 'p', 6)] }), [
    { currency: 'EUR', micros: 11 },
  ])
  assert.deepEqual(costsOf({ rows: [line('free', 1, null)] }), [])
})
