// The simulated store, put together. It decides nothing that the real one does not: what a commit means is domain/apply for both, and
// one suite of tests runs on both. Every call is one indivisible step; what may go wrong between calls is added around it.
import type { Budget } from '../domain/budget.ts'
import type { BudgetId } from '../domain/ids.ts'
import { epochMs } from '../domain/units.ts'
import type { EpochMs, Price } from '../domain/units.ts'
import type { World } from '../domain/world.ts'
import type { Clock } from '../ports/clock.ts'
import type { LeaderStore, Store, TurnStore, MeasureFrame } from '../ports/store.ts'
import { booksDue, readAll, writeBooks } from './store/books.ts'
import { budgetStore } from './store/budgets.ts'
import { commitItems } from './store/commit.ts'
import { detectStore } from './store/findings.ts'
import { ingestStore } from './store/logs.ts'
import { attemptReports, reportStore } from './store/reports.ts'
import { policyStore, tokenStore } from './store/policy.ts'
import { requestStore } from './store/requests.ts'
import type { Tables } from './store/tables.ts'
import { emptyTables, livingClaims } from './store/tables.ts'
import { viewStore } from './store/views.ts'

export type { Tables } from './store/tables.ts'
export { emptyTables } from './store/tables.ts'

export type SimulatedStore = {
  readonly store: Store
  /** For checkers, which see what no caller does. */ readonly tables: Tables
}

/**
 * `clock` is that of the process that asks, `database` the store's own, which measures leases; each process has its own view of the
 * same tables.
 */
export function simulatedStore(
  clock: Clock,
  settings: { readonly blindAfterMs: number; readonly measure?: MeasureFrame },
  tables: Tables = emptyTables(),
  database: Clock = clock,
): SimulatedStore {
  const store: Store = {
    ...leaderStore(tables, database),
    ...ingestStore(tables),
    ...reportStore(tables, settings.measure ?? UNMEASURED),
    ...requestStore(tables),
    ...viewStore(tables),
    ...detectStore(tables, settings.measure ?? UNMEASURED),
    ...policyStore(tables),
    ...budgetStore(tables),
    ...tokenStore(tables, clock),
    booksDue: async (now, after) => booksDue(tables, now, after),
    readBooks: async (attempts, firstCell) => readAll(tables, attempts, firstCell, false),
    writeBooks: async (epoch, write) => writeBooks(tables, epoch, write),
    shares: async () => ({ projects: new Map(tables.projects), budgets: budgetsInOrder(tables) }),
    world: async (health) => readWorld(tables, clock.now(), health),
    commit: async (epoch, items) => commitItems(tables, clock.now(), settings.blindAfterMs, epoch, items),
    specs: async (runs) => new Map(runs.flatMap((run) => entry(run, tables.specs.get(run)))),
  }
  return { store, tables }
}

/** No trainer of the simulated world has experts. */
const UNMEASURED: MeasureFrame = () => ({ values: new Float32Array(0), unconserved: 0 })

const entry = <Key, Value>(key: Key, value: Value | undefined): [Key, Value][] =>
  value === undefined ? [] : [[key, value]]

function leaderStore(tables: Tables, clock: Clock): LeaderStore {
  return {
    async takeLead(holder, leaseMs, force) {
      const { leader } = tables
      if (leader.until >= clock.now() && !(force && leader.holder === holder)) return null
      tables.leader = { epoch: leader.epoch + 1, holder, until: clock.now() + leaseMs }
      return tables.leader.epoch
    },
    async renewLead(epoch, leaseMs) {
      if (tables.leader.epoch !== epoch) return false
      tables.leader = { ...tables.leader, until: clock.now() + leaseMs }
      return true
    },
    async giveUpLead(epoch) {
      if (tables.leader.epoch === epoch) tables.leader = { epoch, holder: '', until: -Infinity }
    },
    claimHome: async (home) => (tables.home ??= home),
    now: async () => clock.now(),
    async saveHealth(epoch, cluster, seen) {
      if (tables.leader.epoch === epoch) tables.health.set(cluster, seen)
    },
    health: async () => new Map(tables.health),
  }
}

function readWorld(tables: Tables, now: EpochMs, health: Parameters<TurnStore['world']>[0]): World {
  const nodes = [...tables.nodes.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const claims = livingClaims(tables).toSorted((a, b) => compare(a.node, b.node) || compare(a.holder, b.holder))
  return {
    now,
    newestBookedTo: nodes.reduce((newest, node) => (node.bookedTo > newest ? node.bookedTo : newest), epochMs(0)),
    queue: tables.queue,
    clusters: health,
    nodes: new Map(nodes.map((node) => [node.id, node])),
    claims,
    runs: new Map(tables.live),
    attempts: new Map(tables.liveAttempts),
    projects: new Map(tables.projects),
    budgets: budgetsInOrder(tables),
    reserves: [...tables.reserves.values()].filter((reserve) => tables.live.has(reserve.run)),
    prices: pricesAt(tables, now),
    reports: attemptReports(tables),
  }
}

const pricesAt = (tables: Tables, now: EpochMs): Map<string, Price> =>
  new Map(
    [...tables.prices].flatMap(([model, prices]) => {
      const newest = prices.filter(({ since }) => since <= now).toSorted((a, b) => b.since - a.since)[0]
      return newest === undefined ? [] : [[model, newest.price] as const]
    }),
  )

const budgetsInOrder = (tables: Tables): Map<BudgetId, Budget> =>
  new Map([...tables.budgets].toSorted(([a], [b]) => compare(a, b)))

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
