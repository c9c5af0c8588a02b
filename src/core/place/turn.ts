// What earlier placements of a turn have used up: slots, quota, budgets and ports. One of these lives as long as one decision.
import type { Attempt } from '../../domain/attempt.ts'
import type { Budget, Reserve } from '../../domain/budget.ts'
import type { Claim, Holder } from '../../domain/claim.ts'
import { isRestartHolder } from '../../domain/claim.ts'
import type { BudgetId, ClusterName, NodeId, ProjectName, RunId } from '../../domain/ids.ts'
import type { Node } from '../../domain/node.ts'
import type { Placement } from '../../domain/plan.ts'
import { lineage } from '../../domain/project.ts'
import type { Run } from '../../domain/run.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'

const PORT_FIRST = 20_000
const PORTS = 10_000

export type Turn = {
  readonly held: Map<NodeId, Map<number, Holder>>
  readonly gpusOfProject: Map<ProjectName, number>
  readonly budgets: Map<BudgetId, Budget>
  readonly reserves: Map<string, Reserve>
  readonly nodesOf: Map<ClusterName, Node[]>
  readonly ports: Map<string, Set<number>>
  /** Slots that runs keep while they are being restarted. */
  readonly holdsOf: ReadonlyMap<RunId, readonly Claim[]>
}

export function openTurn(world: World): Turn {
  const held = new Map<NodeId, Map<number, Holder>>()
  const gpusOfProject = new Map<ProjectName, number>()
  for (const claim of world.claims) {
    const taken = held.get(claim.node) ?? new Map<number, Holder>()
    for (const slot of claim.slots) taken.set(slot, claim.holder)
    held.set(claim.node, taken)
    const project = world.runs.get(claim.run)?.project
    if (project !== undefined) countGpus(world, gpusOfProject, project, claim.slots.length)
  }
  const ports = new Map<string, Set<number>>()
  for (const { placement } of world.attempts.values()) notePort(ports, placement)
  const nodesOf = new Map<ClusterName, Node[]>()
  for (const node of world.nodes.values()) {
    if (node.deletedAt === null) nodesOf.set(node.cluster, [...(nodesOf.get(node.cluster) ?? []), node])
  }
  return {
    held,
    gpusOfProject,
    budgets: new Map(world.budgets),
    reserves: new Map(world.reserves.map((reserve) => [`${reserve.run}|${reserve.budget}`, reserve])),
    nodesOf,
    ports,
    holdsOf: Map.groupBy(
      world.claims.filter((claim) => isRestartHolder(claim.holder)),
      (claim) => claim.run,
    ),
  }
}

function countGpus(world: World, counts: Map<ProjectName, number>, project: ProjectName, gpus: number): void {
  for (const each of lineage(world.projects, project)) counts.set(each.name, (counts.get(each.name) ?? 0) + gpus)
}

function notePort(ports: Map<string, Set<number>>, placement: Placement): void {
  const node = placement.workers[0]?.nodeName ?? ''
  ports.set(node, (ports.get(node) ?? new Set<number>()).add(placement.masterPort))
}

export const ownHolds = (turn: Turn, run: Run): readonly Claim[] => turn.holdsOf.get(run.id) ?? []

export type BudgetPromise = {
  readonly amounts: readonly { readonly budget: BudgetId; readonly at: EpochMs; readonly amount: number }[]
  readonly reserves: readonly { budget: Budget; reserve: Reserve }[]
}

export function useUp(
  world: World,
  turn: Turn,
  run: Run,
  attempt: Attempt,
  holds: readonly Claim[],
  promise: BudgetPromise,
): void {
  // What the hold keeps and the attempt does not use is nobody's in this turn: its item may be refused, and the hold then stands.
  for (const worker of attempt.placement.workers) {
    const taken = turn.held.get(worker.node) ?? new Map<number, Holder>()
    for (const slot of worker.slots) taken.set(slot, worker.id)
    turn.held.set(worker.node, taken)
  }
  const kept = holds.reduce((sum, hold) => sum + hold.slots.length, 0)
  countGpus(world, turn.gpusOfProject, run.project, Math.max(0, gpusOf(run.resources) - kept))
  for (const { budget, reserve } of promise.reserves) {
    turn.budgets.set(budget.id, budget)
    turn.reserves.set(`${reserve.run}|${reserve.budget}`, reserve)
  }
  notePort(turn.ports, attempt.placement)
}

export function drawPort(taken: ReadonlySet<number>, draw: () => number): number {
  const begin = Math.floor(draw() * PORTS)
  for (let step = 0; step < PORTS; step += 1) {
    const port = PORT_FIRST + ((begin + step) % PORTS)
    if (!taken.has(port)) return port
  }
  return PORT_FIRST + begin
}
