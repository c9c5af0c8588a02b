// Random worlds for the tests of placing: what is held in them was placed by an earlier decision, so it is consistent.
import fc from 'fast-check'
import type { Claim } from '../../domain/claim.ts'
import { restartHolder } from '../../domain/claim.ts'
import {
  budgetOf,
  claimOf,
  nodeId,
  nodeOf,
  PROJECT,
  projectOf,
  runId,
  runOf,
  t,
  worldOf,
} from '../../domain/fixture.ts'
import type { ProjectName } from '../../domain/ids.ts'
import { attemptIdOf, workerIdOf } from '../../domain/ids.ts'
import type { Item, Write } from '../../domain/item.ts'
import type { Node } from '../../domain/node.ts'
import { PRIORITIES } from '../../domain/reasons.ts'
import type { Run } from '../../domain/run.ts'
import { DEFAULT_DURATIONS } from '../../domain/settings.ts'
import { gpuMs } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'
import type { PlaceSettings } from './place.ts'
import { planPlacements } from './place.ts'

export const SETTINGS: PlaceSettings = {
  durations: DEFAULT_DURATIONS,
  masterAddress: () => '127.0.0.1',
  draw: () => 0,
}

export const writesOf = <Kind extends Write['kind']>(items: readonly Item[], kind: Kind) =>
  items.flatMap((item) => item.writes.filter((write): write is Extract<Write, { kind: Kind }> => write.kind === kind))

/** The world after the claims of a plan, as far as placing looks at it. */
export function afterPlan(world: World, items: readonly Item[]): World {
  const released = new Set(writesOf(items, 'release').map((write) => `${write.node}|${write.holder}`))
  const claims = world.claims.filter((claim) => !released.has(`${claim.node}|${claim.holder}`))
  return {
    ...world,
    claims: [...claims, ...writesOf(items, 'claim').map((write) => write.claim)],
    runs: new Map([...world.runs, ...writesOf(items, 'run').map((write) => [write.run.id, write.run] as const)]),
  }
}

const rarely = <Value>(usual: Value, rare: Value): fc.Arbitrary<Value> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constant(rare) })

const TEAM = 'team' as ProjectName

const nodes = fc.array(
  fc.record({
    inventory: fc.integer({ min: 1, max: 8 }),
    foreign: fc.constantFrom(0, 0, 0, 1, 2),
    gpuModel: fc.constantFrom('h100', 'h100', 'a100'),
    condition: fc.constantFrom<Node['condition']>(
      { kind: 'ready' },
      { kind: 'ready' },
      { kind: 'ready' },
      { kind: 'not-ready', reason: 'preparing-environment', message: 'torch' },
      { kind: 'not-ready', reason: 'nodes-not-ready', message: 'disk' },
      { kind: 'lost', since: t(0) },
    ),
    cordon: fc.constantFrom<Node['cordon']>(null, null, null, { by: 'ada', reason: 'fans' }),
  }),
  { minLength: 2, maxLength: 5 },
)

const runs = fc.array(
  fc.record({
    priority: fc.constantFrom(...PRIORITIES),
    project: fc.constantFrom(PROJECT, TEAM),
    workers: fc.integer({ min: 1, max: 3 }),
    gpusPerNode: fc.integer({ min: 1, max: 4 }),
    gpu: fc.constantFrom([], [], [], [], ['h100'], ['a100', 'h100'], ['b200']),
    topology: fc.constantFrom<Run['resources']['topology']>(
      null,
      null,
      null,
      { within: 'node', mode: 'required' },
      { within: 'rack', mode: 'preferred' },
      { within: 'rack', mode: 'required' },
    ),
    limit: fc.option(fc.integer({ min: 1, max: 100_000 }).map(gpuMs)),
    createdAt: fc.nat(5).map(t),
    notBefore: rarely(null, t(20_000)),
    wasFence: fc.boolean(),
    isRestarting: fc.boolean(),
    isFirst: fc.boolean(),
    avoids: fc.subarray(['n0', 'n1', 'n2']),
  }),
  { minLength: 1, maxLength: 8 },
)

