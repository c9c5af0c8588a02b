// From bytes of logs to what becomes of a run: a gang fails, the turn reads the ends of its logs and decides, and the next turn places.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attemptOf, CLUSTER, nodeId, nodeOf, runOf, t, worldOf } from '../domain/fixture.ts'
import type { Item } from '../domain/item.ts'
import type { Run } from '../domain/run.ts'
import { DEFAULT_DURATIONS } from '../domain/settings.ts'
import type { Cluster } from '../ports/cluster.ts'
import type { Store } from '../ports/store.ts'
import { planPlacements } from '../core/place/place.ts'
import type { Control } from './control.ts'
import { observeTurn } from './observe.ts'

const NOW = t(60_000)
const cri = (seconds: number, text: string): string =>
  `${new Date(t(seconds * 1_000)).toISOString()} stderr F ${text}\n`
const TRACE = cri(40, 'Traceback (most recent call last):') + cri(40, '  File "/work/train.py", line 7, in <module>')
const BROKEN = TRACE + cri(40, '[rank8]: RuntimeError: CUDA error: uncorrectable ECC error encountered')
const VICTIM = TRACE + cri(40, '[rank0]: torch.distributed.DistBackendError: NCCL error: ncclRemoteError')
const STEP = cri(
  30,
  ' [2026-11-26] iteration 7/ 90 | consumed samples: 56 | elapsed time per iteration (ms): 900.0 | lm loss: 2.5E+00 |',
)
const TYPO = TRACE + cri(40, "[rank0]: NameError: name 'lr' is not defined")

