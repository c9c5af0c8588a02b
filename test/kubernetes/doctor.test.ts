// doctor, as an operator meets a cluster: with all rights, with few, and with a cluster that is not there.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Home } from '../parts/plimsoll.ts'
import { findBinaries } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, PLANE_BINARIES, startControlPlane } from './control-plane.ts'
import { BLOCK_LABEL, makeNodes, RACK_LABEL } from './nodes.ts'

const found = await findBinaries(PLANE_BINARIES)
type Doctor = { checks: { name: string; state: string; detail: string; whatToDo: string | null }[] }

describe('doctor', { skip: found.kind === 'missing' && found.why }, () => {
  let plane: ControlPlane
  let home: Home
  before(async () => {
    const started = await startControlPlane({ identities: { nobody: { user: 'nobody' } } })
    assert.ok(started.kind === 'running')
    plane = started
    await makeNodes(plane.api, 3)
    await makeNamespace(plane.api, 'runs')
    home = new Home()
  })
  after(async () => {
    await home?.remove()
    await plane?.stop()
  })

  const file = (more: object, kubeconfig = plane.kubeconfig): string =>
    home.file(
      'cluster.yaml',
      JSON.stringify({ kind: 'kubernetes', name: 'here', namespace: 'runs', kubeconfig, ...more }),
    )
  function examine(path: string): { code: number | null; checks: Doctor['checks'] } {
    const said = home.say('doctor', '--cluster', path, '-o', 'json')
    return { code: said.code, checks: (JSON.parse(said.stdout) as Doctor).checks }
  }
  const of = (checks: Doctor['checks'], name: string): Doctor['checks'] => checks.filter((check) => check.name === name)

  test('with all rights it says what is there, and that checkpoints would end with their pods', () => {
    const { code, checks } = examine(file({}))
    assert.equal(code, 1)
    assert.match(of(checks, 'version')[0]?.detail ?? '', /^Kubernetes v1\.\d+/)
    assert.ok(of(checks, 'right').length >= 20 && of(checks, 'right').every(({ state }) => state === 'good'))
    assert.match(of(checks, 'nodes')[0]?.detail ?? '', /^3 with 24 GPUs \(h100-sxm\)/)
    assert.match(of(checks, 'clock')[0]?.detail ?? '', /to half a second/)
    const places = of(checks, 'topology')
    assert.deepEqual(
      places.map(({ state, whatToDo }) => [state, whatToDo]),
      [RACK_LABEL, BLOCK_LABEL].map((label) => ['note', `set nodes.${label.split('/')[1]}Label to ${label}`]),
    )
    const [storage] = of(checks, 'checkpoints')
    assert.deepEqual([storage?.state, storage?.whatToDo === null], ['wrong', false])
  })

  test('a claim that does not exist, a label that no node has, and a namespace that is missing are each said', () => {
    const { checks } = examine(
      file({
        namespace: 'nowhere',
        nodes: { gpuLabel: 'no.such/label' },
        pods: { volumes: [{ name: 'ckpt', mountPath: '/checkpoints', claim: 'none' }] },
      }),
    )
    assert.match(of(checks, 'namespace')[0]?.detail ?? '', /there is no namespace nowhere/)
    assert.match(of(checks, 'checkpoints')[0]?.detail ?? '', /there is no claim none/)
    assert.match(of(checks, 'gpu labels')[0]?.detail ?? '', /3 nodes have no label no\.such\/label/)
    const { checks: bare } = examine(file({ nodes: { gpuResource: 'amd.com/gpu' } }))
    assert.match(of(bare, 'nodes')[0]?.detail ?? '', /none of 3 nodes advertises amd\.com\/gpu/)
  })

  test('nodes are in the racks that the label of the file names, and in none where they do not have it', () => {
    const { checks } = examine(file({ nodes: { rackLabel: RACK_LABEL, blockLabel: 'no.such/block' } }))
    const [rack, block] = of(checks, 'topology')
    assert.deepEqual([rack?.state, rack?.detail], ['good', `3 of 3 nodes have the rack label ${RACK_LABEL}: 1 rack`])
    assert.deepEqual(
      [block?.state, block?.detail.split(';')[0]],
      ['wrong', '0 of 3 nodes have the block label no.such/block'],
    )
  })

  test('each right that is missing has a line that says what is lost', () => {
    const kubeconfig = plane.kubeconfigFor('nobody', plane.tokens['nobody'] ?? '')
    const { code, checks } = examine(file({}, kubeconfig))
    assert.equal(code, 1)
    const rights = of(checks, 'right')
    assert.ok(rights.every(({ state, whatToDo }) => (state === 'missing' || state === 'note') && whatToDo !== null))
    assert.match(rights.find(({ detail }) => detail.startsWith('get pods/log'))?.detail ?? '', /no logs/)
    assert.match(rights.find(({ detail }) => detail.startsWith('patch nodes'))?.detail ?? '', /inside Plimsoll only/)
  })

  test('an address where nothing listens, a context and a file that are not there', () => {
    const nowhere = plane.kubeconfigFor('nowhere', 'x', 'https://127.0.0.1:61')
    const { code, checks } = examine(file({}, nowhere))
    assert.equal(code, 1)
    assert.match(checks[0]?.detail ?? '', /ECONNREFUSED/)
    assert.match(checks[0]?.whatToDo ?? '', /address in the kubeconfig/)
    const strange = home.say('doctor', '--cluster', file({ context: 'other' }))
    assert.deepEqual([strange.code, /has no context other/.test(strange.stderr)], [2, true])
    const none = home.say('doctor', '--cluster', 'hamina')
    assert.deepEqual([none.code, /there is no cluster hamina/.test(none.stderr)], [2, true])
    const wrong = home.say('doctor', '--cluster', home.file('wrong.yaml', 'kind: kubernetes\nname: x\ngrant: []\n'))
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /wrong\.yaml:3:1: there is no key grant here.*\n.*grants/)
  })

  test('a token that nobody knows is said to be one', () => {
    const { checks } = examine(file({}, plane.kubeconfigFor('expired', 'nobody-knows-it')))
    assert.match(checks[0]?.detail ?? '', /401 Unauthorized/)
    assert.match(checks[0]?.whatToDo ?? '', /renew the kubeconfig/)
  })
})
