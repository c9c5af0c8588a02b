// The truth. One real implementation (PostgreSQL) and one in the simulated world, held to the same suite. What is written is decided
// elsewhere; the store compares versions, serves claims, keeps walls, and writes whole transactions or nothing.
import type { BudgetStore } from './budget-store.ts'
import type { Attempt } from '../domain/attempt.ts'
import type { AttemptBooks, CellRecord, Revision } from '../domain/books.ts'
import type { Claim } from '../domain/claim.ts'
import type { EfficiencyRead } from '../domain/efficiency.ts'
import type { AuditEntry, RunEvent } from '../domain/event.ts'
import type { Fact } from '../domain/fact.ts'
import type { Held } from '../domain/holdings.ts'
import type { AttemptId, NodeId, RunId, WorkerId } from '../domain/ids.ts'
import type { CommitResult, Item } from '../domain/item.ts'
import type { LogCut } from '../domain/log-limit.ts'
import type { Node } from '../domain/node.ts'
import type { Policy } from '../domain/policy.ts'
import type { Answer } from '../domain/refusal.ts'
import type { Run } from '../domain/run.ts'
import type { RunSpec } from '../domain/spec.ts'
import type { Cell, EpochMs } from '../domain/units.ts'
import type { ClusterHealth, World } from '../domain/world.ts'
import type { ClusterName } from '../domain/ids.ts'
import type { DetectStore } from './detect-store.ts'
import type { ExpertBlockStore } from './expert-store.ts'
import type { TokenStore } from './token-store.ts'

export type Epoch = number

/** Leadership: at most one process decides at a time, and every write of a deposed one is refused. */
export interface LeaderStore {
  /** Takes the lead where it is free or its lease is over; `force` where the caller knows that the holder is dead. */
  takeLead(holder: string, leaseMs: number, force: boolean): Promise<Epoch | null>
  /** False: somebody else leads. */
  renewLead(epoch: Epoch, leaseMs: number): Promise<boolean>
  giveUpLead(epoch: Epoch): Promise<void>
  /** Makes the store that of a home, if it is nobody's yet; returns whose it is. */
  claimHome(home: string): Promise<string>
  /** The store's own clock: the base of everybody's. */
  now(): Promise<EpochMs>
  /** Keeps what the leader saw of a cluster, for processes that do not look themselves. Nothing is written for a deposed one. */
  saveHealth(epoch: Epoch, cluster: ClusterName, seen: SeenHealth): Promise<void>
  /** What a leader saw last of each cluster. */
  health(): Promise<ReadonlyMap<ClusterName, SeenHealth>>
}

export type SeenHealth = { readonly health: ClusterHealth; readonly observedAt: EpochMs }

export interface TurnStore {
  /** One consistent picture. `health` is what the caller knows of the clusters; it is not stored. */
  world(health: ReadonlyMap<ClusterName, ClusterHealth>): Promise<World>
  /** Applies independent items; `epoch` null for requests, which need no leader. At most ITEMS_PER_COMMIT_MAX. */
  commit(epoch: Epoch | null, items: readonly Item[]): Promise<CommitResult>
  specs(runs: readonly RunId[]): Promise<ReadonlyMap<RunId, RunSpec>>
  /** Projects and budgets alone: what a submit is checked against, whatever the number of runs. */
  shares(): Promise<Pick<World, 'projects' | 'budgets'>>
}

export type LogCursor = {
  readonly worker: WorkerId
  readonly attempt: AttemptId
  readonly run: RunId
  readonly cluster: ClusterName
  readonly offset: number
  /** What the cluster said to go on from with; null: it needs nothing, or nothing was read yet. */
  readonly mark: string | null
  /** Parts of batches that reporters have not left whole yet: what they belong to comes further down, and what is read is not read again. */
  readonly spool: string
  /** Up to when it was read to its end, as was written last. */
  readonly observedTo: EpochMs | null
  /** The attempt has not ended: more may follow. */
  readonly living: boolean
}

