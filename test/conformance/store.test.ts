// One suite for both stores: what a commit, a log and a revision mean must be the same in PostgreSQL and in the simulated world, or the
// simulator proves nothing.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Extension } from '../../src/domain/extension.ts'
import type { FactBody } from '../../src/domain/fact.ts'
import { logSource, reporterSource, reporterStream } from '../../src/domain/fact.ts'
import type { AttemptId, BudgetId, ClusterName, ProjectName, WorkerId } from '../../src/domain/ids.ts'
import { attemptIdOf, workerIdOf } from '../../src/domain/ids.ts'
import { nodeId, runOf } from '../../src/domain/fixture.ts'
import { measureFrame } from '../../src/core/experts/measures.ts'
import type { Write } from '../../src/domain/item.ts'
import type { Policy, PolicyBudget } from '../../src/domain/policy.ts'
import type { Run } from '../../src/domain/run.ts'
import { DEFAULT_LOG_BYTES_MAX } from '../../src/domain/settings.ts'
import { checkpointDirective } from '../../src/domain/report.ts'
import { CELL_MS, durationMs, epochMs, micros } from '../../src/domain/units.ts'
import type { World } from '../../src/domain/world.ts'
import type { Store } from '../../src/ports/store.ts'
import { postgresStore } from '../../src/adapters/postgres/store.ts'
import type { Bench } from '../parts/stores.ts'
import { BLIND_AFTER_MS, openSimulated, PostgresBenches, StandingClock } from '../parts/stores.ts'
import {
  appendOf,
  auditOf,
  booksOf,
  BUDGET,
  CELL0,
  EMPTY_SUMMARY,
  factOf,
  filled,
  heldBy,
  itemOf,
  NEVER_PAID,
  placing,
  policyOf,
  postedTo,
  register,
  revisionOf,
  stepAt,
  submissionOf,
  T0,
  withBudget,
  withStep,
} from './things.ts'

let benches: PostgresBenches
before(async () => {
  benches = await PostgresBenches.start()
})
after(() => benches.stop())

const NONE = new Map()
const worldOf = (store: Store): Promise<World> => store.world(NONE)

/** The newest images of a run and nodes, as a turn would have read them. */
async function read(store: Store, run: Run, names: readonly string[]) {
  const world = await worldOf(store)
  const live = world.runs.get(run.id)
  assert.ok(live !== undefined)
  const nodes = names.map((name) => {
    const node = world.nodes.get(nodeId(name))
    assert.ok(node !== undefined)
    return node
  })
  return { world, run: live, nodes }
}

const budgetOf = async (store: Store) => {
  const budget = (await worldOf(store)).budgets.get(BUDGET)
  assert.ok(budget !== undefined)
  return budget
}

