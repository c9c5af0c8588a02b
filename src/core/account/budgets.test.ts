import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Budget } from '../../domain/budget.ts'
import { attemptOf, budgetOf, nodeOf, runOf, t, worldOf } from '../../domain/fixture.ts'
import { DEFAULT_DURATIONS } from '../../domain/settings.ts'
import { decideBudgets } from './budgets.ts'

const HOUR = 3_600_000
const MARGIN = DEFAULT_DURATIONS.checkpointMs + DEFAULT_DURATIONS.graceMs

/** A run of one GPU that was granted `granted` and has posted `posted`. */
function decide(budget: Budget, granted: number, posted: number, deadline: number | null = null) {
  const run = runOf(1, { budgets: [budget.id] })
  const { attempt, claims } = attemptOf(run, 1, [{ node: 'a', slots: [0] }], {
    state: { kind: 'running' },
    deadlineAt: deadline === null ? null : t(deadline),
  })
  const world = worldOf(
    {
      nodes: [nodeOf('a')],
      runs: [{ ...run, state: { kind: 'running', attempt: attempt.id } }],
      attempts: [attempt],
      claims,
      budgets: [budget],
    },
    { reserves: [{ run: run.id, budget: budget.id, granted, posted, charge: BigInt(posted) }] },
  )
  const step = decideBudgets(world, DEFAULT_DURATIONS)
  const writes = step.items.flatMap((item) => item.writes)
  const asked = writes.flatMap((write) => (write.kind === 'reserve' ? [write.amount] : []))
  const moved = writes.flatMap((write) => (write.kind === 'attempt' ? [(write.attempt.deadlineAt ?? 0) - t(0)] : []))
  return { asked, moved, stops: step.stop.length }
}

const FULL = budgetOf('b', { limit: 10 * HOUR, reserved: 10 * HOUR })
const LARGE = budgetOf('b', { limit: 1_000 * HOUR, reserved: 10 * HOUR })
const ENDS = 10 * HOUR - DEFAULT_DURATIONS.graceMs

void test('a reserve with more than a fifth left is let be', () => {
  assert.deepEqual(decide(LARGE, 10 * HOUR, 7 * HOUR, 3 * HOUR - 60_000), { asked: [], moved: [], stops: 0 })
})

void test('with a fifth left another slice is asked for, and the deadline moves with it', () => {
  const left = 2 * HOUR + 24 * HOUR
  assert.deepEqual(decide(LARGE, 10 * HOUR, 8 * HOUR, 0), { asked: [24 * HOUR], moved: [left - 60_000], stops: 0 })
})

void test('a hard budget gives what it has left', () => {
  const nearly = budgetOf('b', { limit: 12 * HOUR, used: 8 * HOUR, reserved: 2 * HOUR })
  assert.deepEqual(decide(nearly, 10 * HOUR, 8 * HOUR, null).asked, [2 * HOUR])
})

void test('a reserve that cannot be extended stops the run only when no more than a checkpoint and the grace is left', () => {
  assert.equal(decide(FULL, 10 * HOUR, 10 * HOUR - MARGIN - 1).stops, 0)
  assert.equal(decide(FULL, 10 * HOUR, 10 * HOUR - MARGIN).stops, 1)
})

void test('a budget that is not hard always gives and sets no deadline', () => {
  const soft = { ...FULL, hard: false }
  assert.deepEqual(decide(soft, 10 * HOUR, 10 * HOUR), { asked: [24 * HOUR], moved: [], stops: 0 })
})

void test('a deadline is told again only when it differs by more than a second', () => {
  assert.deepEqual(decide(FULL, 10 * HOUR, 0, ENDS - 1_000).moved, [])
  assert.deepEqual(decide(FULL, 10 * HOUR, 0, ENDS - 1_001).moved, [ENDS])
})

void test('what was booked beyond the reserve is not paid by the next slice', () => {
  assert.deepEqual(decide(LARGE, 10 * HOUR, 11 * HOUR).moved, [24 * HOUR - 60_000])
})

void test('a hard budget lowered below what is promised stops those that held least, until the rest fits', () => {
  const runs = [1, 2, 3].map((number) => runOf(number, { budgets: ['b' as Budget['id']] }))
  const planned = [3_000, 1_000, 2_000]
  const made = runs.map((run, index) => {
    const { attempt, claims } = attemptOf(run, 1, [{ node: 'a', slots: [index] }], { state: { kind: 'running' } })
    return { run, claims, attempt: { ...attempt, plannedAt: t(-(planned[index] ?? 0)) } }
  })
  const world = (limit: number) =>
    worldOf(
      {
        nodes: [nodeOf('a')],
        runs: made.map(({ run, attempt }) => ({ ...run, state: { kind: 'running', attempt: attempt.id } })),
        attempts: made.map(({ attempt }) => attempt),
        claims: made.flatMap(({ claims }) => claims),
        budgets: [budgetOf('b', { limit, reserved: 30 * HOUR })],
      },
      {
        reserves: runs.map((run) => ({
          run: run.id,
          budget: 'b' as Budget['id'],
          granted: 10 * HOUR,
          posted: 0,
          charge: 0n,
        })),
      },
    )
  const stopped = (limit: number) => decideBudgets(world(limit), DEFAULT_DURATIONS).stop.map(({ run }) => run.id)
  assert.deepEqual(stopped(30 * HOUR), [])
  assert.deepEqual(stopped(29 * HOUR), [runs[1]?.id])
  assert.deepEqual(stopped(15 * HOUR), [runs[1]?.id, runs[2]?.id])
  assert.deepEqual(stopped(0), [runs[1]?.id, runs[2]?.id, runs[0]?.id])
})
