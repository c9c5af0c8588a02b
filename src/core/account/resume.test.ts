import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Budget } from '../../domain/budget.ts'
import { budgetOf, nodeOf, runOf, t, worldOf } from '../../domain/fixture.ts'
import { DEFAULT_DURATIONS } from '../../domain/settings.ts'
import { durationMs, epochMs, micros } from '../../domain/units.ts'
import { resumptions } from './resume.ts'

const HOUR = 3_600_000
const MARGIN = DEFAULT_DURATIONS.checkpointMs + DEFAULT_DURATIONS.graceMs
const DAY = 24 * HOUR
/** What a run of one GPU reserves of which nothing else is known. */
const SLICE = DAY + MARGIN

function resumed(budgets: readonly Budget[], over: Parameters<typeof runOf>[1] = {}, now = t(0)): readonly string[] {
  const state = { kind: 'suspended', by: 'budget', message: 'its reserve was used up' } as const
  const run = runOf(1, { state, budgets: budgets.map(({ id }) => id), ...over })
  const prices = new Map([['h100', { microsPerGpuHour: micros(2_000_000), currency: 'EUR' }]])
  const world = { ...worldOf({ nodes: [nodeOf('a')], runs: [run], budgets }, { prices }), now }
  const [item, ...more] = resumptions(world, DEFAULT_DURATIONS)
  assert.equal(more.length, 0)
  return item?.writes.map((write) => (write.kind === 'run' ? write.run.state.kind : write.kind)) ?? []
}

const RESUMED = ['queued', 'audit', 'event']

void test('a run that its budget suspended goes on when all that it would reserve fits, and not before', () => {
  assert.deepEqual(resumed([budgetOf('b', { limit: SLICE - 1 })]), [])
  assert.deepEqual(resumed([budgetOf('b', { limit: SLICE })]), RESUMED)
  assert.deepEqual(resumed([budgetOf('b', { limit: 2 * SLICE, used: SLICE, reserved: 1 })]), [])
  assert.deepEqual(resumed([budgetOf('b', { limit: SLICE }), budgetOf('c', { limit: 1 })]), [])
  assert.deepEqual(resumed([budgetOf('b', { limit: SLICE }), budgetOf('c', { limit: 1, hard: false })]), RESUMED)
  // What is left of its limit is all that it reserves.
  const limits = { timeMs: durationMs(HOUR), gpuMs: null }
  assert.deepEqual(resumed([budgetOf('b', { limit: HOUR + MARGIN })], { limits }), RESUMED)
})

void test('whom a person suspended, or whoever is to be stopped, is left alone', () => {
  const rich = [budgetOf('b', { limit: 10 * SLICE })]
  assert.deepEqual(resumed(rich, { state: { kind: 'suspended', by: 'person', message: '' } }), [])
  assert.deepEqual(resumed(rich, { wish: 'suspend' }), [])
})

void test('money is asked for at the price of what it may be placed on; without one nobody can say', () => {
  const euros = (limit: number): Budget => budgetOf('b', { unit: { kind: 'money', currency: 'EUR' }, limit })
  const needed = Math.ceil((SLICE * 2_000_000) / HOUR)
  assert.deepEqual(resumed([euros(needed - 1)]), [])
  assert.deepEqual(resumed([euros(needed)]), RESUMED)
  const resources = { nodes: 1, gpusPerNode: 1, gpu: ['b200'], topology: null, parallelism: {} }
  assert.deepEqual(resumed([euros(10 * needed)], { resources }), RESUMED, 'no node has it: that is placement’s to say')
})

void test('when the month turns there is money again: nobody has to ask', () => {
  const lastMinute = epochMs(Date.parse('2026-11-30T23:59:00Z'))
  const row = budgetOf('b@2026-11', {
    limit: 100 * SLICE,
    used: 100 * SLICE,
    period: {
      kind: 'window',
      series: budgetOf('b').id,
      from: epochMs(Date.parse('2026-11-01T00:00:00Z')),
      to: epochMs(Date.parse('2026-12-01T00:00:00Z')),
    },
  })
  const series = budgetOf('b', { limit: 100 * SLICE, period: { kind: 'every', every: 'month' } })
  const at = (now: number) => {
    const state = { kind: 'suspended', by: 'budget', message: '' } as const
    const run = runOf(1, { state, budgets: [series.id] })
    const world = { ...worldOf({ nodes: [nodeOf('a')], runs: [run], budgets: [series, row] }), now: epochMs(now) }
    return resumptions(world, DEFAULT_DURATIONS).length
  }
  assert.equal(at(lastMinute), 0)
  assert.equal(at(lastMinute + 60_000), 1)
})
