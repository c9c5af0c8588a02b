// The chart on a real control plane: installed by helm with its hooks, and the rights of each account proved with its own token, by what
// the API server says of them as a whole, by requests verb by verb, and by the adapter at work.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { KubeConfig } from '@kubernetes/client-node'
import type { KubernetesCluster, KubernetesClusterOptions } from '../../src/adapters/kubernetes/cluster.ts'
import { createKubernetesCluster } from '../../src/adapters/kubernetes/cluster.ts'
import { createRehearsalCluster } from '../../src/adapters/kubernetes/rehearsal-cluster.ts'
import { NO_POD_OPTIONS } from '../../src/domain/pod-options.ts'
import { durationMs } from '../../src/domain/units.ts'
import type { WorkerSeen } from '../../src/ports/cluster.ts'
import { Fault } from '../../src/ports/fault.ts'
import { root } from '../parts/plimsoll.ts'
import { ApiFault } from './api.ts'
import { findBinaries } from './binaries.ts'
import type { Rules } from './chart.ts'
import { CHART, Helm, manifestsOf, NAMESPACE, RELEASE, rightsOf } from './chart.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, PLANE_BINARIES, startControlPlane } from './control-plane.ts'
import { PREFIX } from './kwok-stages.ts'
import { makeNodes } from './nodes.ts'
import { until } from './processes.ts'
import { clusterOptions, planOf } from './world.ts'

const found = await findBinaries([...PLANE_BINARIES, 'helm'])
const RUNS = 'plimsoll-runs'
const ID = 'plimsoll.plimsoll'
type Account = 'controller' | 'api' | 'migrate' | 'release'

