// What a caller may read, in one consistent look each.
import type { BudgetDocument, ExtensionDocument } from '../domain/budget-documents.ts'
import type { ComparisonDocument } from '../domain/comparison.ts'
import type { CountsDocument } from '../domain/counts.ts'
import type {
  AuditDocument,
  EventDocument,
  ExpertFrameDocument,
  ExpertHistoryDocument,
  ExpertsDocument,
  ExpertTileDocument,
  FindingRow,
  Gauges,
  LedgerDocument,
  LedgerKey,
  LogDocument,
  LogSearchDocument,
  NodeDocument,
  QueueDocument,
  RunsDocument,
  SeriesDocument,
  ShowDocument,
  StatementDocument,
  TableDocument,
  TableRow,
  TokenDocument,
  WhyDocument,
} from '../domain/documents.ts'
import type { RunId } from '../domain/ids.ts'
import type { ExpertMeasure } from '../domain/expert-blocks.ts'
import type { Principal } from '../domain/principal.ts'
import type { Answer } from '../domain/refusal.ts'
import type { EpochMs } from '../domain/units.ts'
import type { RunsQuery } from './store.ts'

/**
 * `from` and `to` are steps, null: from the first, to the last; the buckets at the edges are whole. `attempt` null: the newest. `set`
 * counts the sets of layers that are reported together from 1, as `sets` of the answer does; null: the first, which is the widest.
 */
export type ExpertsAsked = {
  readonly attempt: number | null
  readonly set: number | null
  readonly from: number | null
  readonly to: number | null
  readonly points: number
}

export type TableQuery = Omit<RunsQuery, 'projects'> & { readonly project: string | null }

/** `text` null: only the first error is looked for. `attempt` null: the newest. */
export type LogSearch = { readonly text: string | null; readonly attempt: number | null; readonly limit: number }

export type Page = { readonly limit: number; readonly after: string | null }

export interface Views {
  runs(
    who: Principal,
    filter: { readonly project: string | null; readonly state: string | null },
    page: Page,
  ): Promise<Answer<RunsDocument>>
  show(who: Principal, run: string): Promise<Answer<ShowDocument>>
  statement(who: Principal, run: string): Promise<Answer<StatementDocument>>
  why(who: Principal, run: string): Promise<Answer<WhyDocument>>
  events(
    who: Principal,
    run: string,
    page: Page,
  ): Promise<Answer<{ readonly events: readonly EventDocument[]; readonly next: string | null }>>
  /** Lines of one worker from a byte offset on. */
  logs(
    who: Principal,
    run: string,
    worker: { readonly attempt: number | null; readonly index: number },
    offset: number,
  ): Promise<Answer<LogDocument>>
  /** Of one attempt, the newest that has any where none is named. */
  experts(who: Principal, run: string, asked: ExpertsAsked): Promise<Answer<ExpertsDocument>>
  expertTile(
    who: Principal,
    run: string,
    asked: ExpertsAsked & { readonly measure: ExpertMeasure },
  ): Promise<Answer<ExpertTileDocument>>
  /** The newest frame at or before `step`; of all where it is null. */
  expertFrame(
    who: Principal,
    run: string,
    asked: { readonly attempt: number | null; readonly set: number | null; readonly step: number | null },
  ): Promise<Answer<ExpertFrameDocument>>
  expertHistory(
    who: Principal,
    run: string,
    asked: ExpertsAsked & { readonly layer: number; readonly expert: number },
  ): Promise<Answer<ExpertHistoryDocument>>
  table(who: Principal, query: TableQuery): Promise<Answer<TableDocument>>
  /** Rows of the table for some runs, as far as they may be seen; at most TABLE_ROWS_MAX. */
  rows(who: Principal, runs: readonly RunId[]): Promise<readonly TableRow[]>
  series(who: Principal, run: string, points: number): Promise<Answer<SeriesDocument>>
  searchLogs(who: Principal, run: string, asked: LogSearch): Promise<Answer<LogSearchDocument>>
  counts(who: Principal): Promise<Answer<CountsDocument>>
  queue(who: Principal): Promise<Answer<QueueDocument>>
  nodes(who: Principal): Promise<Answer<{ readonly nodes: readonly NodeDocument[] }>>
  budgets(who: Principal): Promise<Answer<{ readonly budgets: readonly BudgetDocument[] }>>
  /** Those that wait first. */
  extensions(who: Principal, limit: number): Promise<Answer<{ readonly extensions: readonly ExtensionDocument[] }>>
  ledger(
    who: Principal,
    /** `project`: of it and those below it alone. */
    window: { readonly from: EpochMs | null; readonly to: EpochMs | null; readonly project?: string },
    by: readonly LedgerKey[],
  ): Promise<Answer<LedgerDocument>>
  /** Runs of a window that may be seen, beside published ones: what each made of its GPU-hours. */
  comparison(
    who: Principal,
    window: { readonly from: EpochMs | null; readonly to: EpochMs | null },
  ): Promise<Answer<ComparisonDocument>>
  /** Of the projects that may be seen; of one run where one is named. */
  findings(
    who: Principal,
    filter: { readonly run: string | null; readonly open: boolean | null },
    page: Page,
  ): Promise<Answer<{ readonly findings: readonly FindingRow[]; readonly next: string | null }>>
  audit(
    who: Principal,
    page: Page,
  ): Promise<Answer<{ readonly entries: readonly AuditDocument[]; readonly next: string | null }>>
  /** For a collector of metrics: about every project, so that a grant for one is not enough. */
  gauges(who: Principal): Promise<Answer<Gauges>>
  policy(who: Principal): Promise<Answer<{ readonly version: number; readonly document: unknown }>>
  tokens(who: Principal): Promise<Answer<{ readonly tokens: readonly TokenDocument[] }>>
}

/** Who a secret belongs to; null where it is nobody's. */
export interface Authenticate {
  (secret: string): Promise<Principal | null>
}

/** `/readyz`: can this process do its work? */
export interface Readiness {
  (): Promise<{ readonly ready: boolean; readonly checks: Readonly<Record<string, string>> }>
}
