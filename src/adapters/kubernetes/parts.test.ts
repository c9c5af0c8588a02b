// The small parts: how old a node's word is, lines of logs, how fast we ask, and what errors say.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError, errorOf, faultOf, noAnswer } from './api-error.ts'
import { hintOf } from './hints.ts'
import { hasIndex } from './jobs.ts'
import { linesOf } from './lines.ts'
import { criLines, markOf, markText, Resume, timed } from './log-lines.ts'
import type { NodeOptions } from './nodes.ts'
import { Heard, nodeRecord } from './nodes.ts'
import type { Node } from './objects.ts'
import { rateOf } from './rate.ts'

const lease = (name: string, renewTime: string) => {
  return { metadata: { name, uid: name, resourceVersion: '1' }, spec: { renewTime } }
}

test('a node is silent for as long as its lease does not change while we look, and for no moment of our own absence', () => {
  const heard = new Heard()
  assert.equal(heard.silentMs('a'), null)
  heard.look([lease('a', '1'), lease('b', '1')], 0, 30_000)
  heard.look([lease('a', '1'), lease('b', '2')], 10_000, 30_000)
  assert.deepEqual([heard.silentMs('a'), heard.silentMs('b')], [10_000, 0])
  heard.look([lease('a', '1'), lease('b', '3')], 25_000, 30_000)
  assert.equal(heard.silentMs('a'), 25_000)
  // We were away for an hour.
  heard.look([lease('a', '1'), lease('b', '3')], 3_625_000, 30_000)
  assert.deepEqual([heard.silentMs('a'), heard.silentMs('b')], [25_000, 0])
  heard.look([lease('b', '4')], 3_630_000, 30_000)
  assert.equal(heard.silentMs('a'), null)
})

const OPTIONS: NodeOptions = {
  gpuResource: 'nvidia.com/gpu',
  gpuLabel: 'nvidia.com/gpu.product',
  rackLabel: 'topology.kubernetes.io/rack',
  blockLabel: 'topology.kubernetes.io/block',
  declaredSlots: null,
  badConditions: ['XidCriticalError'],
  tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', value: null, effect: 'NoSchedule' }],
}
const node = (spec: object = {}, status: object = {}): Node => ({
  metadata: {
    name: 'n',
    uid: 'n',
    resourceVersion: '1',
    labels: { 'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3' },
  },
  spec,
  status: {
    capacity: { 'nvidia.com/gpu': '8' },
    allocatable: { 'nvidia.com/gpu': '8' },
    conditions: [{ type: 'Ready', status: 'True' }],
    ...status,
  },
})
const ready = { type: 'Ready', status: 'True' }

const CONDITIONS: readonly (readonly [what: string, node: Node, said: RegExp | null])[] = [
  ['nothing is wrong', node(), null],
  [
    'its taint is tolerated',
    node({ taints: [{ key: 'nvidia.com/gpu', value: 'present', effect: 'NoSchedule' }] }),
    null,
  ],
  ['its taint is a wish', node({ taints: [{ key: 'x', effect: 'PreferNoSchedule' }] }), null],
  [
    'it has another taint',
    node({ taints: [{ key: 'x', value: 'y', effect: 'NoSchedule' }] }),
    /the taint x=y:NoSchedule/,
  ],
  ['it is cordoned', node({ unschedulable: true }), /cordoned in Kubernetes/],
  [
    'it is not ready',
    node({}, { conditions: [{ type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: 'no CNI' }] }),
    /KubeletNotReady, no CNI/,
  ],
  [
    'a GPU has an Xid',
    node({}, { conditions: [ready, { type: 'XidCriticalError', status: 'True', message: 'GPU 3: Xid 79' }] }),
    /XidCriticalError: GPU 3: Xid 79/,
  ],
  ['a GPU is unhealthy', node({}, { allocatable: { 'nvidia.com/gpu': '7' } }), /1 of its 8 GPUs cannot be allocated/],
]
for (const [what, given, said] of CONDITIONS) {
  test(`a node takes pods or says why not: ${what}`, () => {
    const record = nodeRecord(given, OPTIONS)
    assert.equal(record?.gpuModel, 'h100-sxm')
    if (said === null) assert.deepEqual(record.condition, { kind: 'ready' })
    else assert.match(record.condition.kind === 'ready' ? '' : record.condition.message, said)
  })
}

test('a node is unhealthy where its GPUs or its kernel are, and not where others keep it out of service', () => {
  const unhealthy = CONDITIONS.flatMap(([what, given]) => {
    const condition = nodeRecord(given, OPTIONS)?.condition
    return condition?.kind === 'not-ready' && condition.unhealthy === true ? [what] : []
  })
  assert.deepEqual(unhealthy, ['a GPU has an Xid', 'a GPU is unhealthy'])
})

test('a node without GPUs is none of ours, unless slots are declared; one that should have some is out of order', () => {
  const bare = node({}, { capacity: {}, allocatable: {} })
  const gone = nodeRecord(bare, OPTIONS)
  assert.equal(gone?.slots, 0)
  assert.match(gone.condition.kind === 'ready' ? '' : gone.condition.message, /advertises no nvidia\.com\/gpu/)
  assert.equal(nodeRecord({ ...bare, metadata: { ...bare.metadata, labels: {} } }, OPTIONS), null)
  const declared = nodeRecord(bare, { ...OPTIONS, declaredSlots: 4 })
  assert.deepEqual([declared?.slots, declared?.declared], [4, true])
})

