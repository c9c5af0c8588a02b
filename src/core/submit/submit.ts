// The submit step: a resolved spec against the policy, and the run that it becomes.
import type { Budget } from '../../domain/budget.ts'
import { covers } from '../../domain/budget.ts'
import type { BudgetId, ClusterName, ProjectName, RunId } from '../../domain/ids.ts'
import { isRowOfSeries } from '../../domain/period.ts'
import type { Project } from '../../domain/project.ts'
import { lineage } from '../../domain/project.ts'
import { PRIORITIES } from '../../domain/reasons.ts'
import type { Answer } from '../../domain/refusal.ts'
import { accepted, refused } from '../../domain/refusal.ts'
import type { Run } from '../../domain/run.ts'
import { NOT_LOOKED_AT } from '../../domain/run.ts'
import type { RunSpec } from '../../domain/spec.ts'
import type { EpochMs } from '../../domain/units.ts'
import { gpuMs } from '../../domain/units.ts'
import { estimateRun } from '../estimate/estimate.ts'

export type SubmitContext = {
  readonly projects: ReadonlyMap<ProjectName, Project>
  readonly budgets: ReadonlyMap<BudgetId, Budget>
  readonly clusters: ReadonlySet<ClusterName>
  readonly defaultCluster: ClusterName
  /** Peak dense TFLOP/s by GPU model, for the estimate. */
  readonly peaks: ReadonlyMap<string, number | null>
  /** Whether a dialect knows what the framework prints. */
  readonly progressExpected: boolean
}

export function runOfSpec(spec: RunSpec, id: RunId, user: string, now: EpochMs, context: SubmitContext): Answer<Run> {
  const project = context.projects.get(spec.project)
  if (project === undefined) {
    const known = [...context.projects.keys()].join(', ')
    return refused(
      'unknown-project',
      `there is no project ${spec.project}`,
      `use one of ${known}, or add it with policy apply`,
      '/project',
    )
  }
  const cluster = spec.cluster ?? context.defaultCluster
  if (!context.clusters.has(cluster)) {
    const known = [...context.clusters].join(', ')
    return refused('unknown-cluster', `there is no cluster ${cluster}`, `use one of ${known}`, '/cluster')
  }
  const line = lineage(context.projects, spec.project)
  const highest = line
    .map((each) => PRIORITIES.indexOf(each.maxPriority))
    .reduce((least, each) => Math.min(least, each), PRIORITIES.length)
  if (PRIORITIES.indexOf(spec.priority) > highest) {
    return refused(
      'priority-too-high',
      `project ${spec.project} may ask for priority ${PRIORITIES[highest] ?? 'low'} at most`,
      'lower it, or ask a lead',
      '/priority',
    )
  }
  const covering = new Set(line.map((each) => each.name))
  const budgets = [...context.budgets.values()]
    .filter(
      (budget) => !isRowOfSeries(budget) && covers(budget, { user, name: spec.name, labels: spec.labels }, covering),
    )
    .map((budget) => budget.id)
  const peak = spec.resources.gpu.length > 0 ? (context.peaks.get(spec.resources.gpu[0] ?? '') ?? null) : null
  const p80 = estimateRun(spec, peak)?.p80 ?? null
  return accepted({
    id,
    project: spec.project,
    name: spec.name,
    user,
    cluster,
    priority: spec.priority,
    labels: spec.labels,
    resources: spec.resources,
    state: { kind: 'queued', reason: 'capacity', message: NOT_LOOKED_AT, notBefore: null },
    wish: 'run',
    attempts: 0,
    restartsLeft: spec.restart,
    failuresInRow: 0,
    estimateP80: p80 === null ? null : gpuMs(p80),
    limits: spec.limits,
    sequenceLength: spec.training.sequenceLength,
    progressExpected: context.progressExpected,
    paidGpuMs: gpuMs(0),
    budgets: budgets.toSorted(),
    createdAt: now,
    startedAt: null,
    endedAt: null,
    version: 1,
  })
}
