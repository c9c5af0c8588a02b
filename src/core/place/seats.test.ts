import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restartHolder } from '../../domain/claim.ts'
import type { AvoidedNode } from '../../domain/failure.ts'
import { claimOf, nodeId, nodeOf, runId, runOf, t, worldOf } from '../../domain/fixture.ts'
import { attemptIdOf, workerIdOf } from '../../domain/ids.ts'
import type { Node } from '../../domain/node.ts'
import type { World } from '../../domain/world.ts'
import { candidatesOf } from '../admit/admit.ts'
import { counterfactual } from './counterfactual.ts'
import { expectedStart } from './expected-start.ts'
import { SETTINGS, writesOf } from './fixture.ts'
import { planPlacements } from './place.ts'

const avoid = (name: string, until = 60_000): AvoidedNode => ({
  node: nodeId(name),
  nodeName: name,
  until: t(until),
  kind: 'gpu-fault',
  worker: workerIdOf(attemptIdOf(runId(1), 1), 0),
})
const decide = (world: World) => planPlacements(world, candidatesOf(world), SETTINGS)
const placedOn = (world: World) => decide(world).report.placed.map(({ nodes }) => nodes.join())
const [A, B] = [nodeOf('a'), nodeOf('b')]
const OTHER = runOf(2, { state: { kind: 'running', attempt: attemptIdOf(runId(2), 1) } })
const onB = claimOf(nodeId('b'), workerIdOf(attemptIdOf(OTHER.id, 1), 0), [0, 1, 2, 3, 4, 5, 6, 7])
const AVOIDS_A = runOf(1, { attempts: 1, avoided: [avoid('a')] })

void test('a run is kept off the node on which it failed, even if it is the first that fits, until that has expired', () => {
  assert.deepEqual(placedOn(worldOf({ nodes: [A, B], runs: [runOf(1)] })), ['a'])
  assert.deepEqual(placedOn(worldOf({ nodes: [A, B], runs: [AVOIDS_A] })), ['b'])
  assert.deepEqual(placedOn(worldOf({ nodes: [A, B], runs: [runOf(1, { avoided: [avoid('a', 0)] })] })), ['a'])
  // What it still holds there counts no more than what is free.
  const hold = claimOf(nodeId('a'), restartHolder(AVOIDS_A.id), [0, 1, 2, 3, 4, 5, 6, 7], { until: t(60_000) })
  assert.deepEqual(placedOn(worldOf({ nodes: [A, B], runs: [AVOIDS_A], claims: [hold] })), ['b'])
})

void test('while others hold the rest it waits, says for what, and knows when that ends', () => {
  const world = worldOf({ nodes: [A, B], runs: [AVOIDS_A, OTHER], claims: [onB] })
  const [waiting] = decide(world).report.waiting
  assert.equal(waiting?.reason, 'avoiding-node')
  assert.match(waiting?.message ?? '', /^kept off a \(gpu-fault of worker r0000000000000001-1-0\), and other runs/)
  assert.equal(counterfactual(world, AVOIDS_A.id, candidatesOf, SETTINGS)?.text, 'starts by itself in 60 s')
  assert.equal(expectedStart(world, AVOIDS_A.id, candidatesOf, SETTINGS)?.p50, t(60_000))
})

void test('where no other node could ever hold it the node is used again, and an event says so', () => {
  for (const nodes of [
    [A],
    [A, nodeOf('b', { inventory: 0 })],
    [A, nodeOf('b', { cordon: { by: 'ada', reason: '' } })],
  ]) {
    const { items, report } = decide(worldOf({ nodes, runs: [AVOIDS_A] }))
    assert.deepEqual(report.waiting, [])
    const event = writesOf(items, 'event').find(({ event: { kind } }) => kind === 'avoided-node-used')?.event
    assert.match(event?.message ?? '', /^attempt 2 uses a \(gpu-fault of worker r0000000000000001-1-0\) again/)
  }
})

void test('a run that waits for something else does not say that it avoids a node', () => {
  const onA = claimOf(nodeId('a'), onB.holder, [0, 1, 2, 3, 4, 5, 6, 7])
  const [waiting] = decide(worldOf({ nodes: [A, B], runs: [AVOIDS_A, OTHER], claims: [onA, onB] })).report.waiting
  assert.equal(waiting?.reason, 'capacity')
})

void test('a run that waits for GPUs that others use does not say that it can never start', () => {
  const shared = nodeOf('a', { inventory: 2, foreign: 1 })
  const wants = runOf(1, { resources: { ...runOf(1).resources, nodes: 1, gpusPerNode: 2 } })
  const [waiting] = decide(worldOf({ nodes: [shared], runs: [wants] })).report.waiting
  assert.equal(waiting?.reason, 'capacity')
  assert.equal(waiting.message, '1 x 2 GPUs are wanted, and others than Plimsoll use 1 GPU of a')
})

void test('nodes that are out of service say why, in the words of their cluster', () => {
  const broken = (name: string, message: string) =>
    nodeOf(name, { condition: { kind: 'not-ready', reason: 'nodes-not-ready', message } })
  const said = (...nodes: Node[]) => decide(worldOf({ nodes, runs: [runOf(1)] })).report.waiting[0]?.message
  assert.equal(said(broken('a', 'no right'), broken('b', 'no right')), 'not in service: a, b; each: no right')
  assert.equal(
    said(nodeOf('a', { cordon: { by: 'ada', reason: '' } }), broken('b', 'Xid')),
    'not in service: a, b; b: Xid',
  )
  assert.equal(said(nodeOf('a', { cordon: { by: 'ada', reason: '' } })), 'not in service: a')
})