for (const [name, open] of [
  ['simulated', openSimulated],
  ['PostgreSQL', (begin: number) => benches.open(begin)],
] as const) {
  describe(`the ${name} store`, () => {
    const check = (what: string, body: (bench: Bench) => Promise<void>): void => {
      test(what, async () => {
        const bench = await open(T0)
        try {
          await body(bench)
        } finally {
          await bench.close()
        }
      })
    }

    check(
      'a submit is written once; the same key answers again, another request under it is refused',
      async ({ store }) => {
        await filled(store, { nodes: [], runs: [] })
        const key = { caller: 'user:ada', key: 'k', hash: 'h1' }
        assert.equal((await store.submit(submissionOf(runOf(1), key))).kind, 'submitted')
        assert.deepEqual(await store.submit(submissionOf(runOf(2), key)), { kind: 'repeat', run: runOf(1).id })
        assert.equal((await store.submit(submissionOf(runOf(2), { ...key, hash: 'h2' }))).kind, 'key-reused')
        const same = { ...runOf(3), name: runOf(1).name }
        assert.deepEqual(await store.submit(submissionOf(same)), { kind: 'name-taken', by: runOf(1).id })
        assert.equal((await store.findRun(`${runOf(1).project}/${runOf(1).name}`))?.id, runOf(1).id)
      },
    )

    check('the verdict of an attempt and the nodes that its run avoids are kept as they are', async ({ store }) => {
      await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
      const at = await read(store, runOf(1), ['n1'])
      const { attempt, item } = placing(at.run, at.nodes, 0)
      await store.commit(null, [item])
      const [worker] = attempt.placement.workers
      assert.ok(worker !== undefined)
      const culprit = { worker: worker.id, node: worker.node, nodeName: 'n1' }
      const evidence = [{ worker: worker.id, at: epochMs(T0), text: 'ECC "error" \\u0000 \u{1f4a5} é' }]
      const verdict = { kind: 'ecc', culprit, evidence } as const
      const state = { kind: 'ended', outcome: 'failed', failure: 'infrastructure', message: null, verdict } as const
      const avoided = [{ ...culprit, kind: 'ecc', until: epochMs(T0 + 1) }] as const
      await store.commit(null, [
        itemOf('end', [
          { kind: 'attempt', attempt: { ...attempt, state, endedAt: epochMs(T0) } },
          { kind: 'run', run: { ...at.run, avoided } },
        ]),
      ])
      assert.deepEqual((await store.attemptsOf(at.run.id)).attempts[0]?.state, state)
      assert.deepEqual((await worldOf(store)).runs.get(at.run.id)?.avoided, avoided)
    })

    check(
      'what is left of an attempt is kept until its logs are stored and no fence waits for its workers',
      async ({ store }) => {
        await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
        const at = await read(store, runOf(1), ['n1'])
        const { attempt, item } = placing(at.run, at.nodes, 0)
        await store.commit(null, [item])
        const toForget = async () => (await store.attemptsToForget()).map((each) => each.attempt)
        const [worker] = attempt.placement.workers
        assert.ok(worker !== undefined)
        const fence = { until: epochMs(T0 + 600_000), workers: [{ worker: worker.id, nodeName: 'n1' }] }
        const state = { kind: 'ended', outcome: 'node-lost', failure: 'infrastructure', message: null } as const
        const writes = (run: Run): Write[] => [
          { kind: 'attempt', attempt: { ...attempt, state, endedAt: epochMs(T0) } },
          { kind: 'release', node: worker.node, holder: worker.id, paidUntil: epochMs(T0) },
          { kind: 'run', run },
        ]
        await store.commit(null, [itemOf('end', writes({ ...at.run, fence }))])
        assert.deepEqual(await toForget(), [], 'its log is open')
        await store.appendLogs(
          [{ ...appendOf(worker.id, attempt.id, 0, '', []), complete: true }],
          DEFAULT_LOG_BYTES_MAX,
        )
        assert.deepEqual(await toForget(), [], 'its fence stands')
        assert.deepEqual((await worldOf(store)).runs.get(at.run.id)?.fence, fence)
        await store.commit(null, [itemOf('prove', [{ kind: 'run', run: at.run }])])
        assert.deepEqual(await toForget(), [attempt.id])
        await store.commit(null, [
          itemOf('cancel', [{ kind: 'run', run: { ...at.run, fence, state: { kind: 'cancelled' } } }]),
        ])
        assert.deepEqual(await toForget(), [attempt.id], 'nothing waits for it any more')
        await store.forgotten([attempt.id])
        assert.deepEqual(await toForget(), [])
      },
    )

    check('layer 1 of a node sums to inventory x time through placing and releasing', async ({ store, clock }) => {
      await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
      clock.set(T0 + 10_000)
      const at = await read(store, runOf(1), ['n1'])
      const placed = placing(at.run, at.nodes, 0)
      assert.deepEqual((await store.commit(null, [placed.item])).kind, 'committed')
      clock.set(T0 + 40_000)
      const [claim] = placed.claims
      assert.ok(claim !== undefined)
      await store.commit(null, [
        itemOf('end', [{ kind: 'release', node: claim.node, holder: claim.holder, paidUntil: NEVER_PAID }]),
      ])
      clock.set(T0 + 50_000)
      await store.commit(null, [itemOf('book', [{ kind: 'book', node: nodeId('n1') }])])
      const held = await heldBy(store)
      assert.equal(held[claim.holder], 2 * 30_000)
      assert.equal(held.free, 8 * 50_000 - 2 * 30_000)
      assert.equal((await worldOf(store)).claims.length, 0)
    })

    check('a stale item is refused whole, and the others of the commit stand', async ({ store, clock }) => {
      await filled(store, { nodes: ['n1', 'n2'], runs: [runOf(1), runOf(2)] })
      clock.set(T0 + 1_000)
      const first = await read(store, runOf(1), ['n1'])
      const second = await read(store, runOf(2), ['n2'])
      const stale = placing({ ...first.run, version: 99 }, first.nodes, 0)
      const good = placing(second.run, second.nodes, 0)
      const committed = await store.commit(null, [stale.item, good.item])
      assert.ok(committed.kind === 'committed')
      assert.deepEqual(
        committed.results.map((result) => result.kind),
        ['stale', 'applied'],
      )
      const world = await worldOf(store)
      assert.deepEqual(
        world.claims.map((claim) => claim.node),
        [nodeId('n2')],
      )
      assert.equal(world.runs.get(runOf(1).id)?.state.kind, 'queued')
      // What was read before the commit is stale now, for the run and for the node.
      const again = await store.commit(null, [good.item])
      assert.ok(again.kind === 'committed' && again.results[0]?.kind === 'stale')
    })

    check('two items of one turn on one node both stand: the second counted on the first', async ({ store, clock }) => {
      await filled(store, { nodes: ['n1'], runs: [runOf(1), runOf(2)] })
      clock.set(T0 + 1_000)
      const one = await read(store, runOf(1), ['n1'])
      const two = await read(store, runOf(2), ['n1'])
      const committed = await store.commit(null, [
        placing(one.run, one.nodes, 0, [0, 1]).item,
        placing(two.run, two.nodes, 0, [2, 3]).item,
      ])
      assert.ok(committed.kind === 'committed' && committed.results.every((result) => result.kind === 'applied'))
      assert.equal((await worldOf(store)).nodes.get(nodeId('n1'))?.version, (one.nodes[0]?.version ?? 0) + 1)
    })

    check(
      'a hard budget refuses the reserve and with it the item; what happened is booked over the wall',
      async ({ store, clock }) => {
        await filled(store, { nodes: ['n1'], runs: [withBudget(1)], limit: 50_000 })
        clock.set(T0 + 1_000)
        const at = await read(store, withBudget(1), ['n1'])
        const dear = await store.commit(null, [placing(at.run, at.nodes, 60_000).item])
        assert.ok(dear.kind === 'committed')
        assert.deepEqual(dear.results[0], { kind: 'refused', reason: 'budget', budget: BUDGET, short: 10_000 })
        assert.equal((await worldOf(store)).claims.length, 0)
        const placed = placing(at.run, at.nodes, 40_000)
        await store.commit(null, [placed.item])
        assert.equal((await budgetOf(store)).reserved, 40_000)
        clock.set(T0 + 31_000)
        await store.commit(null, [itemOf('book', [{ kind: 'book', node: nodeId('n1') }])])
        // 2 slots x 30 s: 20 s more than was reserved.
        assert.deepEqual((({ used, reserved, over }) => ({ used, reserved, over }))(await budgetOf(store)), {
          used: 60_000,
          reserved: 0,
          over: 20_000,
        })
      },
    )

    check(
      'a series has a row a period, opened once by whoever is first, and a new limit is theirs too',
      async (bench) => {
        const { store, clock } = bench
        const [first, second] = [withBudget(1), withBudget(2)]
        await filled(store, { nodes: ['n1', 'n2'], runs: [first, second] })
        const day = 86_400_000
        const midnight = Math.ceil(T0 / day) * day
        const daily = (limit: number): Policy => {
          const policy = policyOf(limit)
          const budgets = policy.budgets.map((each): PolicyBudget => ({
            ...each,
            period: { kind: 'every', every: 'day' },
          }))
          return { ...policy, budgets }
        }
        assert.ok((await store.applyPolicy(daily(500_000), {}, auditOf('policy.write'))).ok)
        const at = await read(store, first, ['n1'])
        const reserve = (run: Run, moment: number, amount: number): Write => ({
          kind: 'reserve',
          run: run.id,
          budget: BUDGET,
          at: epochMs(moment),
          amount,
        })
        // Two at once: one of them opens the row.
        const both = await Promise.all(
          [first, second].map((run) => store.commit(null, [itemOf('reserve', [reserve(run, T0, 200_000)])])),
        )
        assert.deepEqual(
          both.map((each) => each.kind === 'committed' && each.results.map(({ kind }) => kind)),
          [['applied'], ['applied']],
        )
        await store.commit(null, [placing(at.run, at.nodes, 0).item])
        await store.commit(null, [itemOf('reserve', [reserve(first, midnight, 300_000)])])
        const rows = async () =>
          [...(await worldOf(store)).budgets.values()].map(({ id, limit, used, reserved, over }) => [
            id,
            limit,
            used,
            reserved,
            over,
          ])
        const [today, tomorrow] = [T0, midnight].map((each) => `${BUDGET}@${new Date(each).toISOString().slice(0, 10)}`)
        assert.deepEqual(await rows(), [
          [BUDGET, 500_000, 0, 0, 0],
          [today, 500_000, 0, 400_000, 0],
          [tomorrow, 500_000, 0, 300_000, 0],
        ])
        const wall = await store.commit(null, [itemOf('reserve', [reserve(second, midnight, 200_001)])])
        assert.ok(wall.kind === 'committed' && wall.results[0]?.kind === 'refused')

        // What is booked counts in its day; the clock is moved there cell by cell, as the account loop does.
        const moved = await read(store, first, ['n1'])
        const seen = moved.nodes.map((node) => ({
          ...node,
          lastObserved: epochMs(midnight + 10_000),
          bookedTo: node.bookedTo,
        }))
        await store.commit(null, [
          itemOf(
            'seen',
            seen.map((node) => ({ kind: 'node', node, heartbeat: true }) as const),
          ),
        ])
        clock.set(midnight + 10_000)
        await store.commit(null, [itemOf('book', [{ kind: 'book', node: nodeId('n1') }])])
        const used = async (id: string) => (await worldOf(store)).budgets.get(id as BudgetId)?.used
        assert.equal(await used(tomorrow ?? ''), 20_000)
        assert.equal(await used(today ?? ''), 2 * (midnight - T0))
        assert.equal(await used(BUDGET), 0)

        assert.ok(
          (await store.applyPolicy(daily(600_000), {}, { ...auditOf('policy.write'), at: epochMs(midnight) })).ok,
        )
        const limits = [...(await worldOf(store)).budgets.values()].map(({ limit }) => limit)
        // The day that is over keeps what it was.
        assert.deepEqual(limits, [600_000, 500_000, 600_000])
        const other = await store.applyPolicy(policyOf(600_000), {}, auditOf('policy.write'))
        assert.ok(!other.ok)
        assert.match(other.message, /has been used, and its period would be another/)
        const gone = await store.applyPolicy({ ...policyOf(1), budgets: [] }, {}, auditOf('policy.write'))
        assert.ok(!gone.ok)
        await store.commit(null, [itemOf('back', [{ kind: 'give-back', run: first.id, budgets: [BUDGET] }])])
        assert.deepEqual(
          (await rows()).map(([, , , reserved]) => reserved),
          [0, 200_000, 0],
        )
      },
    )

    check('however many ask at once, a hard budget promises what it has and no more', async ({ store }) => {
      const runs = Array.from({ length: 40 }, (_, index) => withBudget(index + 1))
      await filled(store, { nodes: ['n1'], runs })
      const policy = policyOf(15_000)
      const budgets = policy.budgets.map((each): PolicyBudget => ({ ...each, period: { kind: 'every', every: 'day' } }))
      assert.ok((await store.applyPolicy({ ...policy, budgets }, {}, auditOf('policy.write'))).ok)
      const asked = await Promise.all(
        runs.map(({ id }) =>
          store.commit(null, [
            itemOf('reserve', [{ kind: 'reserve', run: id, budget: BUDGET, at: epochMs(T0), amount: 1_000 }]),
          ]),
        ),
      )
      const kinds = asked.map((each) => (each.kind === 'committed' ? each.results[0]?.kind : each.kind))
      assert.deepEqual(
        [15, 25],
        [kinds.filter((kind) => kind === 'applied').length, kinds.filter((kind) => kind === 'refused').length],
      )
      const [, row] = (await worldOf(store)).budgets.values()
      assert.deepEqual([row?.reserved, row?.limit], [15_000, 15_000])
    })

    check(
      'an extension is decided once, raises the row that it is for, and survives the next policy',
      async (bench) => {
        const { store } = bench
        await filled(store, { nodes: ['n1'], runs: [withBudget(1)] })
        const monthly = (limit: number): Policy => {
          const budgets = policyOf(limit).budgets.map((each): PolicyBudget => ({
            ...each,
            period: { kind: 'every', every: 'month' },
          }))
          return { ...policyOf(limit), budgets }
        }
        assert.ok((await store.applyPolicy(monthly(1_000), {}, auditOf('policy.write'))).ok)
        const extension = (id: string, over: Partial<Extension> = {}): Extension => ({
          id,
          budget: BUDGET,
          at: epochMs(T0),
          amount: 500,
          reason: 'one more',
          askedBy: 'user:ada',
          askedAt: epochMs(T0),
          decision: null,
          ...over,
        })
        const decision = (granted: boolean) => ({ granted, by: 'user:finn', at: epochMs(T0 + 1), answer: 'yes' })
        for (const each of [extension('x1'), extension('x2', { askedAt: epochMs(T0 + 1) }), extension('x3')])
          await store.askExtension(each, auditOf('budget.extension.ask'))
        const grant = auditOf('budget.extension.grant')
        const both = await Promise.all([1, 2].map(() => store.decideExtension('x1', decision(true), grant)))
        assert.deepEqual(both.filter(Boolean).length, 1)
        assert.equal(await store.decideExtension('x2', decision(false), auditOf('budget.extension.refuse')), true)
        assert.equal(await store.decideExtension('gone', decision(true), grant), false)
        assert.deepEqual(await store.findExtension('x1'), { ...extension('x1'), decision: decision(true) })
        assert.equal(await store.findExtension('gone'), null)
        const listed = (await store.extensions([BUDGET], 2)).map(({ id }) => id)
        assert.deepEqual(listed, ['x3', 'x2'], 'those that wait, then the newest')
        assert.deepEqual(await store.extensions([], 2), [], 'of nothing')
        const rows = async () => [...(await worldOf(store)).budgets.values()].map((row) => [row.limit, row.extended])
        assert.deepEqual(await rows(), [
          [1_000, 0],
          [1_500, 500],
        ])
        assert.ok((await store.applyPolicy(monthly(2_000), {}, auditOf('policy.write'))).ok)
        assert.deepEqual(await rows(), [
          [2_000, 0],
          [2_500, 500],
        ])
      },
    )

    check('what a budget spends is kept by day, under the name of the policy', async ({ store, clock }) => {
      const run = withBudget(1)
      await filled(store, { nodes: ['n1'], runs: [run] })
      const at = await read(store, run, ['n1'])
      await store.commit(null, [placing(at.run, at.nodes, 1_000).item])
      for (const ms of [10_000, 20_000]) {
        clock.set(T0 + ms)
        await store.commit(null, [itemOf('book', [{ kind: 'book', node: nodeId('n1') }])])
      }
      const day = epochMs(Math.floor(T0 / 86_400_000) * 86_400_000)
      assert.deepEqual(
        (await store.spentByDay(day)).map((each) => ({ ...each })),
        [{ budget: BUDGET, day, amount: 40_000 }],
      )
      assert.deepEqual(await store.spentByDay(epochMs(day + 1)), [])
    })

    check(
      'a price counts from its day on, and what is placed keeps the one of its moment',
      async ({ store, clock }) => {
        const policy = policyOf(1)
        const price = (perHour: number) => ({ microsPerGpuHour: micros(perHour), currency: 'EUR' })
        const prices = [
          { gpuModel: 'h100', since: epochMs(T0 - 1), price: price(2) },
          { gpuModel: 'h100', since: epochMs(T0 + 1_000), price: price(3) },
          { gpuModel: 'h200', since: epochMs(T0 + 1_000), price: price(4) },
        ]
        assert.ok((await store.applyPolicy({ ...policy, prices }, {}, auditOf('policy.write'))).ok)
        const now = async () =>
          [...(await worldOf(store)).prices].map(([model, each]) => [model, each.microsPerGpuHour] as const)
        assert.deepEqual(await now(), [['h100', 2]])
        clock.set(T0 + 1_000)
        assert.deepEqual(
          new Map(await now()),
          new Map([
            ['h100', 3],
            ['h200', 4],
          ]),
        )
      },
    )

    check(
      'a release gives back what was charged after paidUntil, and the rest of the reserve on request',
      async ({ store, clock }) => {
        await filled(store, { nodes: ['n1'], runs: [withBudget(1)] })
        const at = await read(store, withBudget(1), ['n1'])
        const placed = placing(at.run, at.nodes, 1_000_000)
        await store.commit(null, [placed.item])
        const [claim] = placed.claims
        assert.ok(claim !== undefined)
        clock.set(T0 + 100_000)
        await store.commit(null, [itemOf('book', [{ kind: 'book', node: nodeId('n1') }])])
        assert.equal((await budgetOf(store)).used, 200_000)
        await store.commit(null, [
          itemOf('end', [
            { kind: 'release', node: claim.node, holder: claim.holder, paidUntil: epochMs(T0 + 60_000) },
            { kind: 'give-back', run: at.run.id, budgets: [BUDGET] },
          ]),
        ])
        const budget = await budgetOf(store)
        assert.deepEqual([budget.used, budget.reserved], [120_000, 0])
        assert.equal((await heldBy(store))[claim.holder], 200_000, 'layer 1 is never revised')
      },
    )

    check('a run that ends leaves the living ones and is still found', async ({ store }) => {
      await filled(store, { nodes: [], runs: [runOf(1)] })
      const { run } = await read(store, runOf(1), [])
      await store.commit(null, [
        itemOf(
          'end',
          [{ kind: 'run', run: { ...run, state: { kind: 'cancelled' } } }],
          [{ kind: 'run', id: run.id, version: run.version }],
        ),
      ])
      assert.equal((await worldOf(store)).runs.size, 0)
      assert.equal((await store.run(run.id))?.state.kind, 'cancelled')
      assert.equal(
        (await store.submit(submissionOf({ ...runOf(2), name: run.name }))).kind,
        'submitted',
        'the name is free again',
      )
    })

    check('whoever takes the lead refuses the commits of the one before', async ({ store, clock }) => {
      await filled(store, { nodes: ['n1'], runs: [] })
      const first = await store.takeLead('a', 10_000, false)
      assert.ok(first !== null)
      assert.equal(await store.takeLead('b', 10_000, false), null, 'the lease is not over')
      assert.ok(await store.renewLead(first, 10_000))
      assert.equal(await store.takeLead('b', 10_000, true), null, 'only its former self is known to be dead')
      const second = await store.takeLead('a', 10_000, true)
      assert.ok(second !== null && second > first)
      clock.set(T0 + 5_000)
      assert.equal(
        (await store.commit(first, [itemOf('book', [{ kind: 'book', node: nodeId('n1') }])])).kind,
        'deposed',
      )
      assert.deepEqual(await heldBy(store), {})
      assert.equal(await store.renewLead(first, 10_000), false)
      assert.equal(
        (await store.commit(second, [itemOf('book', [{ kind: 'book', node: nodeId('n1') }])])).kind,
        'committed',
      )
      await store.giveUpLead(second)
      assert.ok((await store.takeLead('c', 10_000, false)) !== null)
    })

    check('a policy that was decided on another version is refused', async ({ store }) => {
      await filled(store, { nodes: [], runs: [] })
      const { version } = (await store.policy()) ?? { version: 0 }
      const stale = await store.applyPolicy(policyOf(1), {}, auditOf('policy.apply'), version - 1)
      assert.deepEqual([stale.ok, stale.ok ? null : stale.code], [false, 'version-mismatch'])
      assert.equal((await store.applyPolicy(policyOf(1), {}, auditOf('policy.apply'), version)).ok, true)
      assert.equal((await store.policy())?.version, version + 1)
    })

    check('a store belongs to the first home that claims it', async ({ store }) => {
      assert.equal(await store.claimHome('one'), 'one')
      assert.equal(await store.claimHome('two'), 'one')
    })

    check('what a leader saw of a cluster is kept, and nothing that a deposed one says', async ({ store }) => {
      const cluster = 'kwok' as ClusterName
      const first = (await store.takeLead('a', 0, false)) ?? 0
      assert.deepEqual(await store.health(), new Map())
      await store.saveHealth(first, cluster, { health: { kind: 'reachable' }, observedAt: epochMs(T0) })
      const unknown = { health: { kind: 'unknown', message: 'it is silent' }, observedAt: epochMs(T0 + 5) } as const
      await store.saveHealth(first, cluster, unknown)
      assert.deepEqual(await store.health(), new Map([[cluster, unknown]]))
      await store.giveUpLead(first)
      await store.takeLead('b', 10_000, false)
      await store.saveHealth(first, cluster, { health: { kind: 'reachable' }, observedAt: epochMs(T0 + 9) })
      assert.deepEqual(await store.health(), new Map([[cluster, unknown]]))
    })

    check('a budget keeps whom it covers, through changes of the policy', async ({ store }) => {
      const policy = policyOf(1_000)
      const [hours] = policy.budgets
      assert.ok(hours !== undefined)
      const scoped: PolicyBudget = {
        ...hours,
        id: 'core' as BudgetId,
        project: null,
        user: 'ada',
        label: { key: 'team', value: 'core' },
      }
      const scopes = async () =>
        [...(await store.shares()).budgets.values()].map(({ id, project, user, label, run }) => [
          id,
          project,
          user,
          label,
          run,
        ])
      await store.applyPolicy({ ...policy, budgets: [hours, scoped] }, {}, auditOf('policy.apply'))
      assert.deepEqual(await scopes(), [
        ['core', null, 'ada', { key: 'team', value: 'core' }, null],
        ['hours', 'default', null, null, null],
      ])
      const changed = { ...scoped, project: 'default' as ProjectName, user: null, label: null, run: 'moe' }
      await store.applyPolicy({ ...policy, budgets: [hours, changed] }, {}, auditOf('policy.apply'))
      assert.deepEqual((await scopes())[0], ['core', 'default', null, null, 'moe'])
    })

    check('what was decided under a quota is stale once the policy is another one', async ({ store }) => {
      await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
      const { projects } = await store.shares()
      const project = [...projects.values()][0]
      assert.ok(project !== undefined)
      const item = () =>
        itemOf(
          'book',
          [{ kind: 'book', node: nodeId('n1') }],
          [{ kind: 'project', id: project.name, version: project.version }],
        )
      const kindOf = async () => {
        const committed = await store.commit(null, [item()])
        return committed.kind === 'committed' ? committed.results[0]?.kind : null
      }
      assert.equal(await kindOf(), 'applied')
      await store.applyPolicy(policyOf(1), {}, auditOf('policy.apply'))
      assert.equal(await kindOf(), 'stale')
    })

    check('a log is appended where the reader thought it stood, and facts are kept once', async ({ store, clock }) => {
      await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
      const at = await read(store, runOf(1), ['n1'])
      const { attempt, item } = placing(at.run, at.nodes, 0)
      await store.commit(null, [item])
      const worker = attempt.placement.workers[0]?.id
      assert.ok(worker !== undefined)
      assert.deepEqual(
        (await store.logCursors()).map((cursor) => [cursor.worker, cursor.offset]),
        [[worker, 0]],
      )
      clock.set(T0 + 3_000)
      const facts = [
        factOf(worker, attempt.id, 2, T0 + 2_000, stepAt(2)),
        factOf(worker, attempt.id, 1, T0 + 1_000, stepAt(1)),
      ]
      const append = appendOf(worker, attempt.id, 0, 'two lines\n', facts)
      await store.appendLogs([append], DEFAULT_LOG_BYTES_MAX)
      await store.appendLogs([append], DEFAULT_LOG_BYTES_MAX)
      const books = await booksOf(store, attempt.id)
      assert.deepEqual(
        books.facts.map((fact) => fact.sequence),
        [1, 2],
      )
      const log = await store.log(worker, 4, 1_000)
      assert.equal(new TextDecoder().decode(log.bytes), 'lines\n')
      const end = await store.log(worker, -3, 1_000)
      assert.deepEqual([new TextDecoder().decode(end.bytes), end.nextOffset], ['es\n', log.nextOffset])
      assert.equal((await store.log(worker, -1_000, 1_000)).offset, 0)
    })

    check('the end of a log is kept once, where the log is not followed', async ({ store }) => {
      await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
      const at = await read(store, runOf(1), ['n1'])
      const { attempt, item } = placing(at.run, at.nodes, 0)
      await store.commit(null, [item])
      const followed = attempt.placement.workers[0]?.id
      assert.ok(followed !== undefined)
      const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
      const other = workerIdOf(attempt.id, 300)
      for (const text of ['the end\n', 'another end\n']) {
        await store.keepTail(attempt.id, other, bytes(text))
        await store.keepTail(attempt.id, followed, bytes(text))
      }
      await store.keepTail(attempt.id, workerIdOf(attempt.id, 301), bytes(''))
      const text = async (worker: WorkerId): Promise<string> =>
        new TextDecoder().decode((await store.log(worker, 0, 1_000)).bytes)
      assert.deepEqual([await text(other), await text(followed)], ['the end\n', ''])
      assert.ok((await store.log(other, 0, 1_000)).complete)
      assert.deepEqual(
        (await store.logCursors()).map((cursor) => cursor.worker),
        [followed],
        'nothing more of it is waited for',
      )
    })

    check(
      'what is due goes on after the attempt that was looked at last, and begins again',
      async ({ store, clock }) => {
        const runs = [1, 2, 3].map((number) => runOf(number))
        await filled(store, { nodes: ['n1'], runs })
        const attempts: AttemptId[] = []
        for (const [slot, run] of runs.entries()) {
          const at = await read(store, run, ['n1'])
          const { attempt, item } = placing(at.run, at.nodes, 0, [slot])
          await store.commit(null, [item])
          attempts.push(attempt.id)
        }
        clock.set(T0 + 2 * CELL_MS)
        const [one, two, three] = attempts.toSorted()
        assert.ok(one !== undefined && two !== undefined && three !== undefined)
        for (const [last, due] of [
          [null, [one, two, three]],
          [one, [two, three, one]],
          [three, [one, two, three]],
        ] as const)
          assert.deepEqual(await store.booksDue(clock.now(), last), due)
      },
    )

    check(
      'a revision is a compare-and-set; no balance is ever negative; a later fact reopens',
      async ({ store, clock }) => {
        await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
        const epoch = (await store.takeLead('a', 10_000, true)) ?? 0
        const at = await read(store, runOf(1), ['n1'])
        const { attempt, item } = placing(at.run, at.nodes, 0)
        await store.commit(epoch, [item])
        clock.set(T0 + 2 * CELL_MS)
        await store.commit(epoch, [itemOf('book', [{ kind: 'book', node: nodeId('n1') }])])
        assert.deepEqual(await store.booksDue(clock.now(), null), [attempt.id])
        const { books } = await booksOf(store, attempt.id)
        const first = {
          revisions: [revisionOf(attempt.id, CELL0, 1, { productive: 100 }, withStep(5))],
          books: postedTo(books, CELL0),
          reopen: [],
        }
        assert.ok(await store.writeBooks(epoch, first))
        assert.equal(await store.writeBooks(epoch, first), false, 'somebody was faster')
        const moved = {
          ...first,
          revisions: [revisionOf(attempt.id, CELL0, 2, { productive: -40, lost: 40 }, withStep(5))],
        }
        assert.ok(await store.writeBooks(epoch, moved))
        const [cell] = (await booksOf(store, attempt.id)).cells
        assert.deepEqual(cell?.balance, { productive: 60, lost: 40 })
        const negative = {
          ...first,
          revisions: [revisionOf(attempt.id, CELL0, 3, { productive: -61, lost: 61 }, EMPTY_SUMMARY)],
        }
        await assert.rejects(store.writeBooks(epoch, negative), /balance/)
        assert.ok(
          await store.writeBooks(epoch, { ...first, revisions: [], reopen: [{ attempt: attempt.id, afterStep: 4 }] }),
        )
        assert.equal((await booksOf(store, attempt.id)).books.dirtyFrom, CELL0)
        assert.equal(await store.writeBooks(epoch - 1, { ...first, revisions: [] }), false, 'only the leader posts')
      },
    )

    check('facts that come in between the read and the write of the books reopen what was written', async (bench) => {
      const { store, clock } = bench
      await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
      const epoch = (await store.takeLead('a', 10_000, true)) ?? 0
      const at = await read(store, runOf(1), ['n1'])
      const { attempt, item } = placing(at.run, at.nodes, 0)
      await store.commit(epoch, [item])
      const worker = attempt.placement.workers[0]?.id
      assert.ok(worker !== undefined)
      clock.set(T0 + 2 * CELL_MS)
      await store.commit(epoch, [itemOf('book', [{ kind: 'book', node: nodeId('n1') }])])
      const { books } = await booksOf(store, attempt.id)
      const fact = factOf(worker, attempt.id, 1, T0 + 1_000, stepAt(1))
      await store.appendLogs([appendOf(worker, attempt.id, 0, 'a line\n', [fact])], DEFAULT_LOG_BYTES_MAX)
      const revisions = [revisionOf(attempt.id, CELL0, 1, { unknown: 600_000 })]
      assert.ok(
        await store.writeBooks(epoch, { revisions, books: { ...postedTo(books, CELL0), closed: true }, reopen: [] }),
      )
      const later = (await booksOf(store, attempt.id)).books
      assert.deepEqual([later.dirtyFrom, later.closed], [CELL0, false])
      const again = { revisions: [], books: postedTo(later, CELL0), reopen: [] }
      assert.ok(await store.writeBooks(epoch, again))
      assert.equal((await booksOf(store, attempt.id)).books.dirtyFrom, null, 'this time nothing came in')
      await assert.rejects(bench.tamper('posting'))
    })

    check(
      'what another attempt reopens stays open, though it is written from an older read',
      async ({ store, clock }) => {
        await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
        const epoch = (await store.takeLead('a', 10_000, true)) ?? 0
        const at = await read(store, runOf(1), ['n1'])
        const { attempt, item } = placing(at.run, at.nodes, 0)
        await store.commit(epoch, [item])
        clock.set(T0 + 2 * CELL_MS)
        await store.commit(epoch, [itemOf('book', [{ kind: 'book', node: nodeId('n1') }])])
        const { id } = attempt
        const reopen = [{ attempt: id, afterStep: 4 }]
        const revisions = [revisionOf(id, CELL0, 1, { productive: 100 }, withStep(5))]
        // Both before anything of it is posted and after.
        for (const written of [revisions, []]) {
          const { books } = await booksOf(store, id)
          const other = { ...books, attempt: attemptIdOf(at.run.id, 2) }
          assert.ok(await store.writeBooks(epoch, { revisions: [], books: other, reopen }))
          const closed = { ...postedTo(books, CELL0), closed: true }
          assert.ok(await store.writeBooks(epoch, { revisions: written, books: closed, reopen: [] }))
          const later = (await booksOf(store, id)).books
          assert.deepEqual([later.dirtyFrom, later.closed], [CELL0, false])
          assert.ok(await store.writeBooks(epoch, { revisions: [], books: postedTo(later, CELL0), reopen: [] }))
          assert.equal((await booksOf(store, id)).books.dirtyFrom, null)
        }
      },
    )

    check(
      'silence that was not known when a cell was posted reopens it once it is, and a word of another source does not hide a mark',
      async (bench) => {
        const { store, clock } = bench
        await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
        const epoch = (await store.takeLead('a', 10_000, true)) ?? 0
        const at = await read(store, runOf(1), ['n1'])
        const { attempt, item } = placing(at.run, at.nodes, 0)
        await store.commit(epoch, [item])
        const worker = attempt.placement.workers[0]?.id
        assert.ok(worker !== undefined)
        clock.set(T0 + 3 * CELL_MS)
        await store.commit(epoch, [itemOf('book', [{ kind: 'book', node: nodeId('n1') }])])
        const first = appendOf(worker, attempt.id, 0, 'a line\n', [
          factOf(worker, attempt.id, 1, T0 + 1_000, stepAt(1)),
        ])
        await store.appendLogs([first], DEFAULT_LOG_BYTES_MAX)
        const post = async (revisions: Parameters<typeof store.writeBooks>[1]['revisions'], cell: number) => {
          const { books } = await booksOf(store, attempt.id)
          const posted = { ...postedTo(books, cell), source: logSource(worker), dirtyFrom: null, closed: true }
          assert.ok(await store.writeBooks(epoch, { revisions, books: posted, reopen: [] }))
          return (await booksOf(store, attempt.id)).books.dirtyFrom
        }
        const next = CELL0 + CELL_MS
        await post([revisionOf(attempt.id, CELL0, 1, { unknown: 600_000 })], CELL0)
        const quiet = { ...first, fromOffset: first.nextOffset, bytes: new Uint8Array(), facts: [], lastLineAt: null }
        await store.appendLogs([{ ...quiet, observedTo: epochMs(T0 + 2 * CELL_MS) }], DEFAULT_LOG_BYTES_MAX)
        const reopened = (await booksOf(store, attempt.id)).books
        assert.deepEqual([reopened.dirtyFrom, reopened.closed], [CELL0, false])
        await post([revisionOf(attempt.id, next, 1, { unknown: 600_000 })], next)
        await store.appendLogs([{ ...quiet, observedTo: epochMs(T0 + 2 * CELL_MS + 9) }], DEFAULT_LOG_BYTES_MAX)
        assert.equal((await booksOf(store, attempt.id)).books.dirtyFrom, null, 'what is not posted needs no reopening')
        const far = T0 + 2 * CELL_MS
        const stranger = { ...factOf(worker, attempt.id, 1, far + 1_000, stepAt(2)), source: 'log:another' }
        await store.appendLogs(
          [appendOf(worker, attempt.id, quiet.nextOffset, 'x\n', [stranger])],
          DEFAULT_LOG_BYTES_MAX,
        )
        await post([], next)
        await store.appendLogs(
          [
            appendOf(worker, attempt.id, quiet.nextOffset + 2, 'y\n', [
              factOf(worker, attempt.id, 2, far + 2_000, stepAt(2)),
            ]),
          ],
          DEFAULT_LOG_BYTES_MAX,
        )
        assert.equal(
          (await booksOf(store, attempt.id)).books.dirtyFrom,
          CELL0,
          'the mark covers back into what is posted',
        )
      },
    )

    check('a log that is read further makes cells due that were posted before it was', async ({ store, clock }) => {
      await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
      const epoch = (await store.takeLead('a', 10_000, true)) ?? 0
      const at = await read(store, runOf(1), ['n1'])
      const { attempt, item } = placing(at.run, at.nodes, 0)
      await store.commit(epoch, [item])
      const worker = attempt.placement.workers[0]?.id
      assert.ok(worker !== undefined)
      clock.set(T0 + 2 * CELL_MS)
      await store.commit(epoch, [itemOf('book', [{ kind: 'book', node: nodeId('n1') }])])
      const lookedAt = (moment: number): Promise<void> =>
        store.appendLogs(
          [{ ...appendOf(worker, attempt.id, 0, '', []), observedTo: epochMs(moment) }],
          DEFAULT_LOG_BYTES_MAX,
        )
      await lookedAt(T0 + 1_000)
      const { books } = await booksOf(store, attempt.id)
      const revisions = [revisionOf(attempt.id, CELL0, 1, { unknown: 600_000 })]
      assert.ok(await store.writeBooks(epoch, { revisions, books: postedTo(books, CELL0), reopen: [] }))
      assert.equal((await booksOf(store, attempt.id)).books.dirtyFrom, null)
      await lookedAt(T0 + 2_000)
      assert.equal((await booksOf(store, attempt.id)).books.dirtyFrom, null, 'the cell is not read to its end')
      await lookedAt(T0 + CELL_MS + 1_000)
      const later = (await booksOf(store, attempt.id)).books
      assert.equal(later.dirtyFrom, CELL0)
      assert.ok(await store.writeBooks(epoch, { revisions: [], books: postedTo(later, CELL0), reopen: [] }))
      await lookedAt(T0 + CELL_MS + 2_000)
      assert.equal((await booksOf(store, attempt.id)).books.dirtyFrom, null)
    })

    check(
      'reports: a repeat changes nothing, ranks are added, a later process of a rank replaces the earlier one',
      async ({ store, clock }) => {
        await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
        const at = await read(store, runOf(1), ['n1'])
        const { attempt, item } = placing(at.run, at.nodes, 0)
        await store.commit(null, [item])
        clock.set(T0 + 2_000)
        const report = (rank: number, process: string, counts: number[], startedAt = T0) => ({
          attempt: attempt.id,
          rank,
          process,
          startedAt: epochMs(startedAt),
          reporter: 'test',
          obeys: [],
          receivedAt: epochMs(T0 + 2_000),
          facts: [
            {
              source: reporterSource(attempt.id, rank, process),
              sequence: 1,
              attempt: attempt.id,
              at: epochMs(T0 + 1_000),
              sentAt: epochMs(T0 + 1_000),
              body: stepAt(7),
            },
          ],
          frames: [
            {
              step: 7,
              at: epochMs(T0 + 1_000),
              layers: ['a', 'b'],
              experts: 2,
              counts: new Uint32Array(counts),
              tokens: 2,
              topK: 2,
              flags: ['local'],
            },
          ],
        })
        assert.deepEqual(await store.reportable(attempt.id), { endedAt: null, checkpoint: null })
        assert.equal(await store.reportable(attemptIdOf(runOf(9).id, 1)), null)
        await store.saveReport(report(0, '00', [4, 0, 2, 2]))
        await store.saveReport(report(0, '00', [4, 0, 2, 2]))
        await store.saveReport(report(1, '01', [0, 4, 2, 2]))
        const [set] = await store.expertLayers(attempt.id)
        assert.ok(set !== undefined)
        assert.deepEqual(
          [set.names, set.experts, set.topK, set.firstStep, set.lastStep, set.frames],
          [['a', 'b'], 2, 2, 7, 7, 1],
        )
        const whole = await store.expertFrame(attempt.id, set.layers, 99)
        assert.deepEqual([[...(whole?.counts ?? [])], whole?.tokens, whole?.ranks], [[4, 4, 4, 4], 4, 2])
        assert.equal(await store.expertFrame(attempt.id, set.layers, 6), null)
        await store.saveReport(report(1, '02', [4, 4, 2, 2], T0 + 1))
        await store.saveReport(report(1, '01', [0, 4, 2, 2]))
        const replaced = await store.expertFrame(attempt.id, set.layers, 7)
        assert.deepEqual([...(replaced?.counts ?? [])], [8, 4, 4, 4])
        const [measured] = await store.expertMeasures(attempt.id, set.layers, 0, 99)
        assert.deepEqual([measured?.step, measured?.values.length, measured?.unconserved], [7, 10, 1])
        assert.ok(Math.abs((measured?.values[0] ?? 0) - 1 / 3) < 1e-6)
        const { facts, sources } = await booksOf(store, attempt.id)
        assert.equal(facts.length, 3, 'one for each process')
        assert.deepEqual(
          sources
            .filter(({ source }) => source.startsWith('rep:'))
            .map(({ source, observedTo }) => [source, observedTo]),
          [0, 1].map((rank) => [reporterStream(attempt.id, rank), T0 + 2_000]),
        )
      },
    )

    check(
      'an ending that waits for a checkpoint asks for one, and sees the answer to its own directive alone',
      async (bench) => {
        const { store } = bench
        await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
        const at = await read(store, runOf(1), ['n1'])
        const { attempt, item } = placing(at.run, at.nodes, 0)
        await store.commit(null, [item])
        const say = (sequence: number, obeys: readonly string[], bodies: readonly FactBody[]): Promise<unknown> =>
          store.saveReport({
            attempt: attempt.id,
            rank: 0,
            process: '00',
            startedAt: epochMs(T0),
            reporter: '0.1.0',
            obeys,
            receivedAt: epochMs(T0 + 3_000 + sequence),
            facts: bodies.map((body, index) => ({
              source: reporterSource(attempt.id, 0, '00'),
              sequence: sequence + index,
              attempt: attempt.id,
              at: epochMs(T0 + 3_000),
              sentAt: epochMs(T0 + 3_000),
              body,
            })),
            frames: [],
          })
        const known = async () => (await worldOf(store)).reports.get(attempt.id)
        assert.equal(await known(), undefined)
        assert.equal(await store.resumedStep(attempt.id), null)
        await say(1, [], [{ kind: 'resumed', step: 40 }])
        assert.equal(await store.resumedStep(attempt.id), 40)
        assert.deepEqual(await known(), { obeysAt: null, saved: false, savedStep: null })
        await say(2, ['checkpoint'], [])
        assert.deepEqual(await known(), { obeysAt: T0 + 3_002, saved: false, savedStep: null })
        const [since, until] = [epochMs(T0 + 2_000), epochMs(T0 + 60_000)]
        const state = {
          kind: 'stopping',
          cause: 'stop',
          since,
          graceMs: durationMs(1),
          checkpointUntil: until,
        } as const
        await store.commit(null, [itemOf('stop', [{ kind: 'attempt', attempt: { ...attempt, state } }])])
        assert.deepEqual(await store.reportable(attempt.id), { endedAt: null, checkpoint: { since, until } })
        const answer = (id: string, outcome: string, step: number | null): FactBody => ({
          kind: 'directive',
          id,
          version: 1,
          outcome,
          step,
        })
        const own = checkpointDirective(since)
        await say(3, ['checkpoint'], [answer(own, 'received', null), answer('checkpoint-1', 'done', 3)])
        assert.equal((await known())?.saved, false)
        await say(9, ['checkpoint'], [answer(own, 'done', 42)])
        assert.deepEqual(await known(), { obeysAt: T0 + 3_009, saved: true, savedStep: 42 })
      },
    )

    check('books and audit are only added to', async (bench) => {
      const { store, clock } = bench
      await filled(store, { nodes: ['n1'], runs: [runOf(1)] })
      clock.set(T0 + 1_000)
      await store.commit(null, [itemOf('book', [{ kind: 'book', node: nodeId('n1') }])])
      for (const table of ['held', 'audit'] as const) await assert.rejects(bench.tamper(table), table)
    })

    check('to register a node again in another look changes no books', async ({ store, clock }) => {
      await filled(store, { nodes: ['n1'], runs: [] })
      clock.set(T0 + 7_000)
      const node = (await worldOf(store)).nodes.get(nodeId('n1'))
      assert.ok(node !== undefined)
      await store.commit(null, [register({ ...node, inventory: 10 })])
      clock.set(T0 + 9_000)
      await store.commit(null, [itemOf('book', [{ kind: 'book', node: nodeId('n1') }])])
      assert.deepEqual(await heldBy(store), { free: 8 * 7_000 + 10 * 2_000 })
    })
  })
}

