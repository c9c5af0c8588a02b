// Everything that runs in one process, put together: store, clock, clusters, loops. Only wiring; what it does stands in control.
import { startLooks } from '../../adapters/bullmq/looks.ts'
import { migrate } from '../../adapters/postgres/migrate.ts'
import { measureFrame } from '../../core/experts/measures.ts'
import type { Connection } from '../../adapters/postgres/pool.ts'
import { Database } from '../../adapters/postgres/pool.ts'
import { feedOf } from '../../adapters/postgres/feed.ts'
import { postgresStore } from '../../adapters/postgres/store.ts'
import type { Retention } from '../../adapters/postgres/upkeep.ts'
import { makePartitions, upkeep } from '../../adapters/postgres/upkeep.ts'
import { bootMs, BootClock } from '../../adapters/system/clock.ts'
import { chance, secrets } from '../../adapters/system/secrets.ts'
import { readSpool } from '../../adapters/system/spool.ts'
import type { Metrics } from '../../adapters/telemetry/metrics.ts'
import { createMetrics } from '../../adapters/telemetry/metrics.ts'
import { accountTurn } from '../../control/account.ts'
import type { Control, ControlSettings } from '../../control/control.ts'
import { rollExperts } from '../../control/experts.ts'
import { launchTurn } from '../../control/launch.ts'
import { giveUpLead, keepLead } from '../../control/lead.ts'
import { followLogs } from '../../control/logs.ts'
import { observeTurn } from '../../control/observe.ts'
import { placeTurn } from '../../control/place.ts'
import type { RequestContext } from '../../control/requests/context.ts'
import { requestsOf } from '../../control/requests/requests.ts'
import { viewsOf } from '../../control/views/views.ts'
import type { ClusterName } from '../../domain/ids.ts'
import { epochMs } from '../../domain/units.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Cluster } from '../../ports/cluster.ts'
import type { Doorbell, LoopName } from '../../ports/doorbell.ts'
import type { Feed } from '../../ports/feed.ts'
import { Fault } from '../../ports/fault.ts'
import type { Log } from '../../ports/log.ts'
import type { Requests } from '../../ports/requests.ts'
import type { Store } from '../../ports/store.ts'
import type { Views } from '../../ports/views.ts'

export type ServiceOptions = {
  readonly connection: Connection
  readonly poolMax: number
  readonly redisUrl: string | null
  readonly settings: ControlSettings
  /** How often each loop looks when nobody rings. */
  readonly timersMs: Readonly<Record<LoopName, number>>
  readonly retention: Retention
  readonly defaultCluster: ClusterName
  readonly peaks: ReadonlyMap<string, number | null>
  /** The identity of the home, whose lock the caller has: whoever led from it before is dead. */
  readonly home: string
  readonly log: Log
  /** Where jobs send their reports. */
  readonly ingest: Control['ingest']
  readonly clusters: (clock: Clock) => Promise<readonly (Cluster & { close(): Promise<void> })[]>
  readonly prepare: (store: Store, clock: Clock) => Promise<void>
}

export type Service = {
  readonly control: Control
  readonly requests: Requests
  readonly views: Views
  readonly context: RequestContext
  readonly store: Store
  readonly feed: Feed
  readonly metrics: Metrics
  /** Ends the loops, gives the lead back and closes every connection. Runs go on. */
  stop(): Promise<void>
}

export async function startService(options: ServiceOptions): Promise<Service> {
  const ends: End[] = []
  try {
    return await start(options, ends)
  } catch (error) {
    // What was started keeps the process alive, and a leader that does nothing would keep others from leading.
    await endAll(ends)
    throw error
  }
}

type End = () => Promise<void> | void

/** The other way round than they were started. */
async function endAll(ends: readonly End[]): Promise<void> {
  for (const end of ends.toReversed()) await end()
}

