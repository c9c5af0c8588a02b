import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restartHolder } from '../../domain/claim.ts'
import { attemptOf, CLUSTER, nodeId, nodeOf, runOf, t, worldOf } from '../../domain/fixture.ts'
import { nodeIdOf } from '../../domain/ids.ts'
import type { Item, Write } from '../../domain/item.ts'
import type { Node } from '../../domain/node.ts'
import { DEFAULT_DURATIONS } from '../../domain/settings.ts'
import type { NodeFact } from './nodes.ts'
import { decideLost, decideNodes, lostNodes } from './nodes.ts'

const factOf = (name: string, over: Partial<NodeFact> = {}): NodeFact => ({
  name,
  gpuModel: 'h100',
  slots: 8,
  declared: false,
  foreign: 0,
  condition: { kind: 'ready' },
  ...over,
})

function look(node: Node | null, fact: NodeFact, at: number): { node: Node; heartbeat: boolean } | null {
  const world = worldOf({ nodes: node === null ? [] : [node] })
  const write = decideNodes(world, CLUSTER, [fact], t(at), DEFAULT_DURATIONS)[0]?.writes[0]
  return write?.kind === 'node' ? { node: write.node, heartbeat: write.heartbeat } : null
}

void test('a node that nobody knows is registered, and its books begin now', () => {
  const written = look(null, factOf('a'), 5_000)
  assert.deepEqual(written, {
    node: nodeOf('a', { lastObserved: t(5_000), bookedTo: t(5_000), registeredAt: t(5_000), version: 0 }),
    heartbeat: false,
  })
})

void test('a node that has never had GPUs is not registered, and one that has lost all is out of order and keeps its inventory', () => {
  const condition = { kind: 'not-ready', reason: 'nodes-not-ready', message: 'none' } as const
  assert.equal(look(null, factOf('a', { slots: 0, condition }), 5_000), null)
  const written = look(nodeOf('a'), factOf('a', { slots: 0, declared: true, condition }), 5_000)
  assert.deepEqual([written?.node.inventory, written?.node.condition.kind], [nodeOf('a').inventory, 'not-ready'])
})

void test('a node that was forgotten is registered as another incarnation with what it has now, from where its books ended', () => {
  const forgotten = nodeOf('a', { deletedAt: t(9_000), bookedTo: t(9_000) })
  const written = look(forgotten, factOf('a', { slots: 2 }), 8_000)
  const id = nodeIdOf(CLUSTER, 'a', 2)
  const at = t(9_000)
  assert.deepEqual(written?.node, {
    // Seen before its end by an older list, and not since: it is blind from that moment on.
    ...nodeOf('a', { lastObserved: t(8_000), bookedTo: at, registeredAt: at, version: 0, inventory: 2 }),
    id,
    incarnation: 2,
  })
  const both = worldOf({ nodes: [nodeOf('a', { id, incarnation: 2 }), forgotten] })
  assert.deepEqual(decideNodes(both, CLUSTER, [factOf('a')], t(1), DEFAULT_DURATIONS), [])
})

void test('an unchanged node is written only as often as heartbeats are kept', () => {
  assert.equal(look(nodeOf('a'), factOf('a'), 19_999), null)
  assert.deepEqual(look(nodeOf('a'), factOf('a'), 20_000), {
    node: nodeOf('a', { lastObserved: t(20_000) }),
    heartbeat: true,
  })
})

void test('a node that offers fewer GPUs than it had is out of order until they are back, and says so', () => {
  const fewer = look(nodeOf('a'), factOf('a', { slots: 6 }), 1)?.node
  assert.ok(fewer?.condition.kind === 'not-ready')
  assert.deepEqual([fewer.inventory, fewer.condition.unhealthy], [8, true])
  assert.match(fewer.condition.message, /it offers 6 GPUs and had 8: .* plimsoll nodes forget a takes it as it is now/)
  assert.equal(look(fewer, factOf('a', { slots: 8 }), 2)?.node.condition.kind, 'ready')
})

void test('since when a node is out of service is kept while the reasons change, and is not made up where it was not seen', () => {
  const cold = { kind: 'not-ready', reason: 'nodes-not-ready', message: 'kubelet' } as const
  const out = look(nodeOf('a'), factOf('a', { condition: cold }), 5_000)?.node
  assert.deepEqual(out?.condition, { ...cold, since: t(5_000) })
  const worse = look(out ?? null, factOf('a', { condition: { ...cold, unhealthy: true } }), 9_000)?.node
  assert.deepEqual(worse?.condition, { ...cold, unhealthy: true, since: t(5_000) })
  const back = look(worse ?? null, factOf('a'), 10_000)?.node
  assert.deepEqual(back?.condition, { kind: 'ready' })
  const old = look(nodeOf('a', { condition: cold }), factOf('a', { condition: { ...cold, unhealthy: true } }), 9_000)
  assert.deepEqual(old?.node.condition, { ...cold, unhealthy: true })
})

