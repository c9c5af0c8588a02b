// Several clusters in one control plane: this machine, one that works, and some that do not, each in its own way. Those say what is wrong
// and what to do, and keep nobody else waiting.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Home, pause, until } from '../parts/plimsoll.ts'
import { freePorts } from '../parts/ports.ts'
import { findBinaries } from './binaries.ts'
import type { ControlPlane } from './control-plane.ts'
import { makeNamespace, PLANE_BINARIES, startControlPlane } from './control-plane.ts'
import { makeNodes } from './nodes.ts'

const found = await findBinaries(PLANE_BINARIES)
type Show = { state: string; reason: string | null; message: string | null }

describe('several clusters', { skip: found.kind === 'missing' && found.why }, () => {
  let plane: ControlPlane
  let home: Home
  before(async () => {
    const started = await startControlPlane({ identities: { nobody: { user: 'nobody' } } })
    assert.ok(started.kind === 'running')
    plane = started
    await makeNodes(plane.api, 2)
    await makeNamespace(plane.api, 'plimsoll-runs')
    const [nowhere = 0] = await freePorts(1)
    home = new Home()
    const files = {
      works: { kubeconfig: plane.kubeconfig },
      nowhere: { kubeconfig: plane.kubeconfigFor('nowhere', 'x', `https://127.0.0.1:${nowhere}`) },
      expired: { kubeconfig: plane.kubeconfigFor('expired', 'nobody-knows-it') },
      rightless: { kubeconfig: plane.kubeconfigFor('nobody', plane.tokens['nobody'] ?? '') },
      homeless: { kubeconfig: plane.kubeconfig, namespace: 'not-there' },
    }
    const flags = Object.entries(files).flatMap(([name, more]) => {
      return [
        '--cluster',
        home.file(`${name}.yaml`, JSON.stringify({ kind: 'kubernetes', name, grants: ['annotations'], ...more })),
      ]
    })
    await home.up(...flags)
  })
  after(async () => {
    await home?.remove()
    await plane?.stop()
  })

  const submit = (cluster: string, more: object = {}): void => {
    const spec = { name: cluster, cluster, command: ['true'], image: 'registry.test/none:1', resources: {}, ...more }
    const said = home.say('submit', home.file(`run-${cluster}.yaml`, JSON.stringify(spec)), '--yes')
    assert.equal(said.code, 0, said.stderr)
  }
  const show = (name: string): Show => home.document<Show>('show', `default/${name}`)

  const TROUBLES: readonly (readonly [cluster: string, said: RegExp])[] = [
    ['nowhere', /ECONNREFUSED.*See that the address in the kubeconfig is right/],
    ['expired', /401 Unauthorized.*renew the kubeconfig/],
    ['rightless', /403 Forbidden.*plimsoll doctor --cluster rightless/],
    ['homeless', /namespaces "not-there" not found.*See that the namespace exists/],
  ]

  test('a cluster that cannot be used says why within seconds, and what to do, and its runs wait', async () => {
    for (const [cluster] of TROUBLES) submit(cluster)
    for (const [cluster, said] of TROUBLES) {
      await until(`${cluster} says why`, () => said.test(show(cluster).message ?? ''), 15_000).catch(
        (error: unknown) => {
          throw new Error(show(cluster).message ?? '', { cause: error })
        },
      )
      assert.deepEqual([show(cluster).state, show(cluster).reason], ['queued', 'cluster-unreachable'])
      assert.match(home.say('why', `default/${cluster}`).stdout, said)
    }
  })

  test('two names of one API server are noticed at the start', () => {
    const log = readFileSync(join(home.path, 'plimsoll.log'), 'utf8')
    assert.match(
      log,
      /"cluster":"homeless","msg":"it is the API server of cluster works too, with nodes that both book/,
    )
    assert.doesNotMatch(log, /"cluster":"nowhere","msg":"it is the API server/)
  })

  test('meanwhile the others do their work: this machine, and the cluster that answers', async () => {
    submit('local', { image: null })
    submit('works', { kubernetes: { annotations: { 'kwok.plimsoll.dev/run-ms': '100' } } })
    for (const name of ['local', 'works'])
      await until(`${name} has ended`, () => show(name).state === 'succeeded', 30_000)
    const { nodes } = home.document<{ nodes: { id: string }[] }>('nodes')
    assert.deepEqual(
      nodes.map(({ id }) => id.replace(/\/.*/, '')).toSorted((a, b) => a.localeCompare(b)),
      ['local', 'works', 'works'],
      'nodes of a cluster that cannot be asked are not made up',
    )
  })

  test('what a spec may not ask for is refused at its launch too, where it was submitted while nobody could ask', async () => {
    const asks = { name: 'asks', kubernetes: { hostNetwork: true } }
    plane.programs.apiServer.signal('SIGSTOP')
    try {
      submit('works', { name: 'before' })
      await until('it is unknown', () => /works.*cannot be/.test(show('before').message ?? ''), 60_000)
      submit('works', asks)
    } finally {
      plane.programs.apiServer.signal('SIGCONT')
    }
    await until('it is said', () => /does not let specs ask for hostNetwork/.test(show('asks').message ?? ''))
    // Tried again and again, and told once.
    await pause(5_000)
    const { events } = home.document<{ events: { kind: string }[] }>('events', 'default/asks')
    assert.equal(events.filter(({ kind }) => kind === 'waits').length, 1)
    const { items } = await plane.api.get<{ items: unknown[] }>(
      '/apis/batch/v1/namespaces/plimsoll-runs/jobs?labelSelector=plimsoll.dev/run-name=asks',
    )
    assert.equal(items.length, 0)
    for (const name of ['asks', 'before']) home.document('stop', `default/${name}`, '--now')
  })

  test('a cluster that stops answering is unknown, not empty: its run goes on and is not started elsewhere', async () => {
    submit('works', { name: 'long' })
    await until('it runs', () => show('long').state === 'running')
    plane.programs.apiServer.signal('SIGSTOP')
    try {
      submit('works', { name: 'later' })
      await until('it is said', () => /works.*cannot be (asked|watched)/.test(show('later').message ?? ''), 60_000)
      assert.equal(show('long').state, 'running')
      assert.equal(home.document<{ attempts: unknown[] }>('show', 'default/long').attempts.length, 1)
    } finally {
      plane.programs.apiServer.signal('SIGCONT')
    }
    await until('the other one starts', () => show('later').state === 'running')
    assert.equal(home.document<{ attempts: unknown[] }>('show', 'default/long').attempts.length, 1)
  })
})
