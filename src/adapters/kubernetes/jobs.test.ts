import assert from 'node:assert/strict'
import { test } from 'node:test'
import { epochMs } from '../../domain/units.ts'
import { jobRecord, workersWithoutPod } from './jobs.ts'
import type { Job } from './objects.ts'

const ATTEMPT = 'r01m8bnj9kkb10gh7-1'
const NOW = epochMs(Date.parse('2026-11-26T10:00:30Z'))
const WARNING = 'DeadlineExceeded: Job was active longer than specified deadline'

type Change = { readonly metadata?: object; readonly spec?: object; readonly status?: object }

/** Of two workers, of which no pod is there. */
function seen({ metadata, spec, status }: Change, warning: string | null = WARNING) {
  const job: Job = {
    metadata: {
      name: ATTEMPT,
      uid: 'u',
      resourceVersion: '1',
      labels: { 'plimsoll.dev/attempt': ATTEMPT },
      ...metadata,
    },
    spec: { completions: 2, ...spec },
    ...(status === undefined ? {} : { status }),
  }
  const record = jobRecord(job)
  assert.ok(record !== null)
  return workersWithoutPod(record, new Map(), warning, NOW)
}

const failed = (reason: string) => ({
  conditions: [{ type: 'Failed', status: 'True', reason, lastTransitionTime: '2026-11-26T10:00:10Z' }],
})
const MINE = { annotations: { 'plimsoll.dev/ended': 'true' } }

test('workers of a Job that passed its deadline while nobody looked have ended by it, and then', () => {
  const workers = seen({ status: failed('DeadlineExceeded') })
  assert.deepEqual(
    workers.map((worker) => worker.phase === 'exited' && [worker.cause, worker.endedAt]),
    [
      ['deadline', Date.parse('2026-11-26T10:00:10Z')],
      ['deadline', Date.parse('2026-11-26T10:00:10Z')],
    ],
  )
})

test('of a Job that has failed nothing is waited for, whatever was warned of', () => {
  assert.deepEqual(seen({ status: failed('PodFailurePolicy') }), [])
})

test('one that makes no more pods says why, and one that we asked to end says nothing', () => {
  const said = (change: Change, warning: string | null = null): unknown => {
    const [first, ...rest] = seen(change, warning)
    assert.equal(rest.length, 0)
    return first?.phase === 'waiting' ? first.message : first
  }
  assert.match(String(said({}, 'FailedCreate: exceeded quota: few')), /exceeded quota/)
  assert.match(String(said({ spec: { suspend: true } })), /suspended by somebody else/)
  assert.match(String(said({ metadata: { deletionTimestamp: '2026-11-26T10:00:10Z' } })), /deleted by somebody else/)
  assert.deepEqual(seen({ metadata: MINE, spec: { suspend: true } }), [])
  assert.deepEqual(seen({}, null), [])
})
