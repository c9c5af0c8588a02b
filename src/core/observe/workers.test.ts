import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Attempt } from '../../domain/attempt.ts'
import type { Claim } from '../../domain/claim.ts'
import { restartHolder } from '../../domain/claim.ts'
import type { WorkerExitSeen } from '../../domain/exit.ts'
import type { Verdict } from '../../domain/failure.ts'
import { attemptOf, budgetOf, nodeId, nodeOf, runOf, t, worldOf } from '../../domain/fixture.ts'
import type { WorkerId } from '../../domain/ids.ts'
import type { Item, Write } from '../../domain/item.ts'
import type { Node } from '../../domain/node.ts'
import type { Run } from '../../domain/run.ts'
import { DEFAULT_DURATIONS } from '../../domain/settings.ts'
import { durationMs, gpuMs } from '../../domain/units.ts'
import type { WorkerFact } from './workers.ts'
import { decideWorkers } from './workers.ts'

const ITSELF = { signal: null, cause: 'itself', message: null } as const
const code = (value: number): WorkerExitSeen => ({ kind: 'code', code: value, ...ITSELF })
const STOPPED: WorkerExitSeen = { kind: 'signal', code: 0, signal: 'SIGTERM', cause: 'stop', message: null }
const RUNNING: Attempt['state'] = { kind: 'running' }
const ending = (cause: 'stop' | 'budget' | 'suspend' | 'failure' | 'never-started'): Attempt['state'] => ({
  kind: 'stopping',
  cause,
  since: t(0),
  graceMs: durationMs(60_000),
})

type Given = {
  readonly run?: Partial<Run>
  readonly attempt?: Partial<Attempt>
  /** What is known of each of the two workers beforehand. */
  readonly claims?: readonly Partial<Claim>[]
  readonly seen: readonly (Partial<Omit<WorkerFact, 'worker'>> | null)[]
  readonly nodes?: readonly string[]
  readonly lastObserved?: number
  readonly at?: number
  readonly verdict?: Partial<Verdict>
  readonly others?: readonly Node[]
}

const RUN = runOf(1)
const SEATS = [
  { node: 'a', slots: [0, 1] },
  { node: 'b', slots: [0, 1] },
]

function observe({
  run: overRun,
  attempt: overAttempt,
  claims: overClaims = [],
  seen,
  nodes = ['a', 'b'],
  lastObserved,
  at = 100_000,
  verdict = {},
  others = [],
}: Given) {
  const { attempt, claims } = attemptOf(RUN, 1, SEATS, overAttempt)
  const state: Run['state'] =
    attempt.state.kind === 'stopping'
      ? { kind: 'stopping', attempt: attempt.id, cause: attempt.state.cause }
      : { kind: 'running', attempt: attempt.id }
  const run = { ...RUN, attempts: 1, state, ...overRun }
  const workers = new Map<WorkerId, WorkerFact>()
  for (const [index, fact] of seen.entries()) {
    const worker = attempt.placement.workers[index]?.id
    if (worker !== undefined && fact !== null)
      workers.set(worker, { worker, bound: true, startedAt: null, end: null, waits: null, ...fact })
  }
  const world = worldOf(
    {
      nodes: [...['a', 'b'].map((name) => nodeOf(name, { lastObserved: t(lastObserved ?? at) })), ...others],
      runs: [run],
      attempts: [attempt],
      claims: claims.map((claim, index) => ({ ...claim, ...overClaims[index] })),
    },
    { now: t(at) },
  )
  const classify = (): Verdict => ({ kind: 'not-identified', culprit: null, evidence: [], ...verdict })
  const look = { observedAt: t(at), workers, nodes: new Set(nodes) }
  return told(decideWorkers(world, attempt, look, classify, DEFAULT_DURATIONS))
}

const last = <Kind extends Write['kind']>(item: Item, kind: Kind) =>
  item.writes.findLast((write): write is Extract<Write, { kind: Kind }> => write.kind === kind)
const all = <Kind extends Write['kind']>(item: Item, kind: Kind) =>
  item.writes.filter((write): write is Extract<Write, { kind: Kind }> => write.kind === kind)

function told(item: Item | null) {
  if (item === null) return null
  return {
    item,
    attempt: last(item, 'attempt')?.attempt,
    run: last(item, 'run')?.run,
    claims: all(item, 'claim').map((write) => write.claim),
    events: all(item, 'event').map((write) => write.event.kind),
    released: all(item, 'release').map((write) => [write.holder, write.paidUntil - t(0)]),
    gaveBack: last(item, 'give-back') !== undefined,
  }
}