async function start(options: ServiceOptions, ends: End[]): Promise<Service> {
  const { log } = options
  const database = new Database(options.connection, options.poolMax, (error) =>
    log.warn({ error: error.message }, 'a connection to PostgreSQL broke'),
  )
  ends.push(() => database.end())
  const applied = await migrate(database)
  if (applied.length > 0) log.info({ applied }, 'the schema was brought up to date')
  const clock = new BootClock()
  const store = postgresStore(database, clock, {
    blindAfterMs: options.settings.durations.blindAfterMs,
    measure: measureFrame,
  })
  await refuseStranger(store, options.home)
  // Somebody who reads a whole table, as a backup does, holds its partitions: then the DEFAULT ones take what comes, and the hourly look makes them.
  await makePartitions(database, await store.now()).catch((error: unknown) =>
    log.warn({ error: String(error) }, 'partitions could not be made; it is tried again in an hour'),
  )
  clock.setBase(await store.now(), bootMs())
  await options.prepare(store, clock)
  const clusters = await options.clusters(clock)
  for (const cluster of clusters) ends.push(() => cluster.close())
  // The bell exists before the loops that it rings for.
  let bell: Doorbell = { ring: () => {} }
  const control: Control = {
    store,
    clusters: new Map(clusters.map((cluster) => [cluster.name, cluster])),
    clock,
    doorbell: { ring: (loop) => bell.ring(loop) },
    chance,
    log,
    settings: options.settings,
    health: new Map(),
    lead: { epoch: null, until: epochMs(0) },
    ingest: options.ingest,
    readSpool,
  }
  ends.push(await startLeading(control, clock, options))
  ends.push(await startUpkeep(control, database, options.retention))
  const every = options.timersMs
  const metrics = createMetrics()
  const looks = await startLooks({
    connection: options.connection,
    redisUrl: options.redisUrl,
    log: (level, fields, message) => log[level]({ ...fields }, message),
    loops: {
      place: { everyMs: every.place, run: () => metrics.turn('place', async () => void (await placeTurn(control))) },
      launch: { everyMs: every.launch, run: () => metrics.turn('launch', () => launchTurn(control)) },
      observe: {
        everyMs: every.observe,
        run: async () => {
          await metrics.turn('observe', () => observeTurn(control))
          await metrics.turn('logs', () => followLogs(control))
        },
      },
      account: { everyMs: every.account, run: () => metrics.turn('account', () => accountTurn(control)) },
    },
  })
  ends.push(() => looks.close())
  ends.push(startRolling(control, metrics))
  bell = looks
  for (const cluster of clusters) ends.push(cluster.watch(() => bell.ring('observe')))
  for (const loop of ['observe', 'place', 'launch', 'account'] as const) bell.ring(loop)
  const context: RequestContext = { control, defaultCluster: options.defaultCluster, peaks: options.peaks, secrets }
  return {
    control,
    context,
    store,
    feed: feedOf(database),
    metrics,
    requests: requestsOf(context),
    views: viewsOf(context),
    stop: () => endAll(ends),
  }
}

/** A look costs one small query, and nobody waits for it: no wake-up is needed. */
const ROLL_EVERY_MS = 2_000

function startRolling(control: Control, metrics: Metrics): End {
  let running: Promise<unknown> | null = null
  const turn = async (): Promise<void> => {
    try {
      await metrics.turn('experts', () => rollExperts(control))
    } catch (error) {
      control.log.warn({ error: String(error) }, 'expert load could not be summed up yet; it will be tried again')
    }
  }
  const timer = setInterval(() => {
    running ??= turn().finally(() => {
      running = null
    })
  }, ROLL_EVERY_MS)
  return async () => {
    clearInterval(timer)
    await running
  }
}

/** The books of a database are about the processes of one home: another one does not see them, and would call them gone. */
async function refuseStranger(store: Store, home: string): Promise<void> {
  const owner = await store.claimHome(home)
  if (owner === home) return
  throw new Fault('store-refused', `this database belongs to another home (its file id says ${owner})`, {
    retryable: false,
    whatToDo:
      'Use that home, or another database. Where that home is gone for good with all that it started, run ' +
      'update store set home = null in the database.',
  })
}

/** Takes the lead at once where the home's lock proves that the last holder is dead, and keeps it. */
async function startLeading(control: Control, clock: BootClock, options: ServiceOptions): Promise<() => Promise<void>> {
  const rebase = (now: Parameters<BootClock['setBase']>[0]): number => clock.setBase(now, bootMs())
  let first = true
  const step = async (): Promise<void> => {
    try {
      await keepLead(control, { holder: options.home, force: first, rebase })
      first = false
    } catch (error) {
      control.log.warn({ error: String(error) }, 'the lead could not be renewed')
    }
  }
  await step()
  let running: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    running = running.then(step)
  }, options.settings.durations.leaseRenewMs)
  return async () => {
    clearInterval(timer)
    await running
    await giveUpLead(control).catch((error: unknown) =>
      control.log.warn({ error: String(error) }, 'the lead could not be given back; it runs out'),
    )
  }
}

const UPKEEP_EVERY_MS = 3_600_000

/** At the start, and every hour: partitions are made for days ahead, so that one look missed costs nothing. */
async function startUpkeep(control: Control, database: Database, retention: Retention): Promise<() => Promise<void>> {
  const look = async (): Promise<void> => {
    if (control.lead.epoch === null) return
    try {
      const { unpartitioned, ...done } = await upkeep(database, control.clock.now(), retention)
      if (done.made + done.dropped + done.forgotten > 0) control.log.info(done, 'partitions were looked after')
      if (unpartitioned.length > 0)
        control.log.warn(
          { tables: unpartitioned },
          'rows of now go to the default partition; this passes when the days that were begun without partitions are over',
        )
    } catch (error) {
      control.log.warn({ error: String(error) }, 'partitions could not be looked after; it is tried again in an hour')
    }
  }
  let running = look()
  await running
  const timer = setInterval(() => {
    running = running.then(look)
  }, UPKEEP_EVERY_MS)
  return async () => {
    clearInterval(timer)
    await running
  }
}
