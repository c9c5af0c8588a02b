// The real node: two pods train together with the machine's PyTorch, find each other by the name of a headless Service, and their words
// come out of `kubectl logs`. And what a test that is killed leaves of it: nothing.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { torchBin } from '../parts/python.ts'
import type { Missing } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, startControlPlane } from './control-plane.ts'
import { hostMounts } from './images.ts'
import { makeNodes } from './nodes.ts'
import { alive, until } from './processes.ts'
import type { RealNode } from './real-node.ts'
import { startRealNode } from './real-node.ts'

const plane = await startControlPlane()
const node: RealNode | Missing = plane.kind === 'missing' ? plane : await startRealNode(plane)
const python = await torchBin().catch((error: Error) => ({ why: error.message }))
const why = node.kind === 'missing' ? node.why : typeof python === 'string' ? false : python.why
after(async () => {
  if (node.kind === 'running') await node.stop()
  if (plane.kind === 'running') await plane.stop()
})

describe('real node', { skip: why }, () => {
  const { api, kubectl } = plane as ControlPlane
  const real = node as RealNode
  const { volumes, volumeMounts } = hostMounts(python as string)
  before(async () => {
    await makeNamespace(api, 'train')
    // The other node has no machine behind it: a pod that landed there would say nothing.
    await makeNodes(api, 1)
  })

  const container = (command: readonly string[], rest: object = {}): object => ({
    name: 'worker',
    image: real.image,
    imagePullPolicy: 'Never',
    command,
    volumeMounts: [...volumeMounts, { name: 'scripts', mountPath: '/scripts' }],
    ...rest,
  })
  const podSpec = (worker: object): object => ({
    restartPolicy: 'Never',
    nodeSelector: { 'plimsoll.dev/real': 'true' },
    containers: [worker],
    volumes: [...volumes, { name: 'scripts', configMap: { name: 'scripts', optional: true } }],
  })
  const logsOf = (...args: readonly string[]): Promise<string> => kubectl('--namespace=train', 'logs', ...args)
  const ended = (name: string): Promise<string> =>
    until(`the end of ${name}`, 60_000, async () => {
      const { status } = await api.get<{ status: { phase: string } }>(`/api/v1/namespaces/train/pods/${name}`)
      return /Succeeded|Failed/.test(status.phase) ? status.phase : null
    })

  test('it says that its GPUs are declared, and gives them out', async () => {
    const { metadata, status } = await api.get<NodeObject>(`/api/v1/nodes/${real.name}`)
    assert.equal(status.allocatable['nvidia.com/gpu'], '8')
    assert.equal(metadata.labels['plimsoll.dev/gpus'], 'declared')
    assert.match(metadata.annotations['plimsoll.dev/gpus'] ?? '', /declared/)
  })

  test('two pods of an Indexed Job reduce over four ranks with torchrun, and kubectl logs shows it', async () => {
    await api.post('/api/v1/namespaces/train/configmaps', { metadata: { name: 'scripts' }, data: { 'sum.py': SUM } })
    await api.post('/api/v1/namespaces/train/services', {
      metadata: { name: 'gang' },
      spec: { clusterIP: 'None', publishNotReadyAddresses: true, selector: { 'batch.kubernetes.io/job-name': 'gang' } },
    })
    const torchrun = [
      `${python as string}/torchrun`,
      '--nnodes=2',
      '--nproc-per-node=2',
      '--node-rank=$(JOB_COMPLETION_INDEX)',
      '--master-addr=gang-0.gang',
      '--master-port=29500',
      '/scripts/sum.py',
    ]
    // The variable that Kubernetes adds itself comes too late to be put into a command.
    const index = { fieldPath: "metadata.annotations['batch.kubernetes.io/job-completion-index']" }
    const env = [
      { name: 'JOB_COMPLETION_INDEX', valueFrom: { fieldRef: index } },
      { name: 'OMP_NUM_THREADS', value: '1' },
    ]
    const limits = { 'nvidia.com/gpu': '2' }
    await api.post('/apis/batch/v1/namespaces/train/jobs', {
      metadata: { name: 'gang' },
      spec: {
        completions: 2,
        parallelism: 2,
        completionMode: 'Indexed',
        template: { spec: { subdomain: 'gang', ...podSpec(container(torchrun, { env, resources: { limits } })) } },
      },
    })
    const status = await until('the end of the Job', 300_000, async () => {
      const job = await api.get<{ status: { succeeded?: number; failed?: number } }>(
        '/apis/batch/v1/namespaces/train/jobs/gang',
      )
      return (job.status.failed ?? 0) > 0 || job.status.succeeded === 2 ? job.status : null
    })
    const { items } = await api.get<{ items: PodObject[] }>(
      '/api/v1/namespaces/train/pods?labelSelector=batch.kubernetes.io/job-name=gang',
    )
    const logs = await Promise.all(items.map(({ metadata }) => logsOf(metadata.name)))
    assert.equal(status.succeeded, 2, logs.join('\n'))
    assert.deepEqual(
      [...logs.join('').matchAll(/^rank \d of 4: 10\.0$/gm)].map(([line]) => line).toSorted(),
      [0, 1, 2, 3].map((rank) => `rank ${rank} of 4: 10.0`),
      logs.join('\n--- the other pod\n'),
    )
    // Both really were there, each in a network of its own.
    assert.deepEqual(new Set(items.map(({ spec }) => spec.nodeName)), new Set([real.name]))
    assert.equal(new Set(items.map(({ status: { podIP } }) => podIP)).size, 2)
    const [first] = items
    assert.match(await logsOf('--timestamps', first?.metadata.name ?? ''), /^\d{4}-\d\d-\d\dT[\d:.]+Z rank/m)
  })

  test('a pod speaks to the API server with the token of its account, and knows its exit code', async () => {
    const ask = [
      'import os, ssl, urllib.error, urllib.request',
      'account = "/var/run/secrets/kubernetes.io/serviceaccount/"',
      "url = f\"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}\"",
      'request = urllib.request.Request(url + "/api/v1/namespaces/train/pods")',
      'request.add_header("Authorization", "Bearer " + open(account + "token").read())',
      'context = ssl.create_default_context(cafile=account + "ca.crt")',
      'try: urllib.request.urlopen(request, context=context)',
      'except urllib.error.HTTPError as error: print(error.read().decode()); raise SystemExit(7)',
    ].join('\n')
    await api.post('/api/v1/namespaces/train/pods', {
      metadata: { name: 'asks' },
      spec: podSpec(container([`${python as string}/python`, '-c', ask])),
    })
    assert.equal(await ended('asks'), 'Failed')
    const said = await logsOf('asks')
    assert.match(said, /system:serviceaccount:train:default\\" cannot list resource/)
    const { status } = await api.get<PodObject>('/api/v1/namespaces/train/pods/asks')
    assert.equal(status.containerStatuses?.[0]?.state.terminated?.exitCode, 7)
  })

  test('its kubelet is killed and comes back, and a pod that ran is the same one', async () => {
    await api.post('/api/v1/namespaces/train/pods', {
      metadata: { name: 'outlives' },
      spec: podSpec(container(['/bin/sleep', '3600'])),
    })
    const pod = (): Promise<PodObject> => api.get<PodObject>('/api/v1/namespaces/train/pods/outlives')
    const running = await until('a running pod', 60_000, async () => {
      const { status } = await pod()
      return status.containerStatuses?.[0]?.state.running === undefined ? null : status.containerStatuses[0]
    })
    const former = real.programs.kubelet.pid()
    await real.restartKubelet()
    assert.equal(alive(former ?? 0), false)
    const { status } = await api.get<NodeObject>(`/api/v1/nodes/${real.name}`)
    assert.equal(status.allocatable['nvidia.com/gpu'], '8')
    const { containerStatuses } = (await pod()).status
    assert.equal(containerStatuses?.[0]?.containerID, running.containerID)
    await api.delete('/api/v1/namespaces/train/pods/outlives', { gracePeriodSeconds: 1 })
    await until('its end', 60_000, () =>
      pod().then(
        () => null,
        ({ status: code }: { status: number }) => code === 404 || null,
      ),
    )
  })

  test('a second one on this machine is refused with the reason', async () => {
    const second = await startRealNode(plane as ControlPlane)
    assert.ok(second.kind === 'missing')
    assert.match(second.why, /another real node/)
  })

  test('killed with -9 it leaves no process, interface or mount, though a pod ran, and the next start works', async (t) => {
    await real.stop()
    const file = fileURLToPath(new URL('started-and-left.ts', import.meta.url))
    const child = spawn(process.execPath, [file, 'real'], { stdio: ['ignore', 'pipe', 'pipe'] })
    t.after(() => child.kill('SIGKILL'))
    let complaint = ''
    child.stderr.on('data', (said: Buffer) => (complaint += said.toString()))
    const { processes, folder } = await new Promise<Left>((resolve, reject) => {
      child.on('close', () => reject(new Error(`it ended by itself: ${complaint}`)))
      child.stdout.once('data', (said: Buffer) => resolve(JSON.parse(said.toString()) as Left))
    })
    const left = (): string[] => [
      ...processes.filter(({ pid }) => alive(pid)).map(({ name }) => name),
      ...(spawnSync('ip', ['link', 'show', 'plimsoll-real'], { stdio: 'ignore' }).status === 0 ? ['interface'] : []),
    ]
    // What is counted is really there: the first process of the node, and of the pod its sandbox and its container.
    assert.equal(left().filter((name) => name === 'pause').length, 3, left().join(', '))
    for (const name of ['etcd', 'kubelet', 'containerd', 'containerd-shim', 'interface'])
      assert.ok(left().includes(name))
    child.kill('SIGKILL')
    await until('the end of all', 60_000, () => left().length === 0 || null).catch(() => assert.deepEqual(left(), []))
    assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(folder))

    const next = await startRealNode(plane as ControlPlane)
    assert.ok(next.kind === 'running')
    await next.stop()
    assert.deepEqual(
      readdirSync('/sys/fs/cgroup').filter((name) => existsSync(`/sys/fs/cgroup/${name}/plimsoll-real`)),
      [],
    )
  })
})

type Left = { readonly processes: readonly { pid: number; name: string }[]; readonly folder: string }

const SUM = `
import os, torch, torch.distributed as dist
dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
value = torch.tensor([float(rank + 1)])
dist.all_reduce(value)
# In one write: print makes two, and the ranks of a pod share its output.
os.write(1, f"rank {rank} of {world}: {value.item()}\\n".encode())
dist.destroy_process_group()
`

type NodeObject = {
  metadata: { labels: Record<string, string>; annotations: Record<string, string> }
  status: { allocatable: Record<string, string> }
}
type PodObject = {
  metadata: { name: string }
  spec: { nodeName: string }
  status: {
    podIP: string
    containerStatuses?: { containerID: string; state: { running?: object; terminated?: { exitCode: number } } }[]
  }
}
