import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Claim } from '../../domain/claim.ts'
import type { Fence } from '../../domain/fence.ts'
import { attemptOf, CLUSTER, nodeId, runOf, t, worldOf } from '../../domain/fixture.ts'
import type { ClusterName, WorkerId } from '../../domain/ids.ts'
import type { Run } from '../../domain/run.ts'
import type { Proofs } from './fence.ts'
import { decideFences, fenced, fencedWorkers } from './fence.ts'

const SEATS = ['a', 'b', 'c'].map((node) => ({ node, slots: [0] }))
const { attempt, claims } = attemptOf(runOf(1), 1, SEATS)
const [A, B, C] = attempt.placement.workers.map(({ id }) => id) as [WorkerId, WorkerId, WorkerId]

const gone = { kind: 'gone', code: 0, signal: null, cause: 'unknown', message: 'node is lost' } as const
const failed = { kind: 'code', code: 1, signal: null, cause: 'itself', message: null } as const
const ended = (index: number, exit: Claim['exit']): Claim[] =>
  claims.slice(index, index + 1).map((claim) => ({ ...claim, endedAt: t(1), exit }))
const names = (some: readonly Claim[], ...lost: string[]): WorkerId[] =>
  fencedWorkers(attempt, some, new Set(lost.map(nodeId))).map(({ worker }) => worker)

void test('the workers that nobody saw end on a lost node may still live, and no other', () => {
  const all = [...ended(0, gone), ...ended(1, failed), ...ended(2, gone)]
  assert.deepEqual(names(all), [])
  assert.deepEqual(names(all, 'a'), [A])
  assert.deepEqual(names(all, 'a', 'b'), [A], 'b was seen to end')
})

void test('a worker that gave its slots up before the rest may still live, though its node was heard since', () => {
  assert.deepEqual(names([...ended(1, failed), ...ended(2, failed)]), [A])
})

const FENCE: Fence = {
  until: t(600_000),
  workers: [
    { worker: A, nodeName: 'a' },
    { worker: B, nodeName: 'b' },
  ],
}
const QUEUED = runOf(1, { fence: FENCE })
const NOTHING: Proofs = { ended: new Set(), nodes: new Map() }
const deleted = (...nodes: string[]): Proofs => ({
  ...NOTHING,
  nodes: new Map(nodes.map((node) => [node, 'was deleted'])),
})

function decide(run: Run, proofs: Proofs, at = 1_000): { left: string[] | null; event: string; at: number } | null {
  const [item] = decideFences(worldOf({ runs: [run] }), CLUSTER, proofs, t(at))
  if (item === undefined) return null
  const written = item.writes.flatMap((write) => (write.kind === 'run' ? [write.run] : []))[0]
  const event = item.writes.flatMap((write) => (write.kind === 'event' ? [write.event] : []))[0]
  return {
    left: written?.fence?.workers.map(({ worker }) => worker) ?? null,
    event: `${event?.kind}: ${event?.message}`,
    at: (event?.at ?? 0) - t(0),
  }
}

void test('without a proof the fence stands', () => {
  assert.equal(decide(QUEUED, NOTHING), null)
  assert.equal(decide(QUEUED, deleted('c')), null)
  assert.equal(decide(QUEUED, { ...NOTHING, ended: new Set([C]) }), null)
  assert.equal(decide(runOf(1), deleted('a')), null)
})

void test('each proof takes its worker out of the fence, and the last one ends it', () => {
  assert.deepEqual(decide(QUEUED, deleted('a')), {
    left: [B],
    event: `fence-reduced: 1 more are waited for: worker ${A} is gone, since node a was deleted`,
    at: 1_000,
  })
  assert.deepEqual(decide(QUEUED, { ended: new Set([B]), nodes: new Map([['a', 'was deleted']]) }), {
    left: null,
    event: `fence-ended: no old worker is waited for any more: worker ${A} is gone, since node a was deleted, worker ${B} has ended`,
    at: 1_000,
  })
})

void test('what is known to have ended counts also for a run that is suspended, and one with an attempt is left alone', () => {
  const suspended = { ...QUEUED, state: { kind: 'suspended', by: 'person', message: '' } as const }
  assert.equal(decide(suspended, deleted('a', 'b'))?.left, null)
  assert.equal(decide({ ...QUEUED, state: { kind: 'admitted', attempt: attempt.id } }, deleted('a', 'b')), null)
})

void test('when its time has passed it ends as of then, whatever is known', () => {
  assert.deepEqual(decide(QUEUED, NOTHING, 612_000), {
    left: null,
    event: 'fence-ended: what may be left of 2 old workers is waited for no longer: fenceAfter has passed',
    at: 600_000,
  })
})

void test('a cluster is asked about the nodes of its own runs', () => {
  const other = 'other' as ClusterName
  const world = worldOf({ runs: [QUEUED, runOf(2), runOf(3, { cluster: other, fence: FENCE })] })
  assert.deepEqual(
    fenced(world, CLUSTER).map(({ nodeName }) => nodeName),
    ['a', 'b'],
  )
  assert.deepEqual(decideFences(world, other, deleted('a'), t(0)).length, 1)
})
