// "Starts if ...": a change of the world under which the very decision that refused the run places it. Each candidate is applied and
// decided again, so what is printed is true by construction; where none of the tried ones helps, nothing is claimed.
import { needGpuMs } from '../estimate/need.ts'
import type { Budget } from '../../domain/budget.ts'
import { amountText, left } from '../../domain/budget.ts'
import { avoidedAt } from '../../domain/failure.ts'
import type { BudgetId, ClusterName, NodeId, ProjectName, RunId } from '../../domain/ids.ts'
import { nodeIdOf } from '../../domain/ids.ts'
import { COUNTERFACTUALS_TRIED_MAX } from '../../domain/limits.ts'
import type { Node } from '../../domain/node.ts'
import type { Project } from '../../domain/project.ts'
import { shares } from '../../domain/period.ts'
import { lineage } from '../../domain/project.ts'
import type { Run } from '../../domain/run.ts'
import { waitsUntil } from '../../domain/run.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { Candidate, World } from '../../domain/world.ts'
import { worldAt } from '../../domain/world.ts'
import type { Durations } from '../../domain/settings.ts'
import { counted } from '../../domain/words.ts'
import type { PlaceSettings } from './place.ts'
import { planPlacements } from './place.ts'

export type Counterfactual = { readonly text: string; readonly change: (world: World) => World }

/** The waiting runs of a world in their order, each with its blocking reason where it has one before nodes are looked at. */
export type Queue = (world: World) => readonly Candidate[]

/** With more runs before it, the only thing that is tried is that they were not there: each try decides about all of them. */
const BEFORE_MAX = 256

export function counterfactual(world: World, id: RunId, queue: Queue, settings: PlaceSettings): Counterfactual | null {
  const run = world.runs.get(id)
  if (run === undefined || run.state.kind !== 'queued') return null
  const before = runsBefore(world, id, queue)
  let tried = 0
  for (const candidate of candidates(world, run, before, settings.durations)) {
    tried += 1
    if (tried > COUNTERFACTUALS_TRIED_MAX) return null
    if (starts(candidate.change(world), id, queue, settings)) return candidate
  }
  return null
}

/** Whether the turn would place the run: those before it take what they can first. */
export function starts(world: World, id: RunId, queue: Queue, settings: PlaceSettings): boolean {
  const waiting = queue(world)
  const own = waiting.findIndex((candidate) => candidate.run === id)
  if (own < 0) return false
  const plan = planPlacements(world, waiting.slice(0, own + 1), settings)
  return plan.report.placed.some((placed) => placed.run === id)
}

/** Those that a turn looks at before it. */
function runsBefore(world: World, id: RunId, queue: Queue): Run[] {
  const waiting = queue(world)
  const own = waiting.findIndex((candidate) => candidate.run === id)
  return waiting.slice(0, Math.max(0, own)).flatMap((candidate) => world.runs.get(candidate.run) ?? [])
}

/** From the smallest change to the largest; pairs only where one thing alone is never enough. */
function* candidates(world: World, run: Run, before: readonly Run[], durations: Durations): Generator<Counterfactual> {
  if (before.length > BEFORE_MAX) {
    yield withoutThem(before)
    return
  }
  if (world.queue.paused)
    yield {
      text: 'starts if the queue is resumed',
      change: (now) => ({ ...now, queue: { paused: false, reason: '' } }),
    }
  const moments = [waitsUntil(run), ...avoidedAt(run.avoided, world.now).map(({ until }) => until)]
  for (const until of moments) {
    if (until === null || until <= world.now) continue
    const seconds = Math.ceil((until - world.now) / 1_000)
    yield { text: `starts by itself in ${seconds} s`, change: (now) => worldAt(now, until) }
  }
  yield* unready(world, run)
  // Enough for it alone first: those before it may wait for something else.
  for (const ahead of before.length === 0 ? [before] : [[], before]) {
    yield* quotas(world, run, ahead)
    yield* budgets(world, run, ahead, durations)
  }
  yield* endings(world, run)
  if (before.length > 0) yield withoutThem(before)
  yield* moreNodes(world, run, before)
}

function withoutThem(before: readonly Run[]): Counterfactual {
  const gone = new Set(before.map(({ id }) => id))
  const text =
    before.length === 1 ? 'the run before it in the queue is' : `the ${before.length} runs before it in the queue are`
  return {
    text: `starts if ${text} stopped`,
    change: (now) => ({ ...now, runs: new Map([...now.runs].filter(([id]) => !gone.has(id))) }),
  }
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

function* quotas(world: World, run: Run, ahead: readonly Run[]): Generator<Counterfactual> {
  const line = lineage(world.projects, run.project)
  for (const project of line) {
    if (project.quotaGpus === null) continue
    const held = gpusHeld(world, project.name)
    const others = ahead.filter((other) =>
      lineage(world.projects, other.project).some(({ name }) => name === project.name),
    )
    const needed = [...others, run].reduce((sum, each) => sum + gpusOf(each.resources), held)
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

function* budgets(world: World, run: Run, ahead: readonly Run[], durations: Durations): Generator<Counterfactual> {
  for (const id of run.budgets) {
    const budget = world.budgets.get(id)
    if (budget === undefined || !budget.hard) continue
    const prices = new Set(nodesOf(world, run.cluster).map((node) => world.prices.get(node.gpuModel) ?? null))
    for (const price of prices) {
      if (budget.unit.kind === 'money' && price === null) continue
      const needed = new Map<BudgetId, { row: Budget; amount: number }>()
      for (const each of [...ahead.filter((other) => other.budgets.includes(id)), run]) {
        const gpuMs = needGpuMs(each, each.paidGpuMs, world.now, durations)
        const rows = (row: BudgetId): Budget | undefined => world.budgets.get(row)
        for (const { row, amount } of shares(budget, gpuMs, gpusOf(each.resources), world.now, price, rows))
          needed.set(row.id, { row, amount: amount + (needed.get(row.id)?.amount ?? 0) })
      }
      // Of a series the first period that lacks it: what comes later is asked for later.
      const short = [...needed.values()].find(({ row, amount }) => amount > left(row))
      if (short === undefined) continue
      const { row } = short
      const limit = row.used + row.reserved + short.amount
      yield {
        text: `starts if budget ${row.id} is ${amountText(row.unit, limit)} instead of ${amountText(row.unit, row.limit)}`,
        change: (now) => withBudget(now, { ...row, limit }),
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

function* moreNodes(world: World, run: Run, before: readonly Run[]): Generator<Counterfactual> {
  const model = run.resources.gpu[0] ?? nodesOf(world, run.cluster)[0]?.gpuModel ?? 'declared'
  const { nodes, gpusPerNode } = run.resources
  const all = before.reduce((sum, other) => sum + Math.ceil(gpusOf(other.resources) / gpusPerNode), nodes)
  const counts = new Set<number>()
  for (let count = 1; count < all; count *= 2) counts.add(count)
  for (const added of [...counts, nodes, all].toSorted((a, b) => a - b)) {
    yield {
      text: `starts if ${counted(added, 'more node')} with ${counted(gpusPerNode, 'free GPU')} (${model}) come${added === 1 ? 's' : ''}`,
      change: (now) => ({
        ...now,
        nodes: new Map([
          ...now.nodes,
          ...Array.from({ length: added }, (_, index): [NodeId, Node] => {
            const node = hypothetical(now, run.cluster, index, model, gpusPerNode)
            return [node.id, node]
          }),
        ]),
      }),
    }
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
