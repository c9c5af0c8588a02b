import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideWorkers } from '../../core/observe/workers.ts'
import type { WorkerExitSeen } from '../../domain/exit.ts'
import type { FailureKind, Verdict } from '../../domain/failure.ts'
import { attemptOf, nodeId, nodeOf, PROJECT, runOf, t, worldOf } from '../../domain/fixture.ts'
import type { WorkerId } from '../../domain/ids.ts'
import type { Write } from '../../domain/item.ts'
import type { Principal, Role } from '../../domain/principal.ts'
import { DEFAULT_DURATIONS } from '../../domain/settings.ts'
import { readerOf, WITHOUT_LINES } from './without-lines.ts'

const LINE = 'password=swordfish; was ended by (worker); hunter2 ended: '

/** All that is written when the only worker of a run ends so, and that was the verdict. */
function writesOf(kind: FailureKind, exit: Partial<WorkerExitSeen>): readonly Write[] {
  const running = runOf(1, { attempts: 1 })
  const { attempt, claims } = attemptOf(running, 1, [{ node: 'a', slots: [0] }], {
    state: { kind: 'running' },
    startedAt: t(0),
  })
  const run = { ...running, state: { kind: 'running', attempt: attempt.id } as const }
  const worker = attempt.placement.workers[0]?.id ?? ('' as WorkerId)
  const seen: WorkerExitSeen = { kind: 'code', code: 1, signal: null, cause: 'itself', message: LINE, ...exit }
  const verdict: Verdict = {
    kind,
    culprit: { worker, node: nodeId('a'), nodeName: 'a' },
    evidence: [{ worker, at: t(1), text: LINE }],
  }
  const world = worldOf({ nodes: [nodeOf('a')], runs: [run], attempts: [attempt], claims })
  const fact = { worker, bound: true, waits: null, startedAt: t(0), end: { at: t(2_000), exit: seen } }
  const look = { observedAt: t(3_000), nodes: new Set(['a']), workers: new Map([[worker, fact]]) }
  const item = decideWorkers(world, attempt, look, () => verdict, DEFAULT_DURATIONS)
  assert.ok(item !== null)
  return item.writes
}

function bare(write: Write): unknown {
  if (write.kind === 'run') return WITHOUT_LINES.run(write.run)
  if (write.kind === 'attempt') return WITHOUT_LINES.attempt(write.attempt)
  if (write.kind === 'claim') return WITHOUT_LINES.claim(write.claim)
  return write.kind === 'event' ? WITHOUT_LINES.event(write.event) : write
}

void test('whatever an end writes, without lines it has no word of what was printed', () => {
  for (const kind of ['cuda-oom', 'network', 'not-identified', 'killed'] as const) {
    for (const exit of [{}, { kind: 'signal', signal: 'SIGKILL' }, { kind: 'gone', cause: 'unknown' }] as const) {
      const writes = writesOf(kind, exit)
      const told = writes.filter((write) => JSON.stringify(write).includes('swordfish')).map((write) => write.kind)
      for (const noun of ['run', 'attempt', 'claim', 'event'] as const) assert.ok(told.includes(noun), noun)
      for (const write of writes) assert.doesNotMatch(JSON.stringify(bare(write)), /swordfish|hunter2/, kind)
    }
  }
})

void test('what Plimsoll itself says of an end stays', () => {
  const messages = (kind: FailureKind, exit: Partial<WorkerExitSeen> = {}): unknown[] =>
    writesOf(kind, exit).flatMap((write) => (write.kind === 'event' ? [WITHOUT_LINES.event(write.event).message] : []))
  const worker = 'r0000000000000001-1-0'
  const unsaid = 'what it printed is for those who may read its logs'
  assert.deepEqual(messages('cuda-oom'), [
    `${worker} exited with code 1`,
    'attempt 1 ended: failed (user)',
    'cuda-oom',
    unsaid,
  ])
  assert.deepEqual(messages('network', { kind: 'signal', signal: 'SIGKILL' }), [
    `${worker} was ended by SIGKILL`,
    'attempt 1 ended: failed (infrastructure)',
    'network',
    'restarts from its newest checkpoint; 19 left for class infrastructure',
  ])
  const limit = { kind: 'failed', message: 'limits.time is used up' } as const
  assert.deepEqual(WITHOUT_LINES.run(runOf(1, { state: limit })).state, limit)
  const waits = runOf(1, { state: { kind: 'queued', reason: 'budget', message: 'budget b is short', notBefore: null } })
  assert.equal(WITHOUT_LINES.run(waits), waits)
})

void test('who may read logs of the project sees everything, who may of another one does not', () => {
  const user = (role: Role, project: typeof PROJECT | null): Principal => ({
    kind: 'user',
    name: 'ada',
    grants: [{ role, project }],
  })
  const run = runOf(1)
  assert.equal(readerOf(user('viewer', PROJECT), run), readerOf(user('admin', null), run))
  assert.equal(readerOf(user('payer', null), run), WITHOUT_LINES)
  assert.equal(readerOf(user('viewer', PROJECT), runOf(1, { project: 'other' as typeof PROJECT })), WITHOUT_LINES)
})
