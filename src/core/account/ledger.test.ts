import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Claim } from '../../domain/claim.ts'
import { restartHolder } from '../../domain/claim.ts'
import type { LedgerKey } from '../../domain/documents.ts'
import { claimOf, nodeId, nodeOf, runId, runOf, t } from '../../domain/fixture.ts'
import type { Held } from '../../domain/holdings.ts'
import { bookNode, heldGpuMs } from '../../domain/holdings.ts'
import { attemptIdOf, workerIdOf } from '../../domain/ids.ts'
import type { Node } from '../../domain/node.ts'
import { ATTEMPT_ACCOUNTS } from '../../domain/reasons.ts'
import { CELL_MS, earlier, later, micros } from '../../domain/units.ts'
import type { LedgerInput } from './ledger.ts'
import { capacityOf, ledgerRows, windowOf } from './ledger.ts'
import { moneyOf, moneyOfEach } from './money.ts'
import { heldBetween, unbooked } from './statement.ts'

const BLIND = 60_000
const price = (perHour: number, currency = 'EUR') => ({ microsPerGpuHour: micros(perHour), currency })

void test('money is one rounding of exact sums, and null as soon as a part has no price', () => {
  const cheap = { gpuMs: 1_799_999, price: price(1) }
  assert.deepEqual(moneyOf([cheap, { gpuMs: 1_800_001, price: price(1) }]), { micros: 1, currency: 'EUR' })
  assert.equal(moneyOf([cheap, { gpuMs: 1, price: null }]), null)
  assert.equal(moneyOf([cheap, { gpuMs: 1, price: price(1, 'USD') }]), null)
  assert.deepEqual(moneyOf([cheap, { gpuMs: 0, price: null }]), { micros: 0, currency: 'EUR' })
  assert.equal(moneyOf([]), null)
  const large = moneyOf([{ gpuMs: 2 ** 50, price: price(2_800_000) }])
  assert.equal(large?.micros, Number((2n ** 50n * 2_800_000n) / 3_600_000n))
})

void test('safety: the money of each part adds up to that of all, and none is off by a whole micro', () => {
  const part = fc.record({
    gpuMs: fc.oneof(fc.integer({ min: -5_000_000, max: 5_000_000 }), fc.nat(2 ** 45)),
    price: fc.nat(9_000_000).map((perHour) => price(perHour)),
  })
  fc.assert(
    fc.property(fc.array(part, { maxLength: 9 }), (parts) => {
      const each = moneyOfEach(parts)
      const exact = parts.map(({ gpuMs, price: { microsPerGpuHour } }) => BigInt(gpuMs) * BigInt(microsPerGpuHour))
      const over =
        exact.reduce((sum, charge) => sum + charge, 0n) - each.reduce((sum, one) => sum + one, 0n) * 3_600_000n
      assert.ok(over >= 0n && over < 3_600_000n)
      for (const [index, one] of each.entries()) {
        const off = (exact[index] ?? 0n) - one * 3_600_000n
        assert.ok(off > -3_600_000n && off < 3_600_000n)
      }
    }),
  )
})

void test('a window is widened to whole cells and never goes beyond now', () => {
  const seen = (from: number, to: number, now: number): number[] => {
    const window = windowOf(t(from), t(to), t(now))
    return [window.from - t(0), window.to - t(0)]
  }
  assert.deepEqual(seen(1, CELL_MS + 1, 9 * CELL_MS), [0, 2 * CELL_MS])
  assert.deepEqual(seen(0, CELL_MS, 9 * CELL_MS), [0, CELL_MS])
  assert.deepEqual(seen(0, CELL_MS + 1, CELL_MS + 7), [0, CELL_MS + 7])
  assert.deepEqual(seen(0, 9 * CELL_MS, CELL_MS), [0, CELL_MS])
})

void test('what a claim held between two moments is what its rows cover of them', () => {
  const rows: Held[] = [{ node: nodeId('a'), holder: 'x', from: t(0), to: t(10), slots: 3 }]
  assert.equal(heldBetween(rows, t(4), t(99)), 18)
  assert.equal(heldBetween(rows, t(10), t(99)), 0)
})

void test('a run pays its workers until paidUntil and its restart hold; the platform has the rest, which costs no run', () => {
  const attempt = attemptIdOf(runId(1), 1)
  const held = (holder: string, gpuMs: number) => ({ node: nodeId('a'), holder, gpuMs })
  const worker = claimOf(nodeId('a'), workerIdOf(attempt, 0), [0, 1], {
    price: price(3_600_000),
    releasedAt: t(1_000),
    paidUntil: t(700),
  })
  const hold = claimOf(nodeId('a'), restartHolder(runId(1)), [2], { price: price(3_600_000), attempt: null })
  const input: LedgerInput = {
    from: t(0),
    to: t(900),
    nodes: [nodeOf('a')],
    inventory: [{ node: nodeId('a'), since: t(0), slots: 4 }],
    held: [held(worker.holder, 1_800), held(hold.holder, 900), held('free', 900)],
    unbooked: [],
    holders: [worker, hold],
    runs: new Map([[runId(1), runOf(1)]]),
    accounts: [
      { attempt, account: 'productive', gpuMs: 1_200 },
      { attempt, account: 'teardown', gpuMs: 700 },
      // What a cell that was opened again will take back.
      { attempt, account: 'teardown', gpuMs: -100 },
    ],
  }
  const eur = (micros_: number) => ({ micros: micros(micros_), currency: 'EUR' })
  assert.deepEqual(ledgerRows(input, ['payer', 'account']), [
    { payer: 'run', account: 'productive', gpuMs: 1_200, money: eur(1_200) },
    { payer: 'run', account: 'reserved', gpuMs: 900, money: eur(900) },
    { payer: 'platform', account: 'free', gpuMs: 900, money: null },
    { payer: 'platform', account: 'teardown', gpuMs: 400, money: null },
    { payer: 'run', account: 'teardown', gpuMs: 200, money: eur(200) },
  ])
  const names = ledgerRows(input, ['run']).map(({ run, runName }) => [run, runName])
  assert.ok(names.every(([run, name]) => (run === null) === (name === null)) && names.some(([, name]) => name !== null))
  assert.deepEqual(ledgerRows(input, ['gpu']), [{ account: null, gpu: 'h100', gpuMs: 3_600, money: eur(2_300) }])
})

