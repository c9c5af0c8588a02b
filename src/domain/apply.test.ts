import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Changes, Rows } from './apply.ts'
import { applyItem, claimKey, noChanges, reserveKey } from './apply.ts'
import type { Budget } from './budget.ts'
import { budgetOf, claimOf, nodeId, nodeOf, runId, runOf, t } from './fixture.ts'
import type { Held } from './holdings.ts'
import { heldGpuMs } from './holdings.ts'
import type { BudgetId } from './ids.ts'
import { attemptIdOf, workerIdOf } from './ids.ts'
import type { Item, Write } from './item.ts'
import type { Node } from './node.ts'
import { epochMs, micros } from './units.ts'

const BLIND = 60_000
const RUN = runOf(1)
const WORKER = workerIdOf(attemptIdOf(RUN.id, 1), 0)
const BUDGET = 'b' as BudgetId
const PRICE = { microsPerGpuHour: micros(2_000_000), currency: 'EUR' }
const CLAIM = claimOf(nodeId('a'), WORKER, [0, 1], { price: PRICE, boundAt: t(0) })

type Given = { node?: Node; claims?: (typeof CLAIM)[]; budget?: Budget; held?: Held[] }
function rowsOf({ node = nodeOf('a'), claims = [], budget = budgetOf('b'), held = [] }: Given): Rows {
  return {
    runs: new Map([[RUN.id, RUN]]),
    nodes: new Map([[node.id, node]]),
    projects: new Map([[RUN.project, { version: 1 }]]),
    claims: new Map(claims.map((claim) => [claimKey(claim.node, claim.holder), claim])),
    budgets: new Map([[budget.id, budget]]),
    reserves: new Map(),
    heldAfter: (_node, holder, after) => held.filter((row) => row.holder === holder && row.to > after),
    budgetsOf: () => [budget.id],
  }
}

function apply(
  rows: Rows,
  writes: readonly Write[],
  now: number,
  changes: Changes = noChanges(),
  expects: Item['expects'] = [],
) {
  return { result: applyItem(rows, changes, { about: 'test', expects, writes }, t(now), BLIND), changes }
}

const key = claimKey(nodeId('a'), WORKER)
const claimWrite: Write = { kind: 'claim', claim: { ...CLAIM, boundAt: null } }
const release = (paidUntil: number): Write => ({
  kind: 'release',
  node: nodeId('a'),
  holder: WORKER,
  paidUntil: epochMs(paidUntil),
})

void test('an item whose run or node moved on is stale and writes nothing', () => {
  for (const expects of [
    [{ kind: 'run', id: RUN.id, version: 2 }],
    [{ kind: 'node', id: nodeId('a'), version: 0 }],
    [{ kind: 'run', id: runId(9), version: 1 }],
    [{ kind: 'project', id: RUN.project, version: 2 }],
  ] as const) {
    const { result, changes } = apply(rowsOf({}), [{ kind: 'run', run: RUN }], 1_000, noChanges(), expects)
    assert.equal(result.kind, 'stale')
    assert.deepEqual(changes, noChanges())
  }
})

void test('an item that a hard budget refuses leaves no trace, whatever it wrote before', () => {
  const writes: Write[] = [
    claimWrite,
    { kind: 'run', run: RUN },
    { kind: 'reserve', run: RUN.id, budget: BUDGET, at: t(0), amount: 400 },
    { kind: 'reserve', run: RUN.id, budget: BUDGET, at: t(0), amount: 601 },
  ]
  const { result, changes } = apply(rowsOf({}), writes, 1_000)
  assert.deepEqual(result, { kind: 'refused', reason: 'budget', budget: BUDGET, short: 1 })
  assert.deepEqual(changes, noChanges())
})

void test('a later item of a commit sees what the earlier ones reserved', () => {
  const rows = rowsOf({})
  const reserve: Write = { kind: 'reserve', run: RUN.id, budget: BUDGET, at: t(0), amount: 600 }
  const { changes } = apply(rows, [reserve], 0)
  assert.equal(apply(rows, [reserve], 0, changes).result.kind, 'refused')
  assert.equal(changes.budgets.get(BUDGET)?.reserved, 600)
})

void test('a holding begins where the books of its node stand in the commit that places it', () => {
  const { changes } = apply(rowsOf({}), [claimWrite], 7_000)
  assert.equal(changes.claims.get(key)?.placedAt, t(7_000))
  assert.deepEqual(
    changes.held.map((row) => [row.holder, row.slots, row.to - row.from]),
    [['free', 8, 7_000]],
  )
  assert.deepEqual([...changes.touched], [nodeId('a')])
})

