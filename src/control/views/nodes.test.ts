import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restartHolder } from '../../domain/claim.ts'
import { claimOf, nodeId, nodeOf, runOf, t, worldOf } from '../../domain/fixture.ts'
import { attemptIdOf, workerIdOf } from '../../domain/ids.ts'
import { nodesOf } from './nodes.ts'

const BLIND_MS = 60_000
const worker = (run: number) => workerIdOf(attemptIdOf(runOf(run).id, 1), 0)

test('a node says since when it takes nothing, by what state, and not where nobody wrote it down', () => {
  const message = 'kubelet stopped'
  const out = { kind: 'not-ready', reason: 'nodes-not-ready', message } as const
  const nodes = [
    nodeOf('well'),
    nodeOf('out', { condition: { ...out, since: t(-5), unhealthy: true } }),
    nodeOf('old', { condition: out }),
    nodeOf('lost', { condition: { kind: 'lost', since: t(-7) } }),
    nodeOf('cordoned', { cordon: { by: 'user:ada', reason: 'fan', at: t(-9) } }),
    nodeOf('silent', { lastObserved: t(-BLIND_MS - 1) }),
  ]
  const seen = nodesOf(worldOf({ nodes }), 'all', BLIND_MS)
  assert.deepEqual(
    seen.map(({ name, state, since, unhealthy, cordonedBy }) => [name, state, since, unhealthy, cordonedBy]),
    [
      ['well', 'ready', null, false, null],
      ['out', 'not-ready', t(-5), true, null],
      ['old', 'not-ready', null, false, null],
      ['lost', 'lost', t(-7), true, null],
      ['cordoned', 'cordoned', t(-9), false, 'user:ada'],
      ['silent', 'suspect', t(-BLIND_MS - 1), false, null],
    ],
  )
})

test('who holds a node is named to those who may see the run, and its slots are counted for all', () => {
  const runs = [runOf(1), runOf(2, { project: 'secret' as never })]
  const claims = [
    claimOf(nodeId('a'), worker(1), [0, 1]),
    claimOf(nodeId('a'), restartHolder(runOf(1).id), [2]),
    claimOf(nodeId('a'), worker(2), [3, 4, 5]),
  ]
  const world = worldOf({ nodes: [nodeOf('a')], runs, claims })
  const of = (visible: 'all' | ReadonlySet<string>) =>
    nodesOf(world, visible, BLIND_MS).map(({ held, holders }) => [held, holders.map(({ name, gpus }) => [name, gpus])])
  assert.deepEqual(of('all'), [
    [
      6,
      [
        ['run-1', 3],
        ['run-2', 3],
      ],
    ],
  ])
  assert.deepEqual(of(new Set(['default'])), [[6, [['run-1', 3]]]])
  assert.deepEqual(of(new Set()), [[6, []]])
})

test('whose processes were left on a node is for those who see every run', () => {
  const message = `processes of attempt ${attemptIdOf(runOf(1).id, 1)}, which has given up its slots, are left on it`
  const nodes = [nodeOf('a', { condition: { kind: 'not-ready', reason: 'nodes-not-ready', message } })]
  const seen = (visible: 'all' | ReadonlySet<string>) => nodesOf(worldOf({ nodes }), visible, BLIND_MS)[0]?.message
  assert.equal(seen('all'), message)
  assert.equal(seen(new Set(['default'])), 'processes of some run, which has given up its slots, are left on it')
})
