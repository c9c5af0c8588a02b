import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attemptOf, nodeOf, runId, runOf, t, worldOf } from '../../domain/fixture.ts'
import type { Run } from '../../domain/run.ts'
import { durationMs, gpuMs } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'
import { candidatesOf } from '../admit/admit.ts'
import { ESTIMATE_P50_OF_P80, ESTIMATE_P90_OF_P80 } from '../estimate/estimate.ts'
import { expectedStart } from './expected-start.ts'
import { SETTINGS } from './fixture.ts'

const HOUR = 3_600_000
const whole = { nodes: 1, gpusPerNode: 8, gpu: [], topology: null, parallelism: {} } as const
const limited = (ms: number): Partial<Run> => ({ limits: { timeMs: durationMs(ms), gpuMs: null }, resources: whole })

/** One node of 8 GPUs, taken whole by run 9, which is limited or estimated as `over` says, since moment 0; the others wait. */
function worldWith(over: Partial<Run>, waiting: readonly Run[]): World {
  const running = runOf(9, { resources: whole, startedAt: t(0), ...over })
  const { attempt, claims } = attemptOf(running, 1, [{ node: 'a', slots: [0, 1, 2, 3, 4, 5, 6, 7] }], {
    state: { kind: 'running' },
    plannedAt: t(0),
    startedAt: t(0),
  })
  const runs = [{ ...running, state: { kind: 'running', attempt: attempt.id } } as const, ...waiting]
  return worldOf({ nodes: [nodeOf('a')], runs, attempts: [attempt], claims })
}
const when = (world: World, number: number) => {
  const found = expectedStart(world, runId(number), candidatesOf, SETTINGS)
  return found === null ? null : [found.p50 - t(0), found.p90 - t(0)]
}

void test('a run that fits starts now', () => {
  const world = worldOf({ nodes: [nodeOf('a')], runs: [runOf(1)] })
  assert.deepEqual(expectedStart(world, runId(1), candidatesOf, SETTINGS), { p50: world.now, p90: world.now })
})

void test('it starts when the limit of what runs is over, after those before it', () => {
  const first = runOf(1, limited(HOUR))
  const second = runOf(2, { resources: whole, createdAt: t(1) })
  const world = worldWith(limited(2 * HOUR), [first, second])
  assert.deepEqual(when(world, 1), [2 * HOUR, 2 * HOUR])
  assert.deepEqual(when(world, 2), [3 * HOUR, 3 * HOUR])
})

void test('an estimate gives two moments, of its median and of its ninetieth percentile', () => {
  const world = worldWith({ estimateP80: gpuMs(8 * HOUR) }, [runOf(1, { resources: whole })])
  const [p50 = 0, p90 = 0] = when(world, 1) ?? []
  assert.equal(p50, Math.ceil(t(0) + HOUR * ESTIMATE_P50_OF_P80) - t(0))
  assert.equal(p90, Math.ceil(t(0) + HOUR * ESTIMATE_P90_OF_P80) - t(0))
})

void test('behind something that nobody limited or estimated, or while the queue is paused, nothing is promised', () => {
  assert.equal(when(worldWith({}, [runOf(1, { resources: whole })]), 1), null)
  const paused = { ...worldWith(limited(HOUR), [runOf(1)]), queue: { paused: true, reason: '' } }
  assert.equal(when(paused, 1), null)
})

void test('a backoff ends by itself', () => {
  const waits = runOf(1, { state: { kind: 'queued', reason: 'backoff', message: '', notBefore: t(HOUR) } })
  assert.deepEqual(when(worldOf({ nodes: [nodeOf('a')], runs: [waits] }), 1), [HOUR, HOUR])
})
