import assert from 'node:assert/strict'
import { test } from 'node:test'
import { epochMs } from '../../domain/units.ts'
import type { WorkerSeen } from '../../ports/cluster.ts'
import type { Pod } from './objects.ts'
import type { Ends } from './pods.ts'
import { podRecord, workerSeen } from './pods.ts'

const ATTEMPT = 'r01m8bnj9kkb10gh7-1'
const WORKER = `${ATTEMPT}-3`
const NOW = epochMs(Date.parse('2026-11-26T10:00:30.500Z'))
const NOT_ASKED: Ends = { asked: false, deadline: false }
const ASKED: Ends = { asked: true, deadline: false }

type Change = { readonly metadata?: object; readonly spec?: object; readonly status?: object }

function pod({ metadata, spec, status }: Change): Pod {
  return {
    metadata: {
      name: `${WORKER}-abcde`,
      namespace: 'runs',
      uid: 'u',
      resourceVersion: '1',
      creationTimestamp: '2026-11-26T10:00:00Z',
      labels: { 'plimsoll.dev/attempt': ATTEMPT, 'plimsoll.dev/control-plane': 'one' },
      annotations: { 'batch.kubernetes.io/job-completion-index': '3' },
      ...metadata,
    },
    spec: { containers: [{ name: 'worker', resources: { limits: { 'nvidia.com/gpu': '8' } } }], ...spec },
    ...(status === undefined ? {} : { status }),
  }
}

function seen(change: Change, ends: Ends = NOT_ASKED, warning: string | null = null): WorkerSeen {
  const record = podRecord(pod(change), 'nvidia.com/gpu', 'one')
  assert.ok(record?.ours)
  return workerSeen(record.ours, ends, warning, NOW)
}

const terminated = (exitCode: number, more: object = {}, from: object = {}) => ({
  phase: exitCode === 0 ? 'Succeeded' : 'Failed',
  containerStatuses: [
    {
      name: 'worker',
      state: {
        terminated: { exitCode, startedAt: '2026-11-26T10:00:05Z', finishedAt: '2026-11-26T10:00:20Z', ...more },
      },
    },
  ],
  ...from,
})
const waiting = (reason: string, message = '') => ({
  phase: 'Pending',
  containerStatuses: [{ name: 'worker', state: { waiting: { reason, message } } }],
})
const DELETED = { deletionTimestamp: '2026-11-26T10:00:45Z', deletionGracePeriodSeconds: 30 }
const RUNNING = {
  phase: 'Running',
  containerStatuses: [{ name: 'worker', state: { running: { startedAt: '2026-11-26T10:00:05Z' } } }],
}
const at = (text: string): number => Date.parse(`2026-11-26T${text}Z`)

test('a gated pod waits for us, and one that is deleted before never starts', () => {
  const gated = {
    spec: { schedulingGates: [{ name: 'plimsoll.dev/gang' }], containers: [] },
    status: { phase: 'Pending' },
  }
  assert.deepEqual(seen(gated), { worker: WORKER, phase: 'waiting', message: null })
  const never = seen({ ...gated, metadata: DELETED }, ASKED)
  assert.ok(never.phase === 'exited')
  assert.deepEqual([never.startedAt, never.cause], [null, 'stop'])
})

