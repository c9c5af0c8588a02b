// What a policy and an extension may do to budgets that are there: the same in both stores. Of the real one also what two commits do to
// each other.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { nodeId, runOf } from '../../src/domain/fixture.ts'
import type { Extension } from '../../src/domain/extension.ts'
import type { BudgetId } from '../../src/domain/ids.ts'
import type { Write } from '../../src/domain/item.ts'
import type { Every } from '../../src/domain/period.ts'
import type { Policy, PolicyBudget } from '../../src/domain/policy.ts'
import type { Run } from '../../src/domain/run.ts'
import { epochMs } from '../../src/domain/units.ts'
import type { Store } from '../../src/ports/store.ts'
import { measureFrame } from '../../src/core/experts/measures.ts'
import { postgresStore } from '../../src/adapters/postgres/store.ts'
import type { Bench } from '../parts/stores.ts'
import { BLIND_AFTER_MS, openSimulated, PostgresBenches, StandingClock } from '../parts/stores.ts'
import { auditOf, BUDGET, filled, itemOf, placing, policyOf, submissionOf, T0, withBudget } from './things.ts'

let benches: PostgresBenches
before(async () => {
  benches = await PostgresBenches.start()
})
after(() => benches.stop())

const budgetsOf = async (store: Store) => (await store.world(new Map())).budgets

function policyWith(limit: number, changed: Partial<PolicyBudget>): Policy {
  const policy = policyOf(limit)
  return { ...policy, budgets: policy.budgets.map((each) => ({ ...each, ...changed })) }
}
const periodic = (every: Every): Policy => policyWith(1_000, { period: { kind: 'every', every } })
const euros = { kind: 'money', currency: 'EUR' } as const

const apply = (store: Store, policy: Policy) => store.applyPolicy(policy, {}, auditOf('policy.write'))

async function ask(store: Store, id: string, at: number, amount: number): Promise<void> {
  const by = { askedBy: 'user:ada', askedAt: epochMs(T0), decision: null }
  const extension: Extension = { id, budget: BUDGET, at: epochMs(at), amount, reason: 'one more', ...by }
  await store.askExtension(extension, auditOf('budget.extension.ask'))
}
const grant = (store: Store, id: string) =>
  store.decideExtension(
    id,
    { granted: true, by: 'user:finn', at: epochMs(T0), answer: '' },
    auditOf('budget.extension.grant'),
  )

const reserve = ({ id }: Run, budget: BudgetId, at: number, amount: number): Write => ({
  kind: 'reserve',
  run: id,
  budget,
  at: epochMs(at),
  amount,
})

for (const [name, open] of [
  ['simulated', openSimulated],
  ['PostgreSQL', (begin: number) => benches.open(begin)],
] as const) {
  describe(`budgets of the ${name} store`, () => {
    const check = (what: string, body: (bench: Bench) => Promise<void>, begin = T0): void => {
      test(what, async () => {
        const bench = await open(begin)
        try {
          await body(bench)
        } finally {
          await bench.close()
        }
      })
    }

    check(
      'a policy may have no budgets, and who asked for more of one that is gone gets nothing',
      async ({ store }) => {
        await filled(store, { nodes: [], runs: [] })
        await ask(store, 'x1', T0, 500)
        assert.ok((await apply(store, { ...policyOf(1), budgets: [] })).ok)
        assert.equal(await grant(store, 'x1'), false)
        assert.equal((await store.findExtension('x1'))?.decision, null)
      },
    )

    check('a limit stays within what can be read again, whatever is granted', async ({ store }) => {
      await filled(store, { nodes: [], runs: [], limit: 1_000 })
      for (const id of ['x1', 'x2']) {
        await ask(store, id, T0, Number.MAX_SAFE_INTEGER - 2_000)
        assert.ok(await grant(store, id))
      }
      assert.equal((await budgetsOf(store)).get(BUDGET)?.limit, Number.MAX_SAFE_INTEGER)
      assert.ok((await apply(store, policyOf(5_000))).ok)
      assert.equal((await budgetsOf(store)).get(BUDGET)?.limit, Number.MAX_SAFE_INTEGER)
    })

    const lastDay = Date.UTC(2026, 10, 30, 12)
    check(
      'a series that nobody has used may get another period; what was granted to the old one goes with it',
      async ({ store }) => {
        const run = withBudget(1)
        await filled(store, { nodes: [], runs: [run] })
        assert.ok((await apply(store, periodic('month'))).ok)
        await ask(store, 'x1', lastDay, 500)
        assert.ok(await grant(store, 'x1'))
        assert.ok((await apply(store, periodic('day'))).ok)
        // The day and the month end at the same moment.
        const committed = await store.commit(null, [itemOf('reserve', [reserve(run, BUDGET, lastDay, 1)])])
        assert.ok(committed.kind === 'committed' && committed.results[0]?.kind === 'applied')
        const rows = [...(await budgetsOf(store)).values()].map(({ id, limit }) => [id, limit])
        assert.deepEqual(rows, [
          [BUDGET, 1_000],
          [`${BUDGET}@2026-11-30`, 1_000],
        ])
      },
      lastDay,
    )

    check('what was granted to a budget for all time is not granted to each month', async ({ store }) => {
      await filled(store, { nodes: [], runs: [], limit: 1_000 })
      await ask(store, 'x1', T0, 500)
      assert.ok(await grant(store, 'x1'))
      assert.ok((await apply(store, periodic('month'))).ok)
      const budget = (await budgetsOf(store)).get(BUDGET)
      assert.deepEqual([budget?.limit, budget?.extended], [1_000, 0])
    })

    check('a budget counts in another unit only while nothing has counted on the old one', async ({ store }) => {
      await filled(store, { nodes: [], runs: [withBudget(1)], limit: 1_000 })
      assert.ok((await apply(store, policyWith(7, { unit: euros }))).ok)
      assert.deepEqual((await budgetsOf(store)).get(BUDGET)?.unit, euros)
      await store.commit(null, [itemOf('reserve', [reserve(withBudget(1), BUDGET, T0, 1)])])
      const other = await apply(store, policyOf(1_000))
      assert.ok(!other.ok)
      assert.match(other.message, /would count in another unit/)
      await store.commit(null, [itemOf('back', [{ kind: 'give-back', run: withBudget(1).id, budgets: [BUDGET] }])])
      assert.ok(!(await apply(store, { ...policyOf(1), budgets: [] })).ok, 'its run may be charged yet')
    })
  })
}