describe('the chart on a cluster', { skip: found.kind === 'missing' && found.why }, () => {
  let plane: ControlPlane
  let helm: Helm
  const tokens = new Map<Account, string>()
  const clusters: KubernetesCluster[] = []

  before(async () => {
    const started = await startControlPlane()
    assert.ok(started.kind === 'running')
    plane = started
    await makeNodes(plane.api, 4)
    await makeNamespace(plane.api, NAMESPACE)
    helm = new Helm(found.kind === 'found' ? found.paths.helm : '', plane.kubeconfig)
  })
  after(async () => {
    for (const cluster of clusters) await cluster.close()
    await plane?.stop()
    if (helm !== undefined) rmSync(helm.folder, { recursive: true, force: true })
  })

  /** A real token of a service account of the chart. */
  const tokenOf = async (account: Account): Promise<string> => {
    const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/plimsoll-${account}/token`
    const { status } = await plane.api.post<{ status: { token: string } }>(path, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {},
    })
    tokens.set(account, status.token)
    return status.token
  }
  /** The pods of hooks are kwok's, which run for ever: each is let end well, and named. */
  const whileHooksEnd = async <T>(work: Promise<T>): Promise<{ answer: T; hooks: string[] }> => {
    const ended = new Set<string>()
    let over = false
    const watching = until('the end of the hooks', 120_000, async () => {
      const selector = encodeURIComponent('app.kubernetes.io/component in (migrate,release)')
      const path = `/api/v1/namespaces/${NAMESPACE}/pods`
      const { items } = await plane.api.get<{ items: readonly HookPod[] }>(`${path}?labelSelector=${selector}`)
      for (const { metadata } of items) {
        if (ended.has(metadata.name)) continue
        ended.add(metadata.name)
        await plane.api.patch(`${path}/${metadata.name}`, { metadata: { annotations: { [`${PREFIX}/run-ms`]: '50' } } })
      }
      return over || null
    })
    const answer = await work.finally(() => (over = true))
    await watching
    return { answer, hooks: [...ended].map((name) => name.replace(/-[a-z0-9]+$/, '')) }
  }
  const upgrade = (...set: string[]): void => {
    const said = helm.say('upgrade', RELEASE, CHART, '--namespace', NAMESPACE, '--no-hooks', ...set)
    assert.equal(said.code, 0, said.stderr)
  }
  /** What a request of an account comes to: refused for want of the right, or anything else. */
  const ask = async (account: Account, method: Method, path: string, body: object = {}): Promise<'403' | 'allowed'> => {
    const api = plane.apiAs(tokens.get(account) ?? '')
    try {
      await (method === 'get' ? api.get(path) : api[method](path, body))
      return 'allowed'
    } catch (error) {
      if (!(error instanceof ApiFault)) throw error
      // Without the right nobody learns whether it exists: 404 and 422 come behind it.
      return error.status === 403 && /cannot \w+ resource/.test(error.message) ? '403' : 'allowed'
    } finally {
      api.close()
    }
  }

  test('helm installs it: the server takes every manifest, first dry and then in earnest, with its hooks', async () => {
    const install = ['install', RELEASE, CHART, '--namespace', NAMESPACE]
    const dry = helm.say(...install, '--dry-run=server')
    assert.equal(dry.code, 0, dry.stderr)
    const { answer, hooks } = await whileHooksEnd(helm.start(...install, '--timeout', '100s'))
    assert.equal(answer.code, 0, answer.said)
    assert.deepEqual(hooks, ['plimsoll-migrate'])
    // Every kind of hook, too, whose turn has not come yet.
    const text = helm.template()
    const kubectl = ['apply', '--server-side', '--dry-run=server', '--force-conflicts', '-f', '-']
    const applied = spawnSync(plane.binaries.kubectl, ['--kubeconfig', plane.kubeconfig, ...kubectl], {
      input: text,
      encoding: 'utf8',
    })
    assert.equal(applied.status, 0, applied.stderr)
    assert.equal(applied.stdout.trim().split('\n').length, manifestsOf(text).length)
    const { metadata } = await plane.api.get<{ metadata: { labels: Record<string, string> } }>(
      `/api/v1/namespaces/${RUNS}`,
    )
    assert.equal(metadata.labels['pod-security.kubernetes.io/enforce'], 'baseline')
    // Those of the hooks are made as helm would, for the tests below.
    for (const manifest of manifestsOf(text)) {
      const { kind, metadata: about } = manifest
      const ofHook = /-(migrate|release)(-runs)?$/.test(about.name)
      if (!ofHook || !['ServiceAccount', 'Role', 'RoleBinding'].includes(kind)) continue
      const group = kind === 'ServiceAccount' ? '/api/v1' : '/apis/rbac.authorization.k8s.io/v1'
      await plane.api.post(`${group}/namespaces/${about.namespace}/${kind.toLowerCase()}s`, manifest)
    }
    for (const account of ['controller', 'api', 'migrate', 'release'] as const) await tokenOf(account)
  })

  test('each account has exactly the rights of its table, in every namespace', async () => {
    const everywhere = ['pods: list,watch', 'nodes: list,watch']
    const expected: Readonly<Record<Account, Readonly<Record<string, readonly string[]>>>> = {
      controller: {
        [RUNS]: [
          'jobs: create,delete,get,list,patch,watch',
          'pods: deletecollection,list,patch,watch',
          'pods/log: get',
          'services: create',
          'secrets: create',
          'events: list,watch',
          ...everywhere,
        ],
        'kube-node-lease': ['leases: list', ...everywhere],
        [NAMESPACE]: everywhere,
        default: everywhere,
        'kube-system': everywhere,
      },
      api: { [RUNS]: ['jobs: create', 'pods: create'] },
      migrate: {},
      release: {
        [RUNS]: ['jobs: get,list,patch'],
        [NAMESPACE]: ['deployments/plimsoll-controller: get', 'deployments/scale/plimsoll-controller: patch'],
      },
    }
    for (const account of ['controller', 'api', 'migrate', 'release'] as const) {
      const api = plane.apiAs(tokens.get(account) ?? '')
      for (const namespace of [RUNS, NAMESPACE, 'default', 'kube-system', 'kube-node-lease']) {
        const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace } }
        const { status } = await api.post<{ status: Rules }>(
          '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
          review,
        )
        const rights = rightsOf(status)
        const wanted = rightsOf(null, expected[account][namespace] ?? [])
        assert.deepEqual(rights, wanted, `${account} in ${namespace}`)
      }
    }
  })

  const jobs = (namespace: string): string => `/apis/batch/v1/namespaces/${namespace}/jobs`
  const core = (namespace: string, rest: string): string => `/api/v1/namespaces/${namespace}/${rest}`
  const binding = `/apis/rbac.authorization.k8s.io/v1/namespaces/${RUNS}/rolebindings/plimsoll-controller`
  const scale = (name: string): string => `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/${name}/scale`

  test('request by request: what is granted goes through, and what is not is refused', async () => {
    const pod = { metadata: { name: 'x' }, spec: { containers: [{ name: 'a', image: 'a' }] } }
    const job = { metadata: { name: 'x' }, spec: { template: { spec: { ...pod.spec, restartPolicy: 'Never' } } } }
    const service = { metadata: { name: 'x' }, spec: { ports: [{ port: 1 }] } }
    const secret = { metadata: { name: 'x' } }
    const table: readonly (readonly [Account, Method, string, 'allowed' | '403', object?])[] = [
      ['controller', 'post', `${jobs(RUNS)}?dryRun=All`, 'allowed', job],
      ['controller', 'get', `${jobs(RUNS)}/none`, 'allowed'],
      ['controller', 'get', jobs(RUNS), 'allowed'],
      ['controller', 'patch', `${jobs(RUNS)}/none`, 'allowed'],
      ['controller', 'delete', `${jobs(RUNS)}/none`, 'allowed'],
      ['controller', 'put', `${jobs(RUNS)}/none`, '403', job],
      ['controller', 'delete', jobs(RUNS), '403'],
      ['controller', 'post', `${jobs('default')}?dryRun=All`, '403', job],
      ['controller', 'get', jobs(NAMESPACE), '403'],
      ['controller', 'get', core(RUNS, 'pods'), 'allowed'],
      ['controller', 'patch', core(RUNS, 'pods/none'), 'allowed'],
      ['controller', 'delete', core(RUNS, 'pods?labelSelector=none=none'), 'allowed'],
      ['controller', 'delete', core(RUNS, 'pods/none'), '403'],
      ['controller', 'get', core(RUNS, 'pods/none'), '403'],
      ['controller', 'post', core(RUNS, 'pods?dryRun=All'), '403', pod],
      ['controller', 'get', core(RUNS, 'pods/none/log'), 'allowed'],
      ['controller', 'get', core('default', 'pods/none/log'), '403'],
      ['controller', 'post', core(RUNS, 'pods/none/exec?command=sh'), '403'],
      ['controller', 'patch', core(NAMESPACE, 'pods/none'), '403'],
      ['controller', 'post', core(RUNS, 'services?dryRun=All'), 'allowed', service],
      ['controller', 'get', core(RUNS, 'services'), '403'],
      ['controller', 'post', core(RUNS, 'secrets?dryRun=All'), 'allowed', secret],
      ['controller', 'get', core(RUNS, 'secrets'), '403'],
      ['controller', 'get', core(RUNS, 'secrets/x'), '403'],
      ['controller', 'get', core(NAMESPACE, 'secrets/plimsoll'), '403'],
      ['controller', 'post', core(NAMESPACE, 'secrets?dryRun=All'), '403', secret],
      ['controller', 'get', core(RUNS, 'events'), 'allowed'],
      ['controller', 'get', core(RUNS, 'configmaps'), '403'],
      ['controller', 'get', '/api/v1/pods', 'allowed'],
      ['controller', 'get', '/api/v1/nodes', 'allowed'],
      ['controller', 'get', '/api/v1/nodes/node-0', '403'],
      ['controller', 'patch', '/api/v1/nodes/node-0?dryRun=All', '403', { spec: { unschedulable: true } }],
      ['controller', 'get', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases', 'allowed'],
      ['controller', 'get', '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases', '403'],
      ['controller', 'post', '/api/v1/namespaces?dryRun=All', '403', { metadata: { name: 'x' } }],
      ['controller', 'post', core(NAMESPACE, 'serviceaccounts/plimsoll-release/token'), '403'],
      ['controller', 'patch', binding, '403'],
      ['api', 'post', `${jobs(RUNS)}?dryRun=All`, 'allowed', job],
      ['api', 'post', core(RUNS, 'pods?dryRun=All'), 'allowed', pod],
      ['api', 'get', jobs(RUNS), '403'],
      ['api', 'get', core(RUNS, 'pods'), '403'],
      ['api', 'get', core(RUNS, 'secrets'), '403'],
      ['api', 'get', core(NAMESPACE, 'secrets/plimsoll'), '403'],
      ['api', 'get', '/api/v1/nodes', '403'],
      ['api', 'post', core(NAMESPACE, 'pods?dryRun=All'), '403', pod],
      ['migrate', 'get', core(NAMESPACE, 'secrets/plimsoll'), '403'],
      ['migrate', 'get', core(NAMESPACE, 'configmaps/plimsoll'), '403'],
      ['migrate', 'get', jobs(RUNS), '403'],
      ['release', 'get', jobs(RUNS), 'allowed'],
      ['release', 'patch', `${jobs(RUNS)}/none`, 'allowed'],
      ['release', 'delete', `${jobs(RUNS)}/none`, '403'],
      ['release', 'patch', `${scale('plimsoll-controller')}?dryRun=All`, 'allowed', { spec: { replicas: 0 } }],
      ['release', 'patch', `${scale('plimsoll-api')}?dryRun=All`, '403', { spec: { replicas: 0 } }],
    ]
    const wrong: string[] = []
    for (const [account, method, path, wanted, body] of table) {
      const answer = await ask(account, method, path, body)
      if (answer !== wanted) wrong.push(`${account} ${method} ${path}: ${answer}`)
    }
    assert.deepEqual(wrong, [])
  })

  const settings = (account: Account, over: Partial<KubernetesClusterOptions>): KubernetesClusterOptions => {
    const config = new KubeConfig()
    config.loadFromFile(plane.kubeconfigFor(account, tokens.get(account) ?? ''))
    return clusterOptions(plane, {
      config,
      controlPlane: ID,
      namespaces: [RUNS],
      namespaceOf: () => RUNS,
      priorityClass: 'plimsoll',
      ingestUrl: 'http://plimsoll-ingest.plimsoll.svc:7421',
      ...over,
    })
  }
  const open = (over: Partial<KubernetesClusterOptions> = {}): KubernetesCluster => {
    const cluster = createKubernetesCluster(settings('controller', over))
    clusters.push(cluster)
    return cluster
  }
  const seen = async (cluster: KubernetesCluster, attempt: string): Promise<readonly WorkerSeen[]> =>
    (await cluster.observe()).workers.filter(({ worker }) => worker.startsWith(attempt))

  test('the adapter lives on these rights: it launches, lets go, reads logs, moves the deadline, ends and forgets', async () => {
    const cluster = open()
    const first = await until('a look', 20_000, () => cluster.observe().catch(() => null))
    assert.equal(first.nodes.filter(({ condition }) => condition.kind === 'ready').length, 4)
    const plan = planOf(['node-0', 'node-1'])
    const ingest = { url: '', token: 'secret' }
    const phases = async (): Promise<string[]> => (await seen(cluster, plan.attempt)).map(({ phase }) => phase)
    await until('both run', 20_000, async () => {
      await cluster.launch(plan, null, ingest)
      return (await phases()).join() === 'running,running' || null
    })
    const [worker] = plan.workers
    assert.ok(worker !== undefined)
    await until('its log', 20_000, async () => (await cluster.readLog(worker.id, 0, 1_000)).bytes.length > 0 || null)
    await cluster.deadline(plan.attempt, null)
    await cluster.end({ attempt: plan.attempt, graceMs: durationMs(1_000), askedAt: first.observedAt })
    await until('both have ended', 20_000, async () => (await phases()).join() === 'exited,exited' || null)
    await cluster.forget(plan.attempt)
    const path = `${jobs(RUNS)}/${plan.attempt}`
    await until('the Job is gone', 20_000, () =>
      plane.api.get(path).then(
        () => null,
        () => true,
      ),
    )
  })

  test('the api rehearses with its own: what the server takes, and what the namespace refuses', async () => {
    const cluster = createRehearsalCluster(settings('api', { grants: ['hostNetwork'] }))
    assert.equal(await cluster.rehearse?.(planOf(['node-0'])), null)
    const kubernetes = { ...NO_POD_OPTIONS, hostNetwork: true }
    const refusal = await cluster.rehearse?.(planOf(['node-0'], {}, { kubernetes }))
    assert.match(refusal?.message ?? '', /violates PodSecurity "baseline:latest": host namespaces/)
    assert.equal((await plane.api.get<{ items: readonly object[] }>(jobs(RUNS))).items.length, 0)
  })

  test('before the chart goes: the controllers are stopped, our Jobs are let go, and those of others are not', async () => {
    const cluster = open()
    const others = open({ controlPlane: 'somebody-else' })
    const plans = [planOf(['node-0']), planOf(['node-1'])] as const
    await cluster.launch(plans[0], null, null)
    await others.launch(plans[1], null, null)
    const folder = mkdtempSync(join(tmpdir(), 'plimsoll-release-'))
    try {
      const config = manifestsOf(helm.template()).find(
        ({ kind, metadata: { name } }) => kind === 'ConfigMap' && name === 'plimsoll',
      )
      for (const [name, text] of Object.entries(config?.data ?? {})) writeFileSync(join(folder, name), text)
      const main = join(root, 'src', 'apps', 'cli', 'main.ts')
      const args = [
        'release',
        '--config',
        join(folder, 'config.yaml'),
        '--stop-deployment',
        'plimsoll/plimsoll-controller',
      ]
      const env = {
        PATH: process.env.PATH,
        HOME: folder,
        KUBECONFIG: plane.kubeconfigFor('release', tokens.get('release') ?? ''),
      }
      const said = spawnSync(process.execPath, [main, ...args], { env, encoding: 'utf8', timeout: 60_000 })
      assert.deepEqual([said.status, /1 Jobs are released/.test(said.stderr)], [0, true], said.stderr)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
    const finalizers = async (attempt: string): Promise<readonly string[]> => {
      const { metadata } = await plane.api.get<{ metadata: { finalizers?: readonly string[] } }>(
        `${jobs(RUNS)}/${attempt}`,
      )
      return metadata.finalizers?.filter((each) => each.startsWith('plimsoll.dev/')) ?? []
    }
    assert.deepEqual(await finalizers(plans[0].attempt), [])
    assert.deepEqual(await finalizers(plans[1].attempt), ['plimsoll.dev/books'])
    const { spec } = await plane.api.get<{ spec: { replicas: number } }>(
      `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/plimsoll-controller`,
    )
    assert.equal(spec.replicas, 0)
  })

  test('without the right to read the cluster it says so, and where it is dedicated nodes are enough', async () => {
    upgrade('--set', 'rbac.clusterRead=false')
    const blind = open()
    const fault = await until('a refusal', 20_000, () =>
      blind.observe().then(
        () => null,
        (error: unknown) => (error instanceof Fault && error.code === 'cluster-refused' ? error : null),
      ),
    )
    assert.match(fault.message, /cannot (list|watch) resource "(nodes|pods|leases)"/)
    assert.match(fault.whatToDo ?? '', /Grant the right that it names/)
    upgrade('--set', 'cluster.settings.dedicated=true')
    assert.equal(await ask('controller', 'get', '/api/v1/pods'), '403')
    const dedicated = open({ dedicated: true })
    const look = await until('a look', 20_000, () => dedicated.observe().catch(() => null))
    assert.ok(look.nodes.every(({ condition }) => condition.kind === 'ready'))
  })

  test('the right to cordon and to taint is there when it is asked for, and no other comes with it', async () => {
    const cluster = open({ cordon: true })
    await until('a look', 20_000, () => cluster.observe().catch(() => null))
    await assert.rejects(cluster.keepOff(new Set(['node-3']), new Map()), /cannot patch resource "nodes"/)
    upgrade('--set', 'rbac.cordon=true')
    const taint = { key: 'example.com/out', value: null, effect: 'NoSchedule' } as const
    await cluster.keepOff(new Set(['node-3']), new Map([['node-3', taint]]))
    const { spec } = await plane.api.get<{ spec: { unschedulable?: boolean; taints?: { key: string }[] } }>(
      '/api/v1/nodes/node-3',
    )
    assert.equal(spec.unschedulable, true)
    assert.ok(spec.taints?.some(({ key }) => key === taint.key))
    const cordon = { spec: { unschedulable: true } }
    assert.equal(await ask('controller', 'patch', '/api/v1/nodes/node-0?dryRun=All', cordon), 'allowed')
    assert.equal(await ask('controller', 'patch', '/api/v1/nodes/node-0/status?dryRun=All', {}), '403')
    assert.equal(await ask('controller', 'delete', '/api/v1/nodes/node-0?dryRun=All'), '403')
    assert.equal(await ask('api', 'patch', '/api/v1/nodes/node-0?dryRun=All', cordon), '403')
  })

  test('helm uninstalls it: the hook runs first, and the runs and their namespace stay', async () => {
    const { answer, hooks } = await whileHooksEnd(
      helm.start('uninstall', RELEASE, '--namespace', NAMESPACE, '--timeout', '100s'),
    )
    assert.equal(answer.code, 0, answer.said)
    assert.deepEqual(hooks, ['plimsoll-release'])
    const { items } = await plane.api.get<{ items: readonly object[] }>(jobs(RUNS))
    assert.equal(items.length, 2)
    const role = '/apis/rbac.authorization.k8s.io/v1/clusterroles/plimsoll-plimsoll-read'
    await assert.rejects(plane.api.get(role), /404/)
  })
})

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'
type HookPod = { readonly metadata: { readonly name: string } }