void test('a node that is booked ahead of the clock is not booked backwards', () => {
  const { changes } = apply(rowsOf({ node: nodeOf('a', { bookedTo: t(50_000) }) }), [claimWrite], 7_000)
  assert.equal(changes.claims.get(key)?.placedAt, t(50_000))
  assert.deepEqual(changes.held, [])
})

void test('a release books the holding, frees it and is harmless when it is repeated', () => {
  const rows = rowsOf({ claims: [CLAIM] })
  const { changes } = apply(rows, [release(Number.MAX_SAFE_INTEGER)], 10_000)
  const claim = changes.claims.get(key)
  assert.deepEqual([claim?.releasedAt, claim?.paidUntil], [t(10_000), t(10_000)])
  assert.equal(changes.budgets.get(BUDGET)?.used, 20_000)
  const before = structuredClone({ ...changes, held: [...changes.held] })
  apply(rows, [release(0)], 20_000, changes)
  assert.deepEqual(changes.held, before.held)
  assert.deepEqual(changes.claims, before.claims)
})

void test('what was charged after paidUntil is given back once, also what was booked before', () => {
  const earlier: Held = { node: nodeId('a'), from: t(0), to: t(60_000), holder: WORKER, slots: 2 }
  const node = nodeOf('a', { bookedTo: t(60_000), lastObserved: t(60_000) })
  const budget = budgetOf('b', { used: 120_000 })
  const rows = { ...rowsOf({ node, claims: [CLAIM], budget, held: [earlier] }) }
  const reserves = new Map([
    [reserveKey(RUN.id, BUDGET), { run: RUN.id, budget: BUDGET, granted: 0, posted: 120_000, charge: 120_000n }],
  ])
  const { changes } = apply({ ...rows, reserves }, [release(t(45_000))], 90_000)
  assert.equal(changes.claims.get(key)?.paidUntil, t(45_000))
  assert.equal(changes.budgets.get(BUDGET)?.used, 90_000)
})

void test('a node that is deleted is booked up to the commit and ends there, also where its books are ahead, and never ends twice', () => {
  const forget = (node: Node, now: number) =>
    apply(rowsOf({ node }), [{ kind: 'node', node: { ...node, deletedAt: t(1) }, heartbeat: false }], now).changes
  const changes = forget(nodeOf('a'), 5_000)
  const ended = changes.nodes.get(nodeId('a'))
  assert.deepEqual([ended?.bookedTo, ended?.deletedAt], [t(5_000), t(5_000)])
  assert.equal(
    changes.held.reduce((sum, row) => sum + heldGpuMs(row), 0),
    nodeOf('a').inventory * 5_000,
  )
  assert.equal(forget(nodeOf('a', { bookedTo: t(7_000) }), 5_000).nodes.get(nodeId('a'))?.deletedAt, t(7_000))
  const again = forget(nodeOf('a', { bookedTo: t(7_000), deletedAt: t(7_000) }), 9_000)
  assert.deepEqual([again.nodes.get(nodeId('a'))?.deletedAt, again.held], [t(7_000), []])
})

void test('a heartbeat has no version and books nothing, a change books what was before it', () => {
  const image = nodeOf('a', { lastObserved: t(30_000) })
  const heartbeat = apply(rowsOf({}), [{ kind: 'node', node: image, heartbeat: true }], 30_000).changes
  assert.deepEqual([heartbeat.held, [...heartbeat.touched]], [[], []])
  const foreign = apply(
    rowsOf({}),
    [{ kind: 'node', node: { ...image, foreign: 3 }, heartbeat: false }],
    30_000,
  ).changes
  assert.deepEqual(
    foreign.held.map((row) => [row.holder, row.slots]),
    [['free', 8]],
  )
  assert.equal(foreign.nodes.get(nodeId('a'))?.bookedTo, t(30_000))
})

void test('a heartbeat after a blind stretch books it as unknown first', () => {
  const image = nodeOf('a', { lastObserved: t(200_000) })
  const { changes } = apply(rowsOf({}), [{ kind: 'node', node: image, heartbeat: true }], 200_000)
  assert.deepEqual(
    changes.held.map((row) => [row.holder, (row.to - row.from) / 1_000]),
    [
      ['free', 60],
      ['unknown', 140],
    ],
  )
})

