// Rows as PostgreSQL gives them, to nouns of the domain. Money and GPU-time are integers all the way.
import type { Attempt } from '../../domain/attempt.ts'
import type { AttemptBooks, BooksBasis } from '../../domain/books.ts'
import type { Budget, Reserve } from '../../domain/budget.ts'
import type { Claim } from '../../domain/claim.ts'
import type { Fact, FactBody } from '../../domain/fact.ts'
import type { Held } from '../../domain/holdings.ts'
import type { AttemptId, BudgetId, NodeId, ProjectName, RunId } from '../../domain/ids.ts'
import type { Node } from '../../domain/node.ts'
import type { Every, Period } from '../../domain/period.ts'
import type { Project } from '../../domain/project.ts'
import type { Priority } from '../../domain/reasons.ts'
import type { Run } from '../../domain/run.ts'
import type { Cell, EpochMs } from '../../domain/units.ts'

export type RunRow = { image: Omit<Run, 'version'>; version: number }
export type NodeRow = {
  image: Omit<Node, 'version' | 'bookedTo' | 'lastObserved'>
  version: number
  booked_to: EpochMs
  last_observed: EpochMs
}
export type AttemptRow = { image: Attempt }
export type ClaimRow = { image: Claim }
export type BudgetRow = {
  id: BudgetId
  project: ProjectName | null
  submitter: string | null
  label_key: string | null
  label_value: string | null
  run_name: string | null
  unit: 'gpu-ms' | 'money'
  currency: string | null
  hard: boolean
  limit: number
  used: number
  reserved: number
  over: number
  every: Every | null
  from: EpochMs | null
  to: EpochMs | null
  series: BudgetId | null
  extended: number
  version: number
}
export type ReserveRow = { run: RunId; budget: BudgetId; granted: number; posted: number; charge: bigint }
export type ProjectRow = {
  name: ProjectName
  parent: ProjectName | null
  quota_gpus: number | null
  max_priority: Priority
  version: number
}
export type HeldRow = { node: NodeId; from: EpochMs; to: EpochMs; holder: string; slots: number }
export type FactRow = {
  source: string
  sequence: number
  attempt: AttemptId
  at: EpochMs
  sent_at: EpochMs
  body: FactBody
}
export type BooksRow = {
  attempt: AttemptId
  source: string | null
  posted_to: Cell | null
  dirty_from: Cell | null
  basis: BooksBasis | null
  heard: number
  closed: boolean
}

export const runOf = (row: RunRow): Run => ({ ...row.image, version: row.version })
export const nodeOf = (row: NodeRow): Node => ({
  ...row.image,
  version: row.version,
  bookedTo: row.booked_to,
  lastObserved: row.last_observed,
})
export const attemptOf = (row: AttemptRow): Attempt => row.image
export const claimOf = (row: ClaimRow): Claim => row.image
export const heldOf = (row: HeldRow): Held => row
export const factOf = (row: FactRow): Fact => ({
  source: row.source,
  sequence: row.sequence,
  attempt: row.attempt,
  at: row.at,
  sentAt: row.sent_at,
  body: row.body,
})
export const reserveOf = (row: ReserveRow): Reserve => row
export const projectOf = (row: ProjectRow): Project => ({
  name: row.name,
  parent: row.parent,
  quotaGpus: row.quota_gpus,
  maxPriority: row.max_priority,
  version: row.version,
})

export function budgetOf(row: BudgetRow): Budget {
  return {
    id: row.id,
    project: row.project,
    user: row.submitter,
    label: row.label_key === null || row.label_value === null ? null : { key: row.label_key, value: row.label_value },
    run: row.run_name,
    unit: row.currency === null ? { kind: 'gpu-ms' } : { kind: 'money', currency: row.currency },
    hard: row.hard,
    limit: row.limit,
    used: row.used,
    reserved: row.reserved,
    over: row.over,
    period: periodOf(row),
    extended: row.extended,
    version: row.version,
  }
}

function periodOf({ every, from, to, series }: BudgetRow): Period | null {
  if (every !== null) return { kind: 'every', every }
  return from === null || to === null ? null : { kind: 'window', series, from, to }
}

export function booksOf(row: BooksRow): AttemptBooks {
  return {
    attempt: row.attempt,
    source: row.source,
    postedTo: row.posted_to,
    dirtyFrom: row.dirty_from,
    basis: row.basis === null ? null : { ...row.basis, ends: row.basis.ends ?? [] },
    heard: row.heard,
    closed: row.closed,
  }
}