void test('an inventory is raised and never lowered by what is seen', () => {
  assert.equal(look(nodeOf('a'), factOf('a', { slots: 9 }), 1)?.node.inventory, 9)
  assert.equal(look(nodeOf('a'), factOf('a', { slots: 0, foreign: 1 }), 1)?.node.inventory, 8)
})

void test('a machine with other GPUs is another incarnation, once nothing of it is held', () => {
  const declared = nodeOf('a', { declared: true, gpuModel: 'declared' })
  const fact = factOf('a', { slots: 2 })
  const free = decideNodes(worldOf({ nodes: [declared] }), CLUSTER, [fact], t(5), DEFAULT_DURATIONS)[0]?.writes ?? []
  assert.deepEqual(
    free.map((write) => write.kind === 'node' && [write.node.incarnation, write.node.inventory, write.node.deletedAt]),
    [
      [1, 8, t(5)],
      [2, 2, null],
    ],
  )
  const { attempt, claims } = attemptOf(runOf(1), 1, [{ node: 'a', slots: [0] }])
  const held = worldOf({ nodes: [declared], attempts: [attempt], claims })
  const write = decideNodes(held, CLUSTER, [fact], t(5), DEFAULT_DURATIONS)[0]?.writes[0]
  assert.ok(write?.kind === 'node' && write.node.condition.kind === 'not-ready' && write.node.inventory === 8)
  assert.match(write.node.condition.message, /has 2 h100 now/)
})

void test('GPUs that are gone do not become declared slots by themselves', () => {
  const fact = factOf('a', { declared: true, gpuModel: 'declared' })
  const first = look(nodeOf('a'), fact, 5)
  assert.ok(first?.node.condition.kind === 'not-ready' && !first.node.declared)
  assert.match(first.node.condition.message, /nodes forget a/)
  assert.equal(look(first.node, fact, 6), null)
  assert.equal(look(first.node, factOf('a'), 7)?.node.condition.kind, 'ready', 'the driver is back')
})

void test('declared slots follow the setting, also down, once none beyond it is held', () => {
  const node = nodeOf('a', { declared: true })
  const fact = factOf('a', { declared: true, slots: 2 })
  const lowered = (slots: number[]) => {
    const { attempt, claims } = attemptOf(runOf(1), 1, [{ node: 'a', slots }])
    const world = worldOf({ nodes: [node], attempts: [attempt], claims })
    const write = decideNodes(world, CLUSTER, [fact], t(1), DEFAULT_DURATIONS)[0]?.writes[0]
    return write?.kind === 'node' ? write.node.inventory : null
  }
  assert.deepEqual([lowered([0, 1]), lowered([2])], [2, null])
})

void test('that a node is unhealthy, and not only kept out of service, is a change of it', () => {
  const condition = { kind: 'not-ready', reason: 'nodes-not-ready', message: 'x' } as const
  const node = nodeOf('a', { condition })
  assert.equal(look(node, factOf('a', { condition: { ...condition, message: 'y' } }), 1), null)
  const written = look(node, factOf('a', { condition: { ...condition, unhealthy: true } }), 1)
  assert.equal(written?.node.condition.kind === 'not-ready' && written.node.condition.unhealthy, true)
})

void test('the progress of a preparation is no change of the node, its end is', () => {
  const preparing = (message: string): NodeFact['condition'] => ({
    kind: 'not-ready',
    reason: 'preparing-environment',
    message,
  })
  const node = nodeOf('a', { condition: preparing('10 %') })
  assert.equal(look(node, factOf('a', { condition: preparing('20 %') }), 1), null)
  assert.equal(look(node, factOf('a'), 1)?.node.condition.kind, 'ready')
})

void test('a look that is older than what is known does not turn the clock of a node back', () => {
  assert.equal(
    look(nodeOf('a', { lastObserved: t(9_000) }), factOf('a', { foreign: 1 }), 5_000)?.node.lastObserved,
    t(9_000),
  )
})

void test('a lost node is ready again only without our old workers', () => {
  const lost = nodeOf('a', { condition: { kind: 'lost', since: t(0) } })
  assert.equal(look(lost, factOf('a'), 400_000)?.node.condition.kind, 'ready')
  const { claims } = attemptOf(runOf(1), 1, [{ node: 'a', slots: [0] }])
  const write = decideNodes(
    worldOf({ nodes: [lost], claims }),
    CLUSTER,
    [factOf('a')],
    t(400_000),
    DEFAULT_DURATIONS,
  )[0]?.writes[0]
  assert.equal(write?.kind === 'node' && write.node.condition.kind, 'lost')
})