export type LogAppend = {
  readonly worker: WorkerId
  readonly attempt: AttemptId
  /** The cursor as it was read: another reader's append makes this one a repeat, which changes nothing. */
  readonly fromOffset: number
  readonly nextOffset: number
  readonly mark: string | null
  /** Null: as it was. */
  readonly spool: string | null
  readonly bytes: Uint8Array
  readonly readAt: EpochMs
  readonly lastLineAt: EpochMs | null
  /** Up to here the log has been read to its end, so that silence is silence. */
  readonly observedTo: EpochMs | null
  readonly complete: boolean
  readonly facts: readonly Fact[]
}

export interface IngestStore {
  /** Of attempts whose logs are not complete, living or ended. */
  logCursors(): Promise<readonly LogCursor[]>
  /**
   * One transaction: the chunk, the facts, the cursor, and the cells that the facts may change. Of one run no more than `bytesMax` is stored:
   * the log of each worker ends with a line that says so where more comes, an event says so once, and all else goes on.
   */
  appendLogs(appends: readonly LogAppend[], bytesMax: number): Promise<void>
  /** The end of a log that is not followed. A log that is, or of which an end was kept before, stays as it is. */
  keepTail(attempt: AttemptId, worker: WorkerId, bytes: Uint8Array): Promise<void>
  /** Attempts that ended, whose logs are complete and whose remains are still on the cluster; but not while a fence waits to see them end. */
  attemptsToForget(): Promise<readonly { readonly attempt: AttemptId; readonly cluster: ClusterName }[]>
  forgotten(attempts: readonly AttemptId[]): Promise<void>
}

/** Everything about one attempt's books from a cell on; `control` makes the decision's input of it. */
export type BooksRead = {
  readonly attempt: Attempt
  readonly run: Run
  readonly books: AttemptBooks
  readonly claims: readonly Claim[]
  readonly readFrom: Cell
  readonly held: readonly Held[]
  readonly facts: readonly Fact[]
  readonly cells: readonly CellRecord[]
  readonly bookedTo: EpochMs
  readonly sources: readonly {
    readonly source: string
    readonly lastAt: EpochMs | null
    readonly observedTo: EpochMs
  }[]
  readonly siblings: readonly {
    readonly attempt: Attempt
    readonly books: AttemptBooks
    readonly newest: CellRecord | null
  }[]
}

export type BooksWrite = {
  readonly revisions: readonly Revision[]
  readonly books: AttemptBooks
  readonly reopen: readonly { readonly attempt: AttemptId; readonly afterStep: number }[]
}

export interface BooksStore {
  /** Attempts with something due: a cell over, something dirty, or released and not closed. Those after `after` first, then the others. */
  booksDue(now: EpochMs, after: AttemptId | null): Promise<readonly AttemptId[]>
  /** `firstCell` decides how far back to read, from what is cheap to know. One snapshot. */
  readBooks(attempts: readonly AttemptId[], firstCell: (light: BooksLight) => Cell): Promise<readonly BooksRead[]>
  /** Writes what is not there yet. False where another writer's revision came first: read again. */
  writeBooks(epoch: Epoch, write: BooksWrite): Promise<boolean>
}

/** What one batch of a reporter adds: one transaction. Repeats change nothing. */
export type ReportSave = {
  readonly attempt: AttemptId
  readonly rank: number
  readonly process: string
  readonly startedAt: EpochMs
  readonly reporter: string
  readonly obeys: readonly string[]
  readonly receivedAt: EpochMs
  /** `at` corrected by the difference of the clocks, never later than `receivedAt`. */
  readonly facts: readonly Fact[]
  readonly frames: readonly FrameSave[]
}

export type FrameSave = {
  readonly step: number
  readonly at: EpochMs
  readonly layers: readonly string[]
  readonly experts: number
  readonly counts: Uint32Array
  readonly tokens: number | null
  readonly topK: number | null
  readonly flags: readonly string[]
  /** What is wrong with how it was counted. Told once for an attempt and a set of layers: the store writes the first. */
  readonly finding?: RunEvent | null
}

/** A frame as it stands: summed over the ranks that sent it. */
export type StoredFrame = Omit<FrameSave, 'flags' | 'finding'> & {
  readonly ranks: number
  readonly flags: readonly string[]
}

/** Measures of one step; `values` has five for each layer: MaxVio, CV, entropy, dead, hot. NaN: the layer got no token. */
export type StoredMeasures = {
  readonly step: number
  readonly at: EpochMs
  readonly values: Float32Array
  readonly unconserved: number
}

