// Who may use how much of what, as an operator writes it. It lives in the database, versioned and audited; config/policy is its seed.
import type { BudgetScope, BudgetUnit } from './budget.ts'
import type { BudgetId, ClusterName, ProjectName } from './ids.ts'
import type { Period } from './period.ts'
import type { Priority } from './reasons.ts'
import type { EpochMs, Price } from './units.ts'

export type Policy = {
  readonly projects: readonly PolicyProject[]
  readonly budgets: readonly PolicyBudget[]
  /** What a GPU costs from a moment on: a run pays what counted when it was placed. */
  readonly prices: readonly { readonly gpuModel: string; readonly since: EpochMs; readonly price: Price }[]
  /** Where a spec without `cluster` goes. */
  readonly defaultCluster: ClusterName
}

export type PolicyProject = {
  readonly name: ProjectName
  readonly parent: ProjectName | null
  readonly quotaGpus: number | null
  readonly maxPriority: Priority
}

export type PolicyBudget = BudgetScope & {
  readonly id: BudgetId
  readonly unit: BudgetUnit
  readonly hard: boolean
  /** GPU-milliseconds or micros, as `unit` says. */
  readonly limit: number
  /** Null: for all time. A window of the policy is of no series. */
  readonly period: Period | null
}
