import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deadlineAt } from './deadline.ts'
import { budgetOf, runOf, t } from './fixture.ts'
import { DEFAULT_DURATIONS } from './settings.ts'
import { durationMs, gpuMs, micros } from './units.ts'

const RESOURCES = { nodes: 2, gpusPerNode: 2, gpu: [], topology: null, parallelism: {} }
const ATTEMPT = { plannedAt: t(0) }
const PRICE = { microsPerGpuHour: micros(1_000_000), currency: 'EUR' }

function due(
  run: Partial<Parameters<typeof deadlineAt>[0]>,
  budgets: readonly [ReturnType<typeof budgetOf>, number][],
) {
  const whole = runOf(1, { resources: RESOURCES, budgets: budgets.map(([budget]) => budget.id), ...run })
  const granted = new Map(budgets.map(([budget, amount]) => [budget.id, amount]))
  const at = deadlineAt(
    whole,
    ATTEMPT,
    (id) => ({ run: whole.id, budget: id, granted: granted.get(id) ?? 0, posted: 0, charge: 0n }),
    (id) => budgets.find(([budget]) => budget.id === id)?.[0],
    PRICE,
    [{ gpus: 4, from: t(10_000) }],
    DEFAULT_DURATIONS,
  )
  return at === null ? null : at - t(0)
}

void test('without a limit and a hard budget there is no deadline', () => {
  assert.equal(due({}, []), null)
  assert.equal(due({}, [[budgetOf('soft', { hard: false }), 1_000_000]]), null)
})

void test('a reserve lasts its GPU-milliseconds divided by the GPUs, less the grace', () => {
  assert.equal(due({}, [[budgetOf('hard'), 4_000_000]]), 10_000 + 1_000_000 - 60_000)
})

void test('money lasts as long as its price says', () => {
  const money = budgetOf('money', { unit: { kind: 'money', currency: 'EUR' } })
  assert.equal(due({}, [[money, 4_000_000]]), 10_000 + 3_600_000 - 60_000)
})

void test('the earliest of all walls counts', () => {
  const limits = { timeMs: durationMs(500_000), gpuMs: gpuMs(8_000_000) }
  assert.equal(due({ limits }, [[budgetOf('hard'), 40_000_000]]), 500_000)
  assert.equal(due({ limits: { ...limits, timeMs: null } }, []), 2_000_000)
  assert.equal(due({ limits, startedAt: t(-450_000) }, []), 50_000)
  assert.equal(due({ limits: { ...limits, timeMs: null }, paidGpuMs: gpuMs(9_000_000) }, []), 0)
  assert.equal(
    due({}, [
      [budgetOf('a'), 4_000_000],
      [budgetOf('b'), 400_000],
    ]),
    10_000 + 100_000 - 60_000,
  )
})