/** Computed by whoever wires a store: a store decides nothing. */
export type MeasureFrame = (frame: Pick<FrameSave, 'counts' | 'experts' | 'tokens' | 'topK' | 'flags'>) => {
  readonly values: Float32Array
  readonly unconserved: number
}

export type LayerSet = {
  readonly layers: string
  readonly names: readonly string[]
  readonly experts: number
  readonly topK: number | null
  readonly firstStep: number
  readonly lastStep: number
  /** Steps that were reported, whatever the number of ranks. */
  readonly frames: number
  /** The most ranks that sent the same step. */
  readonly ranks: number
  /** Steps in which the counts of some layer are not tokens x top-k, and the newest of them. */
  readonly unconserved: number
  readonly unconservedStep: number | null
  /** When the frame of the last step was made. */
  readonly lastAt: EpochMs
}

export interface ReportStore extends ExpertBlockStore {
  /** Null for an attempt that nobody knows. `endedAt` null: it lives. */
  reportable(attempt: AttemptId): Promise<{
    readonly endedAt: EpochMs | null
    /** An ending that waits for a checkpoint. */
    readonly checkpoint: { readonly since: EpochMs; readonly until: EpochMs } | null
  } | null>
  /** Returns the places of the frames that were not taken, since their attempt has EXPERT_SETS_MAX sets of layers already. */
  saveReport(report: ReportSave): Promise<readonly number[]>
  /** The sets of layers that an attempt reported, with how far they go. */
  expertLayers(attempt: AttemptId): Promise<readonly LayerSet[]>
  expertMeasures(attempt: AttemptId, layers: string, from: number, to: number): Promise<readonly StoredMeasures[]>
  /** The newest frame at or before a step. */
  expertFrame(attempt: AttemptId, layers: string, step: number): Promise<StoredFrame | null>
}

export type BooksLight = {
  readonly attempt: Attempt
  readonly books: AttemptBooks
  readonly placedAt: EpochMs
  readonly lastMarkAt: EpochMs | null
  /** When its workers ended, in the order of their claims. */
  readonly ends: readonly (EpochMs | null)[]
}

export interface RequestStore {
  /**
   * Writes a request once. `key` is the caller's idempotency key, hashed with the request: a repeat gives the first answer, another
   * request under the same key is refused. `name-taken`: a run of that name lives.
   */
  submit(request: SubmitRequest): Promise<SubmitResult>
  findRun(reference: string): Promise<Run | null>
  run(id: RunId): Promise<Run | null>
}

export type SubmitRequest = {
  readonly run: Run
  readonly spec: RunSpec
  readonly audit: AuditEntry
  readonly event: RunEvent
  readonly key: { readonly caller: string; readonly key: string; readonly hash: string } | null
}

export type SubmitResult =
  | { readonly kind: 'submitted' }
  | { readonly kind: 'repeat'; readonly run: RunId }
  | { readonly kind: 'key-reused' }
  | { readonly kind: 'name-taken'; readonly by: RunId }
  | { readonly kind: 'too-many'; readonly live: number }

