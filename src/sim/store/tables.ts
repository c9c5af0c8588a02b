// What the simulated store holds. The books grow by `append` alone; everything else is replaced row by row, as the real one does.
import type { Attempt } from '../../domain/attempt.ts'
import type { AttemptBooks, CellSummary } from '../../domain/books.ts'
import type { Budget, Reserve } from '../../domain/budget.ts'
import type { Extension } from '../../domain/extension.ts'
import type { Claim } from '../../domain/claim.ts'
import type { ClaimKey, ReserveKey } from '../../domain/apply.ts'
import { claimKey } from '../../domain/apply.ts'
import type { Changes } from '../../domain/apply.ts'
import type { AuditEntry, RunEvent } from '../../domain/event.ts'
import type { Fact } from '../../domain/fact.ts'
import type { Finding } from '../../domain/finding.ts'
import type { Held } from '../../domain/holdings.ts'
import type { Item, ItemResult } from '../../domain/item.ts'
import type { AttemptId, BudgetId, ClusterName, NodeId, ProjectName, RunId, WorkerId } from '../../domain/ids.ts'
import type { LogCut } from '../../domain/log-limit.ts'
import type { Node } from '../../domain/node.ts'
import type { Project } from '../../domain/project.ts'
import type { AttemptAccount } from '../../domain/reasons.ts'
import type { Run } from '../../domain/run.ts'
import { isEnded } from '../../domain/run.ts'
import type { RunSpec } from '../../domain/spec.ts'
import type { Cell, EpochMs, Price } from '../../domain/units.ts'
import type { ReportSave, SeenHealth } from '../../ports/store.ts'
import type { StoredToken } from '../../ports/token-store.ts'
import type { ExpertSet } from './experts.ts'

export type Posting = {
  readonly attempt: AttemptId
  readonly cell: Cell
  readonly revision: number
  readonly account: AttemptAccount
  readonly gpuMs: number
}

export type StoredCell = { readonly revision: number; readonly lastStep: number | null; readonly summary: CellSummary }

export type StoredCursor = {
  readonly worker: WorkerId
  readonly attempt: AttemptId
  readonly offset: number
  readonly mark: string | null
  readonly spool: string
  readonly lastLineAt: EpochMs | null
  readonly observedTo: EpochMs | null
  readonly complete: boolean
  /** Where its stored part ends for good; null: nothing was left out. */
  readonly storedTo: number | null
}

export type Chunk = { readonly offset: number; readonly nextOffset: number; readonly bytes: Uint8Array }

/** Rows that are only ever added to; a change of one is refused, as the triggers of the real store do. */
export class Ledger<Row> {
  readonly #rows: Row[] = []

  get rows(): readonly Row[] {
    return this.#rows
  }

  append(row: Row): void {
    this.#rows.push(Object.freeze(row))
  }
}

/** One commit as it was written, for those who look on: what each row was before, and what became of it. */
export type Commit = {
  readonly at: EpochMs
  /** Null: a request, which needs no leader. */
  readonly epoch: number | null
  readonly items: readonly Item[]
  readonly results: readonly ItemResult[]
  readonly before: {
    readonly runs: ReadonlyMap<RunId, Run>
    readonly attempts: ReadonlyMap<AttemptId, Attempt>
    readonly nodes: ReadonlyMap<NodeId, Node>
    readonly budgets: ReadonlyMap<BudgetId, Budget>
    readonly reserves: ReadonlyMap<ReserveKey, Reserve>
  }
  readonly changes: Changes
}

export type Tables = {
  leader: { epoch: number; holder: string; until: number }
  home: string | null
  readonly health: Map<ClusterName, SeenHealth>
  queue: { paused: boolean; reason: string }
  readonly projects: Map<ProjectName, Project>
  readonly budgets: Map<BudgetId, Budget>
  readonly spent: Map<string, { readonly budget: BudgetId; readonly day: EpochMs; readonly amount: number }>
  readonly extensions: Map<string, Extension>
  readonly prices: Map<string, readonly { readonly since: EpochMs; readonly price: Price }[]>
  readonly policies: Ledger<{ readonly version: number; readonly document: unknown }>
  /** Live and ended ones. */
  readonly runs: Map<RunId, Run>
  /** The same rows, without the ended ones. */
  readonly live: Map<RunId, Run>
  /** Who has a name now, by `nameKey`: a submit looks here, and not at all that live. */
  readonly liveNames: Map<string, RunId>
  readonly specs: Map<RunId, RunSpec>
  readonly attempts: Map<AttemptId, Attempt>
  readonly liveAttempts: Map<AttemptId, Attempt>
  readonly attemptsOf: Map<RunId, AttemptId[]>
  readonly forgotten: Set<AttemptId>
  readonly nodes: Map<NodeId, Node>
  readonly inventory: Map<NodeId, { since: EpochMs; slots: number }[]>
  /** In the order in which they were made; the index is the claim's id. */
  readonly claims: Claim[]
  readonly living: Map<ClaimKey, number>
  readonly livingClaims: Map<ClaimKey, Claim>
  readonly claimsOf: Map<AttemptId, number[]>
  readonly reserves: Map<ReserveKey, Reserve>
  readonly held: Ledger<Held>
  readonly heldBy: Map<string, Held[]>
  readonly heldKeys: Set<string>
  readonly revisions: Set<string>
  readonly postings: Ledger<Posting>
  readonly balances: Map<string, Partial<Record<AttemptAccount, number>>>
  readonly cells: Map<AttemptId, Map<Cell, StoredCell>>
  readonly books: Map<AttemptId, AttemptBooks>
  readonly facts: Map<AttemptId, Map<string, Fact>>
  readonly cursors: Map<WorkerId, StoredCursor>
  readonly cursorsOf: Map<AttemptId, WorkerId[]>
  /** Those that are not complete. */
  readonly openCursors: Set<WorkerId>
  readonly chunks: Map<WorkerId, Chunk[]>
  readonly runLogs: Map<RunId, { readonly printed: number; readonly cut: LogCut | null }>
  /** Reporters by stream, and expert load by attempt and set of layers. */
  readonly sources: Map<
    string,
    {
      attempt: AttemptId
      process: string
      lastAt: EpochMs | null
      observedTo: EpochMs
      /** When a process of it that obeys directives was heard last. */
      obeysAt: EpochMs | null
    }
  >
  readonly expertSets: Map<string, ExpertSet>
  readonly events: Ledger<RunEvent & { readonly id: number }>
  readonly findings: Map<string, Finding>
  readonly audit: Ledger<AuditEntry & { readonly id: number }>
  readonly keys: Map<string, { readonly hash: string; readonly run: RunId }>
  readonly tokens: Map<string, { token: StoredToken; readonly hash: string; readonly signIn: string | null }>
  /** Goes up with every write: a checker looks again only where something changed. */
  writes: number
  /** Is told of each commit. */
  watch: ((commit: Commit) => void) | null
  /** Is told of each batch of a reporter, before it is written. */
  reported: ((report: ReportSave) => void) | null
}

