import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Attempt } from '../../domain/attempt.ts'
import { restartHolder } from '../../domain/claim.ts'
import { attemptOf, claimOf, nodeId, nodeOf, runOf, specOf, t, worldOf } from '../../domain/fixture.ts'
import type { Item } from '../../domain/item.ts'
import type { Run } from '../../domain/run.ts'
import { DEFAULT_DURATIONS } from '../../domain/settings.ts'
import { durationMs } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'
import { attemptsToEnd, attemptsToLaunch, decideEndings, decideHolds, decideSignals, planOf } from './launch.ts'

const RUN = runOf(1)
const SEATS = [{ node: 'a', slots: [0, 1] }]
const stopping = (graceMs: number): Attempt['state'] => ({
  kind: 'stopping',
  cause: 'stop',
  since: t(-5_000),
  graceMs: durationMs(graceMs),
})

function world(wish: Run['wish'], over: Partial<Attempt> = {}, bound = false) {
  const { attempt, claims } = attemptOf(RUN, 1, SEATS, over)
  const run = { ...RUN, wish, state: { kind: 'running', attempt: attempt.id } as const }
  const held = claims.map((claim) => ({ ...claim, boundAt: bound ? t(0) : null }))
  return worldOf({ nodes: [nodeOf('a')], runs: [run], attempts: [attempt], claims: held })
}

const ENDS: readonly [why: string, wish: Run['wish'], state: Attempt['state'], is: [string, number] | null][] = [
  ['nobody asked for an end', 'run', { kind: 'running' }, null],
  ['a stop', 'stop', { kind: 'running' }, ['stop', 60_000]],
  ['a suspension', 'suspend', { kind: 'planned' }, ['suspend', 60_000]],
  ['a stop at once', 'stop-now', { kind: 'running' }, ['stop', 0]],
  ['a stop of what is stopping', 'stop', stopping(60_000), null],
  ['a stop at once of what is stopping', 'stop-now', stopping(60_000), ['stop', 0]],
  ['a stop at once, the second time', 'stop-now', stopping(0), null],
]
for (const [why, wish, state, is] of ENDS) {
  void test(`${why}: ${is === null ? 'nothing is written' : `it ends for ${is[0]} with a grace of ${is[1]} ms`}`, () => {
    const [item] = decideEndings(world(wish, { state }), DEFAULT_DURATIONS)
    const write = item?.writes.find((each) => each.kind === 'attempt')
    const after = write?.kind === 'attempt' && write.attempt.state.kind === 'stopping' ? write.attempt.state : null
    assert.deepEqual(after && [after.cause, after.graceMs], is)
    if (item !== undefined) assert.deepEqual(item.expects, [{ kind: 'run', id: RUN.id, version: 1 }])
  })
}

void test('a run that waits has no attempt to end', () => {
  assert.deepEqual(decideEndings(worldOf({ runs: [{ ...RUN, wish: 'stop' }] }), DEFAULT_DURATIONS), [])
})

void test('an attempt is launched until all its workers were seen', () => {
  const launched = (state: Attempt['state'], bound: boolean): number =>
    attemptsToLaunch(world('run', { state }, bound)).length
  assert.equal(launched({ kind: 'planned' }, false), 1)
  assert.equal(launched({ kind: 'launching' }, false), 1)
  assert.equal(launched({ kind: 'launching' }, true), 0)
  assert.equal(launched(stopping(0), false), 0)
})

void test('what is stopping is asked to end again and again, with the moment it was first asked', () => {
  const requests = attemptsToEnd(world('stop', { state: stopping(60_000) }))
  assert.deepEqual(
    requests.map((each) => each.request),
    [{ attempt: attemptOf(RUN, 1, SEATS).attempt.id, graceMs: 60_000, askedAt: t(-5_000) }],
  )
  assert.deepEqual(attemptsToEnd(world('run')), [])
})

const hold = claimOf(nodeId('a'), restartHolder(RUN.id), [0], { until: t(100) })
const HOLDS: readonly [why: string, run: Run, now: number, kinds: readonly string[]][] = [
  ['waits and its time is not over', RUN, 99, []],
  ['waits too long', RUN, 100, ['release', 'give-back', 'event']],
  ['does not wait any more', { ...RUN, state: { kind: 'suspended', by: 'person', message: '' } }, 0, ['release']],
]
for (const [why, run, now, kinds] of HOLDS) {
  void test(`the slots of a run that ${why}: ${kinds.join(', ') || 'kept'}`, () => {
    const [item] = decideHolds(worldOf({ nodes: [nodeOf('a')], runs: [run], claims: [hold] }, { now: t(now) }))
    assert.deepEqual(item?.writes.map((write) => write.kind) ?? [], kinds)
  })
}