/** Reads for people; each one snapshot. Nothing of it is decided from. */
export interface ViewStore {
  runsPage(
    filter: { readonly projects: readonly string[] | null; readonly state: string | null },
    limit: number,
    before: string | null,
  ): Promise<readonly Run[]>
  /**
   * A page of the table of runs, with how many match. `counts` has those of each state, asked for or not, that match in all else: what another
   * choice of states would show. `projects` null: all.
   */
  runsTable(query: RunsQuery): Promise<{
    readonly runs: readonly Run[]
    readonly total: number
    readonly counts: Readonly<Record<string, number>>
  }>
  /** Runs by their ids, living or ended, in no order. */
  runsOf(ids: readonly RunId[]): Promise<readonly Run[]>
  /** The newest step facts of each attempt, the newest first. */
  newestSteps(attempts: readonly AttemptId[]): Promise<ReadonlyMap<AttemptId, readonly Fact[]>>
  /** The step of the checkpoint that an attempt went on from, by the newest fact that says so; for attempts of which no cell is posted. */
  resumedStep(attempt: AttemptId): Promise<number | null>
  /** All claims of some runs, living or not. */
  claimsOf(runs: readonly RunId[]): Promise<readonly Claim[]>
  /** Steps of the elected source of each attempt, at most about `points` in all, and checkpoints. */
  seriesOf(
    run: RunId,
    points: number,
  ): Promise<{ readonly steps: readonly Fact[]; readonly marks: readonly Fact[]; readonly thinned: boolean }>
  attemptsOf(run: RunId): Promise<{
    readonly attempts: readonly Attempt[]
    readonly claims: readonly Claim[]
    readonly newest: readonly CellRecord[]
  }>
  /** The books of all attempts of a run, cells from the first on, facts from the first cell that is not posted. */
  statementRead(run: RunId, firstCell: (light: BooksLight) => Cell): Promise<StatementRead>
  /** Of checkpoints the newest `SAVES_READ_MAX`. */
  efficiencyRead(run: RunId): Promise<EfficiencyRead>
  ledgerRead(from: EpochMs, to: EpochMs, firstCell: (light: BooksLight) => Cell): Promise<LedgerRead>
  events(run: RunId, limit: number, after: number): Promise<readonly (RunEvent & { readonly id: number })[]>
  /** From an offset on; a negative one counts from the end, and may lie within a line. */
  log(worker: WorkerId, offset: number, bytesMax: number): Promise<StoredLog>
  /** Null while all that the workers of a run print is stored. */
  logCut(run: RunId): Promise<LogCut | null>
  audit(limit: number, before: number | null): Promise<readonly (AuditEntry & { readonly id: number })[]>
  policy(): Promise<{ readonly version: number; readonly document: unknown } | null>
}

export const RUN_SORTS = ['created', 'name', 'state', 'gpus', 'held', 'ended'] as const

export type RunsQuery = {
  readonly projects: readonly string[] | null
  readonly states: readonly string[] | null
  readonly user: string | null
  /** Part of project, name, user or id; small letters. */
  readonly text: string | null
  readonly sort: (typeof RUN_SORTS)[number]
  readonly descending: boolean
  readonly offset: number
  readonly limit: number
}

export type StatementRead = {
  readonly books: readonly BooksRead[]
  /** Living claims and nodes that the run holds slots on: what is not booked yet is computed from them. */
  readonly nodes: readonly Node[]
  readonly claims: readonly Claim[]
  /** Layer 1 of the run's restart holds. */
  readonly holds: readonly Held[]
  /** Claims of the run that were restart holds, for their price and what was paid. */
  readonly holdClaims: readonly Claim[]
}

export type LedgerRead = {
  readonly nodes: readonly Node[]
  readonly inventory: readonly { readonly node: NodeId; readonly since: EpochMs; readonly slots: number }[]
  readonly claims: readonly Claim[]
  /** Layer 1 in the window, by node and holder. */
  readonly held: readonly { readonly node: NodeId; readonly holder: string; readonly gpuMs: number }[]
  /** Claims behind those holders. */
  readonly holders: readonly Claim[]
  readonly postings: readonly { readonly attempt: AttemptId; readonly account: string; readonly gpuMs: number }[]
  /** Books of the attempts whose postings do not cover their holdings in the window. */
  readonly open: readonly BooksRead[]
  readonly runs: readonly Run[]
}

export type StoredLog = {
  readonly offset: number
  readonly bytes: Uint8Array
  readonly nextOffset: number
  /** Nothing will follow. */
  readonly complete: boolean
  /** Nothing of this log is stored beyond what is there. */
  readonly cut: boolean
}

export interface PolicyStore {
  /** Replaces the policy: projects, budgets (what is used and reserved stays), prices. One transaction with its audit row. */
  /** `ifVersion`: refused where the newest policy is another one. */
  applyPolicy(
    policy: Policy,
    document: unknown,
    audit: AuditEntry,
    ifVersion?: number | null,
  ): Promise<Answer<{ readonly version: number }>>
  pauseQueue(paused: boolean, reason: string, audit: AuditEntry): Promise<void>
}

export interface Store
  extends
    ViewStore,
    PolicyStore,
    BudgetStore,
    TokenStore,
    LeaderStore,
    TurnStore,
    IngestStore,
    ReportStore,
    BooksStore,
    DetectStore,
    RequestStore {}
