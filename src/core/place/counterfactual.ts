// "Starts if ...": a change of the world under which the very decision that refused the run places it. Each candidate is applied and
// decided again, so what is printed is true by construction; where none of the tried ones helps, nothing is claimed.
import { needGpuMs } from '../estimate/need.ts'
import type { Budget } from '../../domain/budget.ts'
import { amountText, chargeCeiling, chargeOf } from '../../domain/budget.ts'
import type { BudgetId, ClusterName, NodeId, ProjectName, RunId } from '../../domain/ids.ts'
import { nodeIdOf } from '../../domain/ids.ts'
import { COUNTERFACTUALS_TRIED_MAX } from '../../domain/limits.ts'
import type { Node } from '../../domain/node.ts'
import type { Project } from '../../domain/project.ts'
import { lineage } from '../../domain/project.ts'
import type { Run } from '../../domain/run.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { World } from '../../domain/world.ts'
import type { Durations } from '../../domain/settings.ts'
import type { PlaceSettings } from './place.ts'
import { planPlacements } from './place.ts'

export type Counterfactual = { readonly text: string; readonly change: (world: World) => World }

export function counterfactual(world: World, id: RunId, settings: PlaceSettings): Counterfactual | null {
  const run = world.runs.get(id)
  if (run === undefined || run.state.kind !== 'queued') return null
  let tried = 0
  for (const candidate of candidates(world, run, settings.durations)) {
    tried += 1
    if (tried > COUNTERFACTUALS_TRIED_MAX) return null
    if (starts(candidate.change(world), id, settings)) return candidate
  }
  return null
}

/** Whether the run alone would be placed: those before it in the queue count by what they hold, not by what they want. */
export function starts(world: World, id: RunId, settings: PlaceSettings): boolean {
  const run = world.runs.get(id)
  if (run === undefined || isHeldBack(world, run)) return false
  const plan = planPlacements(world, [{ run: id, blocked: null }], settings)
  return plan.report.placed.some((placed) => placed.run === id)
}

/** What admit refuses before nodes are looked at: no node, quota or budget helps against it. */
function isHeldBack(world: World, run: Run): boolean {
  const { state } = run
  const waits = state.kind === 'queued' && state.notBefore !== null && world.now < state.notBefore
  const isReachable = world.clusters.get(run.cluster)?.kind === 'reachable'
  return world.now < world.newestBookedTo || world.queue.paused || waits || !isReachable || run.wish !== 'run'
}

/** From the smallest change to the largest; pairs only where one thing alone is never enough. */
function* candidates(world: World, run: Run, durations: Durations): Generator<Counterfactual> {
  if (world.queue.paused)
    yield {
      text: 'starts if the queue is resumed',
      change: (now) => ({ ...now, queue: { paused: false, reason: '' } }),
    }
  if (run.state.kind === 'queued' && run.state.notBefore !== null && run.state.notBefore > world.now) {
    const until = run.state.notBefore
    const seconds = Math.ceil((until - world.now) / 1_000)
    yield { text: `starts by itself in ${seconds} s`, change: (now) => ({ ...now, now: until }) }
  }
  yield* unready(world, run)
  yield* quotas(world, run)
  yield* budgets(world, run, durations)
  yield* endings(world, run)
  yield* moreNodes(world, run)
}

function* unready(world: World, run: Run): Generator<Counterfactual> {
  for (const node of nodesOf(world, run.cluster)) {
    if (node.condition.kind === 'ready' && node.cordon === null) continue
    const what = node.condition.kind === 'ready' ? 'is uncordoned' : 'becomes ready'
    yield {
      text: `starts if node ${node.name} ${what}`,
      change: (now) => withNode(now, { ...node, condition: { kind: 'ready' }, cordon: null }),
    }
  }
}

function* quotas(world: World, run: Run): Generator<Counterfactual> {
  const line = lineage(world.projects, run.project)
  for (const project of line) {
    if (project.quotaGpus === null) continue
    const held = gpusHeld(world, project.name)
    const needed = held + gpusOf(run.resources)
    if (needed <= project.quotaGpus) continue
    yield {
      text: `starts if the quota of project ${project.name} is ${needed} GPUs instead of ${project.quotaGpus}`,
      change: (now) => withProject(now, { ...project, quotaGpus: needed }),
    }
  }
}

