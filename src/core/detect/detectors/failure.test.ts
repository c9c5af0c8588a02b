import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attemptOf, nodeId, nodeOf, runOf, t } from '../../../domain/fixture.ts'
import { workerIdOf } from '../../../domain/ids.ts'
import type { Node } from '../../../domain/node.ts'
import { gpuMs } from '../../../domain/units.ts'
import { decideFindings } from '../decide.ts'
import { detect } from '../detectors.ts'
import { ATTEMPT, lookOf, marksOf, runningOf } from '../fixture.ts'
import type { Series } from '../look.ts'

const ENDED = attemptOf(runOf(1), 1, [{ node: 'n1', slots: [0] }], {
  state: {
    kind: 'ended',
    outcome: 'failed',
    failure: 'user',
    message: 'cuda-oom: secret of a log',
    verdict: {
      kind: 'cuda-oom',
      culprit: { worker: workerIdOf(ATTEMPT, 0), node: nodeId('n1'), nodeName: 'n1' },
      evidence: [{ worker: workerIdOf(ATTEMPT, 0), at: t(0), text: 'secret of a log' }],
    },
  },
  failureAt: t(1_000),
  endedAt: t(2_000),
}).attempt

test('a run that failed is told until its next attempt gets on, with what stands still meanwhile, and without a line of its log', () => {
  const run = runOf(1, { failuresInRow: 1, attempts: 1 })
  const recovering = [{ run, attempt: ENDED, gpus: 16, price: null }]
  const [sighting] = detect(lookOf(10_000, [], { recovering }))
  assert.deepEqual(
    [sighting?.rule, sighting?.severity, sighting?.since, sighting?.gpus, sighting?.subject.attempt],
    ['attempt-failed', 'warning', t(1_000), 16, ENDED.id],
  )
  assert.match(sighting?.message ?? '', /^attempt 1 failed: cuda-oom: the program needed more GPU memory/)
  assert.deepEqual(sighting?.evidence, [
    { what: 'failed first, on node', value: 'n1', at: t(0), worker: workerIdOf(ATTEMPT, 0) },
  ])
  assert.doesNotMatch(JSON.stringify(sighting), /secret/)
  const third = [{ run: { ...run, failuresInRow: 3 }, attempt: ENDED, gpus: 0, price: null }]
  const [worse] = detect(lookOf(10_000, [], { recovering: third }))
  assert.deepEqual([worse?.severity, worse?.gpus], ['critical', null])
  assert.match(worse?.message ?? '', /the third failure in a row/)

  const next = (series: Partial<Series>, now = 20_000): string[] =>
    detect(lookOf(now, [runningOf({ heardTo: t(now), ...series })], { recovering })).map(({ rule }) => rule)
  assert.deepEqual(next({}), ['attempt-failed'])
  assert.deepEqual(next({ marks: marksOf([1]) }), [])
  // It tells no progress: ten minutes are taken for it.
  assert.ok(!next({}, 600_001).includes('attempt-failed'))
})

test('where nobody is accused, evidence is whose logs tell it, or the moment alone', () => {
  const run = runOf(1, { state: { kind: 'failed', message: 'it failed' }, endedAt: t(2_000), attempts: 1 })
  const evidence = (
    lines: readonly { worker: ReturnType<typeof workerIdOf>; at: null | ReturnType<typeof t>; text: string }[],
  ) => {
    const attempt = {
      ...ENDED,
      state: {
        kind: 'ended' as const,
        outcome: 'failed' as const,
        failure: 'unknown' as const,
        message: null,
        verdict: { kind: 'collective-timeout' as const, culprit: null, evidence: lines },
      },
    }
    return detect(lookOf(10_000, [], { failed: [{ run, attempt, gpuMs: null, price: null }] }))[0]?.evidence
  }
  const [zero, one] = [workerIdOf(ATTEMPT, 0), workerIdOf(ATTEMPT, 1)]
  assert.deepEqual(
    evidence([
      { worker: one, at: t(700), text: 'secret of a log' },
      { worker: zero, at: null, text: 'exit code 1' },
      { worker: one, at: t(900), text: 'another' },
    ]),
    [
      { what: 'its end says so', value: one, at: t(700), worker: one },
      { what: 'its end says so', value: zero, at: t(1_000), worker: zero },
    ],
  )
  assert.deepEqual(evidence([]), [{ what: 'failed first', value: 'not known', at: t(1_000), worker: null }])
})

test('a run that failed for good is told for a day, with what its last attempt cost', () => {
  const run = runOf(1, { state: { kind: 'failed', message: 'it failed' }, endedAt: t(2_000), attempts: 1 })
  const failed = [{ run, attempt: ENDED, gpuMs: gpuMs(3_600_000), price: null }]
  const [sighting] = detect(lookOf(10_000, [], { failed }))
  assert.deepEqual([sighting?.rule, sighting?.severity, sighting?.since], ['run-failed', 'critical', t(2_000)])
  const [finding] = decideFindings(new Map(), sighting === undefined ? [] : [sighting], new Set(), t(99_000))
  assert.equal(finding?.gpuMs, 3_600_000, 'it costs no more while nobody looks')
  assert.deepEqual(detect(lookOf(2_000 + 24 * 3_600_000, [], { failed })), [])
})

test('a machine that is lost or not well is told with its GPUs; one that somebody took out of service is not', () => {
  const rules = (over: Partial<Node>): unknown =>
    detect(lookOf(10_000, [], { nodes: [nodeOf('n1', over)] })).map(({ rule, since, gpus }) => [rule, since, gpus])
  assert.deepEqual(rules({ condition: { kind: 'lost', since: t(9_000) } }), [['node-away', t(0), 8]])
  const unwell = { kind: 'not-ready', reason: 'nodes-not-ready', message: 'Xid 79', unhealthy: true } as const
  assert.deepEqual(rules({ condition: unwell }), [['node-away', t(10_000), 8]])
  assert.deepEqual(rules({ condition: unwell, cordon: { by: 'user:ada', reason: 'RMA' } }), [])
  assert.deepEqual(rules({ condition: { kind: 'not-ready', reason: 'preparing-environment', message: '' } }), [])
  assert.deepEqual(rules({}), [])
})