test('a take-over between any two statements of a commit: it is whole before, or refused, never in part', async () => {
  for (let place = 0; place < 40; place += 1) {
    const database = benches.database(await benches.fresh())
    const clock = new StandingClock(T0)
    const store = postgresStore(database, clock, { blindAfterMs: BLIND_AFTER_MS, measure: measureFrame })
    try {
      await filled(store, { nodes: ['n1'], runs: [withBudget(1)] })
      const epoch = (await store.takeLead('a', 10_000, true)) ?? 0
      clock.set(T0 + 1_000)
      const at = await read(store, withBudget(1), ['n1'])
      let seen = 0
      let taken: Promise<number | null> = Promise.resolve(null)
      database.onStatement = async () => {
        if (seen === place) {
          // Not awaited: the taker waits for the row of the leader while the commit holds it.
          taken = store.takeLead('b', 10_000, true)
          await new Promise((resolve) => setImmediate(resolve))
        }
        seen += 1
      }
      const committed = await store.commit(epoch, [placing(at.run, at.nodes, 500_000).item])
      database.onStatement = null
      await taken
      const world = await worldOf(store)
      const whole = { claims: 1, attempts: 1, state: 'admitted', reserved: 500_000 }
      const nothing = { claims: 0, attempts: 0, state: 'queued', reserved: 0 }
      assert.deepEqual(
        {
          claims: world.claims.length,
          attempts: world.attempts.size,
          state: world.runs.get(at.run.id)?.state.kind,
          reserved: world.budgets.get(BUDGET)?.reserved,
        },
        committed.kind === 'committed' ? whole : nothing,
        `at statement ${place}`,
      )
      if (seen <= place) return
    } finally {
      await database.end()
    }
  }
  assert.fail('the commit has more statements than were tried')
})
