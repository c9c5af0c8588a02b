// On a real API server with its controllers and scheduler (300 requests/s, burst 600) and nodes of kwok, on this machine: they share its
// cores with us.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause, Home, until } from '../test/parts/plimsoll.ts'
import type { ControlPlane } from '../test/kubernetes/control-plane.ts'
import { makeNamespace, startControlPlane } from '../test/kubernetes/control-plane.ts'
import { makeNodes } from '../test/kubernetes/nodes.ts'
import type { Proxy } from '../test/kubernetes/proxy.ts'
import { startProxy } from '../test/kubernetes/proxy.ts'
import { api, cpuTicks, inParallel, nodePid, quantile, rss } from './parts.ts'
import type { Result } from './run.ts'

type World = { readonly plane: ControlPlane; readonly proxy: Proxy; readonly home: Home; readonly cluster: string }
type Named = { items: { metadata: { name: string } }[] }
type Shown = { state: string; attempts: { plannedAt: string }[] }
type Pods = { items: { spec: { nodeName?: string }; status: { phase: string } }[] }

const RUNS = '/api/v1/namespaces/plimsoll-runs/pods'
const JOBS = '/apis/batch/v1/namespaces/plimsoll-runs/jobs'

/** Requests of the control plane go through something that counts them. */
async function onKubernetes(nodes: number, body: (world: World) => Promise<Result>): Promise<Result> {
  const plane = await startControlPlane()
  if (plane.kind === 'missing') throw new Error(plane.why)
  const home = new Home('listen: { port: 0 }\ndurations: { grace: 2s, fenceAfter: 5m }\n')
  const proxy = await startProxy(plane, Math.random)
  try {
    await makeNodes(plane.api, nodes)
    await makeNamespace(plane.api, 'plimsoll-runs')
    const kubeconfig = plane.kubeconfigFor('counted', plane.tokens['admin'] ?? '', proxy.url)
    const cluster = home.file(
      'cluster.yaml',
      `kind: kubernetes\nname: kwok\nkubeconfig: ${kubeconfig}\ngrants: [annotations]\n`,
    )
    await home.up('--cluster', cluster)
    const ask = api(home)
    await until('all nodes are known', async () => {
      const known = await ask<{ nodes: { id: string }[] }>('GET', '/nodes')
      return known.nodes.filter(({ id }) => id.startsWith('kwok/')).length === nodes
    })
    return await body({ plane, proxy, home, cluster })
  } finally {
    await home.remove()
    await proxy.close()
    await plane.stop()
  }
}

const specOf = (name: string, workers: number, gpusPerNode: number, annotations: Record<string, string>) => ({
  name,
  cluster: 'kwok',
  image: 'registry.test/none:1',
  command: ['train'],
  resources: { nodes: workers, gpusPerNode },
  kubernetes: { annotations },
})

const calls = ({ proxy }: World): number => [...proxy.requests.values()].reduce((sum, each) => sum + each, 0)

/** A Job as anybody would make it: no gates, placed by the scheduler. */
const plainJob = (name: string, workers: number, gpus: number, annotations: Record<string, string>) => ({
  metadata: { name },
  spec: {
    completions: workers,
    parallelism: workers,
    completionMode: 'Indexed',
    template: {
      metadata: { annotations },
      spec: {
        restartPolicy: 'Never',
        containers: [
          { name: 'worker', image: 'registry.test/none:1', resources: { limits: { 'nvidia.com/gpu': String(gpus) } } },
        ],
      },
    },
  },
})

/** When the last of so many pods was bound, by the audit log: to list them all the time would take the cores that bind them. */
async function allBound(plane: ControlPlane, count: number, since: number): Promise<number> {
  for (;;) {
    const bound = readFileSync(plane.auditLog, 'utf8')
      .split('\n')
      .filter((line) => line.includes('"subresource":"binding"'))
      .map((line) => JSON.parse(line) as { stageTimestamp: string; responseStatus: { code: number } })
      .filter(
        ({ stageTimestamp, responseStatus }) => responseStatus.code === 201 && Date.parse(stageTimestamp) >= since,
      )
    if (bound.length === count) return Math.max(...bound.map(({ stageTimestamp }) => Date.parse(stageTimestamp)))
    await pause(500)
  }
}