describe('the PostgreSQL store alone', () => {
  async function openAt(begin: number) {
    const database = benches.database(await benches.fresh())
    const clock = new StandingClock(begin)
    const store = postgresStore(database, clock, { blindAfterMs: BLIND_AFTER_MS, measure: measureFrame })
    return { database, clock, store }
  }

  test('a turn reads of the past only what is reserved yet', async () => {
    const { database, clock, store } = await openAt(T0)
    const [run, day] = [withBudget(1), 86_400_000]
    await filled(store, { nodes: [], runs: [run] })
    await apply(store, periodic('day'))
    const days = [T0, T0 + day, T0 + 9 * day]
    await store.commit(null, [
      itemOf(
        'reserve',
        days.map((at) => reserve(run, BUDGET, at, 5)),
      ),
    ])
    const read = async (): Promise<readonly number[]> => {
      const { budgets, reserves } = await store.world(new Map())
      return [budgets.size, reserves.length]
    }
    assert.deepEqual(await read(), [4, 3])
    clock.set(T0 + 8 * day)
    assert.deepEqual(await read(), [4, 3], 'they are to be given back yet')
    await database.query({ text: 'update reserve set posted = granted', values: [] })
    assert.deepEqual(await read(), [2, 1])
    await database.end()
  })

  test('a policy locks budgets in the order of commits, whatever that of its file', async () => {
    const { database, store } = await openAt(T0)
    const [first, last] = ['aa', 'zz'] as [BudgetId, BudgetId]
    const both = (limit: number): Policy => {
      const budgets = policyOf(limit).budgets.flatMap((each) => [last, first].map((id) => ({ ...each, id })))
      return { ...policyOf(limit), budgets }
    }
    await apply(store, both(10 ** 9))
    const run = runOf(1, { budgets: [first, last] })
    await store.submit(submissionOf(run))
    const turns = Array.from({ length: 40 }, (_, turn) => turn)
    const policies = async (): Promise<void> => {
      for (const turn of turns) assert.ok((await apply(store, both(10 ** 9 + turn))).ok)
    }
    const commits = async (): Promise<void> => {
      for (const _ of turns)
        await store.commit(null, [itemOf('reserve', [reserve(run, first, T0, 1), reserve(run, last, T0, 1)])])
    }
    await Promise.all([policies(), commits(), commits()])
    assert.equal((await budgetsOf(store)).get(last)?.reserved, 2 * turns.length)
    await database.end()
  })

  test('a run that is placed while a commit waits to book its node is charged by that commit', async () => {
    const { database, clock, store } = await openAt(T0)
    await filled(store, { nodes: ['n1'], runs: [withBudget(1)] })
    const world = await store.world(new Map())
    const [run, node] = [world.runs.get(withBudget(1).id), world.nodes.get(nodeId('n1'))]
    assert.ok(run !== undefined && node !== undefined)
    const placed = placing(run, [node], 1_000_000)
    let between = true
    database.onStatement = async (text) => {
      // It has looked whose runs hold the node, and locks what pays for them.
      if (!between || !text.includes('from budget where id = any')) return
      between = false
      clock.set(T0 + 1_000)
      await store.commit(null, [placed.item])
      clock.set(T0 + 11_000)
    }
    await store.commit(null, [itemOf('book', [{ kind: 'book', node: node.id }])])
    assert.equal((await budgetsOf(store)).get(BUDGET)?.used, 2 * 10_000)
    await database.end()
  })
})