void test('a plan names everything that a cluster needs, and checkpoints go below the root unless the spec says where', () => {
  const { attempt } = attemptOf(RUN, 1, SEATS)
  const plan = planOf(attempt, specOf({ env: { A: '1' } }), '/checkpoints', DEFAULT_DURATIONS.graceMs)
  assert.equal(plan.checkpointDir, `/checkpoints/${RUN.id}`)
  assert.deepEqual([plan.workers, plan.env, plan.gpusPerNode], [attempt.placement.workers, { A: '1' }, 1])
  const own = planOf(
    attempt,
    specOf({ checkpoints: { path: '/mine', everySteps: null } }),
    '/checkpoints',
    durationMs(0),
  )
  assert.equal(own.checkpointDir, '/mine')
})

void test('the holds of a run end together, and give its reserve back once', () => {
  const holds = ['a', 'b'].map((node) => claimOf(nodeId(node), restartHolder(RUN.id), [0], { until: t(1_000) }))
  const waiting = { ...RUN, state: { kind: 'queued', reason: 'capacity', message: 'x', notBefore: null } as const }
  const items = decideHolds(
    worldOf({ nodes: [nodeOf('a'), nodeOf('b')], runs: [waiting], claims: holds }, { now: t(1_000) }),
  )
  assert.deepEqual(
    items.map((item) => item.writes.map((write) => write.kind)),
    [['release', 'release', 'give-back', 'event']],
  )
})

const REPORTS = { obeysAt: t(-10_000), saved: false, savedStep: null }
const asking = (over: Partial<Attempt> = {}) => {
  const { reports: _, ...rest } = world('stop', over)
  return { ...rest, reports: new Map([[attemptOf(RUN, 1, SEATS).attempt.id, REPORTS]]) }
}
const stateIn = (writes: Item['writes']): Attempt['state'] | undefined =>
  writes.flatMap((write) => (write.kind === 'attempt' ? [write.attempt.state] : []))[0]

test('who obeys is asked for a checkpoint before the gang is asked to end', () => {
  const running = asking({ state: { kind: 'running' } })
  const [item] = decideEndings(running, DEFAULT_DURATIONS)
  const state = stateIn(item?.writes ?? [])
  assert.ok(state?.kind === 'stopping')
  assert.equal(state.checkpointUntil, t(0) + DEFAULT_DURATIONS.checkpointMs)
  assert.deepEqual(attemptsToEnd(asking({ state })), [])
})

test('nobody is asked for a checkpoint who was silent for long, has not started, or is to end at once', () => {
  const silent = { ...REPORTS, obeysAt: t(-1 - DEFAULT_DURATIONS.blindAfterMs) }
  for (const some of [
    { ...asking({ state: { kind: 'running' } }), reports: new Map([[attemptOf(RUN, 1, SEATS).attempt.id, silent]]) },
    asking({ state: { kind: 'launching' } }),
    { ...asking({ state: { kind: 'running' } }), runs: world('stop-now').runs },
  ]) {
    const [item] = decideEndings(some, DEFAULT_DURATIONS)
    assert.equal((stateIn(item?.writes ?? []) as { checkpointUntil?: number } | undefined)?.checkpointUntil, undefined)
  }
})

const WAITS = { ...stopping(60_000), checkpointUntil: t(1_000) } as Attempt['state']
const SIGNALS: readonly [why: string, over: Partial<World>, message: RegExp | null][] = [
  ['it is not saved yet', {}, null],
  [
    'the checkpoint is durable',
    { reports: new Map([[attemptOf(RUN, 1, SEATS).attempt.id, { ...REPORTS, saved: true, savedStep: 42 }]]) },
    /step 42 is durable/,
  ],
  ['its time is over', { now: t(1_000) }, /in time/],
  [
    'a worker has ended',
    { claims: attemptOf(RUN, 1, SEATS).claims.map((claim) => ({ ...claim, endedAt: t(-1) })) },
    /worker/,
  ],
  ['a lost node has given up the slots of a worker', { claims: [] }, /a worker of it has ended/],
]
for (const [why, over, message] of SIGNALS) {
  test(`an ending that asked for a checkpoint, where ${why}`, () => {
    const some = { ...asking({ state: WAITS }), ...over }
    const [item] = decideSignals(some)
    assert.equal(item !== undefined, message !== null)
    if (item === undefined || message === null) return
    const state = stateIn(item.writes)
    assert.deepEqual(state, { ...stopping(60_000), since: some.now })
    const event = item.writes.find((write) => write.kind === 'event')
    assert.match(event?.kind === 'event' ? event.event.message : '', message)
  })
}

test('a stop at once does not wait for a checkpoint that was asked for', () => {
  const { runs } = world('stop-now')
  const [item] = decideEndings({ ...asking({ state: WAITS }), runs }, DEFAULT_DURATIONS)
  assert.deepEqual(stateIn(item?.writes ?? []), {
    kind: 'stopping',
    cause: 'stop',
    since: t(0),
    graceMs: 0,
  })
})
