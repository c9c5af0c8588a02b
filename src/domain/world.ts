// The world: one consistent picture of everything that a decision may look at. It is data; whoever holds one may throw it away.
import type { Attempt } from './attempt.ts'
import type { Budget, Reserve } from './budget.ts'
import type { Claim } from './claim.ts'
import type { AttemptId, BudgetId, ClusterName, NodeId, ProjectName, RunId } from './ids.ts'
import type { Node } from './node.ts'
import type { Project } from './project.ts'
import type { WaitReason } from './reasons.ts'
import type { Run } from './run.ts'
import type { EpochMs, Price } from './units.ts'
import { epochMs } from './units.ts'

export type World = {
  /** The leader's clock when the picture was taken. */
  readonly now: EpochMs
  /** No book is written beyond this: when the clock is before it, nothing is placed. */
  readonly newestBookedTo: EpochMs
  readonly queue: { readonly paused: boolean; readonly reason: string }
  readonly clusters: ReadonlyMap<ClusterName, ClusterHealth>
  readonly nodes: ReadonlyMap<NodeId, Node>
  /** Living ones only. */
  readonly claims: readonly Claim[]
  /** Runs that have not ended. */
  readonly runs: ReadonlyMap<RunId, Run>
  /** The living attempts. */
  readonly attempts: ReadonlyMap<AttemptId, Attempt>
  readonly projects: ReadonlyMap<ProjectName, Project>
  readonly budgets: ReadonlyMap<BudgetId, Budget>
  /** Of the runs above. */
  readonly reserves: readonly Reserve[]
  readonly prices: ReadonlyMap<string, Price>
  /** Of living attempts in which a reporter speaks. */
  readonly reports: ReadonlyMap<AttemptId, AttemptReports>
}

export type AttemptReports = {
  /** When a process that would obey a directive to save a checkpoint was heard last; null: there is none. */
  readonly obeysAt: EpochMs | null
  /** The step of the durable checkpoint that answered the directive of its ending; null: none did yet. */
  readonly savedStep: number | null
  readonly saved: boolean
}

/** `unknown`: it could not be asked; its runs stay where they are. */
export type ClusterHealth = { readonly kind: 'reachable' } | { readonly kind: 'unknown'; readonly message: string }

/** What a turn of admit and place looks for: the candidates in order, each with its blocking reason where admit already knows one. */
export type Candidate = {
  readonly run: RunId
  readonly blocked: Blocked | null
}

export type Blocked = {
  readonly reason: WaitReason
  readonly message: string
  /** For `backoff`: the moment that ends it. */
  readonly until: EpochMs | null
}

const byAttempt = new WeakMap<readonly Claim[], ReadonlyMap<AttemptId | null, readonly Claim[]>>()

/** The living claims of an attempt. Grouped once for a world: a turn asks for each of its attempts. */
export function claimsOf({ claims }: Pick<World, 'claims'>, attempt: AttemptId): readonly Claim[] {
  const known = byAttempt.get(claims) ?? Map.groupBy(claims, (claim) => claim.attempt)
  byAttempt.set(claims, known)
  return known.get(attempt) ?? []
}

/** The same world at a later moment, if nothing happens until then: nodes that are heard now are heard then. */
export function worldAt(world: World, now: EpochMs): World {
  const passed = Math.max(0, now - world.now)
  const nodes = [...world.nodes].map(([id, node]) => {
    return [id, { ...node, lastObserved: epochMs(node.lastObserved + passed) }] as const
  })
  return { ...world, now, nodes: new Map(nodes) }
}