export function gang(): Promise<Result> {
  const workers = 128
  return onKubernetes(200, async (world) => {
    const { plane, home } = world
    const ask = api(home)
    const samples: number[] = []
    const made: number[] = []
    for (let turn = 0; turn < 3; turn += 1) {
      const before = calls(world)
      const submitted = Date.now()
      const { id } = await ask<{ id: string }>(
        'POST',
        '/runs',
        specOf(`gang-${turn}`, workers, 8, { 'kwok.plimsoll.dev/run-ms': '1000' }),
      )
      const bound = await allBound(plane, workers, submitted)
      const show = await ask<{ attempts: { plannedAt: string }[] }>('GET', `/runs/${id}`)
      samples.push(bound - Date.parse(show.attempts[0]?.plannedAt ?? ''))
      await until(
        'it has ended',
        async () => (await ask<{ state: string }>('GET', `/runs/${id}`)).state === 'succeeded',
      )
      await until('nothing is left of it', async () => (await plane.api.get<Pods>(RUNS)).items.length === 0)
      made.push(calls(world) - before)
    }
    const begin = Date.now()
    await plane.api.post(JOBS, plainJob('plain', workers, 8, {}))
    const baseline = (await allBound(plane, workers, begin)) - begin
    return {
      work: `admission of a gang of ${workers} pods to all of them bound (200 nodes of kwok, real scheduler)`,
      unit: 'ms',
      samples,
      ours: quantile(samples, 0.5),
      baseline,
      baselineIs: 'the same Job without a control plane, from its creation',
      rssMiB: rss(home),
      figures: [
        { name: 'all pods bound', ours: quantile(samples, 0.5), unit: 'ms', limit: 3_000 },
        { name: 'API calls over its life, all verbs', ours: Math.max(...made), unit: 'calls', limit: 300 },
      ],
    }
  })
}

export function smallPods(): Promise<Result> {
  const count = 1_000
  const annotations = { 'kwok.plimsoll.dev/run-ms': '0' }
  return onKubernetes(200, async (world) => {
    const { plane, home } = world
    const ask = api(home)
    const begin = performance.now()
    const ticks = cpuTicks(nodePid(home))
    await inParallel(8, count, (index) => ask('POST', '/runs', specOf(`small-${index}`, 1, 1, annotations)))
    for (let ended = 0; ended < count; await pause(200))
      ended = (await ask<{ runs: unknown[] }>('GET', `/runs?state=succeeded&limit=${count}`)).runs.length
    const seconds = (performance.now() - begin) / 1_000
    const share = (cpuTicks(nodePid(home)) - ticks) / seconds
    await until('nothing is left of them', async () => (await plane.api.get<Pods>(RUNS)).items.length === 0, 300_000)
    const plain = performance.now()
    await inParallel(8, count, (index) => plane.api.post(JOBS, plainJob(`plain-${index}`, 1, 1, annotations)))
    for (let over = 0; over < count; await pause(200)) {
      const { items } = await plane.api.get<{ items: { status: { completionTime?: string } }[] }>(JOBS)
      over = items.filter(({ status }) => status.completionTime !== undefined).length
    }
    const plainSeconds = (performance.now() - plain) / 1_000
    const books = await ask<{ capacityGpuMs: number; rows: { gpuMs: number }[] }>('GET', '/ledger?by=account')
    return {
      work: `${count} runs of one pod through submit, launch and end on 200 nodes of kwok, durable; of the time our process computed ${share.toFixed(0)} % of one core`,
      unit: 'runs/s',
      samples: [count / seconds],
      ours: count / seconds,
      baseline: count / plainSeconds,
      baselineIs: 'the same Jobs, 8 requests at a time, without a control plane',
      rssMiB: rss(home),
      figures: [
        { name: 'runs a second', ours: count / seconds, unit: 'runs/s', limit: 8, atLeast: true },
        {
          name: 'conservation error',
          ours: Math.abs(books.rows.reduce((sum, row) => sum + row.gpuMs, 0) - books.capacityGpuMs),
          unit: 'GPU-ms',
          limit: 0,
        },
      ],
    }
  })
}

