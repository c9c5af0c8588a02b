// What a cluster says while it knows nothing of it: at the start of a process, and while the API server does not answer.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { KubeConfig } from '@kubernetes/client-node'
import type { AttemptId, ClusterName, WorkerId } from '../../domain/ids.ts'
import { NO_POD_OPTIONS } from '../../domain/pod-options.ts'
import { epochMs } from '../../domain/units.ts'
import { createApi } from './api.ts'
import type { KubernetesCluster } from './cluster.ts'
import { createKubernetesCluster } from './cluster.ts'

const ATTEMPT = 'r01m8bnj9kkb10gh7-1' as AttemptId

function clusterAt(server: string, user: object = {}): KubernetesCluster {
  const config = new KubeConfig()
  config.loadFromClusterAndUser({ name: 'c', server, skipTLSVerify: true }, { name: 'u', ...user })
  return createKubernetesCluster({
    name: 'c' as ClusterName,
    controlPlane: 'one',
    config,
    clock: { now: () => epochMs(Date.now()) },
    namespaces: ['runs'],
    namespaceOf: () => 'runs',
    nodes: {
      gpuResource: 'nvidia.com/gpu',
      gpuLabel: 'nvidia.com/gpu.product',
      rackLabel: null,
      blockLabel: null,
      declaredSlots: null,
      badConditions: [],
      tolerations: [],
    },
    nodeSelector: null,
    dedicated: false,
    cordon: false,
    taint: null,
    pods: NO_POD_OPTIONS,
    image: null,
    grants: [],
    priorityClass: null,
    checkpointRoot: '/checkpoints',
    ingestUrl: null,
    requests: { timeoutMs: 1_000, perSecond: 100, burst: 100 },
    relistMs: 60_000,
    log: () => {},
  })
}

type Answer = (path: string) => {
  readonly status: number
  readonly body?: object
  readonly headers?: Record<string, string>
}

async function against<Value>(
  answer: Answer,
  work: (cluster: KubernetesCluster) => Promise<Value>,
  user: object = {},
): Promise<void> {
  const server = createServer(({ url = '' }, response) => {
    const { status, body = {}, headers = {} } = answer(url.split('?')[0] ?? '')
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
  const { port } = server.address() as AddressInfo
  const cluster = clusterAt(`http://127.0.0.1:${port}`, user)
  try {
    await work(cluster)
  } finally {
    await cluster.close()
    server.closeAllConnections()
    server.close()
  }
}

test('it is closed at once, also where nobody has answered yet', { timeout: 10_000 }, () =>
  against(
    () => ({ status: 500 }),
    () => Promise.resolve(),
  ),
)

test(
  'that pods of all namespaces may not be seen is noticed however late it is said',
  { timeout: 30_000 },
  async () => {
    let isUp = false
    const asked = Promise.withResolvers<void>()
    await against(
      (path) => {
        if (!isUp) return { status: 500 }
        if (path === '/api/v1/namespaces/runs/pods') asked.resolve()
        return { status: path === '/api/v1/pods' ? 403 : 500 }
      },
      async () => {
        // Longer than the first five tries.
        await pause(5_500)
        isUp = true
        await asked.promise
      },
    )
  },
)

test(
  'before anything is known of a cluster no log of it is over, and nothing of it is forgotten',
  { timeout: 10_000 },
  () =>
    against(
      () => ({ status: 500 }),
      async (cluster) => {
        await assert.rejects(cluster.readLog(`${ATTEMPT}-0` as WorkerId, 0, 1_000), /the log of .*-0 could not be read/)
        await assert.rejects(cluster.forget(ATTEMPT), /-1 cannot be forgotten/)
      },
    ),
)

test(
  'a program of the kubeconfig that hangs costs a request its time and no more, and is named',
  { timeout: 20_000 },
  () =>
    against(
      () => ({ status: 200 }),
      async ({ api }) => {
        const begin = performance.now()
        await assert.rejects(api.get('/version'), /NoCredentials: no credentials came within 1000 ms/)
        assert.ok(performance.now() - begin < 3_000)
      },
      {
        exec: {
          apiVersion: 'client.authentication.k8s.io/v1',
          command: 'sleep',
          args: ['15'],
          interactiveMode: 'Never',
        },
      },
    ),
)

test(
  'a program of the kubeconfig that fails is said to be what is wrong, and not the server',
  { timeout: 20_000 },
  () =>
    against(
      () => ({ status: 200 }),
      async ({ api }) => {
        await assert.rejects(api.get('/version'), /^ApiError: NoCredentials: /)
      },
      {
        exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'false', args: [], interactiveMode: 'Never' },
      },
    ),
)

test('a server that asks for a long pause is left alone, and nobody waits for it', { timeout: 10_000 }, () => {
  let asked = 0
  return against(
    (path) => {
      if (path !== '/asked') return { status: 500 }
      asked += 1
      return { status: 429, headers: { 'retry-after': '60' } }
    },
    async ({ api }) => {
      await assert.rejects(api.get('/asked'), /429/)
      const begin = performance.now()
      await assert.rejects(api.get('/asked'), /asked not to be asked for another (59|60) s/)
      assert.ok(performance.now() - begin < 500)
      assert.equal(asked, 1)
    },
  )
})

test('credentials that were refused are read again, so that a kubeconfig may be renewed under a control plane', async () => {
  const server = createServer(({ headers }, response) =>
    response.writeHead(headers.authorization === 'Bearer new' ? 200 : 401).end('{}'),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const told: (string | null)[] = [null, 'old', 'new']
  const configOf = (token: string, at = address): KubeConfig => {
    const config = new KubeConfig()
    config.loadFromClusterAndUser({ name: 'c', server: at, skipTLSVerify: true }, { name: 'u', token })
    return config
  }
  const renew = (): KubeConfig => {
    const token = told.shift()
    if (token == null) throw new Error('it is being written')
    return token === 'old' ? configOf('new', 'http://127.0.0.2:1') : configOf(token)
  }
  const api = createApi({ config: configOf('old'), renew, timeoutMs: 2_000, perSecond: 100, burst: 100 })
  try {
    // The third time that it is read it is whole, and of this server.
    for (let tries = 0; tries < 3; tries += 1) await assert.rejects(api.get('/version'), /^ApiError: 401/)
    assert.deepEqual(await api.get('/version'), {})
    assert.deepEqual(told, [])
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