type Change = { readonly at: number; readonly raise: number; readonly foreign: number; readonly toggle: number }

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(4 * CELL_MS),
  raise: fc.constantFrom(0, 0, 0, 1, 4),
  foreign: fc.nat(2),
  toggle: fc.nat(3),
})

/** A node that is booked, raised, shared, held by runs and deleted as the changes say. */
function historyOf(name: string, changes: readonly Change[], deletedAt: number | null) {
  let node: Node = nodeOf(name, { inventory: 4, lastObserved: t(4 * CELL_MS) })
  const inventory = [{ node: node.id, since: t(0), slots: 4 }]
  const held: Held[] = []
  const living = new Map<number, Claim>()
  const holders = new Map<string, Claim>()
  for (const { at, raise, foreign, toggle } of changes.toSorted((a, b) => a.at - b.at)) {
    if (deletedAt !== null && at >= deletedAt) break
    const booking = bookNode(node, [...living.values()], t(at), BLIND)
    held.push(...booking.rows)
    node = { ...booking.node, inventory: node.inventory + raise, foreign }
    if (raise > 0) inventory.push({ node: node.id, since: t(at), slots: node.inventory })
    const holder = toggle === 3 ? restartHolder(runId(3)) : workerIdOf(attemptIdOf(runId(toggle), 1), 0)
    if (!living.delete(toggle)) {
      const claim = claimOf(node.id, holder, [0, 1], { boundAt: t(at), price: price(1_000_000) })
      living.set(toggle, claim)
      holders.set(holder, claim)
    }
  }
  if (deletedAt !== null) node = { ...node, deletedAt: t(deletedAt) }
  return { node, inventory, held, claims: [...living.values()], holders: [...holders.values()] }
}

void test('safety: over any window and by any keys the rows sum to the capacity', () => {
  const keys = fc.subarray<LedgerKey>(['project', 'user', 'run', 'account', 'gpu', 'payer', 'label:team'])
  const nodes = fc.array(fc.tuple(fc.array(change, { maxLength: 8 }), fc.option(fc.nat(5 * CELL_MS))), { maxLength: 3 })
  fc.assert(
    fc.property(nodes, fc.nat(4 * CELL_MS), fc.nat(5 * CELL_MS), keys, fc.nat(11), (drafts, a, b, by, split) => {
      const from = t(Math.min(a, b))
      const to = t(Math.max(a, b))
      const histories = drafts.map(([changes, deletedAt], index) => historyOf(`n${index}`, changes, deletedAt))
      const clamp = (row: Held): Held[] => {
        const clamped = { ...row, from: later(row.from, from), to: earlier(row.to, to) }
        return clamped.from < clamped.to ? [clamped] : []
      }
      const held = histories.flatMap((history) => history.held).flatMap(clamp)
      const rest = unbooked(
        histories.map((each) => each.node),
        histories.flatMap((each) => each.claims),
        to,
        BLIND,
      ).flatMap(clamp)
      const holders = histories.flatMap((history) => history.holders)
      const attempts = Map.groupBy(
        [...held, ...rest].filter((row) => /^r\d/.test(row.holder)),
        (row) => row.holder.slice(0, row.holder.lastIndexOf('-')),
      )
      const accounts = [...attempts].flatMap(([attempt, rows]) => {
        const sum = rows.reduce((total, row) => total + heldGpuMs(row), 0)
        const part = Math.floor(sum / 3)
        return [
          { attempt, account: ATTEMPT_ACCOUNTS[split] ?? 'unknown', gpuMs: part },
          { attempt, account: 'productive', gpuMs: sum - part },
        ]
      })
      const input: LedgerInput = {
        from,
        to,
        nodes: histories.map((history) => history.node),
        inventory: histories.flatMap((history) => history.inventory),
        held: held.map((row) => ({ node: row.node, holder: row.holder, gpuMs: heldGpuMs(row) })),
        unbooked: rest,
        holders,
        runs: new Map(
          [0, 1, 2, 3].map((number) => [runId(number), runOf(number, { labels: { team: `${number % 2}` } })]),
        ),
        accounts,
      }
      const rows = ledgerRows(input, by)
      assert.equal(
        rows.reduce((sum, row) => sum + row.gpuMs, 0),
        capacityOf(input),
      )
      const moneyBy = (keys_: readonly LedgerKey[]): number =>
        ledgerRows(input, keys_).reduce((sum, row) => sum + (row.money?.micros ?? 0), 0)
      assert.equal(moneyBy(by), moneyBy(['run']))
    }),
    { numRuns: 200 },
  )
})
