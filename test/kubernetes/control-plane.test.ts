// The control plane that other tests stand on: it answers, it forgets nothing when its parts are killed, and nothing of it outlives us.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findBinaries } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, PLANE_BINARIES, startControlPlane } from './control-plane.ts'
import { BLOCK_LABEL, makeNodes, RACK_LABEL } from './nodes.ts'
import { alive, until } from './processes.ts'

const found = await findBinaries(PLANE_BINARIES)

describe('control plane', { skip: found.kind === 'missing' && found.why }, () => {
  let plane: ControlPlane
  before(async () => {
    const started = await startControlPlane({
      identities: { reader: { user: 'system:serviceaccount:default:reader', groups: ['system:serviceaccounts'] } },
    })
    assert.ok(started.kind === 'running')
    plane = started
  })
  after(() => plane?.stop())

  test('two hundred nodes are Ready, with GPUs, a product, a rack and a block', async () => {
    const names = await makeNodes(plane.api, 200, { prefix: 'many', nodesPerRack: 10 })
    assert.equal(names.length, 200)
    const node = await plane.api.get<NodeObject>('/api/v1/nodes/many-79')
    assert.equal(node.status.allocatable['nvidia.com/gpu'], '8')
    assert.equal(node.metadata.labels['nvidia.com/gpu.product'], 'NVIDIA-H100-80GB-HBM3')
    assert.equal(node.metadata.labels[RACK_LABEL], 'rack-7')
    assert.equal(node.metadata.labels[BLOCK_LABEL], 'block-1')
  })

  test('an Indexed Job of 64 pods completes, and the audit log has the uids of all', async () => {
    await makeNamespace(plane.api, 'sixty-four')
    const { metadata } = await plane.api.post<JobObject>('/apis/batch/v1/namespaces/sixty-four/jobs', JOB_OF_64)
    const done = await until('a complete Job', 60_000, async () => {
      const job = await plane.api.get<JobObject>('/apis/batch/v1/namespaces/sixty-four/jobs/gang')
      return job.status.completionTime === undefined ? null : job
    })
    assert.equal(done.status.completedIndexes, '0-63')
    const lines = readFileSync(plane.auditLog, 'utf8').trim().split('\n')
    const audits = lines.map((line) => JSON.parse(line) as Audit)
    const created = audits.filter(({ verb, objectRef }) => verb === 'create' && objectRef.namespace === 'sixty-four')
    const uids = (resource: string): string[] =>
      created
        .filter(({ objectRef }) => objectRef.resource === resource && objectRef.subresource === undefined)
        .map(({ responseObject }) => responseObject?.metadata?.uid ?? '')
    assert.deepEqual(uids('jobs'), [metadata.uid])
    assert.equal(new Set(uids('pods').filter((uid) => uid !== '')).size, 64)
  })

  test('an identity has the rights that it is given, and no others', async () => {
    const reader = plane.apiAs(plane.tokens['reader'] ?? '')
    await assert.rejects(reader.get('/api/v1/namespaces/default/pods'), { status: 403 })
    await plane.api.post('/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles', {
      metadata: { name: 'reader' },
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }],
    })
    await plane.api.post('/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings', {
      metadata: { name: 'reader' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'ServiceAccount', name: 'reader', namespace: 'default' }],
    })
    await until('the right', 60_000, () => reader.get('/api/v1/namespaces/default/pods'))
    await assert.rejects(reader.get('/api/v1/namespaces/default/secrets'), { status: 403 })
  })

  test('a token of a real service account is accepted', async () => {
    const { status } = await plane.api.post<{ status: { token: string } }>(
      '/api/v1/namespaces/default/serviceaccounts/default/token',
      { spec: { expirationSeconds: 3600 } },
    )
    const review = await plane.apiAs(status.token).post<Review>('/apis/authentication.k8s.io/v1/selfsubjectreviews', {})
    assert.equal(review.status.userInfo.username, 'system:serviceaccount:default:default')
  })

  test('what was written is there after the API server and etcd were killed', async () => {
    await plane.api.post('/api/v1/namespaces/default/configmaps', { metadata: { name: 'kept' }, data: { a: '1' } })
    await plane.restartApiServer()
    await plane.restartEtcd()
    const kept = await until('the map', 60_000, () =>
      plane.api.get<{ data: unknown }>('/api/v1/namespaces/default/configmaps/kept'),
    )
    assert.deepEqual(kept.data, { a: '1' })
  })

  test('nothing is left when the process that started one is killed', async (t) => {
    const child = spawn(process.execPath, [fileURLToPath(new URL('started-and-left.ts', import.meta.url))], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    t.after(() => child.kill('SIGKILL'))
    let complaint = ''
    child.stderr.on('data', (said: Buffer) => (complaint += said.toString()))
    const { processes } = await new Promise<{ processes: { pid: number }[] }>((resolve, reject) => {
      child.on('close', () => reject(new Error(`it ended by itself: ${complaint}`)))
      child.stdout.once('data', (said: Buffer) => resolve(JSON.parse(said.toString()) as never))
    })
    const left = (): number => processes.filter(({ pid }) => alive(pid)).length
    assert.equal(left(), 5)
    child.kill('SIGKILL')
    await until('the end of all', 30_000, () => left() === 0 || null)
  })
})

const JOB_OF_64 = {
  metadata: { name: 'gang' },
  spec: {
    completions: 64,
    parallelism: 64,
    completionMode: 'Indexed',
    template: {
      metadata: { annotations: { 'kwok.plimsoll.dev/run-ms': '100' } },
      spec: {
        restartPolicy: 'Never',
        containers: [{ name: 'worker', image: 'none', resources: { limits: { 'nvidia.com/gpu': '8' } } }],
      },
    },
  },
}

type NodeObject = {
  metadata: { labels: Record<string, string> }
  status: { allocatable: Record<string, string> }
}
type JobObject = { metadata: { uid: string }; status: { completionTime?: string; completedIndexes?: string } }
type Audit = {
  verb: string
  objectRef: { resource: string; subresource?: string; namespace?: string }
  responseObject?: { metadata?: { uid?: string } }
}
type Review = { status: { userInfo: { username: string } } }
