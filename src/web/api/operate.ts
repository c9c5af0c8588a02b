// What the pages about the whole installation read. The stream tells of runs alone, so these are read again while somebody looks; each page
// says of when its numbers are, and since when they are stale.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'
import type { WireOf } from '../../contract/wire.ts'
import type { BudgetDocument, ExtensionDocument } from '../../domain/budget-documents.ts'
import type { ComparisonDocument } from '../../domain/comparison.ts'
import type { CountsDocument } from '../../domain/counts.ts'
import type {
  AuditDocument,
  ClusterDocument,
  FindingRow,
  LedgerDocument,
  NodeDocument,
  QueueDocument,
  TokenDocument,
} from '../../domain/documents.ts'
import { address, ask } from './ask.ts'
import { now as serverNow } from './clock.ts'
import type { Table } from './documents.ts'

export type MachineNode = WireOf<NodeDocument>
export type Cluster = WireOf<ClusterDocument>
export type Queue = WireOf<QueueDocument>
export type Waiting = Queue['waiting'][number]
export type Budget = WireOf<BudgetDocument>
export type Finding = WireOf<FindingRow>
export type Ledger = WireOf<LedgerDocument>
export type LedgerLine = Ledger['rows'][number]
export type Comparison = WireOf<ComparisonDocument>
export type AuditEntry = WireOf<AuditDocument>
export type Token = WireOf<TokenDocument>

/** How often a page that somebody looks at is read again. */
export const OPERATE_MS = 10_000

const live = { refetchInterval: OPERATE_MS, staleTime: OPERATE_MS / 2, placeholderData: keepPreviousData } as const

type Nodes = { readonly clusters: readonly Cluster[]; readonly nodes: readonly MachineNode[] }

const machinesQuery = queryOptions({
  queryKey: ['nodes'],
  queryFn: ({ signal }) => ask<Nodes>('/nodes', {}, signal),
  ...live,
})

export const nodesQuery = { ...machinesQuery, select: (all: Nodes) => all.nodes }
/** Of the same answer. */
export const clustersQuery = { ...machinesQuery, select: (all: Nodes) => all.clusters }

export type Counts = WireOf<CountsDocument>

export const countsQuery = queryOptions({
  queryKey: ['counts'],
  queryFn: ({ signal }) => ask<Counts>('/counts', {}, signal),
  ...live,
})

export const queueQuery = queryOptions({
  queryKey: ['queue'],
  queryFn: ({ signal }) => ask<Queue>('/queue', {}, signal),
  ...live,
})

export type Extension = WireOf<ExtensionDocument>

/** What was asked for beyond limits; those that wait come first. */
export const extensionsQuery = queryOptions({
  queryKey: ['extensions'],
  queryFn: async ({ signal }) =>
    (await ask<{ readonly extensions: readonly Extension[] }>('/budgets/extensions', { limit: 50 }, signal)).extensions,
  ...live,
  refetchInterval: 3 * OPERATE_MS,
})

export const budgetsQuery = queryOptions({
  queryKey: ['budgets'],
  queryFn: async ({ signal }) => (await ask<{ readonly budgets: readonly Budget[] }>('/budgets', {}, signal)).budgets,
  ...live,
  refetchInterval: 3 * OPERATE_MS,
})

type Findings = { readonly findings: readonly Finding[]; readonly next: string | null }
const FINDINGS_MAX = 500

/** Those that are not over; `next` is not null where there are more than a page can say. */
export const findingsQuery = queryOptions({
  queryKey: ['findings'],
  queryFn: ({ signal }) => ask<Findings>('/findings', { open: 'true', limit: FINDINGS_MAX }, signal),
  ...live,
})

/** The books of the last so many milliseconds, which the server widens to whole cells of five minutes. */
export const recentLedgerQuery = (by: string, lastMs: number, everyMs: number) =>
  queryOptions({
    queryKey: ['ledger', 'recent', by, lastMs],
    queryFn: ({ signal }) => ask<Ledger>('/ledger', { by, from: new Date(serverNow() - lastMs).toISOString() }, signal),
    placeholderData: keepPreviousData,
    refetchInterval: everyMs,
    staleTime: everyMs / 2,
  })

type Window = { readonly from: number; readonly to: number | null }
const timesOf = ({ from, to }: Window) => ({
  from: new Date(from).toISOString(),
  to: to === null ? null : new Date(to).toISOString(),
})
/** What is long closed does not change while a page is open. */
const freshness = ({ to }: Window) =>
  to === null ? { refetchInterval: 6 * OPERATE_MS, staleTime: 3 * OPERATE_MS } : { staleTime: 3_600_000 }