void test('what is given back is free for others, and a second time gives nothing', () => {
  const rows = rowsOf({})
  const { changes } = apply(rows, [{ kind: 'reserve', run: RUN.id, budget: BUDGET, at: t(0), amount: 900 }], 0)
  const back: Write = { kind: 'give-back', run: RUN.id, budgets: [BUDGET] }
  apply(rows, [back, back], 0, changes)
  assert.equal(changes.budgets.get(BUDGET)?.reserved, 0)
})

void test('what is held beyond midnight is charged to the next day, and a release gives back to the day that paid', () => {
  const midnight = Math.ceil(t(0) / 86_400_000) * 86_400_000 - t(0)
  const lab = budgetOf('b', { period: { kind: 'every', every: 'day' }, limit: 10 ** 9 })
  const node = nodeOf('a', { bookedTo: t(midnight - 300_000), lastObserved: t(midnight + 600_000) })
  const claim = { ...CLAIM, placedAt: t(midnight - 300_000) }
  const rows = rowsOf({ budget: lab, node, claims: [claim] })
  const { changes } = apply(rows, [{ kind: 'book', node: nodeId('a') }], midnight + 200_000)
  const used = (id: string): unknown => {
    const row = changes.budgets.get(id as BudgetId)
    return row === undefined ? null : [row.used, row.over]
  }
  const [today, tomorrow] = [midnight - 1, midnight].map((at) => `b@${new Date(t(at)).toISOString().slice(0, 10)}`)
  assert.deepEqual(
    [used(today ?? ''), used(tomorrow ?? '')],
    [
      [600_000, 600_000],
      [400_000, 400_000],
    ],
  )
  assert.equal(changes.budgets.get(BUDGET), undefined)
  // It had ended 100 s before midnight: today gets that back, tomorrow all.
  apply(rows, [release(t(midnight - 100_000))], midnight + 200_000, changes)
  assert.deepEqual([used(today ?? '')], [[400_000, 400_000]])
  assert.deepEqual([used(tomorrow ?? '')], [[0, 0]])
  assert.equal(
    changes.spent.reduce((sum, { amount }) => sum + amount, 0),
    400_000,
  )
})

void test('a run gives back what it has of every row of a series', () => {
  const lab = budgetOf('b', { period: { kind: 'every', every: 'day' } })
  const rows = rowsOf({ budget: lab })
  const reserve = (day: number): Write => ({
    kind: 'reserve',
    run: RUN.id,
    budget: BUDGET,
    at: t(day * 86_400_000),
    amount: 900,
  })
  const { changes, result } = apply(rows, [reserve(0), reserve(1)], 0)
  assert.equal(result.kind, 'applied')
  assert.deepEqual(
    [...changes.budgets.values()].map(({ reserved }) => reserved),
    [900, 900],
  )
  assert.equal(apply(rows, [reserve(1)], 0, changes).result.kind, 'refused')
  apply(rows, [{ kind: 'give-back', run: RUN.id, budgets: [BUDGET] }], 0, changes)
  assert.deepEqual(
    [...changes.budgets.values()].map(({ reserved }) => reserved),
    [0, 0],
  )
})

void test('safety: what the budget has used is what the run held until it stopped paying, whatever was booked when', () => {
  const moments = fc.array(fc.integer({ min: 1, max: 900_000 }), { maxLength: 5 })
  fc.assert(
    fc.property(moments, fc.integer({ min: -50_000, max: 1_000_000 }), (stops, paidUntil) => {
      const rows = rowsOf({
        budget: budgetOf('b', { limit: Number.MAX_SAFE_INTEGER }),
        node: nodeOf('a', { lastObserved: t(900_000) }),
      })
      const changes = noChanges()
      apply(rows, [claimWrite], 0, changes)
      for (const stop of stops.toSorted((a, b) => a - b))
        apply(rows, [{ kind: 'book', node: nodeId('a') }], stop, changes)
      apply(rows, [release(t(paidUntil))], 950_000, changes)
      const held = changes.held.filter((row) => row.holder === WORKER).reduce((sum, row) => sum + heldGpuMs(row), 0)
      assert.equal(held, 2 * 950_000)
      assert.equal(changes.budgets.get(BUDGET)?.used, 2 * Math.min(950_000, Math.max(0, paidUntil)))
      assert.equal(
        changes.held.reduce((sum, row) => sum + heldGpuMs(row), 0),
        8 * 950_000,
      )
    }),
  )
})
