import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Budget, BudgetScope, BudgetUnit, Reserve } from './budget.ts'
import {
  chargeCeiling,
  chargeFloor,
  chargeOf,
  covers,
  giveBack,
  grant,
  lastsGpuMs,
  left,
  post,
  remaining,
  scopeText,
} from './budget.ts'
import { budgetOf, runId } from './fixture.ts'
import type { ProjectName } from './ids.ts'
import { gpuMs, micros } from './units.ts'

const MONEY: BudgetUnit = { kind: 'money', currency: 'EUR' }
const price = (perHour: number) => ({ microsPerGpuHour: micros(perHour), currency: 'EUR' })
const reserveOf = (budget: Budget, over: Partial<Reserve> = {}): Reserve => ({
  run: runId(1),
  budget: budget.id,
  granted: 0,
  posted: 0,
  charge: 0n,
  ...over,
})

void test('a hard budget grants what is left and not one more', () => {
  const budget = budgetOf('b', { limit: 100, used: 30, reserved: 20 })
  assert.equal(left(budget), 50)
  assert.deepEqual(grant(budget, reserveOf(budget), 51), { ok: false, short: 1 })
  const granted = grant(budget, reserveOf(budget), 50)
  assert.ok(granted.ok)
  assert.equal(left(granted.budget), 0)
  assert.equal(remaining(granted.reserve), 50)
})

void test('a budget that is not hard counts and refuses nothing', () => {
  const budget = budgetOf('b', { hard: false, limit: 10 })
  assert.ok(grant(budget, reserveOf(budget), 1_000).ok)
})

void test('a post beyond the reserve is booked and counted', () => {
  const budget = budgetOf('b', { limit: 100, reserved: 10 })
  const posted = post(budget, reserveOf(budget, { granted: 10 }), 25, null)
  assert.deepEqual([posted.budget.used, posted.budget.reserved, posted.budget.over], [25, 0, 15])
})

void test('money is rounded once over all that was posted, down where it is charged and up where it is promised', () => {
  const one = chargeOf(MONEY, 1, price(2_000_000))
  assert.deepEqual([chargeFloor(MONEY, one), chargeCeiling(MONEY, one)], [0, 1])
  assert.equal(chargeFloor(MONEY, chargeOf(MONEY, 3_600_000, price(2_000_000))), 2_000_000)
  assert.equal(chargeOf(MONEY, 5, null), 0n)
})

void test('a rest lasts as long as its price says, and without a price nothing bounds it', () => {
  const budget = budgetOf('b', { unit: MONEY })
  const rest = reserveOf(budget, { granted: 1_000_000 })
  assert.equal(lastsGpuMs(budget, rest, price(2_000_000)), 1_800_000)
  assert.equal(lastsGpuMs(budget, rest, null), null)
  assert.equal(lastsGpuMs(budgetOf('c'), reserveOf(budget, { granted: 7 }), null), 7)
})

type Act =
  | { readonly kind: 'grant'; readonly run: number; readonly amount: number }
  | { readonly kind: 'post'; readonly run: number; readonly amount: number }
  | { readonly kind: 'give-back'; readonly run: number }

const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ kind: fc.constant('grant' as const), run: fc.nat(2), amount: fc.nat(5_000_000) }),
  fc.record({
    kind: fc.constant('post' as const),
    run: fc.nat(2),
    amount: fc.integer({ min: -3_000_000, max: 6_000_000 }),
  }),
  fc.record({ kind: fc.constant('give-back' as const), run: fc.nat(2) }),
)

void test('safety: grants stay below a hard limit, reserves never go below zero, and used is exact in any order', () => {
  const units = fc.constantFrom<BudgetUnit>({ kind: 'gpu-ms' }, MONEY)
  fc.assert(
    fc.property(
      units,
      fc.nat(30_000_000),
      fc.integer({ min: 1, max: 9_000_000 }),
      fc.array(act),
      (unit, limit, perHour, acts) => {
        let budget = budgetOf('b', { unit, limit })
        const reserves = new Map<number, Reserve>()
        const charges = new Map<number, bigint>()
        const amounts = new Map<number, number>()
        for (const each of acts) {
          const reserve = reserves.get(each.run) ?? reserveOf(budget)
          if (each.kind === 'grant') {
            const fits = budget.used + budget.reserved + each.amount <= limit
            const granted = grant(budget, reserve, each.amount)
            assert.equal(granted.ok, fits)
            if (!granted.ok) continue
            budget = granted.budget
            reserves.set(each.run, granted.reserve)
          } else if (each.kind === 'give-back') {
            const given = giveBack(budget, reserve)
            budget = given.budget
            reserves.set(each.run, given.reserve)
            assert.equal(remaining(given.reserve), 0)
          } else {
            // Never more is given back than was charged.
            const amount = Math.max(each.amount, -(amounts.get(each.run) ?? 0))
            const posted = post(budget, reserve, amount, price(perHour))
            budget = posted.budget
            reserves.set(each.run, posted.reserve)
            amounts.set(each.run, (amounts.get(each.run) ?? 0) + amount)
            charges.set(each.run, (charges.get(each.run) ?? 0n) + chargeOf(unit, amount, price(perHour)))
          }
          const rests = [...reserves.values()].reduce((sum, one) => sum + remaining(one), 0)
          assert.equal(budget.reserved, rests)
          assert.ok(budget.reserved >= 0 && budget.over >= 0)
          const used = [...charges.values()].reduce((sum, charge) => sum + chargeFloor(unit, charge), 0)
          assert.equal(budget.used, used)
        }
      },
    ),
    { numRuns: 300 },
  )
})

void test('safety: what is promised for some time always covers what is charged for it', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 40), fc.nat(50_000_000), (amount, perHour) => {
      const charge = chargeOf(MONEY, gpuMs(amount), price(perHour))
      assert.ok(chargeCeiling(MONEY, charge) >= chargeFloor(MONEY, charge))
      assert.ok(chargeCeiling(MONEY, charge) - chargeFloor(MONEY, charge) <= 1)
    }),
  )
})

test('a budget covers the runs for which all that it names is so', () => {
  const line = new Set(['vision', 'lab'] as ProjectName[])
  const of = { user: 'ada', name: 'moe', labels: { team: 'core' } }
  const none = { project: null, user: null, label: null, run: null }
  const covered = (over: Partial<BudgetScope>, labels: Record<string, string> = of.labels): boolean =>
    covers({ ...none, ...over }, { ...of, labels }, line)
  assert.ok(covered({ project: 'vision' as ProjectName }))
  assert.ok(covered({ project: 'lab' as ProjectName }), 'of a project below it')
  assert.ok(!covered({ project: 'speech' as ProjectName }))
  assert.ok(covered({ user: 'ada' }))
  assert.ok(!covered({ user: 'bob' }))
  assert.ok(covered({ label: { key: 'team', value: 'core' } }))
  assert.ok(!covered({ label: { key: 'team', value: 'other' } }))
  assert.ok(!covered({ label: { key: 'toString', value: 'core' } }, {}))
  assert.ok(covered({ project: 'vision' as ProjectName, run: 'moe' }))
  assert.ok(!covered({ project: 'vision' as ProjectName, run: 'other' }))
  assert.ok(!covered({ project: 'vision' as ProjectName, user: 'bob' }), 'all of it, not some')
  assert.equal(
    scopeText({ project: 'lab', user: 'ada', label: { key: 'team', value: 'core' }, run: 'moe' }),
    'project lab, run moe, user ada, label team=core',
  )
})
