import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isRestartHolder, restartHolder } from '../../domain/claim.ts'
import { budgetOf, claimOf, nodeId, nodeOf, projectOf, runId, runOf, t, worldOf } from '../../domain/fixture.ts'
import { attemptIdOf, workerIdOf } from '../../domain/ids.ts'
import type { Node } from '../../domain/node.ts'
import { lineage } from '../../domain/project.ts'
import type { WaitReason } from '../../domain/reasons.ts'
import { WAIT_REASONS } from '../../domain/reasons.ts'
import { NOT_LOOKED_AT } from '../../domain/run.ts'
import type { Run } from '../../domain/run.ts'
import { gpusOf } from '../../domain/spec.ts'
import { gpuMs } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'
import { candidatesOf } from '../admit/admit.ts'
import { afterPlan, SETTINGS, worlds, writesOf } from './fixture.ts'
import { planPlacements } from './place.ts'

const resources = (nodes: number, gpusPerNode: number, over: Partial<Run['resources']> = {}): Run['resources'] => ({
  nodes,
  gpusPerNode,
  gpu: [],
  topology: null,
  parallelism: {},
  ...over,
})
const decide = (world: World) => planPlacements(world, candidatesOf(world), SETTINGS)
const seatsOf = (world: World): string[] =>
  writesOf(decide(world).items, 'claim').map(
    ({ claim }) => `${world.nodes.get(claim.node)?.name} ${claim.slots.join('+')}`,
  )

void test('a gang gets the nodes that are left with the least', () => {
  const claims = [claimOf(nodeId('b'), 'restart:r0000000000000009', [0, 1, 2, 3])]
  const world = worldOf({ nodes: [nodeOf('a'), nodeOf('b')], claims, runs: [runOf(1, { resources: resources(1, 4) })] })
  assert.deepEqual(seatsOf(world), ['b 4+5+6+7'])
})

void test('workers of one node are neighbours by rank', () => {
  const world = worldOf({ nodes: [nodeOf('b'), nodeOf('a')], runs: [runOf(1, { resources: resources(4, 4) })] })
  assert.deepEqual(seatsOf(world), ['a 0+1+2+3', 'a 4+5+6+7', 'b 0+1+2+3', 'b 4+5+6+7'])
})

void test('all workers of a gang get one GPU model, the first of its list that fits whole', () => {
  const nodes = [nodeOf('a'), nodeOf('b', { gpuModel: 'a100' }), nodeOf('c', { gpuModel: 'a100' })]
  const asked = resources(2, 8, { gpu: ['h100', 'a100'] })
  assert.deepEqual(
    seatsOf(worldOf({ nodes, runs: [runOf(1, { resources: asked })] })).map((seat) => seat[0]),
    ['b', 'c'],
  )
})

void test('a restarted run gets its own slots again and releases its hold in the same item', () => {
  const run = runOf(1, { resources: resources(1, 8), attempts: 1 })
  const other = runOf(2, { resources: resources(1, 1), priority: 'low' })
  const claims = [claimOf(nodeId('a'), restartHolder(run.id), [0, 1, 2, 3, 4, 5, 6, 7], { until: t(60_000) })]
  const { items, report } = decide(worldOf({ nodes: [nodeOf('a')], claims, runs: [run, other] }))
  assert.deepEqual(
    report.placed.map((placed) => placed.attempt),
    [`${run.id}-2`],
  )
  assert.deepEqual(
    items[0]?.writes.map((write) => write.kind),
    ['release', 'claim', 'attempt', 'run', 'event'],
  )
  assert.equal(report.waiting[0]?.reason, 'capacity')
})

void test('two attempts whose first workers share a node get two ports', () => {
  const runs = [runOf(1), runOf(2)]
  const attempts = writesOf(decide(worldOf({ nodes: [nodeOf('a')], runs })).items, 'attempt')
  assert.deepEqual(
    attempts.map(({ attempt }) => attempt.placement.masterPort),
    [20_000, 20_001],
  )
})

const CORDON = { by: 'ada', reason: 'fans' }
const BROKEN: Node['condition'] = { kind: 'not-ready', reason: 'nodes-not-ready', message: 'disk' }
const PREPARING: Node['condition'] = { kind: 'not-ready', reason: 'preparing-environment', message: 'torch' }
const RACK = { within: 'rack', mode: 'required' } as const
const SAME_NODE = { within: 'node', mode: 'required' } as const
const FULL = [claimOf(nodeId('a'), 'restart:r0000000000000009', [0, 1, 2, 3, 4, 5, 6, 7])]
const MONEY = budgetOf('b', { unit: { kind: 'money', currency: 'EUR' }, limit: 1_000_000 })
const COVERED = { budgets: [MONEY.id] }
const QUOTA = [projectOf('default', { quotaGpus: 0 })]

