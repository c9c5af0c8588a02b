// What ends the wait for workers that a lost node may still have: on kwok a node that falls silent keeps its pods, and what is known of it
// comes from whoever deletes it or taints it.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Home, until } from '../parts/plimsoll.ts'
import { findBinaries } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, PLANE_BINARIES, startControlPlane } from './control-plane.ts'
import { loseNode, makeNodes } from './nodes.ts'

const found = await findBinaries(PLANE_BINARIES)
const NODES = 9

type Show = {
  state: string
  reason: string | null
  message: string | null
  attempts: { outcome: string | null; workers: { id: string; node: string }[] }[]
}
type Events = { events: { kind: string; message: string }[] }

describe('a fence', { skip: found.kind === 'missing' && found.why, timeout: 600_000 }, () => {
  let plane: ControlPlane
  let home: Home
  before(async () => {
    const started = await startControlPlane({ nodeLeaseSeconds: 24 })
    assert.ok(started.kind === 'running')
    plane = started
    await makeNodes(plane.api, NODES)
    await makeNamespace(plane.api, 'plimsoll-runs')
    // Nobody would wait for the fence.
    home = new Home(
      'listen: { port: 0 }\ndurations: { persist: 2s, lease: 7500ms, leaseRenew: 2s, blindAfter: 8s, nodeLostAfter: 30s, grace: 2s, fenceAfter: 30m, restartHold: 5s }\n',
    )
    await home.up(
      '--cluster',
      home.file('cluster.yaml', `kind: kubernetes\nname: kwok\nkubeconfig: ${plane.kubeconfig}\n`),
    )
    const known = (): number =>
      home.document<{ nodes: { id: string }[] }>('nodes').nodes.filter(({ id }) => id.startsWith('kwok/')).length
    await until('all nodes are known', () => known() === NODES)
  })
  after(async () => {
    await home?.remove()
    await plane?.stop()
  })

  const show = (name: string): Show => home.document<Show>('show', `default/${name}`)
  const state = (name: string, wanted: string): Promise<void> =>
    until(`${name} is ${wanted}`, () => show(name).state === wanted, 60_000)

  test('it ends at once when the node is deleted, or tainted out-of-service, and says why', async () => {
    const names = ['deleted', 'tainted'] as const
    for (const name of names) {
      const resources = { nodes: 2, gpusPerNode: 8 }
      const spec = { name, cluster: 'kwok', image: 'registry.test/none:1', command: ['train'], resources }
      const said = home.say('submit', home.file(`${name}.yaml`, JSON.stringify(spec)), '--yes')
      assert.equal(said.code, 0, said.stderr)
    }
    for (const name of names) await state(name, 'running')
    const lost = names.map((name) => show(name).attempts[0]?.workers[1])
    const [deleted, tainted] = lost
    assert.ok(deleted !== undefined && tainted !== undefined)
    for (const { node } of [deleted, tainted]) await loseNode(plane.api, node)
    for (const [index, name] of names.entries()) {
      await until(`${name} is fenced`, () => show(name).reason === 'fence', 150_000)
      const { id, node } = lost[index] ?? deleted
      const waits = `node ${node} is lost, and worker ${id} may still write checkpoints there`
      assert.match(show(name).message ?? '', new RegExp(waits))
      assert.match(home.say('why', `default/${name}`).stdout.replaceAll(/\s+/g, ' '), new RegExp(waits))
      assert.equal(show(name).attempts.length, 1)
    }
    await plane.api.delete(`/api/v1/nodes/${deleted.node}`)
    const taints = (await plane.api.get<{ spec: { taints?: object[] } }>(`/api/v1/nodes/${tainted.node}`)).spec.taints
    const outOfService = { key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' }
    await plane.api.patch(`/api/v1/nodes/${tainted.node}`, { spec: { taints: [...(taints ?? []), outOfService] } })
    const ends = [
      `worker ${deleted.id} is gone, since node ${deleted.node} was deleted`,
      `worker ${tainted.id} is gone, since node ${tainted.node} has the taint node.kubernetes.io/out-of-service`,
    ]
    for (const [index, name] of names.entries()) {
      await state(name, 'running')
      const [first, second] = show(name).attempts
      assert.equal(first?.outcome, 'node-lost')
      assert.ok(second?.workers.every(({ node }) => node !== deleted.node && node !== tainted.node))
      const { events } = home.document<Events>('events', `default/${name}`)
      const end = events.filter(({ kind }) => kind === 'fence-ended').map(({ message }) => message)
      assert.deepEqual(end, [`no old worker is waited for any more: ${ends[index]}`])
    }
  })
})