/** What a turn writes when both workers of a run have ended by themselves, having printed this. */
async function afterFailure(logs: readonly string[], steps: readonly unknown[] = [], over: Partial<Run> = {}) {
  const seats = ['a', 'b'].map((node) => ({ node, slots: [0, 1, 2, 3, 4, 5, 6, 7] }))
  const { attempt, claims } = attemptOf(runOf(1), 1, seats, { state: { kind: 'running' }, startedAt: t(1_000) })
  const resources = { ...runOf(1).resources, nodes: 2, gpusPerNode: 8 }
  const run = runOf(1, { resources, state: { kind: 'running', attempt: attempt.id }, attempts: 1, ...over })
  const world = worldOf({
    nodes: ['a', 'b', 'c'].map((name) => nodeOf(name, { lastObserved: NOW })),
    runs: [run],
    attempts: [attempt],
    claims: claims.map((claim) => ({ ...claim, boundAt: t(500), startedAt: t(1_000) })),
  })
  const items: Item[] = []
  const store = {
    world: () => Promise.resolve(world),
    newestSteps: () => Promise.resolve(new Map([[attempt.id, steps]])),
    commit: (_: number, bite: Item[]) => {
      items.push(...bite)
      return Promise.resolve({ kind: 'committed', results: bite.map(() => ({ kind: 'applied' })) })
    },
  }
  const exited = { phase: 'exited', startedAt: t(1_000), endedAt: t(41_000), cause: 'itself', message: null } as const
  const workers = attempt.placement.workers.map(({ id }) => ({
    ...exited,
    worker: id,
    exit: { kind: 'code', code: 1 },
  }))
  const cluster = {
    name: CLUSTER,
    observe: () => Promise.resolve({ observedAt: NOW, nodes: [], workers }),
    readLog: (worker: string) => {
      const index = attempt.placement.workers.findIndex(({ id }) => id === worker)
      return Promise.resolve({ bytes: new TextEncoder().encode(logs[index]) })
    },
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a turn asks of it
  const control = {
    store: store as unknown as Store,
    clusters: new Map([[CLUSTER, cluster as unknown as Cluster]]),
    clock: { now: () => NOW },
    doorbell: { ring: () => undefined },
    settings: { durations: DEFAULT_DURATIONS },
    health: new Map(),
    lead: { epoch: 1, until: t(120_000) },
    log: { warn: () => undefined, info: () => undefined },
  } as unknown as Control
  await observeTurn(control)
  const writes = items.flatMap((item) => item.writes)
  return {
    world,
    run: writes.findLast((write) => write.kind === 'run')?.run,
    attempt: writes.findLast((write) => write.kind === 'attempt')?.attempt,
    events: writes.flatMap((write) => (write.kind === 'event' ? [`${write.event.kind}: ${write.event.message}`] : [])),
    held: writes.flatMap((write) => (write.kind === 'claim' && write.claim.attempt === null ? [write.claim.node] : [])),
  }
}

test('a broken GPU of one worker: the run restarts without its node, and says why', async () => {
  const { world, run, attempt, events, held } = await afterFailure([VICTIM, BROKEN])
  assert.ok(attempt?.state.kind === 'ended' && run?.state.kind === 'queued')
  const { verdict, failure, message } = attempt.state
  assert.deepEqual([failure, verdict?.kind, verdict?.culprit?.nodeName], ['infrastructure', 'ecc', 'b'])
  assert.deepEqual(
    verdict?.evidence.map(({ worker, at, text }) => [worker.slice(-2), at, text]),
    [['-1', t(40_000), '[rank8]: RuntimeError: CUDA error: uncorrectable ECC error encountered']],
  )
  assert.match(message ?? '', /^worker \S+-1: exit code 1; ecc: \[rank8\]: RuntimeError: CUDA error: uncorrectable ECC/)
  assert.ok(events.some((text) => /^failure: ecc: .* \(worker \S+-1 on b\); what to try: cordon the node/.test(text)))
  assert.deepEqual([run.restartsLeft.infrastructure, run.avoided?.map(({ nodeName }) => nodeName)], [19, ['b']])
  // Its own slots it keeps where it may come back, and nowhere else.
  assert.deepEqual(held, [nodeId('a')])
  const next = { ...world, now: t(120_000), claims: [], attempts: new Map(), runs: new Map([[run.id, run]]) }
  const settings = {
    durations: { ...DEFAULT_DURATIONS, blindAfterMs: DEFAULT_DURATIONS.nodeLostAfterMs },
    masterAddress: () => '',
    draw: () => 0,
  }
  const { placed } = planPlacements(next, [{ run: run.id, blocked: null }], settings).report
  assert.deepEqual(
    placed.map(({ nodes }) => nodes),
    [['a', 'c']],
  )
})

test('an error of the program before its first step: the run fails at once, whatever restarts of other classes are left', async () => {
  const { run, attempt, held } = await afterFailure([TYPO, TYPO], [], {
    restartsLeft: { infrastructure: 9, unknown: 9, user: 0 },
  })
  assert.ok(attempt?.state.kind === 'ended' && run?.state.kind === 'failed')
  assert.equal(attempt.state.verdict?.kind, 'user-code')
  assert.match(
    run.state.message,
    /NameError: name 'lr' is not defined; not restarted after user-code, .*; what to try: mend what/,
  )
  assert.deepEqual([run.restartsLeft.unknown, held, run.avoided], [9, [], undefined])
})

test('who asked for restarts after errors of the program gets them', async () => {
  const { run, attempt } = await afterFailure([TYPO, TYPO], [], {
    restartsLeft: { infrastructure: 9, unknown: 9, user: 2 },
  })
  assert.equal(attempt?.state.kind === 'ended' && attempt.state.verdict?.kind, 'user-code')
  assert.deepEqual([run?.state.kind, run?.restartsLeft.user], ['queued', 1])
})

test('the same error after a step, which its log or the store tells, is not known to come back', async () => {
  for (const [logs, steps] of [
    [[STEP + TYPO, TYPO], []],
    [[TYPO, TYPO], [{ body: { kind: 'step' } }]],
  ] as const) {
    const { run, attempt } = await afterFailure(logs, steps)
    assert.equal(attempt?.state.kind === 'ended' && attempt.state.verdict?.kind, 'not-identified')
    assert.deepEqual([run?.state.kind, run?.restartsLeft.unknown], ['queued', 2])
  }
})
