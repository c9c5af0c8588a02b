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

void test('of a later period what it has is enough, and of an unknown need an hour', () => {
  const day = (name: string, from: string, limit: number, used: number): Budget =>
    budgetOf(`b@${name}`, {
      limit,
      used,
      period: {
        kind: 'window',
        series: budgetOf('b').id,
        from: epochMs(Date.parse(from)),
        to: epochMs(Date.parse(from) + DAY),
      },
    })
  const at = (now: string, today: number, tomorrow: number, over: Parameters<typeof runOf>[1] = {}): number => {
    const series = budgetOf('b', { limit: 20 * HOUR, period: { kind: 'every', every: 'day' } })
    const rows = [
      day('2026-11-30', '2026-11-30T00:00:00Z', 20 * HOUR, 20 * HOUR - today),
      day('2026-12-01', '2026-12-01T00:00:00Z', 20 * HOUR, 20 * HOUR - tomorrow),
    ]
    const state = { kind: 'suspended', by: 'budget', message: '' } as const
    const run = runOf(1, { state, budgets: [series.id], ...over })
    const world = {
      ...worldOf({ nodes: [nodeOf('a')], runs: [run], budgets: [series, ...rows] }),
      now: epochMs(Date.parse(now)),
    }
    return resumptions(world, DEFAULT_DURATIONS).length
  }
  // Nothing is known of its need: an hour is enough, today or across midnight.
  assert.equal(at('2026-11-30T12:00:00Z', HOUR, 0), 1)
  assert.equal(at('2026-11-30T12:00:00Z', HOUR - 1, 20 * HOUR), 0)
  assert.equal(at('2026-11-30T23:30:00Z', HOUR, 0), 0)
  assert.equal(at('2026-11-30T23:30:00Z', HOUR, HOUR / 2), 1)
  assert.equal(at('2026-11-30T23:30:00Z', HOUR, 20 * HOUR), 1)
  // A limit of ten hours: what falls into today must fit, tomorrow takes what there is.
  const known = { limits: { timeMs: durationMs(10 * HOUR), gpuMs: null } }
  assert.equal(at('2026-11-30T20:00:00Z', 4 * HOUR - 1, 20 * HOUR, known), 0)
  assert.equal(at('2026-11-30T20:00:00Z', 4 * HOUR, 0, known), 1)
  assert.equal(at('2026-11-30T12:00:00Z', 10 * HOUR, 0, known), 0, 'its end in order is needed too')
  assert.equal(at('2026-11-30T12:00:00Z', 10 * HOUR + MARGIN, 0, known), 1)
})
