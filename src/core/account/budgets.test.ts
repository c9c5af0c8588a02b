import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Budget } from '../../domain/budget.ts'
import { attemptOf, budgetOf, nodeOf, runOf, t, worldOf } from '../../domain/fixture.ts'
import { rowAt } from '../../domain/period.ts'
import { DEFAULT_DURATIONS } from '../../domain/settings.ts'
import { durationMs, gpuMs } from '../../domain/units.ts'
import { decideBudgets } from './budgets.ts'

const HOUR = 3_600_000
const MARGIN = DEFAULT_DURATIONS.checkpointMs + DEFAULT_DURATIONS.graceMs

/** A run of one GPU that was granted `granted` and has posted `posted`. */
function decide(
  budget: Budget,
  granted: number,
  posted: number,
  deadline: number | null = null,
  over: Parameters<typeof runOf>[1] = {},
) {
  const run = runOf(1, { budgets: [budget.id], ...over })
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

/** What a run without limits and estimate reserves. */
const SLICE = 24 * HOUR + MARGIN

void test('a reserve with more than a fifth of a slice left is let be', () => {
  const left = 5 * HOUR
  assert.deepEqual(decide(LARGE, 10 * HOUR, 5 * HOUR, left - 60_000), { asked: [], moved: [], stops: 0 })
})

void test('with a fifth left it is filled up to a slice, and the deadline moves with it', () => {
  const { asked, moved, stops } = decide(LARGE, 10 * HOUR, 6 * HOUR, 0)
  assert.deepEqual({ asked, moved, stops }, { asked: [SLICE - 4 * HOUR], moved: [SLICE - 60_000], stops: 0 })
})

void test('a run whose limit or estimate is covered asks for nothing more, however little that is', () => {
  const limited = { limits: { timeMs: durationMs(5 * 60_000), gpuMs: null } }
  const reserve = 5 * 60_000 + MARGIN
  assert.deepEqual(decide(LARGE, reserve, 0, 5 * 60_000, limited), { asked: [], moved: [], stops: 0 })
  // Its end is the limit's affair, though no more than the room to end is left.
  assert.equal(decide(FULL, MARGIN, 0, 0, { limits: { timeMs: durationMs(1), gpuMs: null } }).stops, 0)
  // A start that took a minute is made up for.
  assert.deepEqual(decide(LARGE, reserve, 60_000, 0, limited).asked, [60_000])
  assert.deepEqual(decide(LARGE, HOUR / 4 + MARGIN, 0, 0, { estimateP80: gpuMs(HOUR / 4) }).asked, [])
  // An estimate that was wrong says nothing more.
  assert.deepEqual(decide(LARGE, MARGIN, 0, 0, { estimateP80: gpuMs(HOUR), paidGpuMs: gpuMs(HOUR) }).asked, [24 * HOUR])
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
  assert.deepEqual(decide(soft, 10 * HOUR, 10 * HOUR), { asked: [SLICE], moved: [], stops: 0 })
})

void test('a deadline is told again only when it differs by more than a second', () => {
  assert.deepEqual(decide(FULL, 10 * HOUR, 0, ENDS - 1_000).moved, [])
  assert.deepEqual(decide(FULL, 10 * HOUR, 0, ENDS - 1_001).moved, [ENDS])
})

void test('what was booked beyond the reserve is not paid by the next slice', () => {
  assert.deepEqual(decide(LARGE, 10 * HOUR, 11 * HOUR).moved, [SLICE - 60_000])
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

const MIDNIGHT = Math.ceil(t(0) / (24 * HOUR)) * 24 * HOUR - t(0)

/** A run of one GPU, `before` midnight, under a budget a day: what it has of today and of tomorrow, and what each day has left. */
function overnight(before: number, granted: readonly [number, number], limits: readonly [number, number]) {
  const lab = budgetOf('b', { period: { kind: 'every', every: 'day' }, limit: 0 })
  const rows = [MIDNIGHT - 1, MIDNIGHT].map((at, index) => {
    const row = rowAt(lab, t(at), () => undefined)
    assert.ok(row !== null)
    return { ...row, reserved: granted[index] ?? 0, limit: limits[index] ?? 0 }
  })
  const run = runOf(1, { budgets: [lab.id] })
  const { attempt, claims } = attemptOf(run, 1, [{ node: 'a', slots: [0] }], { state: { kind: 'running' } })
  const now = t(MIDNIGHT - before)
  const world = worldOf(
    {
      nodes: [nodeOf('a', { bookedTo: now, lastObserved: now })],
      runs: [{ ...run, state: { kind: 'running', attempt: attempt.id } }],
      attempts: [attempt],
      claims,
      budgets: [lab, ...rows],
    },
    {
      now,
      reserves: rows.map((row, index) => ({
        run: run.id,
        budget: row.id,
        granted: granted[index] ?? 0,
        posted: 0,
        charge: 0n,
      })),
    },
  )
  const step = decideBudgets(world, DEFAULT_DURATIONS)
  const writes = step.items.flatMap((item) => item.writes)
  return {
    asked: writes.flatMap((write) => (write.kind === 'reserve' ? [[write.at - t(MIDNIGHT), write.amount]] : [])),
    ends: writes.flatMap((write) => (write.kind === 'attempt' ? [(write.attempt.deadlineAt ?? 0) - t(MIDNIGHT)] : [])),
    stops: step.stop.length,
  }
}

const PLENTY = 1_000 * HOUR
const GRACE: number = DEFAULT_DURATIONS.graceMs

void test('what a period that is over went beyond its limit stops nobody', () => {
  const run = runOf(1, { budgets: ['b' as Budget['id']] })
  const { attempt, claims } = attemptOf(run, 1, [{ node: 'a', slots: [0] }], { state: { kind: 'running' } })
  const period = { kind: 'window', series: 'b' as Budget['id'], from: t(-24 * HOUR) } as const
  const stops = (to: number): number => {
    const row = budgetOf('b@1', { limit: 9 * HOUR, used: 9 * HOUR, reserved: 1, period: { ...period, to: t(to) } })
    const living = { ...run, state: { kind: 'running', attempt: attempt.id } } as const
    // What was rounded up, when it was reserved, is still there.
    const reserves = [{ run: run.id, budget: row.id, granted: 2, posted: 1, charge: 1n }]
    const world = worldOf(
      { nodes: [nodeOf('a')], runs: [living], attempts: [attempt], claims, budgets: [row] },
      { reserves },
    )
    return decideBudgets(world, DEFAULT_DURATIONS).stop.length
  }
  assert.equal(stops(1), 1)
  assert.equal(stops(0), 0)
})

void test('shortly before midnight what is asked for is tomorrow’s, and the deadline goes beyond', () => {
  assert.deepEqual(overnight(HOUR, [HOUR, 0], [PLENTY, PLENTY]), {
    asked: [[0, SLICE - HOUR]],
    ends: [SLICE - HOUR - GRACE],
    stops: 0,
  })
})

void test('where tomorrow has no money the run ends at midnight, and is stopped in time for a checkpoint', () => {
  assert.deepEqual(overnight(HOUR, [HOUR, 0], [PLENTY, 0]), { asked: [], ends: [-GRACE], stops: 0 })
  assert.equal(overnight(MARGIN, [MARGIN, 0], [PLENTY, 0]).stops, 1)
})

void test('where today has no more, what tomorrow has is out of reach', () => {
  const { asked, ends, stops } = overnight(2 * HOUR, [HOUR, 0], [HOUR, PLENTY])
  assert.deepEqual({ asked, ends, stops }, { asked: [], ends: [-HOUR - GRACE], stops: 0 })
})

void test('a day that is short by a little before a paid one is filled up at once: else the run would end there', () => {
  assert.deepEqual(overnight(10 * HOUR, [10 * HOUR - 7, 20 * HOUR], [PLENTY, PLENTY]).asked, [[-10 * HOUR, 7]])
})
