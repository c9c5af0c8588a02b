import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restartHolder } from '../../domain/claim.ts'
import { claimOf, nodeId, nodeOf, runId, runOf, t, worldOf } from '../../domain/fixture.ts'
import { attemptIdOf, workerIdOf } from '../../domain/ids.ts'
import type { Run } from '../../domain/run.ts'
import type { World } from '../../domain/world.ts'
import { candidatesOf } from './admit.ts'

void test('waiting runs come by class, then those that restart, then by age, then by name', () => {
  const runs = [
    runOf(1, { priority: 'low', createdAt: t(0) }),
    runOf(2, { createdAt: t(9) }),
    runOf(3, { createdAt: t(5) }),
    runOf(4, { createdAt: t(5) }),
    runOf(5, { createdAt: t(99) }),
    runOf(6, { priority: 'critical', createdAt: t(100) }),
    runOf(7, { wish: 'stop' }),
    runOf(8, { state: { kind: 'succeeded' } }),
  ]
  const claims = [claimOf(nodeId('a'), restartHolder(runId(5)), [0])]
  for (const order of [runs, runs.toReversed()])
    assert.deepEqual(
      candidatesOf(worldOf({ nodes: [nodeOf('a')], runs: order, claims })).map((each) => each.run),
      [6, 5, 3, 4, 2, 1].map(runId),
    )
})

const waiting = (notBefore: number, fencedUntil: number | null = null): Partial<Run> => ({
  state: { kind: 'queued', reason: 'restarting', message: '', notBefore: t(notBefore) },
  ...(fencedUntil === null
    ? {}
    : {
        fence: {
          until: t(fencedUntil),
          workers: [{ worker: workerIdOf(attemptIdOf(runId(1), 1), 0), nodeName: 'a' }],
        },
      }),
})
const paused: Partial<World> = { queue: { paused: true, reason: 'upgrade' } }
const ROWS: readonly [why: string, run: Partial<Run>, over: Partial<World>, reason: string | null][] = [
  ['nothing is wrong', {}, {}, null],
  ['the clock is behind the books', {}, { newestBookedTo: t(1), ...paused }, 'clock-behind-books'],
  ['the queue is paused', {}, paused, 'paused'],
  ['it waits before its next attempt', waiting(1), {}, 'backoff'],
  ['its old workers may still live', waiting(0, 1), {}, 'fence'],
  ['its old workers may still live and the queue is paused', waiting(1, 1), paused, 'fence'],
  ['its old workers are gone and it waits before its next attempt', waiting(1, 0), {}, 'backoff'],
  ['its wait is over', waiting(0, 0), {}, null],
  ['its cluster is not configured', {}, { clusters: new Map() }, 'cluster-unreachable'],
  [
    'its cluster cannot be asked',
    {},
    { clusters: new Map([[runOf(1).cluster, { kind: 'unknown', message: 'x' }]]) },
    'cluster-unreachable',
  ],
]
for (const [why, given, over, reason] of ROWS) {
  void test(`before nodes are looked at, ${why}: ${reason ?? 'it goes on'}`, () => {
    const run = runOf(1, given)
    assert.equal(candidatesOf(worldOf({ runs: [run] }, over))[0]?.blocked?.reason ?? null, reason)
  })
}

void test('who waits behind a fence is told which worker on which node it is', () => {
  const [candidate] = candidatesOf(worldOf({ runs: [runOf(1, waiting(0, 1))] }))
  assert.match(candidate?.blocked?.message ?? '', /node a is lost, and worker r0000000000000001-1-0 may still write/)
})
