import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attemptOf, nodeOf, runOf, t } from '../../domain/fixture.ts'
import { attemptIdOf } from '../../domain/ids.ts'
import { cellOf } from '../../domain/units.ts'
import type { Used } from './efficiency.ts'
import { efficiencyOf, hasFailed } from './efficiency.ts'
import type { AttemptAccounts } from './statement.ts'

const run = runOf(1)
const [first, second] = [attemptIdOf(run.id, 1), attemptIdOf(run.id, 2)]
const MINUTE = 60_000

function accounts(attempt: typeof first, byAccount: AttemptAccounts['byAccount'], saves: [number, number][] = []) {
  const heldGpuMs = Object.values(byAccount).reduce((sum, each) => sum + each, 0)
  const checkpointCells = saves.map(([at, gpuMs]) => ({ cell: cellOf(t(at)), gpuMs }))
  return { attempt, outcome: null, heldGpuMs, byAccount, provisionalGpuMs: 0, tokens: 0, checkpointCells }
}
const save = (attempt: typeof first, step: number, at: number) => ({ attempt, step, at: t(at) })

/** Two GPUs; a save stops both for two seconds, and they train for ten minutes between two. */
const used = (over: Partial<Used> = {}): Used => ({
  gpus: 2,
  model: { parameters: 1e9, activeParameters: 1e9 },
  tokens: 1_000_000,
  attempts: [
    accounts(first, { provision: 20_000, startup: 20_000, productive: 3_600_000, lost: 600_000, checkpoint: 8_000 }, [
      [10 * MINUTE, 4_000],
      [20 * MINUTE, 4_000],
    ]),
    accounts(
      second,
      { provision: 10_000, startup: 30_000, restore: 20_000, productive: 1_000_000, checkpoint: 4_000 },
      [[40 * MINUTE, 4_000]],
    ),
  ],
  failed: [first],
  ranOn: [first, second].map((attempt) => ({ attempt, gpuModel: 'h100', declared: false })),
  peaks: new Map([['h100', 989]]),
  saves: [save(first, 50, 10 * MINUTE), save(first, 100, 20 * MINUTE + 2_000), save(second, 150, 40 * MINUTE)],
  ...over,
})
const checkpoints = (over: Partial<Used> = {}) => efficiencyOf(used(over)).checkpoints

void test('what a save takes, how often, and what a restart took, as it was measured', () => {
  // It has trained for longer than the best interval is.
  const long = used().attempts.map((each) =>
    each.attempt === first
      ? each
      : {
          ...each,
          byAccount: { ...each.byAccount, productive: 40_000_000 },
          heldGpuMs: each.heldGpuMs + 39_000_000,
        },
  )
  const { best, meanToFailureMs, ...measured } = checkpoints({ attempts: long })
  assert.deepEqual(measured, {
    saves: 3,
    saveMs: 2_000,
    intervalMs: 600_000,
    intervalSteps: 50,
    failures: 1,
    restartMs: 30_000,
    bestUnknown: null,
  })
  // One of the prior and one of its own in about 2,000 GPU-days: 500 days of two GPUs.
  assert.equal(Math.round(meanToFailureMs / 86_400_000), 500)
  assert.deepEqual([best?.intervalMs, best?.intervalSteps], [13_145_022, 1_095])
  // Two seconds in ten minutes of what was productive and kept.
  assert.ok(best !== null && best.savedGpuMs > 132_000 && best.savedGpuMs < 133_000, String(best?.savedGpuMs))
})

void test('what was booked before the first checkpoint that is read is not divided by those that are', () => {
  const saves = used().saves.slice(1)
  assert.equal(checkpoints({ saves }).saveMs, 2_000)
})

void test('no checkpoint, no word of how long one takes, or one alone: unknown, and why', () => {
  const unknown = (over: Partial<Used>) => {
    const { best, bestUnknown } = checkpoints(over)
    assert.equal(best, null)
    return bestUnknown
  }
  assert.equal(unknown({ saves: [] }), 'no-checkpoint')
  assert.equal(unknown({ attempts: used().attempts.map((each) => ({ ...each, checkpointCells: [] })) }), 'no-save-time')
  assert.equal(unknown({ saves: [save(first, 50, 10 * MINUTE), save(second, 150, 40 * MINUTE)] }), 'no-interval')
  // Rolled back: what lies between two that do not go up is no interval.
  assert.equal(unknown({ saves: [save(first, 100, 0), save(first, 50, 10 * MINUTE)] }), 'no-interval')
  // Nothing but saves.
  assert.equal(unknown({ saves: [save(first, 50, 0), save(first, 51, 2_000)] }), 'no-interval')
  const slow = {
    attempts: [used().attempts[0], accounts(second, { startup: 1e12, productive: 1 })].flatMap((each) => each ?? []),
  }
  assert.equal(unknown(slow), 'restarts-too-slow')
  // It failed once and trained for half an hour; by others' rate of failures it should save every four hours.
  assert.equal(unknown({}), 'too-short')
})

void test('an attempt that has not trained yet, and the first one, are no restarts', () => {
  const [begun] = used().attempts
  assert.ok(begun !== undefined)
  assert.equal(checkpoints({ attempts: [begun, accounts(second, { startup: 5_000 })] }).restartMs, null)
})

void test('it never saves more than what was not productive', () => {
  const attempts = [accounts(first, { productive: 40_000_000, checkpoint: 4_000 }, [[0, 4_000]])]
  const saves = [save(first, 1, 0), save(first, 2, 86_400_000 * 2_000)]
  const { best } = checkpoints({ attempts, saves })
  assert.deepEqual([best?.ettrNow, best?.savedGpuMs], [0, 4_000])
})

void test('MFU takes the peak of what each attempt ran on; a declared slot has none, whatever its name', () => {
  const mfu = efficiencyOf(used())
  const flops = 6 * 1e9 * 1e6
  assert.ok(Math.abs((mfu.mfuProductive ?? 0) - flops / (4_600 * 989e12)) < 1e-12)
  assert.ok(Math.abs((mfu.mfuHeld ?? 0) - flops / (5_312 * 989e12)) < 1e-12)
  assert.equal(mfu.mfuUnknown, null)
  for (const ranOn of [
    [],
    used().ranOn.map((each) => ({ ...each, declared: true })),
    used().ranOn.map((each) => ({ ...each, gpuModel: 'other' })),
    [...used().ranOn, { attempt: first, gpuModel: 'a100', declared: false }],
  ]) {
    const unknown = efficiencyOf(used({ ranOn }))
    assert.deepEqual([unknown.mfuProductive, unknown.mfuHeld, unknown.mfuUnknown], [null, null, 'no-peak'])
  }
})

void test('an attempt has failed where it stood and a failure ended it', () => {
  const ended = (outcome: 'failed' | 'preempted', startedAt: number | null) => {
    const failure = outcome === 'failed' ? 'infrastructure' : null
    return hasFailed(
      attemptOf(run, 1, [{ node: nodeOf('a').name, slots: [0] }], {
        state: { kind: 'ended', outcome, failure, message: null },
        startedAt: startedAt === null ? null : t(startedAt),
      }).attempt,
    )
  }
  assert.deepEqual([ended('failed', 1), ended('preempted', 1), ended('failed', null)], [true, false, false])
})