test('times of any zone and precision compare as text', () => {
  assert.equal(timed('2026-11-26T12:00:00.5+02:00 hello')?.time, '2026-11-26T10:00:00.500000000Z')
  assert.deepEqual(timed('2026-11-26T10:00:00Z a b  c'), { time: '2026-11-26T10:00:00.000000000Z', text: 'a b  c' })
  assert.equal(timed('2026-11-26T10:00:00Z ')?.text, '')
  assert.equal(timed('unable to retrieve container logs'), null)
})

test('a line beyond 16 KiB is told in parts that make it again', () => {
  const text = 'é'.repeat(20_000)
  const lines = Buffer.from(criLines('T', text, true))
    .toString('latin1')
    .split('\n')
    .slice(0, -1)
  assert.deepEqual(
    lines.map((line) => line.slice(0, 11)),
    ['T stdout P ', 'T stdout P ', 'T stdout F '],
  )
  assert.equal(Buffer.from(lines.map((line) => line.slice(11)).join(''), 'latin1').toString(), text)
})

test('reading goes on after a mark, and says when what it stands for is gone', () => {
  const mark = markOf('t2/2')
  assert.deepEqual(mark, { time: 't2', count: 2 })
  assert.equal(mark === null ? '' : markText(mark), 't2/2')
  const go = (times: readonly string[]) => {
    const resume = new Resume(mark)
    return times.map((time) => resume.take(time))
  }
  assert.deepEqual(go(['t1', 't2', 't2', 't2', 't3']), ['skip', 'skip', 'skip', 'take', 'take'])
  assert.deepEqual(go(['t3', 't4']), ['lost', 'take'])
  assert.deepEqual(new Resume(null).take('t'), 'take')
  for (const text of [null, '', 'x', 't2/', '/2']) assert.equal(markOf(text), null)
})

test('lines come whole, however the bytes are cut', async () => {
  const bytes = Buffer.from('one\ntwö\n\nthree')
  for (let size = 1; size <= bytes.length; size += 1) {
    async function* chunks() {
      for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size)
    }
    const lines = []
    for await (const line of linesOf(chunks(), 100)) lines.push(line)
    assert.deepEqual(lines, ['one', 'twö', ''])
  }
  async function* endless() {
    for (;;) yield Buffer.alloc(50, 'x')
  }
  await assert.rejects(async () => {
    for await (const _ of linesOf(endless(), 100)) assert.fail('there is no line')
  }, /more than 100 bytes/)
})

test('as many requests as are allowed go out at once, the rest in order and in time', async () => {
  const rate = rateOf(100, 3)
  const order: number[] = []
  const begin = performance.now()
  await Promise.all([0, 1, 2, 3, 4, 5].map(async (n) => rate.take().then(() => order.push(n))))
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5])
  assert.ok(performance.now() - begin >= 25, 'three of them waited 10 ms each')
  rate.pause(60)
  const paused = performance.now()
  await rate.take()
  assert.ok(performance.now() - paused >= 55)
})

test('indexes of a Job are read from its list', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 7, 10].filter((index) => hasIndex('1,3-5,7', index)),
    [1, 3, 4, 5, 7],
  )
  assert.equal(hasIndex('', 0), false)
})

const FAULTS: readonly (readonly [what: string, error: unknown, retryable: boolean, said: RegExp])[] = [
  [
    'nothing listens',
    noAnswer(new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 127.0.0.1:1') }), 9),
    true,
    /ECONNREFUSED.*/,
  ],
  ['too slow', noAnswer(new DOMException('x', 'TimeoutError'), 5_000), true, /no answer within 5000 ms/],
  [
    'an expired certificate',
    noAnswer(new TypeError('fetch failed', { cause: new Error('certificate has expired') }), 9),
    false,
    /certificate has expired/,
  ],
  [
    'a token',
    errorOf(401, '{"kind":"Status","reason":"Unauthorized","message":"Unauthorized"}', null),
    false,
    /Unauthorized/,
  ],
  ['a right', errorOf(403, '{"message":"jobs.batch is forbidden"}', null), false, /jobs.batch is forbidden/],
  ['a proxy', errorOf(502, '<html>Bad gateway</html>', null), true, /Bad gateway/],
]
for (const [what, error, retryable, said] of FAULTS) {
  test(`a fault says what is wrong and what to do: ${what}`, () => {
    const fault = faultOf(error, 'hamina', 'it cannot be watched')
    assert.equal(fault.retryable, retryable)
    assert.match(fault.message, said)
    assert.ok(fault.whatToDo !== null && fault.message.startsWith('cluster hamina: '))
  })
}

test('who brings a certificate that nobody knows is not told to grant rights to everybody', () => {
  const message = 'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group ""'
  const { whatToDo } = faultOf(errorOf(403, JSON.stringify({ message }), null), 'hamina', 'it cannot be watched')
  assert.match(String(whatToDo), /^The API server took none of the credentials: .* Renew the kubeconfig/)
})

test('a server that asks for patience is given it, within bounds', () => {
  assert.equal(errorOf(429, '{}', '7').retryAfterMs, 7_000)
  assert.equal(errorOf(429, '{"details":{"retryAfterSeconds":3}}', null).retryAfterMs, 3_000)
  assert.equal(errorOf(503, 'nope', 'Wed, 21 Oct').retryAfterMs, null)
  assert.equal(errorOf(429, '{}', '99999').retryAfterMs, 60_000)
  assert.ok(errorOf(500, '', null) instanceof ApiError)
})

for (const [said, whatToDo] of [
  ['FailedScheduling: 0/2 nodes are available: persistentvolumeclaim "data" not found. not found', /make that claim/],
  ["FailedScheduling: 0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.", /nodeSelector/],
  ['FailedScheduling: 0/2 nodes are available: 1 Insufficient memory.', /what its node lacks/],
] as const)
  test(`a hint says what to do: ${said}`, () => assert.match(String(hintOf(said)), whatToDo))