const BOUND = { boundAt: t(0), startedAt: t(1_000) }

void test('a look that shows nothing new writes nothing', () => {
  assert.equal(
    observe({
      attempt: { state: RUNNING, startedAt: t(1_000) },
      claims: [BOUND, BOUND],
      seen: [{ startedAt: t(1_000) }, { startedAt: t(1_000) }],
    }),
    null,
  )
})

void test('the first process that is seen makes the attempt launching and the run starting', () => {
  const seen = observe({
    run: { state: { kind: 'admitted', attempt: attemptOf(RUN, 1, SEATS).attempt.id } },
    seen: [{}, null],
  })
  assert.equal(seen?.attempt?.state.kind, 'launching')
  assert.equal(seen?.run?.state.kind, 'starting')
  assert.deepEqual(
    seen?.claims.map((claim) => claim.boundAt),
    [t(100_000)],
  )
})

void test('an attempt runs when its last worker has started, and not before', () => {
  const attempt = { state: { kind: 'launching' } } as const
  const one = observe({ attempt, seen: [{ startedAt: t(5_000) }, {}] })
  assert.equal(one?.attempt, undefined)
  const two = observe({ attempt, seen: [{ startedAt: t(5_000) }, { startedAt: t(9_000) }] })
  assert.deepEqual([two?.attempt?.state.kind, two?.attempt?.startedAt], ['running', t(9_000)])
  assert.ok(two?.events.includes('started'))
})
void test('an attempt that started and ended between two looks has both events', () => {
  const end = { at: t(6_000), exit: code(1) }
  const seen = observe({
    attempt: { state: { kind: 'launching' } },
    seen: [
      { startedAt: t(5_000), end },
      { startedAt: t(5_000), end },
    ],
  })
  assert.ok(seen?.events.includes('started') && seen.events.includes('attempt-ended'))
})
void test('times of a worker are clamped to its holding', () => {
  const seen = observe({ seen: [{ startedAt: t(-50_000) }, { startedAt: t(900_000) }] })
  assert.deepEqual(
    seen?.claims.map((claim) => claim.startedAt),
    [t(0), t(100_000)],
  )
})
void test('when all workers exit with 0 by themselves the run has succeeded and pays until its end and grace', () => {
  const end = { at: t(30_000), exit: code(0) }
  const seen = observe({
    attempt: { state: RUNNING, startedAt: t(1_000) },
    claims: [BOUND, BOUND],
    seen: [{ end }, { end: { ...end, at: t(80_000) } }],
  })
  assert.deepEqual(seen?.attempt?.state, { kind: 'ended', outcome: 'succeeded', failure: null, message: null })
  assert.equal(seen?.run?.state.kind, 'succeeded')
  assert.equal(seen?.run?.endedAt, t(100_000))
  assert.deepEqual(
    seen?.released.map(([, until]) => until),
    [90_000, 100_000],
  )
  assert.equal(seen?.run?.paidGpuMs, 2 * 90_000 + 2 * 100_000)
  assert.ok(seen?.gaveBack)
})
void test('one worker that exits with 0 while the other runs changes nothing of the attempt', () => {
  const seen = observe({
    attempt: { state: RUNNING, startedAt: t(1_000) },
    claims: [BOUND, BOUND],
    seen: [{ end: { at: t(30_000), exit: code(0) } }, {}],
  })
  assert.equal(seen?.attempt, undefined)
  assert.deepEqual(seen?.events, ['worker-exited'])
})
void test('a failure that is known stops the rest of the gang', () => {
  const seen = observe({
    attempt: { state: RUNNING, startedAt: t(1_000) },
    claims: [BOUND, BOUND],
    seen: [{ end: { at: t(30_000), exit: code(1) } }, {}],
  })
  assert.deepEqual(seen?.attempt?.state, { kind: 'stopping', cause: 'failure', since: t(100_000), graceMs: 60_000 })
  assert.equal(seen?.attempt?.failureAt, t(100_000))
  assert.equal(seen?.run?.state.kind, 'stopping')
  assert.equal(seen?.released.length, 0)
})

const FAILED = { at: t(90_000), exit: code(1) }
const failing: Given = {
  attempt: { state: ending('failure'), startedAt: t(1_000), failureAt: t(95_000) },
  claims: [BOUND, BOUND],
  seen: [{ end: FAILED }, { end: { at: t(95_000), exit: STOPPED } }],
}

