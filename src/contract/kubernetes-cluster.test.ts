import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseKubernetesCluster } from './kubernetes-cluster.ts'
import { formatProblems } from './problems.ts'

const LEAST = 'kind: kubernetes\nname: hamina\n'

/** The policy, or what is wrong with it. */
function taintOf(lines: string): unknown {
  const parsed = parseKubernetesCluster(LEAST + lines)
  return parsed.ok ? parsed.cluster.taint : formatProblems('f', parsed.problems)
}

test('the example in the repository has every setting, and says what the defaults are', () => {
  const example = parseKubernetesCluster(
    readFileSync(new URL('../../config/clusters/kubernetes.yaml', import.meta.url), 'utf8'),
  )
  const least = parseKubernetesCluster(LEAST)
  assert.ok(example.ok && least.ok)
  assert.equal(example.cluster.taint, null)
  assert.deepEqual(example.cluster, least.cluster)
})

test('a taint is off by default, and is for nodes that are cordoned and for those that are unhealthy unless it says one', () => {
  assert.equal(taintOf(''), null)
  const taint = { key: 'example.com/out', value: null, effect: 'NoSchedule' }
  assert.deepEqual(taintOf('taint: { key: example.com/out, effect: NoSchedule }'), {
    taint,
    nodes: ['cordoned', 'unhealthy'],
  })
  assert.deepEqual(taintOf('taint: { key: example.com/out, value: x, effect: NoExecute, nodes: [unhealthy] }'), {
    taint: { ...taint, value: 'x', effect: 'NoExecute' },
    nodes: ['unhealthy'],
  })
})

test('a taint that Kubernetes would refuse, or that is its own, is refused with its place', () => {
  for (const [lines, said] of [
    ['taint: { key: node.kubernetes.io/out-of-service, effect: NoExecute }', /3:15: must be a key of your own/],
    ['taint: { key: a b, effect: NoExecute }', /must be a key of Kubernetes/],
    ['taint: { key: a, effect: Never }', /effect/],
    ['taint: { key: a, value: x y, effect: NoExecute }', /must be a value of a label/],
    ['taint: { key: a, effect: NoExecute, nodes: [tired] }', /taint\/nodes/],
    ['taint: { key: a, effect: NoExecute, nodes: [] }', /taint\/nodes/],
    ['taint: { effect: NoExecute }', /key/],
  ] as const)
    assert.match(String(taintOf(lines)), said)
})

test('a variable that every job gets from plimsoll is refused, since it would be without effect', () => {
  const parsed = parseKubernetesCluster(
    `${LEAST}pods: { env: { NCCL_DEBUG: INFO, PLIMSOLL_RUN: a, MASTER_PORT: 1 } }\n`,
  )
  assert.deepEqual(parsed.ok ? null : parsed.problems.map(({ message }) => message), [
    'is set by plimsoll itself: choose another name',
    'is set by plimsoll itself: choose another name',
  ])
})