export const worlds: fc.Arbitrary<World> = fc
  .record({
    nodes,
    runs,
    quotas: fc.tuple(rarely<number | null>(null, 9), rarely<number | null>(null, 5)),
    budget: fc.record({ hard: fc.boolean(), limit: fc.nat(30_000_000), used: fc.nat(2_000_000) }),
    paused: rarely(false, true),
    behind: rarely(0, 5),
    reachable: rarely(true, false),
  })
  .map((given) => {
    const all = given.runs.map((each, index) =>
      runOf(index + 1, {
        priority: each.priority,
        project: each.project,
        createdAt: each.createdAt,
        resources: {
          nodes: each.workers,
          gpusPerNode: each.gpusPerNode,
          gpu: each.gpu,
          topology: each.topology,
          parallelism: {},
        },
        limits: { timeMs: null, gpuMs: each.limit },
        budgets: [budgetOf('b').id],
        avoided: each.avoids.map((name) => ({
          node: nodeId(name),
          nodeName: name,
          until: t(30_000),
          kind: 'gpu-fault',
          worker: workerIdOf(attemptIdOf(runId(index + 1), 1), 0),
        })),
        state: {
          kind: 'queued',
          reason: each.wasFence ? 'fence' : 'restarting',
          message: '',
          notBefore: each.notBefore,
        },
      }),
    )
    const empty = worldOf(
      {
        // What is foreign comes later, when ours is placed already.
        nodes: given.nodes.map((node, index) => nodeOf(`n${index}`, { ...node, foreign: 0 })),
        runs: all,
        projects: [
          projectOf('default', { quotaGpus: given.quotas[0] }),
          projectOf('team', { parent: PROJECT, quotaGpus: given.quotas[1] }),
        ],
        budgets: [budgetOf('b', given.budget)],
      },
      {
        now: t(10_000),
        newestBookedTo: t(10_000 + given.behind),
        queue: { paused: given.paused, reason: 'upgrade' },
        clusters: new Map([
          [runOf(1).cluster, given.reachable ? { kind: 'reachable' } : { kind: 'unknown', message: 'timed out' }],
        ]),
      },
    )
    const isFirst = (run: Run): boolean => given.runs[all.indexOf(run)]?.isFirst ?? false
    const first = planPlacements(
      empty,
      all.filter(isFirst).map((run) => ({ run: run.id, blocked: null })),
      SETTINGS,
    )
    const placed = afterPlan(empty, first.items)
    // Some of those that were placed are being restarted: they wait again, and hold what they had.
    const isRestarting = (run: Run): boolean => given.runs[all.indexOf(run)]?.isRestarting ?? false
    const again = all.filter((run) => isRestarting(run) && placed.claims.some((claim) => claim.run === run.id))
    const holds = again.flatMap((run) => holdsOf(placed.claims.filter((claim) => claim.run === run.id)))
    return {
      ...placed,
      nodes: new Map(
        [...placed.nodes.values()].map((node, index) => [
          node.id,
          { ...node, foreign: given.nodes[index]?.foreign ?? 0 },
        ]),
      ),
      runs: new Map([...placed.runs, ...again.map((run) => [run.id, { ...run, attempts: 1 }] as const)]),
      claims: [...placed.claims.filter((claim) => !again.some((run) => run.id === claim.run)), ...holds],
    }
  })

function holdsOf(claims: readonly Claim[]): Claim[] {
  return [...Map.groupBy(claims, (claim) => claim.node)].map(([node, each]) =>
    claimOf(
      node,
      restartHolder(each[0]?.run ?? runOf(1).id),
      each.flatMap((claim) => claim.slots),
      { until: t(900_000) },
    ),
  )
}