void test('the last worker gone after a failure ends the attempt, keeps the slots and waits to restart', () => {
  const seen = observe(failing)
  assert.deepEqual(seen?.attempt?.state.kind === 'ended' && [seen.attempt.state.outcome, seen.attempt.state.failure], [
    'failed',
    'unknown',
  ])
  assert.ok(seen?.run?.state.kind === 'queued')
  assert.deepEqual([seen.run.state.reason, seen.run.state.notBefore], ['restarting', t(101_000)])
  assert.deepEqual([seen.run.restartsLeft.unknown, seen.run.failuresInRow], [2, 1])
  const holds = seen.claims.filter((claim) => claim.holder === restartHolder(RUN.id))
  assert.deepEqual(
    holds.map((claim) => [claim.node, claim.slots, claim.until]),
    [
      [nodeId('a'), [0, 1], t(1_000_000)],
      [nodeId('b'), [0, 1], t(1_000_000)],
    ],
  )
  assert.equal(seen.gaveBack, false)
})
void test('the wait before a restart doubles with each failure in a row, up to its limit', () => {
  for (const [failuresInRow, waitMs] of [
    [0, 1_000],
    [3, 8_000],
    [8, 256_000],
    [9, 300_000],
    [5_000, 300_000],
  ] as const) {
    const state = observe({ ...failing, run: { failuresInRow } })?.run?.state
    assert.equal(state?.kind === 'queued' && state.notBefore !== null && state.notBefore - t(100_000), waitMs)
  }
})
void test('a run that fails waits for the fence only when a worker that nobody saw end is on a lost node', () => {
  const losing = (name: string, over: Partial<Given> = {}) =>
    observe({ ...failing, ...over, others: [nodeOf(name, { condition: { kind: 'lost', since: t(0) } })] })
  const own = losing('b', { claims: [BOUND, { ...BOUND, endedAt: t(9_000), exit: { ...STOPPED, kind: 'gone' } }] })
  const fenced = [losing('c'), losing('b'), own].map((each) => each?.run?.fence?.workers.length)
  assert.deepEqual(fenced, [undefined, undefined, 1])
  assert.deepEqual(
    own?.claims.filter((claim) => claim.attempt === null).map((claim) => claim.node),
    [nodeId('a')],
  )
})
void test('without a restart left the run has failed and holds nothing', () => {
  const seen = observe({ ...failing, run: { restartsLeft: { infrastructure: 1, unknown: 0, user: 1 } } })
  assert.equal(seen?.run?.state.kind, 'failed')
  assert.ok(seen?.gaveBack)
  assert.deepEqual(
    seen?.claims.filter((claim) => claim.attempt === null),
    [],
  )
})

const stopped = { end: { at: t(90_000), exit: STOPPED } }
const SAVED = { end: { at: t(90_000), exit: code(0) } }
const WISHES: readonly [
  why: string,
  wish: Run['wish'],
  cause: Parameters<typeof ending>[0],
  state: string,
  outcome: string,
  saved?: boolean,
][] = [
  ['one that ends well once it has saved for a suspension', 'suspend', 'suspend', 'suspended', 'suspended', true],
  ['one that ends well once it has saved for a stop', 'stop', 'stop', 'cancelled', 'stopped', true],
  ['one that ends well once it has saved for its budget', 'run', 'budget', 'suspended', 'suspended', true],
  ['a run that was stopped is cancelled', 'stop', 'stop', 'cancelled', 'stopped'],
  ['a run that was stopped at once is cancelled', 'stop-now', 'stop', 'cancelled', 'stopped'],
  ['a run that was suspended is suspended', 'suspend', 'suspend', 'suspended', 'suspended'],
  ['a run whose budget could not be extended is suspended', 'run', 'budget', 'suspended', 'suspended'],
  ['a stop counts for more than a failure', 'stop', 'failure', 'cancelled', 'failed'],
]
for (const [why, wish, cause, state, outcome, saved = false] of WISHES) {
  void test(why, () => {
    const [asked, end] = saved ? [{ checkpointUntil: t(600_000) }, SAVED] : [{}, stopped]
    const seen = observe({
      run: { wish },
      attempt: { state: { ...ending(cause), ...asked }, startedAt: t(1_000) },
      claims: [BOUND, BOUND],
      seen: [end, end],
    })
    assert.equal(seen?.run?.state.kind, state)
    assert.equal(seen?.attempt?.state.kind === 'ended' && seen.attempt.state.outcome, outcome)
    assert.ok(seen?.gaveBack)
    if (state === 'suspended') assert.equal(seen?.run?.wish, 'run')
  })
}