export const comparisonQuery = (window: Window) =>
  queryOptions({
    queryKey: ['comparison', window.from, window.to],
    queryFn: ({ signal }) => ask<Comparison>('/comparison', timesOf(window), signal),
    ...freshness(window),
  })

/** Where the books of a window are as a file. */
export const ledgerFile = (format: 'csv' | 'parquet' | 'focus', by: string, window: Window): string =>
  address('/ledger/export', { format, by, ...timesOf(window) })

/** The books of a window; `to` null: up to now. */
export const ledgerQuery = (by: string, window: Window) =>
  queryOptions({
    queryKey: ['ledger', by, window.from, window.to],
    queryFn: ({ signal }) => ask<Ledger>('/ledger', { by, ...timesOf(window) }, signal),
    ...freshness(window),
  })

/** What ended last; its key is that of a table: the stream keeps it fresh. */
export const endedQuery = (state: string, limit: number) =>
  queryOptions({
    queryKey: ['table', 'ended', state, limit],
    queryFn: ({ signal }) => ask<Table>('/table', { state, sort: 'ended', order: 'desc', limit }, signal),
    refetchInterval: 6 * OPERATE_MS,
  })

const AUDIT_ROWS = 100

/** The newest first; older pages are read as they are asked for. */
export const auditQuery = (may: boolean) =>
  infiniteQueryOptions({
    queryKey: ['audit'],
    queryFn: ({ signal, pageParam }) =>
      ask<{ readonly entries: readonly AuditEntry[]; readonly next: string | null }>(
        '/audit',
        { limit: AUDIT_ROWS, after: pageParam },
        signal,
      ),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
    enabled: may,
    staleTime: OPERATE_MS,
  })

export const tokensQuery = (may: boolean) =>
  queryOptions({
    queryKey: ['tokens'],
    queryFn: async ({ signal }) => (await ask<{ readonly tokens: readonly Token[] }>('/tokens', {}, signal)).tokens,
    enabled: may,
    staleTime: OPERATE_MS,
  })

const HOLDING = 'admitted,starting,running,stopping'
/** As many as one page of the table has at most. */
export const HOLDING_MAX = 500

/** Runs that hold GPUs, the largest first. Its key is that of a table: the stream keeps it fresh. */
export const holdingQuery = queryOptions({
  queryKey: ['table', 'holding'],
  queryFn: ({ signal }) =>
    ask<Table>('/table', { state: HOLDING, sort: 'gpus', order: 'desc', limit: HOLDING_MAX }, signal),
  refetchInterval: 6 * OPERATE_MS,
})

export type PolicyShown = {
  readonly version: number
  readonly projects: readonly {
    readonly name: string
    readonly parent: string | null
    readonly quotaGpus: number | null
    readonly maxPriority: string | null
  }[]
  /** `since` null: always. */
  readonly prices: readonly { readonly gpu: string; readonly since: string | null; readonly price: string }[]
  readonly currency: string | null
}

/** A policy is stored as its author wrote it; what these pages show is read from it with care. */
export const policyQuery = (may: boolean) =>
  queryOptions({
    queryKey: ['policy'],
    queryFn: async ({ signal }) =>
      policyOf(await ask<{ readonly version: number; readonly document: unknown }>('/policy', {}, signal)),
    enabled: may,
    staleTime: 60_000,
  })

type Tree = Readonly<Record<string, unknown>>
const treeOf = (value: unknown): Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Tree) : {}
const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)

export function policyOf({ version, document }: { readonly version: number; readonly document: unknown }): PolicyShown {
  const { projects, prices, currency } = treeOf(document)
  return {
    version,
    projects: Object.entries(treeOf(projects)).map(([name, given]) => {
      const { parent, quotaGpus, maxPriority } = treeOf(given)
      return {
        name,
        parent: textOf(parent),
        quotaGpus: typeof quotaGpus === 'number' ? quotaGpus : null,
        maxPriority: textOf(maxPriority),
      }
    }),
    prices: Object.entries(treeOf(prices))
      .flatMap(([gpu, price]): { gpu: string; since: string | null; price: string }[] =>
        typeof price === 'object' && price !== null
          ? Object.entries(price).map(([since, each]) => ({ gpu, since, price: String(each) }))
          : [{ gpu, since: null, price: String(price) }],
      )
      .toSorted((a, b) => (a.gpu === b.gpu ? ((a.since ?? '') < (b.since ?? '') ? -1 : 1) : a.gpu < b.gpu ? -1 : 1)),
    currency: textOf(currency),
  }
}
