import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_POD_OPTIONS } from '../../domain/pod-options.ts'
import type { Api } from './api.ts'
import { ApiError } from './api-error.ts'
import type { Check } from './check.ts'
import { probe } from './doctor-probe.ts'

const FORBIDDEN = new ApiError(403, 'Forbidden', 'somebody may not')
type Answers = {
  readonly create?: () => void
  readonly get?: () => object
  readonly remove?: () => void
  readonly collection?: () => void
}

/** What becomes of the pod; `asked` are the requests in their order. */
async function tried(
  answers: Answers,
  interrupted = new AbortController(),
): Promise<{ checks: Check[]; asked: string[] }> {
  const asked: string[] = []
  // Its name is made from the first, and the second is when waiting begins.
  const times = [36, 36]
  const api = {
    create: (path: string, pod: { spec: { activeDeadlineSeconds?: number; affinity?: object } }) => {
      asked.push('create')
      assert.equal(path, '/api/v1/namespaces/runs/pods')
      assert.ok((pod.spec.activeDeadlineSeconds ?? Infinity) <= 60, 'it ends by itself')
      // On a node of this cluster: others may reach what its own do not.
      const terms = ['a', 'b'].map((node) => ({
        matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }],
      }))
      const required = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } }
      assert.deepEqual(pod.spec.affinity, { nodeAffinity: required })
      return Promise.resolve().then(() => answers.create?.())
    },
    get: () => {
      asked.push('get')
      return Promise.resolve().then(() => answers.get?.() ?? { status: { phase: 'Succeeded' } })
    },
    remove: (_path: string, _body: object, query?: { fieldSelector: string }) => {
      asked.push(query === undefined ? 'remove' : `remove ${query.fieldSelector}`)
      return Promise.resolve().then(() => (query === undefined ? answers.remove?.() : answers.collection?.()))
    },
    stream: () => Promise.reject(FORBIDDEN),
  }
  const checks = await probe({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the probe asks of it
    api: api as unknown as Api,
    namespaces: ['runs'],
    pods: NO_POD_OPTIONS,
    image: 'torch',
    ingestUrl: null,
    on: ['a', 'b'],
    now: () => times.shift() ?? 100_000,
    interrupted: interrupted.signal,
  })
  return { checks, asked }
}
const refuse = (): never => {
  throw FORBIDDEN
}
const BY_NAME = 'remove metadata.name=plimsoll-doctor-10'

test('its pod is removed, and nothing is said of it', async () => {
  const { checks, asked } = await tried({})
  assert.deepEqual(asked, ['create', 'get', 'remove'])
  assert.deepEqual(
    checks.map(({ state }) => state),
    ['good'],
  )
})

test('where the pod may not be read it is removed all the same, and the right is named', async () => {
  const { checks, asked } = await tried({ get: refuse })
  assert.deepEqual(asked, ['create', 'get', 'remove'])
  assert.deepEqual([checks.length, checks[0]?.state, checks[0]?.whatToDo], [1, 'note', 'grant get on pods in runs'])
})

test('where it may not be deleted by its name it is by a selector, and is said to be left where neither is allowed', async () => {
  const selected = await tried({ remove: refuse })
  assert.deepEqual([selected.asked.at(-1), selected.checks.length], [BY_NAME, 1])
  const { checks, asked } = await tried({ get: refuse, remove: refuse, collection: refuse })
  assert.deepEqual(asked, ['create', 'get', 'remove', BY_NAME])
  assert.match(checks[1]?.detail ?? '', /pod plimsoll-doctor-10 is left in runs.*somebody may not/)
  assert.match(checks[1]?.whatToDo ?? '', /^kubectl -n runs delete pod plimsoll-doctor-10, and grant delete/)
})

test('what was refused was not made; what had no answer may have been', async () => {
  assert.deepEqual((await tried({ create: refuse })).asked, ['create'])
  const silent = (): never => {
    throw new ApiError(0, 'Timeout', 'no answer')
  }
  assert.deepEqual((await tried({ create: silent })).asked, ['create', 'remove'])
})

test('an interruption removes it, and makes none after it', async () => {
  const interrupted = new AbortController()
  const get = (): object => {
    interrupted.abort()
    return { status: { phase: 'Pending' } }
  }
  const { checks, asked } = await tried({ get }, interrupted)
  assert.deepEqual(asked, ['create', 'get', 'remove'])
  assert.match(checks[0]?.detail ?? '', /interrupted/)
  assert.deepEqual((await tried({}, interrupted)).asked, [])
})

/** As the API has a pod a minute after it was made. */
const late = async (status: object): Promise<unknown[]> => {
  const get = () => ({ metadata: { name: 'p', namespace: 'runs' }, status })
  const { checks } = await tried({ get })
  assert.equal(checks.length, 1)
  return [checks[0]?.detail, checks[0]?.whatToDo]
}

test('a pod that did not start is said to be one, with why and what to do', async () => {
  const waiting = (reason: string, message?: string) => ({
    phase: 'Pending',
    containerStatuses: [
      { name: 'worker', state: { waiting: { reason, ...(message === undefined ? {} : { message }) } } },
    ],
  })
  assert.deepEqual(await late(waiting('ErrImagePull', 'no such host')), [
    'a pod did not start within a minute: ErrImagePull: no such host',
    'see that the image exists, that the node reaches its registry, and that imagePullSecrets may pull it',
  ])
  const events = 'see what kept it: kubectl -n runs get events --field-selector involvedObject.name=p'
  assert.deepEqual(await late(waiting('ContainerCreating')), [
    'a pod did not start within a minute: ContainerCreating',
    events,
  ])
  assert.deepEqual(await late({ phase: 'Pending' }), ['a pod did not start within a minute', events])
  const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' }]
  const [detail, whatToDo] = await late({ phase: 'Pending', conditions })
  assert.equal(detail, 'a pod did not start within a minute: Unschedulable: 0/3 nodes')
  assert.match(String(whatToDo), /pods\.tolerations/)
})

test('a pod that runs has started: what it waits for is said', async () => {
  for (const status of [{ phase: 'Running' }, { phase: 'Failed', reason: 'DeadlineExceeded' }]) {
    const [detail, whatToDo] = await late(status)
    assert.match(String(detail), /^a pod ran for a minute and had not resolved names/)
    assert.match(String(whatToDo), /^see the DNS and the network policies/)
  }
})
