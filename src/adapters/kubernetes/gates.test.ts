import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attemptIdOf, workerIdOf } from '../../domain/ids.ts'
import { runId } from '../../domain/fixture.ts'
import { toLetGo } from './gates.ts'
import { GATE } from './names.ts'
import type { PodRecord } from './pods.ts'

const ATTEMPT = attemptIdOf(runId(1), 1)
const JOB = { workers: 2, completedIndexes: '' }

function pod(index: number, is: 'held' | 'let go' | 'over' | 'deleted'): PodRecord {
  return {
    namespace: 'runs',
    name: `pod-${index}`,
    uid: `${index}`,
    resourceVersion: '1',
    node: null,
    gpus: 8,
    over: is === 'over',
    ours: {
      attempt: ATTEMPT,
      index,
      worker: workerIdOf(ATTEMPT, index),
      phase: 'Pending',
      gates: is === 'held' ? [GATE] : [],
      terms: [],
      createdAt: 0,
      deletedAt: is === 'deleted' ? 1 : null,
      graceMs: null,
      state: null,
      reason: null,
      message: null,
      conditions: [],
    },
  }
}
const names = (pods: readonly PodRecord[]): string[] => pods.map(({ name }) => name)

void test('nobody of a gang is let go before all of it is there', () => {
  assert.deepEqual(names(toLetGo(JOB, [pod(0, 'held')])), [])
  assert.deepEqual(names(toLetGo(JOB, [pod(0, 'held'), pod(1, 'deleted')])), [])
  assert.deepEqual(names(toLetGo(JOB, [pod(0, 'held'), pod(1, 'held')])), ['pod-0', 'pod-1'])
})

void test('who died after he had let one go leaves the others to the next, also when that one has ended meanwhile', () => {
  for (const first of ['let go', 'over'] as const)
    assert.deepEqual(names(toLetGo(JOB, [pod(0, first), pod(1, 'held')])), ['pod-1'], first)
  // Somebody removed its pod: its Job knows that it was there.
  assert.deepEqual(names(toLetGo({ ...JOB, completedIndexes: '0' }, [pod(1, 'held')])), ['pod-1'])
})
