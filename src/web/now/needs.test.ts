import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TableRow } from '../api/documents.ts'
import type { Budget, Extension, Finding, MachineNode } from '../api/operate.ts'
import { needsOf, type Seen } from './needs.ts'

const NOW = Date.parse('2026-11-24T02:00:00Z')
const iso = (ago: number) => new Date(NOW - ago).toISOString()
const NOTHING: Seen = {
  findings: [],
  failed: [],
  holding: [],
  clusters: [],
  nodes: [],
  budgets: [],
  extensions: [],
  queue: null,
  now: NOW,
}

const finding = (over: Partial<Finding>): Finding => ({
  id: 'f',
  rule: 'no-progress',
  severity: 'critical',
  project: 'p',
  run: 'r1',
  runName: 'moe',
  attempt: 1,
  budget: null,
  since: iso(60_000),
  seenAt: iso(0),
  resolvedAt: null,
  message: 'no step',
  evidence: [],
  gpuMs: 1,
  money: null,
  whatToTry: 'look',
  ...over,
})
const node = (name: string, over: Partial<MachineNode>): MachineNode =>
  ({
    id: `c/${name}/1`,
    name,
    state: 'ready',
    reason: null,
    message: null,
    since: iso(9_000),
    gpus: 8,
    held: 0,
    ...over,
  }) as MachineNode
const row = (over: Partial<TableRow>): TableRow =>
  ({
    id: 'r2',
    project: 'p',
    name: 'x',
    state: 'failed',
    gpus: 4,
    message: 'exit 1',
    endedAt: iso(5_000),
    heldGpuMs: 7,
    money: null,
    ...over,
  }) as TableRow
const budget = (over: Partial<Budget>): Budget =>
  ({
    id: 'b',
    project: 'p',
    user: null,
    label: null,
    run: null,
    unit: 'gpu-ms',
    hard: true,
    limit: 100,
    used: 50,
    reserved: 0,
    left: 50,
    ...over,
  }) as Budget

test('nothing to see needs nobody', () => {
  assert.deepEqual(needsOf(NOTHING), [])
  assert.deepEqual(needsOf({ ...NOTHING, nodes: [node('a', {})], budgets: [budget({})] }), [])
})

test('worst first: what is critical, of that what costs most', () => {
  const findings = [
    finding({ id: 'warn', severity: 'warning', gpuMs: 900 }),
    finding({ id: 'small', gpuMs: 5 }),
    finding({ id: 'large', gpuMs: 500 }),
  ]
  assert.deepEqual(
    needsOf({ ...NOTHING, findings }).map(({ key }) => key),
    ['large', 'small', 'warn'],
  )
})

test('a rack that is away is one thing, and it is critical only where runs are on it or it is lost', () => {
  const silent = ['a', 'b', 'c', 'd'].map((name) => node(name, { state: 'suspect' }))
  const [need, ...more] = needsOf({ ...NOTHING, nodes: silent })
  assert.equal(more.length, 0)
  assert.deepEqual([need?.what, need?.gpus, need?.severity], ['4 nodes are silent', 32, 'warn'])
  assert.match(need?.evidence ?? '', /^a, b, c and 1 more · no run holds them/)
  assert.equal(needsOf({ ...NOTHING, nodes: [node('a', { state: 'suspect', held: 1 })] })[0]?.severity, 'crit')
  assert.equal(needsOf({ ...NOTHING, nodes: [node('a', { state: 'lost' })] })[0]?.severity, 'crit')
})

test('what a person cordoned, or what is being prepared, needs nobody', () => {
  const nodes = [
    node('a', { state: 'cordoned' }),
    node('b', { state: 'draining' }),
    node('c', { state: 'not-ready', reason: 'preparing-environment' }),
  ]
  assert.deepEqual(needsOf({ ...NOTHING, nodes }), [])
})

test('a budget that is reserved to its last part is said once: not where a detector speaks of it', () => {
  const budgets = [budget({ reserved: 49, left: 1 })]
  assert.equal(needsOf({ ...NOTHING, budgets })[0]?.rule, 'budget-reserved')
  const findings = [finding({ rule: 'budget-used', run: null, budget: 'b' })]
  assert.deepEqual(
    needsOf({ ...NOTHING, budgets, findings }).map(({ rule }) => rule),
    ['budget-used'],
  )
})

test('what failed is told for a day', () => {
  assert.equal(needsOf({ ...NOTHING, failed: [row({})] })[0]?.rule, 'failed')
  assert.deepEqual(needsOf({ ...NOTHING, failed: [row({ endedAt: iso(25 * 3_600_000) })] }), [])
})

test('a run of which nothing is heard is told, with the GPU-time that nobody can account for', () => {
  const running = row({
    state: 'running',
    endedAt: null,
    observedAt: iso(600_000),
    step: 10,
    totalSteps: null,
    etaMs: null,
  })
  const [need] = needsOf({ ...NOTHING, holding: [running] })
  assert.deepEqual([need?.rule, need?.gpuMs, need?.since], ['unheard', 4 * 600_000, NOW - 600_000])
})

test('a queue that is paused is told, with what waits behind it', () => {
  const queue = { paused: true, reason: 'upgrade', waiting: [{ gpus: 8 }, { gpus: 16 }] } as unknown as Seen['queue']
  const [need] = needsOf({ ...NOTHING, queue })
  assert.deepEqual([need?.rule, need?.gpus, need?.evidence], ['queue-paused', 24, 'upgrade'])
})

test('who asks for more than a limit waits for a person; what was decided does not', () => {
  const extension = (id: string, state: Extension['state']): Extension =>
    ({
      id,
      state,
      budget: 'lab',
      project: 'p',
      unit: 'gpu-ms',
      currency: null,
      amount: 12 * 3_600_000,
      reason: 'two ablations',
      askedBy: 'user:lin',
      askedAt: iso(60_000),
    }) as Extension
  const [need, ...rest] = needsOf({ ...NOTHING, extensions: [extension('x1', 'waiting'), extension('x2', 'granted')] })
  assert.deepEqual(rest, [])
  assert.equal(need?.what, 'user:lin asks for 12 GPU-h more in lab')
  assert.equal(need.evidence, 'two ablations')
})

test('a cluster that cannot be asked needs a person, and one that answers does not', () => {
  const clusters = [
    { name: 'a', health: 'reachable', message: null },
    { name: 'b', health: 'unknown', message: 'connect ETIMEDOUT' },
  ] as const
  const needs = needsOf({ ...NOTHING, clusters })
  assert.deepEqual(
    needs.map(({ severity, what, evidence }) => [severity, what, evidence]),
    [['crit', 'Cluster b cannot be asked', 'connect ETIMEDOUT']],
  )
})

test('a run of whose failure a detector speaks stands there once', () => {
  const failed = [row({ id: 'r1' }), row({ id: 'r2' })]
  const needs = needsOf({ ...NOTHING, failed, findings: [finding({ rule: 'run-failed', run: 'r1' })] })
  assert.deepEqual(
    needs.map(({ key }) => key),
    ['f', 'failed-r2'],
  )
})
