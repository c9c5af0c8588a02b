// Taints by the policy of a cluster's file, on a real API server: put and taken off with a row of the audit log for each, whoever dies
// between the two, and those of others as they were.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Home, until } from '../parts/plimsoll.ts'
import { findBinaries } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, PLANE_BINARIES, startControlPlane } from './control-plane.ts'
import { makeNodes } from './nodes.ts'
import { clusterOf } from './world.ts'

const found = await findBinaries(PLANE_BINARIES)
const OUT = 'example.com/out=plimsoll:NoSchedule'
const TAINT = { key: 'example.com/out', value: 'plimsoll', effect: 'NoSchedule' } as const
const THEIRS = { key: 'theirs', value: 'x', effect: 'PreferNoSchedule' }

type Node = {
  metadata: { annotations?: Record<string, string> }
  spec: { unschedulable?: boolean; taints?: { key: string; value?: string; effect: string }[] }
}
type Audit = { entries: { actor: string; verb: string; target: string; detail: Record<string, unknown> }[] }

describe('taints', { skip: found.kind === 'missing' && found.why, timeout: 300_000 }, () => {
  let plane: ControlPlane
  let home: Home
  before(async () => {
    const started = await startControlPlane({ identities: { nobody: { user: 'nobody' } } })
    assert.ok(started.kind === 'running')
    plane = started
    await makeNodes(plane.api, 6)
    await makeNamespace(plane.api, 'plimsoll-runs')
    home = new Home()
    await up({ taint: TAINT })
    const known = (): number =>
      home.document<{ nodes: { id: string }[] }>('nodes').nodes.filter(({ id }) => id.startsWith('kwok/')).length
    await until('all nodes are known', () => known() === 6)
  })
  after(async () => {
    await home?.remove()
    await plane?.stop()
  })

  const up = (more: object): Promise<void> =>
    home.up(
      '--cluster',
      home.file(
        'cluster.yaml',
        JSON.stringify({ kind: 'kubernetes', name: 'kwok', kubeconfig: plane.kubeconfig, ...more }),
      ),
    )
  const node = (name: string): Promise<Node> => plane.api.get<Node>(`/api/v1/nodes/${name}`)
  const taints = async (name: string): Promise<string[]> =>
    ((await node(name)).spec.taints ?? [])
      .map(({ key, value, effect }) => `${key}${value === undefined ? '' : `=${value}`}:${effect}`)
      .toSorted((a, b) => a.localeCompare(b))
  const untilTaints = (name: string, ...wanted: string[]): Promise<void> =>
    until(
      `${name} has ${wanted.join(' and ') || 'no taint'}`,
      async () => String(await taints(name)) === String(wanted),
    )
  /** Of a node, the oldest first. */
  const audit = (name: string): Audit['entries'] =>
    home
      .document<Audit>('audit')
      .entries.filter(({ verb, target }) => verb.endsWith('taint') && target.includes(`/${name}/`))
      .toReversed()

  test('a node that is cordoned gets it, and loses it when it is uncordoned; what others put there meanwhile stays', async () => {
    assert.equal(home.say('nodes', 'cordon', 'node-0', '--reason', 'fans').code, 0)
    await untilTaints('node-0', OUT)
    const put = await node('node-0')
    assert.equal(put.spec.unschedulable, undefined, 'the file asks for no cordon')
    assert.match(put.metadata.annotations?.['plimsoll.dev/taint'] ?? '', new RegExp(`^${OUT} \\S+$`))
    await plane.api.patch('/api/v1/nodes/node-0', { spec: { taints: [...(put.spec.taints ?? []), THEIRS] } })
    assert.equal(home.say('nodes', 'uncordon', 'node-0').code, 0)
    await untilTaints('node-0', 'theirs=x:PreferNoSchedule')
    assert.equal((await node('node-0')).metadata.annotations?.['plimsoll.dev/taint'], undefined)
    assert.deepEqual(
      audit('node-0').map(({ actor, verb, detail }) => [actor, verb, detail]),
      [
        ['rule:taint', 'node.taint', { taint: OUT, why: 'cordoned', by: 'user:local', reason: 'fans' }],
        ['rule:taint', 'node.untaint', { taint: OUT }],
      ],
    )
  })

  test('a node whose GPU is unhealthy gets it and is in service again when it is well', async () => {
    const gpus = (allocatable: string): Promise<unknown> =>
      plane.api.patch('/api/v1/nodes/node-1/status', { status: { allocatable: { 'nvidia.com/gpu': allocatable } } })
    const state = (): string | undefined =>
      home.document<{ nodes: { id: string; state: string }[] }>('nodes').nodes.find(({ id }) => id.includes('/node-1/'))
        ?.state
    await gpus('7')
    await untilTaints('node-1', OUT)
    assert.equal(state(), 'not-ready')
    await gpus('8')
    await untilTaints('node-1')
    await until('it is ready', () => state() === 'ready')
    const rows = audit('node-1')
    assert.deepEqual(
      rows.map(({ verb }) => verb),
      ['node.taint', 'node.untaint'],
    )
    assert.match(String(rows[0]?.detail['condition']), /1 of its 8 GPUs cannot be allocated/)
  })

  test('kill -9 right after the cordon, and whoever takes it off by hand: it is put, and told once', async () => {
    assert.equal(home.say('nodes', 'cordon', 'node-2').code, 0)
    await home.kill()
    await up({ taint: TAINT })
    await untilTaints('node-2', OUT)
    await plane.api.patch('/api/v1/nodes/node-2', { spec: { taints: null } })
    await untilTaints('node-2', OUT)
    assert.equal(audit('node-2').length, 1)
  })

  test('another taint in the file takes the place of the first, and none takes all off; each is told', async () => {
    await home.stop()
    await up({ taint: { ...TAINT, effect: 'NoExecute' }, cordon: true })
    const all = ['example.com/out=plimsoll:NoExecute', 'node.kubernetes.io/unschedulable:NoSchedule']
    await untilTaints('node-2', ...all)
    await home.stop()
    await up({ cordon: true })
    await untilTaints('node-2', 'node.kubernetes.io/unschedulable:NoSchedule')
    assert.deepEqual(
      audit('node-2').map(({ verb, detail }) => `${verb} ${String(detail['taint'])}`),
      [`node.taint ${OUT}`, `node.untaint ${OUT}`, `node.taint ${all[0]}`, `node.untaint ${all[0]}`],
    )
    assert.equal(home.say('nodes', 'uncordon', 'node-2').code, 0)
    await untilTaints('node-2')
  })

  test('what is so already is not asked for again, and another control plane leaves it; without the right it is said which is missing', async () => {
    const cluster = clusterOf(plane, { namespaces: ['plimsoll-runs'], namespaceOf: () => 'plimsoll-runs' })
    await until('a look', () =>
      cluster.observe().then(
        () => true,
        () => false,
      ),
    )
    const wanted = new Map([['node-3', TAINT]])
    await cluster.keepOff(new Set(), wanted)
    await until('it is seen', async () => {
      const calls = cluster.api.calls()
      await cluster.keepOff(new Set(), wanted)
      return cluster.api.calls() === calls
    })
    assert.deepEqual(await taints('node-3'), [OUT])
    await cluster.keepOff(new Set(), new Map())
    await untilTaints('node-3')
    await cluster.close()
    const kubeconfig = plane.kubeconfigFor('nobody', plane.tokens['nobody'] ?? '')
    const file = home.file(
      'rightless.yaml',
      JSON.stringify({ kind: 'kubernetes', name: 'kwok', namespace: 'plimsoll-runs', kubeconfig, taint: TAINT }),
    )
    const said = home.say('doctor', '--cluster', file, '-o', 'json')
    const { checks } = JSON.parse(said.stdout) as { checks: { state: string; detail: string }[] }
    const patch = checks.find(({ detail }) => detail.startsWith('patch nodes'))
    assert.equal(patch?.state, 'wrong')
    assert.match(patch.detail, /no node is tainted/)
  })

  test('a gang starts on nodes whose taint is the policy’s: what of ours is there is ours to end', async () => {
    const spec = {
      name: 'tolerant',
      cluster: 'kwok',
      image: 'registry.test/none:1',
      command: ['train'],
      resources: { gpusPerNode: 8 },
    }
    await home.stop()
    await up({ taint: { ...TAINT, effect: 'NoExecute' } })
    assert.equal(home.say('submit', home.file('tolerant.yaml', JSON.stringify(spec)), '--yes').code, 0)
    const show = (): { state: string; attempts: { workers: { node: string }[] }[] } =>
      home.document('show', 'default/tolerant')
    await until('it runs', () => show().state === 'running')
    const on = show().attempts[0]?.workers[0]?.node ?? ''
    assert.equal(home.say('nodes', 'cordon', on).code, 0)
    await until('its node is tainted', async () => (await taints(on)).includes('example.com/out=plimsoll:NoExecute'))
    const { items } = await plane.api.get<{
      items: { spec: { tolerations: object[] }; metadata: { deletionTimestamp?: string } }[]
    }>('/api/v1/namespaces/plimsoll-runs/pods')
    assert.deepEqual(
      items.map(({ metadata }) => metadata.deletionTimestamp),
      [undefined],
    )
    assert.equal(show().state, 'running')
    home.document('stop', 'default/tolerant', '--now')
  })
})