const WAITS: readonly (readonly [what: string, status: object, warning: string | null, said: RegExp | null])[] = [
  ['an image that is being pulled', waiting('ContainerCreating'), null, null],
  [
    'an image that cannot be',
    waiting('ImagePullBackOff', 'Back-off'),
    null,
    /^ImagePullBackOff: Back-off \(see that the image exists/,
  ],
  [
    'a secret that is not there',
    waiting('CreateContainerConfigError', 'secret "x" not found'),
    null,
    /secrets and config maps/,
  ],
  [
    'no node',
    {
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' }],
    },
    null,
    /^FailedScheduling: 0\/3 nodes/,
  ],
  ['a volume', waiting('ContainerCreating'), 'FailedMount: timed out', /^FailedMount: timed out \(see that the claims/],
]
for (const [what, status, warning, said] of WAITS) {
  test(`what keeps a pod is said: ${what}`, () => {
    const { phase, ...rest } = seen({ spec: { nodeName: 'n', containers: [] }, status }, NOT_ASKED, warning)
    assert.equal(phase, 'claimed')
    const message = 'message' in rest ? rest.message : null
    if (said === null) assert.equal(message, null)
    else assert.match(message ?? '', said)
  })
}

test('a running pod started when its container did, and never before it was made', () => {
  assert.deepEqual(seen({ status: RUNNING }), { worker: WORKER, phase: 'running', startedAt: at('10:00:05') })
  const behind = {
    phase: 'Running',
    containerStatuses: [{ name: 'worker', state: { running: { startedAt: '2026-11-26T09:00:00Z' } } }],
  }
  assert.deepEqual(seen({ status: behind }), { worker: WORKER, phase: 'running', startedAt: at('10:00:00') })
})

type Row = readonly [what: string, change: Change, ends: Ends, exit: object, cause: string, message: RegExp | null]
const ENDS: readonly Row[] = [
  ['well', { status: terminated(0) }, NOT_ASKED, { kind: 'code', code: 0 }, 'itself', null],
  ['with a code', { status: terminated(7) }, NOT_ASKED, { kind: 'code', code: 7 }, 'itself', null],
  ['by a signal', { status: terminated(139) }, NOT_ASKED, { kind: 'signal', signal: 'SIGSEGV' }, 'itself', null],
  [
    'out of memory',
    { status: terminated(137, { reason: 'OOMKilled' }) },
    NOT_ASKED,
    { kind: 'signal', signal: 'SIGKILL' },
    'itself',
    /^OOMKilled: /,
  ],
  [
    'by a command that is not there',
    { status: terminated(128, { reason: 'StartError', message: 'exec: "nope": not found' }) },
    NOT_ASKED,
    { kind: 'code', code: 128 },
    'could-not-start',
    /"nope": not found/,
  ],
  [
    'as we asked',
    { metadata: DELETED, status: terminated(143) },
    ASKED,
    { kind: 'signal', signal: 'SIGTERM' },
    'stop',
    null,
  ],
  ['as we asked, well', { metadata: DELETED, status: terminated(0) }, ASKED, { kind: 'code', code: 0 }, 'stop', null],
  [
    'at its deadline',
    { metadata: DELETED, status: terminated(143) },
    { asked: false, deadline: true },
    { kind: 'signal', signal: 'SIGTERM' },
    'deadline',
    null,
  ],
  [
    'before we asked',
    { metadata: DELETED, status: terminated(1, { finishedAt: '2026-11-26T10:00:10Z' }) },
    ASKED,
    { kind: 'code', code: 1 },
    'itself',
    null,
  ],
  [
    'because somebody deleted it',
    { metadata: DELETED, status: terminated(143) },
    NOT_ASKED,
    { kind: 'signal', signal: 'SIGTERM' },
    'evicted',
    /deleted, and not by plimsoll/,
  ],
  [
    'because its node was drained',
    {
      metadata: DELETED,
      status: terminated(
        143,
        {},
        {
          conditions: [
            {
              type: 'DisruptionTarget',
              status: 'True',
              reason: 'EvictionByEvictionAPI',
              message: 'Eviction API: evicting',
            },
          ],
        },
      ),
    },
    NOT_ASKED,
    { kind: 'signal', signal: 'SIGTERM' },
    'evicted',
    /^EvictionByEvictionAPI: /,
  ],
  [
    'because its node ran out of disk',
    { status: { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: ephemeral-storage.' } },
    NOT_ASKED,
    { kind: 'code', code: 128 },
    'evicted',
    /^Evicted: The node was low/,
  ],
]
for (const [what, change, ends, exit, cause, message] of ENDS) {
  test(`a pod ended ${what}`, () => {
    const worker = seen(change, ends)
    assert.ok(worker.phase === 'exited')
    assert.deepEqual([worker.exit, worker.cause], [exit, cause])
    if (message === null) assert.equal(worker.message, null)
    else assert.match(worker.message ?? '', message)
    assert.ok(worker.endedAt <= NOW && worker.endedAt >= at('10:00:00'))
  })
}

test('the end is the end of the second that is told', () => {
  const worker = seen({ status: terminated(0) })
  assert.ok(worker.phase === 'exited')
  assert.equal(worker.endedAt, at('10:00:20.999'))
})

test('the last step of a deletion, which is the kubelet’s, says nothing of when it was asked for', () => {
  const last = { deletionTimestamp: '2026-11-26T10:00:22Z', deletionGracePeriodSeconds: 0 }
  const cause = (metadata: object, ends: Ends, status: object, before?: object, uid = 'u'): string | null => {
    const known = podRecord(pod({ metadata: { uid, ...before }, status }), 'nvidia.com/gpu', 'one')
    const record = podRecord(pod({ metadata, status }), 'nvidia.com/gpu', 'one', known)
    assert.ok(record?.ours)
    const worker = workerSeen(record.ours, ends, null, NOW)
    return worker.phase === 'exited' ? worker.cause : null
  }
  const asked = { deletionTimestamp: '2026-11-26T10:00:49Z', deletionGracePeriodSeconds: 30 }
  assert.equal(cause(last, NOT_ASKED, terminated(143), asked), 'evicted', 'somebody asked, a second before it ended')
  assert.equal(cause(last, NOT_ASKED, terminated(1), asked, 'another'), 'itself', 'that was another pod of this name')
  assert.equal(cause(last, NOT_ASKED, terminated(1), {}), 'itself', 'it was deleted when it had ended')
  assert.equal(cause(last, ASKED, terminated(143)), 'stop', 'we asked, and nobody saw when')
})

test('a pod of others counts for its GPUs, one without GPUs not at all, one of another control plane as a stranger’s', () => {
  const foreign = podRecord(pod({ metadata: { labels: {} }, status: RUNNING }), 'nvidia.com/gpu', 'one')
  assert.deepEqual([foreign?.ours, foreign?.gpus, foreign?.over], [null, 8, false])
  assert.equal(podRecord(pod({ metadata: { labels: {} }, spec: { containers: [] } }), 'nvidia.com/gpu', 'one'), null)
  assert.equal(podRecord(pod({}), 'nvidia.com/gpu', 'two')?.ours, null)
  assert.equal(podRecord(pod({ status: terminated(0) }), 'nvidia.com/gpu', 'one')?.over, true)
})

test('GPUs of a pod are those of its containers and sidecars together, or of an init container where that is more', () => {
  const of = (gpus: number, more: object = {}) => ({
    name: 'c',
    resources: { limits: { 'nvidia.com/gpu': String(gpus) } },
    ...more,
  })
  const gpus = (containers: object[], initContainers: object[]): number | undefined =>
    podRecord(pod({ spec: { containers, initContainers } }), 'nvidia.com/gpu', 'two')?.gpus
  const always = { restartPolicy: 'Always' }
  assert.equal(gpus([{ name: 'c' }], [of(8, always)]), 8)
  assert.equal(gpus([of(2)], [of(1, always)]), 3)
  assert.equal(gpus([of(2)], [of(6)]), 6)
  assert.equal(gpus([of(2)], [of(1, always), of(3), of(1)]), 4)
  assert.equal(gpus([{ name: 'c' }], [{ name: 'i' }]), undefined)
})

test('what somebody has put beside a worker is not the worker', () => {
  const beside = { name: 'istio-proxy', state: { running: { startedAt: '2026-11-26T10:00:04Z' } } }
  const containerStatuses = [beside, ...terminated(7).containerStatuses]
  const ended = seen({ status: { phase: 'Running', containerStatuses } })
  assert.ok(ended.phase === 'exited')
  assert.deepEqual(ended.exit, { kind: 'code', code: 7 })
})

test('that a pod was gated is no reason why it does not start once it is let go', () => {
  const scheduled = (reason: string, message: string) =>
    seen({ status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason, message }] } })
  const gated = scheduled('SchedulingGated', 'Scheduling is blocked due to non-empty scheduling gates')
  assert.deepEqual(gated, { worker: WORKER, phase: 'claimed', preparing: false, message: null })
  const full = scheduled('Unschedulable', '0/6 nodes are available: 1 Insufficient nvidia.com/gpu.')
  assert.match((full.phase === 'claimed' && full.message) || '', /^FailedScheduling: 0\/6 nodes/)
})