const LIMITS: readonly [why: string, run: Partial<Run>, state: string, message: string][] = [
  [
    'its limit of time',
    { limits: { timeMs: durationMs(90_000), gpuMs: null }, startedAt: t(0) },
    'failed',
    'limits.time is used up',
  ],
  [
    'its limit of GPU-hours',
    { limits: { timeMs: null, gpuMs: gpuMs(100_000) } },
    'failed',
    'limits.gpuHours are used up',
  ],
  ['its reserve', {}, 'suspended', 'its reserve was used up'],
  [
    'its reserve, long before its limits',
    { limits: { timeMs: durationMs(900_000), gpuMs: gpuMs(900_000) }, startedAt: t(0) },
    'suspended',
    'its reserve was used up',
  ],
]
for (const [why, over, state, message] of LIMITS) {
  void test(`an attempt that the cluster ended at ${why} leaves its run ${state}, with or without a budget`, () => {
    for (const budgets of [[], [budgetOf('b').id]]) {
      const end = { at: t(95_000), exit: { ...STOPPED, cause: 'deadline' as const } }
      const seen = observe({
        run: { ...over, budgets },
        attempt: { state: RUNNING, startedAt: t(1_000) },
        claims: [BOUND, BOUND],
        seen: [{ end }, { end }],
      })
      assert.equal(seen?.run?.state.kind, state)
      assert.equal(seen?.run !== undefined && 'message' in seen.run.state && seen.run.state.message, message)
      assert.equal(seen?.attempt?.state.kind === 'ended' && seen.attempt.state.outcome, 'deadline')
    }
  })
}

void test('a stop of a program that exits with 0 is a stop, not a success', () => {
  const end = { at: t(90_000), exit: { ...code(0), cause: 'stop' as const } }
  const seen = observe({
    run: { wish: 'stop' },
    attempt: { state: ending('stop'), startedAt: t(1_000) },
    claims: [BOUND, BOUND],
    seen: [{ end }, { end }],
  })
  assert.equal(seen?.run?.state.kind, 'cancelled')
})
void test('a worker that was seen and is missing is gone only when this look saw its node', () => {
  const given: Given = {
    attempt: { state: RUNNING, startedAt: t(1_000) },
    claims: [BOUND, BOUND],
    seen: [null, { startedAt: t(1_000) }],
  }
  assert.equal(observe({ ...given, nodes: ['b'] }), null)
  const seen = observe(given)
  assert.deepEqual(
    seen?.claims.map((claim) => [claim.exit?.kind, claim.endedAt]),
    [['gone', t(100_000)]],
  )
  assert.equal(seen?.attempt?.state.kind, 'stopping')
})
void test('an end that nobody saw was when its node was last observed, whoever says that it is gone', () => {
  const gone = { kind: 'gone', code: 0, signal: null, cause: 'unknown', message: null } as const
  const seen = observe({
    attempt: { state: RUNNING, startedAt: t(1_000) },
    claims: [BOUND, BOUND],
    seen: [{ end: { at: null, exit: gone } }, { startedAt: t(1_000) }],
    lastObserved: 40_000,
  })
  assert.deepEqual(
    seen?.claims.map((claim) => claim.endedAt),
    [t(40_000)],
  )
})
void test('an empty list of a cluster that saw no node ends nothing', () => {
  assert.equal(
    observe({
      attempt: { state: RUNNING, startedAt: t(1_000) },
      claims: [BOUND, BOUND],
      seen: [null, null],
      nodes: [],
    }),
    null,
  )
})
void test('a worker that was never seen is not gone, until its attempt was asked to end and no launch can be under way', () => {
  assert.equal(observe({ seen: [null, null] }), null)
  assert.equal(observe({ attempt: { state: ending('stop') }, seen: [null, null], at: 15_000 }), null)
  const seen = observe({ run: { wish: 'stop' }, attempt: { state: ending('stop') }, seen: [null, null], at: 15_001 })
  assert.equal(seen?.run?.state.kind, 'cancelled')
})
void test('a gang that has not wholly started in time is ended as never started', () => {
  const given: Given = {
    attempt: { state: { kind: 'launching' } },
    claims: [BOUND, {}],
    seen: [{ startedAt: t(1_000) }, null],
  }
  assert.equal(observe({ ...given, at: 600_000 }), null)
  const seen = observe({ ...given, at: 600_001 })
  assert.deepEqual(seen?.attempt?.state.kind === 'stopping' && seen.attempt.state.cause, 'never-started')
})

void test('what a claim learnt about its end is never taken back', () => {
  const over = { ...BOUND, endedAt: t(50_000), exit: code(0) }
  assert.equal(
    observe({
      attempt: { state: RUNNING, startedAt: t(1_000) },
      claims: [over, BOUND],
      seen: [{ end: { at: t(60_000), exit: code(9) } }, {}],
    }),
    null,
  )
})