const LOST = DEFAULT_DURATIONS.nodeLostAfterMs
function silent(count: number, of: number, seen: readonly string[] = []) {
  const nodes = Array.from({ length: of }, (_, index) =>
    nodeOf(`n${index}`, { lastObserved: index < count ? t(0) : t(LOST) }),
  )
  return lostNodes(worldOf({ nodes }), CLUSTER, new Set(seen), t(LOST + 1), DEFAULT_DURATIONS)
}

void test('a node that is silent for long is lost, unless a third of the nodes is silent with it', () => {
  assert.equal(silent(0, 3).kind, 'none')
  assert.equal(silent(1, 3).kind, 'lost')
  assert.deepEqual(silent(2, 5), { kind: 'blind', silent: 2, of: 5 })
  assert.equal(silent(2, 6).kind, 'lost')
  assert.equal(silent(1, 1).kind, 'blind')
})

void test('a node that this look saw is not silent, and one that is lost already is not lost again', () => {
  assert.equal(silent(1, 3, ['n0']).kind, 'none')
  const nodes = [nodeOf('a', { condition: { kind: 'lost', since: t(0) } }), nodeOf('b'), nodeOf('c')]
  const world = worldOf({
    nodes: nodes.map((node, index) => (index === 0 ? node : { ...node, lastObserved: t(LOST) })),
  })
  assert.equal(lostNodes(world, CLUSTER, new Set(), t(LOST + 1), DEFAULT_DURATIONS).kind, 'none')
})

const writes = <Kind extends Write['kind']>(items: readonly Item[], kind: Kind) =>
  items.flatMap((item) => item.writes.filter((write): write is Extract<Write, { kind: Kind }> => write.kind === kind))

function lose(...lost: string[]): Item[] {
  const { attempt, claims } = attemptOf(
    runOf(1),
    1,
    [
      { node: 'a', slots: [0] },
      { node: 'b', slots: [0, 1] },
    ],
    { state: { kind: 'running' }, startedAt: t(1_000) },
  )
  const run = runOf(1, { state: { kind: 'running', attempt: attempt.id }, attempts: 1 })
  const nodes = ['a', 'b'].map((name) => nodeOf(name, { lastObserved: t(40_000) }))
  const started = claims.map((claim) => ({ ...claim, boundAt: t(500), startedAt: t(1_000) }))
  const world = worldOf({ nodes, runs: [run], attempts: [attempt], claims: started })
  return decideLost(
    world,
    nodes.filter((node) => lost.includes(node.name)),
    t(400_000),
    () => ({ kind: 'node-lost', culprit: null, evidence: [] }),
    DEFAULT_DURATIONS,
  )
}

void test('a lost node ends its workers where it was last observed, and the rest of the gang is asked to end', () => {
  const items = lose('a')
  assert.deepEqual(
    writes(items, 'release').map((write) => [write.node, write.paidUntil - t(0)]),
    [[nodeId('a'), 100_000]],
  )
  assert.deepEqual(
    writes(items, 'claim').map(({ claim }) => claim.endedAt),
    [t(40_000), null],
  )
  const state = writes(items, 'run')[0]?.run.state
  assert.equal(state?.kind === 'stopping' && state.cause, 'node-lost')
  assert.equal(writes(items, 'attempt')[0]?.attempt.failureAt, t(400_000))
  // Its claim is gone from the world when the rest ends: what it paid is counted now.
  assert.equal(writes(items, 'run')[0]?.run.paidGpuMs, 100_000)
  assert.equal(writes(items, 'audit').length, 1)
})

void test('when all its nodes are lost the attempt ends and the run waits behind the fence with no slots of them', () => {
  const items = lose('a', 'b')
  const run = writes(items, 'run')[0]?.run
  assert.ok(run?.state.kind === 'queued')
  assert.deepEqual([run.state.reason, run.state.notBefore, run.restartsLeft.infrastructure], ['fence', t(401_000), 19])
  assert.equal(run.fence?.until, t(1_000_000))
  assert.deepEqual(
    run.fence.workers.map(({ nodeName }) => nodeName),
    ['a', 'b'],
  )
  assert.equal(
    writes(items, 'claim').some(({ claim }) => claim.holder === restartHolder(run.id)),
    false,
  )
  assert.deepEqual(
    writes(items, 'node').map(({ node }) => node.condition.kind),
    ['lost', 'lost'],
  )
})