export function watching(): Promise<Result> {
  const nodes = 1_000
  const pods = 10_000
  const seconds = 30
  return onKubernetes(nodes, async ({ plane, home }) => {
    const before = rss(home) ?? Number.NaN
    await makeNamespace(plane.api, 'others')
    // Half of them hold a GPU: those are known one by one.
    await inParallel(32, pods, (index) =>
      plane.api.post('/api/v1/namespaces/others/pods', {
        metadata: { name: `other-${index}`, labels: { app: `app-${index % 50}` } },
        spec: {
          nodeName: `node-${index % nodes}`,
          restartPolicy: 'Never',
          containers: [
            {
              name: 'x',
              image: 'registry.test/none:1',
              ...(index < pods / 2 ? { resources: { limits: { 'nvidia.com/gpu': '1' } } } : {}),
            },
          ],
        },
      }),
    )
    const ask = api(home)
    const foreign = async (): Promise<number> =>
      (await ask<{ nodes: { foreign: number }[] }>('GET', '/nodes')).nodes.reduce((sum, node) => sum + node.foreign, 0)
    // Not more often: a list of all nodes is work, and there is nobody else who asks for it.
    while ((await foreign()) !== pods / 2) await pause(5_000)
    await pause(20_000)
    const pid = nodePid(home)
    const ticks = cpuTicks(pid)
    await pause(seconds * 1_000)
    const share = (cpuTicks(pid) - ticks) / seconds
    const resident = rss(home) ?? Number.NaN
    return {
      work: `${nodes} nodes and ${pods} pods watched; CPU over ${seconds} s in which no run is there`,
      unit: 'MiB',
      samples: [resident],
      ours: resident,
      baseline: before,
      baselineIs: 'the same process before there were pods',
      rssMiB: resident,
      figures: [
        { name: 'resident memory', ours: resident, unit: 'MiB', limit: 400 },
        { name: 'CPU of one core', ours: share, unit: '%', limit: 10 },
      ],
    }
  })
}

/** When the process that leads now took the lead, by its log. */
function leadingSince(home: Home): number {
  const lines = readFileSync(join(home.path, 'plimsoll.log'), 'utf8').split('\n')
  const line = lines.findLast((each) => each.includes('"msg":"leading"'))
  return (JSON.parse(line ?? '{}') as { time?: number }).time ?? Number.NaN
}

export function recoverPods(): Promise<Result> {
  const count = 1_000
  return onKubernetes(count / 8, async ({ plane, home, cluster }) => {
    await inParallel(8, count, (index) => api(home)('POST', '/runs', specOf(`run-${index}`, 1, 1, {})))
    const running = async (): Promise<number> =>
      (await api(home)<{ runs: unknown[] }>('GET', `/runs?state=running&limit=1000`)).runs.length
    // Not more often: to list a thousand runs is work, and there is nobody else who asks for it.
    while ((await running()) < count) await pause(5_000)
    const decided: number[] = []
    const whole: number[] = []
    for (let turn = 0; turn < 3; turn += 1) {
      // Every GPU is held, so that it waits; one comes free while nobody looks.
      const { id } = await api(home)<{ id: string }>('POST', '/runs', specOf(`next-${turn}`, 1, 1, {}))
      await home.kill()
      const [pod] = (await plane.api.get<Named>(`${RUNS}?fieldSelector=status.phase%3DRunning&limit=1`)).items
      const annotations = { 'kwok.plimsoll.dev/run-ms': '1' }
      await plane.api.patch(`${RUNS}/${pod?.metadata.name}`, { metadata: { annotations } })
      await pause(1_000)
      const begin = Date.now()
      await home.up('--cluster', cluster)
      const show = (): Promise<Shown> => api(home)<Shown>('GET', `/runs/${id}`)
      await until('it runs', async () => (await show()).state === 'running')
      whole.push(Date.now() - begin)
      decided.push(Date.parse((await show()).attempts[0]?.plannedAt ?? '') - leadingSince(home))
    }
    if ((await running()) < count) throw new Error('runs were lost by a restart')
    const begin = performance.now()
    home.say('runs', '--limit', '1', '-o', 'json')
    return {
      work: `restart after kill -9 with ${count} runs on the cluster: from the lease to the first correct decision, which is to place the next run on the GPU that came free meanwhile (from the start of the program to its pod running: ${quantile(whole, 0.5).toFixed(0)} ms)`,
      unit: 'ms',
      samples: decided,
      ours: quantile(decided, 0.5),
      baseline: performance.now() - begin,
      baselineIs: 'start of the command line',
      rssMiB: rss(home),
      figures: [{ name: 'recover', ours: quantile(decided, 0.5), unit: 'ms', limit: 5_000 }],
    }
  })
}
