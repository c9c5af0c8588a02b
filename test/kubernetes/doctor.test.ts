// doctor, as an operator meets a cluster: with all rights, with few, and with a cluster that is not there.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Home, root } from '../parts/plimsoll.ts'
import { findBinaries } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, PLANE_BINARIES, startControlPlane } from './control-plane.ts'
import { BLOCK_LABEL, makeNodes, RACK_LABEL } from './nodes.ts'
import { until } from './processes.ts'

const found = await findBinaries(PLANE_BINARIES)
type Doctor = { checks: { name: string; state: string; detail: string; whatToDo: string | null }[] }

describe('doctor', { skip: found.kind === 'missing' && found.why }, () => {
  let plane: ControlPlane
  let home: Home
  before(async () => {
    const started = await startControlPlane({ identities: { nobody: { user: 'nobody' }, maker: { user: 'maker' } } })
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
    assert.match(of(checks, 'dns')[0]?.whatToDo ?? '', /^set image in the cluster file/)
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

  test('a namespace that would refuse the pods of jobs is wrong, and not good', async () => {
    const level = (value: string): Promise<unknown> =>
      plane.api.patch('/api/v1/namespaces/runs', {
        metadata: { labels: { 'pod-security.kubernetes.io/enforce': value } },
      })
    await level('restricted')
    const [restricted] = of(examine(file({})).checks, 'namespace')
    assert.deepEqual([restricted?.state, /enforce=baseline/.test(restricted?.whatToDo ?? '')], ['wrong', true])
    await level('baseline')
    assert.equal(of(examine(file({})).checks, 'namespace')[0]?.state, 'good')
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

  test('its pod is gone after an interruption, and where it may only be made and its like deleted', async () => {
    const pods = async (): Promise<string[]> => {
      const said = await plane.kubectl('-n', 'runs', 'get', 'pods', '-o', 'name')
      return said.split('\n').filter((name) => name !== '')
    }
    // No node is like that, so it waits.
    const path = file({ image: 'torch', pods: { nodeSelector: { 'no.such': 'node' } } })
    const running = spawn(process.execPath, [join(root, 'bin', 'plimsoll.mjs'), 'doctor', '--cluster', path], {
      env: home.env,
      stdio: 'ignore',
      detached: true,
    })
    const ended = once(running, 'exit')
    await until('a pod of doctor', 60_000, async () => ((await pods()).length === 1 ? true : null))
    // As a terminal does, to the whole group.
    assert.ok(running.pid !== undefined)
    process.kill(-running.pid, 'SIGINT')
    assert.deepEqual(await ended, [130, null])
    await until('no pod of doctor', 10_000, async () => ((await pods()).length === 0 ? true : null))

    for (const [name, ...verbs] of [
      ['role', '--verb=create,list,watch,patch,deletecollection', '--resource=pods'],
      ['clusterrole', '--verb=list,watch', '--resource=nodes'],
    ] as const)
      await plane.kubectl('-n', 'runs', 'create', name, 'maker', ...verbs)
    await plane.kubectl('-n', 'runs', 'create', 'rolebinding', 'maker', '--role=maker', '--user=maker')
    await plane.kubectl('create', 'clusterrolebinding', 'maker', '--clusterrole=maker', '--user=maker')
    const { checks } = examine(file({ image: 'torch' }, plane.kubeconfigFor('maker', plane.tokens['maker'] ?? '')))
    const rights = of(checks, 'right').filter(({ detail }) => /^(?:get|delete) pods in runs/.test(detail))
    assert.deepEqual(
      rights.map(({ state, whatToDo }) => [state, whatToDo]),
      [
        ['note', 'grant get on pods in runs'],
        ['note', 'grant delete on pods in runs'],
      ],
    )
    assert.equal(of(checks, 'dns')[0]?.whatToDo, 'see below what a pod found')
    const [probed, ...more] = of(checks, 'from a pod')
    assert.match(probed?.detail ?? '', /what became of it could not be seen.*cannot get resource "pods"/)
    assert.deepEqual(more, [])
    await until('no pod of doctor', 10_000, async () => ((await pods()).length === 0 ? true : null))
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

  test('a file or a program that the kubeconfig names and that is not there is named', () => {
    const named = (user: object): string => {
      const kubeconfig = home.file(
        'named.kubeconfig',
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'Config',
          'current-context': 'c',
          clusters: [{ name: 'c', cluster: { server: plane.url } }],
          contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
          users: [{ name: 'u', user }],
        }),
      )
      const said = home.say('doctor', '--cluster', file({}, kubeconfig))
      assert.equal(said.code, 2)
      return said.stderr
    }
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'no-such-login', interactiveMode: 'Never' }
    assert.match(named({ exec }), /the program no-such-login .* is not there[^]*Install it where PATH finds it/)
    assert.match(named({ exec: { ...exec, installHint: 'Ask Ada.' } }), /no-such-login[^]*Ask Ada\./)
    assert.match(named({ 'client-certificate': 'gone.crt', 'client-key': 'gone.key' }), /certificate .*gone\.crt/)
  })

  test('a token that nobody knows is said to be one', () => {
    const { checks } = examine(file({}, plane.kubeconfigFor('expired', 'nobody-knows-it')))
    assert.match(checks[0]?.detail ?? '', /401 Unauthorized/)
    assert.match(checks[0]?.whatToDo ?? '', /renew the kubeconfig/)
  })
})