function gpusHeld(world: World, project: ProjectName): number {
  return world.claims.reduce((sum, claim) => {
    const of = world.runs.get(claim.run)?.project
    const counts = of !== undefined && lineage(world.projects, of).some((each) => each.name === project)
    return counts ? sum + claim.slots.length : sum
  }, 0)
}

function* budgets(world: World, run: Run, durations: Durations): Generator<Counterfactual> {
  for (const id of run.budgets) {
    const budget = world.budgets.get(id)
    if (budget === undefined || !budget.hard) continue
    const prices = new Set(nodesOf(world, run.cluster).map((node) => world.prices.get(node.gpuModel) ?? null))
    for (const price of prices) {
      if (budget.unit.kind === 'money' && price === null) continue
      const needed = chargeCeiling(
        budget.unit,
        chargeOf(budget.unit, needGpuMs(run, run.paidGpuMs, world.now, durations), price),
      )
      const limit = budget.used + budget.reserved + needed
      if (limit <= budget.limit) continue
      yield {
        text: `starts if budget ${id} is ${amountText(budget.unit, limit)} instead of ${amountText(budget.unit, budget.limit)}`,
        change: (now) => withBudget(now, { ...budget, limit }),
      }
    }
  }
}

/** Running runs of the same cluster, the smallest first. */
function* endings(world: World, run: Run): Generator<Counterfactual> {
  const holders = new Set(world.claims.map((claim) => claim.run))
  const others = [...world.runs.values()]
    .filter((other) => other.cluster === run.cluster && other.id !== run.id && holders.has(other.id))
    .toSorted((a, b) => gpusOf(a.resources) - gpusOf(b.resources) || (a.id < b.id ? -1 : 1))
  for (const other of others.slice(0, COUNTERFACTUALS_TRIED_MAX / 4)) {
    yield {
      // Another project's run is counted, not named.
      text:
        other.project === run.project
          ? `starts if run ${other.project}/${other.name} ends`
          : `starts if a run of ${gpusOf(other.resources)} GPUs ends`,
      change: (now) => ({ ...now, claims: now.claims.filter((claim) => claim.run !== other.id) }),
    }
  }
}

function* moreNodes(world: World, run: Run): Generator<Counterfactual> {
  const model = run.resources.gpu[0] ?? nodesOf(world, run.cluster)[0]?.gpuModel ?? 'declared'
  const { nodes, gpusPerNode } = run.resources
  for (let count = 1; count <= nodes; count *= 2) {
    const added = Math.min(count, nodes)
    yield {
      text: `starts if ${added} more node${added === 1 ? '' : 's'} with ${gpusPerNode} free GPUs (${model}) come`,
      change: (now) =>
        Array.from({ length: added }, (_, index) => hypothetical(now, run.cluster, index, model, gpusPerNode)).reduce(
          withNode,
          now,
        ),
    }
  }
  yield {
    text: `starts if ${nodes} more nodes with ${gpusPerNode} free GPUs (${model}) come`,
    change: (now) =>
      Array.from({ length: nodes }, (_, index) => hypothetical(now, run.cluster, index, model, gpusPerNode)).reduce(
        withNode,
        now,
      ),
  }
}

function hypothetical(world: World, cluster: ClusterName, index: number, gpuModel: string, inventory: number): Node {
  const name = `hypothetical-${index}`
  return {
    id: nodeIdOf(cluster, name, 1),
    cluster,
    name,
    incarnation: 1,
    gpuModel,
    declared: true,
    inventory,
    condition: { kind: 'ready' },
    cordon: null,
    foreign: 0,
    lastObserved: world.now,
    bookedTo: world.now,
    registeredAt: world.now,
    deletedAt: null,
    version: 0,
  }
}

const nodesOf = (world: World, cluster: ClusterName): Node[] =>
  [...world.nodes.values()].filter((node) => node.cluster === cluster && node.deletedAt === null)

function withNode(world: World, node: Node): World {
  return { ...world, nodes: new Map<NodeId, Node>([...world.nodes, [node.id, node]]) }
}

function withProject(world: World, project: Project): World {
  return { ...world, projects: new Map<ProjectName, Project>([...world.projects, [project.name, project]]) }
}

function withBudget(world: World, budget: Budget): World {
  return { ...world, budgets: new Map<BudgetId, Budget>([...world.budgets, [budget.id, budget]]) }
}