export const emptyTables = (): Tables => ({
  leader: { epoch: 0, holder: '', until: -Infinity },
  home: null,
  health: new Map(),
  queue: { paused: false, reason: '' },
  projects: new Map(),
  budgets: new Map(),
  spent: new Map(),
  extensions: new Map(),
  prices: new Map(),
  policies: new Ledger(),
  runs: new Map(),
  live: new Map(),
  liveNames: new Map(),
  specs: new Map(),
  attempts: new Map(),
  liveAttempts: new Map(),
  attemptsOf: new Map(),
  forgotten: new Set(),
  nodes: new Map(),
  inventory: new Map(),
  claims: [],
  living: new Map(),
  livingClaims: new Map(),
  claimsOf: new Map(),
  reserves: new Map(),
  held: new Ledger(),
  heldBy: new Map(),
  heldKeys: new Set(),
  revisions: new Set(),
  postings: new Ledger(),
  balances: new Map(),
  cells: new Map(),
  books: new Map(),
  facts: new Map(),
  cursors: new Map(),
  cursorsOf: new Map(),
  openCursors: new Set(),
  chunks: new Map(),
  runLogs: new Map(),
  sources: new Map(),
  expertSets: new Map(),
  events: new Ledger(),
  findings: new Map(),
  audit: new Ledger(),
  keys: new Map(),
  tokens: new Map(),
  writes: 0,
  watch: null,
  reported: null,
})

export const livingClaims = (tables: Tables): Claim[] => [...tables.livingClaims.values()]

export const claimsOfAttempt = (tables: Tables, attempt: AttemptId): Claim[] =>
  (tables.claimsOf.get(attempt) ?? []).flatMap((id) => tables.claims[id] ?? [])

export const nameKey = ({ project, name }: Pick<Run, 'project' | 'name'>): string => `${project}\n${name}`

export function putRun(tables: Tables, run: Run): void {
  tables.runs.set(run.id, run)
  const name = nameKey(run)
  if (!isEnded(run.state)) {
    tables.live.set(run.id, run)
    tables.liveNames.set(name, run.id)
    return
  }
  tables.live.delete(run.id)
  if (tables.liveNames.get(name) === run.id) tables.liveNames.delete(name)
}

export function putAttempt(tables: Tables, attempt: Attempt): void {
  tables.attempts.set(attempt.id, attempt)
  if (attempt.state.kind === 'ended') tables.liveAttempts.delete(attempt.id)
  else tables.liveAttempts.set(attempt.id, attempt)
}

export function putCursor(tables: Tables, cursor: StoredCursor): void {
  if (!tables.cursors.has(cursor.worker)) pushTo(tables.cursorsOf, cursor.attempt, cursor.worker)
  tables.cursors.set(cursor.worker, cursor)
  if (cursor.complete) tables.openCursors.delete(cursor.worker)
  else tables.openCursors.add(cursor.worker)
}

/** The living claim of the same holder on the same node is replaced, else the claim is a new row. */
export function putClaim(tables: Tables, claim: Claim): void {
  const key = claimKey(claim.node, claim.holder)
  const id = tables.living.get(key) ?? tables.claims.length
  if (id === tables.claims.length && claim.attempt !== null) pushTo(tables.claimsOf, claim.attempt, id)
  tables.claims[id] = claim
  if (claim.releasedAt === null) {
    tables.living.set(key, id)
    tables.livingClaims.set(key, claim)
  } else {
    tables.living.delete(key)
    tables.livingClaims.delete(key)
  }
}

export function writeAudit(tables: Tables, entry: AuditEntry): void {
  tables.audit.append({ ...entry, id: tables.audit.rows.length + 1 })
}

export function writeEvent(tables: Tables, event: RunEvent): void {
  tables.events.append({ ...event, id: tables.events.rows.length + 1 })
}

export function pushTo<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

export const balanceKey = (attempt: AttemptId, cell: Cell): string => `${attempt}|${cell}`