const WAITS: readonly { reason: WaitReason; why: string; world: World }[] = [
  {
    reason: 'quota',
    why: 'its project has none left',
    world: worldOf({ nodes: [nodeOf('a')], runs: [runOf(1)], projects: QUOTA }),
  },
  {
    reason: 'budget',
    why: 'a hard budget has less left than it needs',
    world: worldOf({ nodes: [nodeOf('a')], runs: [runOf(1, COVERED)], budgets: [budgetOf('b')] }),
  },
  {
    reason: 'budget',
    why: 'money cannot be promised for a model without a price',
    world: worldOf({ nodes: [nodeOf('a')], runs: [runOf(1, COVERED)], budgets: [MONEY] }),
  },
  {
    reason: 'capacity',
    why: 'others hold the slots',
    world: worldOf({ nodes: [nodeOf('a')], runs: [runOf(1)], claims: FULL }),
  },
  {
    reason: 'capacity',
    why: 'no node is so large',
    world: worldOf({ nodes: [nodeOf('a')], runs: [runOf(1, { resources: resources(1, 16) })] }),
  },
  {
    reason: 'topology',
    why: 'no node says in which rack it is',
    world: worldOf({ nodes: [nodeOf('a')], runs: [runOf(1, { resources: resources(1, 1, { topology: RACK }) })] }),
  },
  {
    reason: 'topology',
    why: 'no single node holds all workers',
    world: worldOf({
      nodes: [nodeOf('a'), nodeOf('b')],
      runs: [runOf(1, { resources: resources(2, 8, { topology: SAME_NODE }) })],
    }),
  },
  {
    reason: 'gpu-model-absent',
    why: 'no node has the model',
    world: worldOf({ nodes: [nodeOf('a')], runs: [runOf(1, { resources: resources(1, 1, { gpu: ['b200'] }) })] }),
  },
  { reason: 'nodes-not-ready', why: 'there are no nodes yet', world: worldOf({ runs: [runOf(1)] }) },
  {
    reason: 'nodes-not-ready',
    why: 'its node is broken',
    world: worldOf({ nodes: [nodeOf('a', { condition: BROKEN })], runs: [runOf(1)] }),
  },
  {
    reason: 'nodes-not-ready',
    why: 'its node is cordoned',
    world: worldOf({ nodes: [nodeOf('a', { cordon: CORDON })], runs: [runOf(1)] }),
  },
  {
    reason: 'preparing-environment',
    why: 'its node prepares its environment',
    world: worldOf({ nodes: [nodeOf('a', { condition: PREPARING })], runs: [runOf(1)] }),
  },
]
for (const { reason, why, world } of WAITS) {
  void test(`a run waits with reason ${reason} when ${why}`, () => {
    assert.deepEqual(
      decide(world).report.waiting.map((each) => each.reason),
      [reason],
    )
  })
}

void test('a reason is written only when it changes', () => {
  const run = runOf(1, { state: { kind: 'queued', reason: 'nodes-not-ready', message: 'x', notBefore: null } })
  assert.deepEqual(decide(worldOf({ runs: [run] })).items, [])
  assert.equal(decide(worldOf({ runs: [runOf(1)] })).items.length, 1)
})

void test('a run that is placed has no fence any more', () => {
  const workers = [{ worker: workerIdOf(attemptIdOf(runId(1), 1), 0), nodeName: 'a' }]
  const [written] = writesOf(
    decide(worldOf({ nodes: [nodeOf('b')], runs: [runOf(1, { fence: { until: t(0), workers } })] })).items,
    'run',
  )
  assert.deepEqual([written?.run.state.kind, written?.run.fence], ['admitted', undefined])
})

void test('the first look writes a reason whatever it is', () => {
  const unseen = { kind: 'queued', reason: 'capacity', message: NOT_LOOKED_AT, notBefore: null } as const
  const run = runOf(1, { state: unseen, resources: resources(3, 8) })
  const [written] = writesOf(decide(worldOf({ nodes: [nodeOf('a')], runs: [run] })).items, 'run')
  assert.ok(written?.run.state.kind === 'queued' && written.run.state.reason === 'capacity')
  assert.match(written.run.state.message, /8 GPUs/)
})

void test('what a restart hold has left of its reserve is asked for only once', () => {
  const run = runOf(1, { budgets: [budgetOf('b').id], limits: { timeMs: null, gpuMs: gpuMs(340_000) } })
  const reserve = { run: run.id, budget: budgetOf('b').id, granted: 900_000, posted: 0, charge: 0n }
  const budgets = [budgetOf('b', { limit: 1_000_000, reserved: 900_000 })]
  const world = worldOf({ nodes: [nodeOf('a')], runs: [run], budgets }, { reserves: [reserve] })
  assert.deepEqual(
    writesOf(decide(world).items, 'reserve').map((write) => write.amount),
    [100_000],
  )
})

