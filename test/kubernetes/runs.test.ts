// Runs of the whole control plane on 200 nodes of kwok, as a person would see them: large gangs, one after the other on the same nodes,
// nodes and pods that are lost, images, quotas and strangers.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Home, pause, until } from '../parts/plimsoll.ts'
import { findBinaries } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, PLANE_BINARIES, startControlPlane } from './control-plane.ts'
import { KUBELET_LABEL } from './kwok-stages.ts'
import { makeNodes } from './nodes.ts'

const found = await findBinaries(PLANE_BINARIES)
const NODES = 200

type Show = {
  state: string
  reason: string | null
  message: string | null
  attempts: {
    id: string
    outcome: string | null
    failure: string | null
    message: string | null
    workers: { node: string }[]
  }[]
}
type Ledger = { capacityGpuMs: number; rows: { account: string; gpuMs: number }[] }
type Nodes = { nodes: { id: string; state: string; held: number; foreign: number }[] }
type Pod = {
  metadata: {
    name: string
    uid: string
    labels: Record<string, string>
    deletionTimestamp?: string
    finalizers?: string[]
  }
  spec: { nodeName?: string }
  status: { phase: string }
}

describe('runs', { skip: found.kind === 'missing' && found.why, timeout: 900_000 }, () => {
  let plane: ControlPlane
  let home: Home
  let cluster: string
  before(async () => {
    const started = await startControlPlane({ nodeLeaseSeconds: 24 })
    assert.ok(started.kind === 'running')
    plane = started
    await makeNodes(plane.api, NODES)
    await makeNamespace(plane.api, 'plimsoll-runs')
    home = new Home(
      'listen: { port: 0 }\ndurations: { persist: 2s, lease: 7500ms, leaseRenew: 2s, blindAfter: 8s, nodeLostAfter: 30s, grace: 2s, fenceAfter: 3m, restartHold: 5s }\n',
    )
    cluster = home.file(
      'cluster.yaml',
      `kind: kubernetes\nname: kwok\nkubeconfig: ${plane.kubeconfig}\ngrants: [annotations]\n`,
    )
    await home.up('--cluster', cluster)
    await until('all nodes are known', () => kwokNodes().length === NODES)
  })
  after(async () => {
    await home?.remove()
    await plane?.stop()
  })

  const kwokNodes = (): Nodes['nodes'] => home.document<Nodes>('nodes').nodes.filter(({ id }) => id.startsWith('kwok/'))
  const show = (name: string): Show => home.document<Show>('show', `default/${name}`)
  const pods = async (name?: string): Promise<Pod[]> => {
    const selector = name === undefined ? '' : `?labelSelector=plimsoll.dev/run-name=${name}`
    return (await plane.api.get<{ items: Pod[] }>(`/api/v1/namespaces/plimsoll-runs/pods${selector}`)).items
  }
  const state = (name: string, wanted: string, withinMs = 60_000): Promise<void> =>
    until(`${name} is ${wanted}`, () => show(name).state === wanted, withinMs).catch(async (error: unknown) => {
      const jobs = await plane.api.get<{ items: Pod[] }>('/apis/batch/v1/namespaces/plimsoll-runs/jobs')
      const there = [
        ...(await pods(name)),
        ...jobs.items.filter((job) => job.metadata.labels['plimsoll.dev/run-name'] === name),
      ]
      throw new Error(`${home.say('show', `default/${name}`).stdout}\n${JSON.stringify(there)}`, { cause: error })
    })

  function submit(
    name: string,
    workers: number,
    settings: Record<string, string> = {},
    more: Record<string, unknown> = {},
  ): void {
    const annotations = Object.fromEntries(
      Object.entries(settings).map(([key, value]) => [`kwok.plimsoll.dev/${key}`, value]),
    )
    const spec = {
      name,
      cluster: 'kwok',
      image: 'registry.test/none:1',
      command: ['train'],
      resources: { nodes: workers, gpusPerNode: 8 },
      kubernetes: { annotations },
      ...more,
    }
    const said = home.say('submit', home.file(`${name}.yaml`, JSON.stringify(spec)), '--yes')
    assert.equal(said.code, 0, said.stderr)
  }

  test('a gang of 128 runs; when it is stopped, one that waits for its nodes starts after its last pod is gone', async () => {
    submit('first', 128, { 'terminate-ms': '1500' })
    await state('first', 'running')
    assert.equal((await pods('first')).filter(({ status }) => status.phase === 'Running').length, 128)
    submit('second', 150)
    await until('it waits for capacity', () => show('second').reason === 'capacity')
    const held = new Set((await pods('first')).map(({ spec }) => spec.nodeName))
    assert.equal(held.size, 128, 'each on a node of its own')
    // A witness of its own: what the API server has, seen again and again.
    let together = 0
    let looks = 0
    const ends = new AbortController()
    const witness = (async () => {
      while (!ends.signal.aborted) {
        const all = await pods()
        const old = new Set(
          all
            .filter((pod) => pod.metadata.labels['plimsoll.dev/run-name'] === 'first')
            .map(({ spec }) => spec.nodeName),
        )
        looks += 1
        if (
          all.some(
            (pod) =>
              pod.metadata.labels['plimsoll.dev/run-name'] === 'second' &&
              pod.spec.nodeName !== undefined &&
              old.has(pod.spec.nodeName),
          )
        )
          together += 1
        await pause(20)
      }
    })()
    home.document('stop', 'default/first')
    await state('second', 'running')
    ends.abort()
    await witness
    assert.ok(looks > 3)
    assert.equal(together, 0, 'no node had pods of both')
    assert.equal(show('first').state, 'cancelled')
    home.document('stop', 'default/second')
    await state('second', 'cancelled')
    await until('nothing is left', async () => (await pods()).length === 0)
    const empty = async (path: string): Promise<boolean> =>
      (await plane.api.get<{ items: unknown[] }>(path)).items.length === 0
    await until('the finalizer let go', () => empty('/apis/batch/v1/namespaces/plimsoll-runs/jobs'))
    await until('what belonged to the Jobs went with them', () => empty('/api/v1/namespaces/plimsoll-runs/services'))
  })

  test('a pod that somebody deletes is a failure of the infrastructure, and the run comes back', async () => {
    submit('robbed', 4)
    await state('robbed', 'running')
    const [victim] = await pods('robbed')
    await plane.api.delete(`/api/v1/namespaces/plimsoll-runs/pods/${victim?.metadata.name}`)
    await until('a second attempt', () => show('robbed').attempts.length === 2)
    await state('robbed', 'running')
    const [first] = show('robbed').attempts
    assert.equal(first?.failure, 'infrastructure', JSON.stringify(first))
    assert.match(first.message ?? '', /deleted, and not by plimsoll/)
    home.document('stop', 'default/robbed')
    await state('robbed', 'cancelled')
  })

  test('a run whose Job somebody deletes trains on, and can be stopped', async () => {
    submit('jobless', 2)
    await state('jobless', 'running')
    const job = show('jobless').attempts[0]?.id ?? ''
    await plane.api.delete(`/apis/batch/v1/namespaces/plimsoll-runs/jobs/${job}?propagationPolicy=Background`)
    await pause(2_000)
    assert.equal((await pods('jobless')).filter(({ status }) => status.phase === 'Running').length, 2)
    home.document('stop', 'default/jobless')
    await state('jobless', 'cancelled', 30_000)
    await until('nothing is left', async () => (await pods('jobless')).length === 0)
  })

  test('a node that falls silent is lost, its run waits until it cannot write any more, and others go on', async () => {
    submit('unlucky', 2)
    submit('lucky', 2)
    await state('unlucky', 'running')
    await state('lucky', 'running')
    const node = show('unlucky').attempts[0]?.workers[0]?.node ?? ''
    await plane.api.patch(`/api/v1/nodes/${node}`, { metadata: { labels: { [KUBELET_LABEL]: 'silent' } } })
    await until('the end of the attempt', () => show('unlucky').attempts[0]?.outcome === 'node-lost', 150_000)
    const { reason, message } = show('unlucky')
    assert.equal(reason, 'fence')
    assert.match(message ?? '', new RegExp(`node ${node} is lost`))
    assert.equal(show('lucky').state, 'running')
    assert.equal(kwokNodes().find(({ id }) => id.includes(`/${node}/`))?.state, 'lost')
    home.document('stop', 'default/unlucky')
    home.document('stop', 'default/lucky')
    await state('lucky', 'cancelled')
    await plane.api.patch(`/api/v1/nodes/${node}`, { metadata: { labels: { [KUBELET_LABEL]: 'alive' } } })
    await until('it is ready again', () => kwokNodes().every((each) => each.state === 'ready'), 120_000)
  })

  test('an image that cannot be pulled is said within seconds, with what to do', async () => {
    submit('pull', 2, { 'image-pull': 'yes' })
    await until(
      'it is said',
      () => /ImagePullBackOff.*see that the image exists/.test(show('pull').message ?? ''),
      15_000,
    )
    assert.match(home.say('why', 'default/pull').stdout, /worker 0 on node-\d+: ImagePullBackOff/)
    assert.match(home.say('events', 'default/pull').stdout, /waits +attempt 1: worker 0 on/)
    home.document('stop', 'default/pull', '--now')
    await state('pull', 'cancelled')
  })

  test('a quota that refuses pods is said, and the gang starts when it is raised', async () => {
    const quotas = '/api/v1/namespaces/plimsoll-runs/resourcequotas'
    await plane.api.post(quotas, { metadata: { name: 'few' }, spec: { hard: { 'requests.nvidia.com/gpu': '16' } } })
    const counted = (name: string, used: string): Promise<void> =>
      until(`${used} of the quota are used`, async () => {
        const quota = await plane.api.get<{ status?: { used?: Record<string, string> } }>(`${quotas}/${name}`)
        return quota.status?.used?.['requests.nvidia.com/gpu'] === used
      })
    await counted('few', '0')
    submit('refused', 4)
    await until('it is said', () => /exceeded quota: few/.test(show('refused').message ?? ''), 20_000)
    home.document('stop', 'default/refused')
    await state('refused', 'cancelled')
    await counted('few', '0')
    submit('quota', 4)
    await until('it is said', () => /exceeded quota: few/.test(show('quota').message ?? ''), 20_000)
    assert.equal((await pods('quota')).filter(({ spec }) => spec.nodeName !== undefined).length, 0, 'none starts alone')
    await plane.api.delete(`${quotas}/few`)
    await state('quota', 'running', 120_000)
    home.document('stop', 'default/quota')
    await state('quota', 'cancelled')
    await plane.api.post(quotas, { metadata: { name: 'none' }, spec: { hard: { 'requests.nvidia.com/gpu': '4' } } })
    await counted('none', '0')
    const refused = home.say(
      'submit',
      home.file(
        'refused.yaml',
        JSON.stringify({
          name: 'too-large',
          cluster: 'kwok',
          image: 'x',
          command: ['x'],
          resources: { gpusPerNode: 8 },
        }),
      ),
      '--yes',
    )
    assert.equal(refused.code, 3)
    assert.match(refused.stderr, /exceeded quota: none/)
    await plane.api.delete(`${quotas}/none`)
  })

  test('GPUs that pods of others hold are theirs: nobody is placed there', async () => {
    await makeNamespace(plane.api, 'strangers')
    for (const [index, gpus] of [8, 8, 3].entries()) {
      await plane.api.post('/api/v1/namespaces/strangers/pods', {
        metadata: { name: `stranger-${index}` },
        spec: {
          nodeName: `node-${index}`,
          restartPolicy: 'Never',
          // A sidecar holds GPUs as any container does.
          [index === 2 ? 'initContainers' : 'containers']: [
            {
              name: 'x',
              image: 'registry.test/none:1',
              resources: { limits: { 'nvidia.com/gpu': String(gpus) } },
              ...(index === 2 ? { restartPolicy: 'Always' } : {}),
            },
          ],
          ...(index === 2 ? { containers: [{ name: 'y', image: 'registry.test/none:1' }] } : {}),
        },
      })
    }
    const foreign = (): number => kwokNodes().reduce((sum, node) => sum + node.foreign, 0)
    await until('they are seen', () => foreign() === 19)
    submit('all', NODES - 3)
    await state('all', 'running')
    const used = new Set((await pods('all')).map(({ spec }) => spec.nodeName))
    for (const index of [0, 1, 2]) assert.ok(!used.has(`node-${index}`))
    submit('more', 1)
    await until('it waits', () => show('more').reason === 'capacity')
    for (const index of [0, 1, 2]) await plane.api.delete(`/api/v1/namespaces/strangers/pods/stranger-${index}`)
    await state('more', 'running')
    for (const name of ['all', 'more']) home.document('stop', `default/${name}`, '--now')
    await state('all', 'cancelled')
  })

  test('a Job that somebody else suspends says so, and is ended when it is stopped', async () => {
    submit('queued-by-others', 2)
    await state('queued-by-others', 'running')
    const { id = '' } = show('queued-by-others').attempts[0] ?? {}
    await plane.api.patch(`/apis/batch/v1/namespaces/plimsoll-runs/jobs/${id}`, { spec: { suspend: true } })
    await until('a second attempt', () => show('queued-by-others').attempts.length === 2)
    const [first] = show('queued-by-others').attempts
    assert.equal(first?.failure, 'infrastructure', JSON.stringify(first))
    home.document('stop', 'default/queued-by-others', '--now')
    await state('queued-by-others', 'cancelled')
  })

  test('a limit that is reached while nobody looks ends the run as of then', async () => {
    submit('limited', 2, {}, { limits: { time: '10s' } })
    await state('limited', 'running')
    await home.kill()
    await until('its pods are gone', async () => (await pods('limited')).length === 0)
    await home.up('--cluster', cluster)
    await state('limited', 'failed', 30_000)
    const { attempts, message } = show('limited')
    assert.deepEqual(
      attempts.map(({ outcome }) => outcome),
      ['deadline'],
    )
    assert.match(message ?? '', /limits\.time is used up/)
  })

  test('after all that the books are exact', () => {
    const ledger = home.document<Ledger>('ledger', '--by', 'account')
    assert.equal(
      ledger.rows.reduce((sum, row) => sum + row.gpuMs, 0),
      ledger.capacityGpuMs,
    )
    assert.ok(ledger.rows.some(({ account }) => account === 'foreign'))
  })
})