void test('safety: a gang is placed whole or not at all, on nodes in service, and no slot is given twice', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const { items, report } = decide(world)
      for (const { run: id } of report.placed) {
        const run = world.runs.get(id as Run['id'])
        assert.ok(run !== undefined)
        const claims = writesOf(items, 'claim').filter(({ claim }) => claim.run === id)
        assert.equal(claims.length, run.resources.nodes)
        const models = new Set<string>()
        for (const { claim } of claims) {
          const node = world.nodes.get(claim.node)
          assert.ok(node !== undefined && node.condition.kind === 'ready' && node.cordon === null)
          assert.equal(claim.slots.length, run.resources.gpusPerNode)
          models.add(node.gpuModel)
        }
        assert.equal(models.size, 1)
        if (run.resources.gpu.length > 0) assert.ok(run.resources.gpu.includes([...models][0] ?? ''))
        if (run.resources.topology?.mode === 'required')
          assert.equal(new Set(claims.map(({ claim }) => claim.node)).size, 1)
      }
      const after = afterPlan(world, items)
      for (const node of world.nodes.values()) {
        const slots = after.claims.filter((claim) => claim.node === node.id).flatMap((claim) => claim.slots)
        assert.equal(new Set(slots).size, slots.length)
        assert.ok(slots.every((slot) => slot < node.inventory))
        const isNew = writesOf(items, 'claim').some(({ claim }) => claim.node === node.id)
        if (isNew) assert.ok(slots.length + node.foreign <= node.inventory)
      }
    }),
    { numRuns: 300 },
  )
})

void test('safety: the walls of quota and budget stand', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const { items, report } = decide(world)
      const after = afterPlan(world, items)
      for (const project of world.projects.values()) {
        const of = (id: string): boolean =>
          lineage(world.projects, world.runs.get(id as Run['id'])?.project ?? project.name).some(
            (each) => each.name === project.name,
          )
        if (project.quotaGpus === null || !report.placed.some((placed) => of(placed.run))) continue
        const held = after.claims.filter((claim) => of(claim.run)).reduce((sum, claim) => sum + claim.slots.length, 0)
        assert.ok(held <= project.quotaGpus, `${project.name} holds ${held} of ${project.quotaGpus}`)
      }
      for (const budget of world.budgets.values()) {
        const asked = writesOf(items, 'reserve').reduce((sum, write) => sum + write.amount, 0)
        if (budget.hard && asked > 0) assert.ok(budget.used + budget.reserved + asked <= budget.limit)
      }
    }),
    { numRuns: 300 },
  )
})

void test('safety: slots that a run holds for its restart are used by nobody else', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const held = new Map(
        world.claims
          .filter((claim) => isRestartHolder(claim.holder))
          .flatMap((claim) => claim.slots.map((slot) => [`${claim.node} ${slot}`, claim.run] as const)),
      )
      const { items } = decide(world)
      const released = new Set(writesOf(items, 'release').map((write) => write.holder))
      for (const { claim } of writesOf(items, 'claim')) {
        for (const slot of claim.slots) {
          const owner = held.get(`${claim.node} ${slot}`)
          assert.ok(owner === undefined || owner === claim.run || released.has(restartHolder(owner)))
        }
      }
    }),
    { numRuns: 200 },
  )
})

void test('liveness: every waiting run is placed or has exactly one reason of the closed list', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const candidates = candidatesOf(world)
      const { report } = decide(world)
      const answers = [...report.placed.map((each) => each.run), ...report.waiting.map((each) => each.run)]
      assert.deepEqual(answers.toSorted(), candidates.map((each) => each.run as string).toSorted())
      for (const { reason, message } of report.waiting) assert.ok(WAIT_REASONS.includes(reason) && message !== '')
    }),
    { numRuns: 200 },
  )
})

void test('liveness: a run alone in an idle cluster in service is placed', () => {
  const shape = fc.record({ nodes: fc.integer({ min: 1, max: 4 }), gpus: fc.integer({ min: 1, max: 8 }) })
  fc.assert(
    fc.property(shape, ({ nodes, gpus }) => {
      const run = runOf(1, { resources: resources(nodes, gpus) })
      const world = worldOf({ nodes: ['a', 'b', 'c', 'd'].map((name) => nodeOf(name)), runs: [run] })
      assert.equal(decide(world).report.placed.length, 1)
      assert.equal(
        gpusOf(run.resources),
        writesOf(decide(world).items, 'claim').flatMap(({ claim }) => claim.slots).length,
      )
    }),
  )
})
