// Everything that runs in one process, put together: store, clock, clusters, loops. Only wiring; what it does stands in control.
import { openBell } from '../../adapters/bullmq/bell.ts'
import type { LooksOptions } from '../../adapters/bullmq/looks.ts'
import { startLooks } from '../../adapters/bullmq/looks.ts'
import { migrate, refuseOutdated } from '../../adapters/postgres/migrate.ts'
import { measureFrame } from '../../core/experts/measures.ts'
import type { Connection } from '../../adapters/postgres/pool.ts'
import { Database } from '../../adapters/postgres/pool.ts'
import { alertStore } from '../../adapters/postgres/alerts.ts'
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
import type { Alerting, Control, ControlSettings } from '../../control/control.ts'
import { rollExperts } from '../../control/experts.ts'
import { tellHealth, withToldHealth } from '../../control/health.ts'
import { launchTurn } from '../../control/launch.ts'
import { detectTurn } from '../../control/detect.ts'
import { followLogs } from '../../control/logs.ts'
import { tellTurn } from '../../control/tell.ts'
import { Deliveries } from '../../control/deliver.ts'
import { observeTurn } from '../../control/observe.ts'
import { placeTurn } from '../../control/place.ts'
import type { RequestContext } from '../../control/requests/context.ts'
import { alertsFor } from '../../control/requests/alerting.ts'
import { requestsOf } from '../../control/requests/requests.ts'
import { viewsOf } from '../../control/views/views.ts'
import type { ClusterName } from '../../domain/ids.ts'
import type { EpochMs } from '../../domain/units.ts'
import { epochMs } from '../../domain/units.ts'
import type { Alerts } from '../../ports/alerts.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Cluster } from '../../ports/cluster.ts'
import type { Doorbell, LoopName } from '../../ports/doorbell.ts'
import type { Feed } from '../../ports/feed.ts'
import type { Log } from '../../ports/log.ts'
import type { Notifier } from '../../ports/notifier.ts'
import type { Requests } from '../../ports/requests.ts'
import type { Store } from '../../ports/store.ts'
import type { Views } from '../../ports/views.ts'
import type { End } from './lead.ts'
import { startLeading, WhileLeading } from './lead.ts'
import { refuseStranger } from './owner.ts'

export type ServiceOptions = {
  readonly connection: Connection
  readonly poolMax: number
  readonly redisUrl: string | null
  readonly settings: ControlSettings
  /** How often each loop looks when nobody rings. */
  readonly timersMs: Readonly<Record<LoopName | 'detect', number>>
  readonly retention: Retention
  readonly defaultCluster: ClusterName
  readonly peaks: ReadonlyMap<string, number | null>
  /** Whose books these are: the id of a home, or the name of a deployment. */
  readonly home: string
  readonly part: Part
  readonly log: Log
  /** Where jobs send their reports. */
  readonly ingest: Control['ingest']
  readonly clusters: (clock: Clock) => Promise<readonly (Cluster & { close(): Promise<void> })[]>
  readonly prepare: (store: Store, clock: Clock) => Promise<void>
  /** How messages get out; null: nobody is told of anything. */
  readonly alerting: Omit<Alerting, 'store'> | null
}

/** What this process is of the control plane. */
export type Part =
  /** Everything: the caller has the lock of the home, so whoever led from it before is dead. */
  | { readonly kind: 'whole' }
  /** One of several with the loops, of which one leads; `holder` is its own name. */
  | { readonly kind: 'controller'; readonly holder: string }
  /** One of several that answer and take reports, without loops. */
  | { readonly kind: 'api' }

export type Service = {
  readonly control: Control
  readonly requests: Requests
  readonly views: Views
  readonly alerts: Alerts
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

const SILENT: Doorbell = { ring: () => {} }

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
  if (options.part.kind === 'whole') await bringUpToDate(database, log)
  else await refuseOutdated(database)
  const clock = new BootClock()
  const { blindAfterMs } = options.settings.durations
  const truth = postgresStore(database, clock, { blindAfterMs, measure: measureFrame })
  await refuseStranger(truth, options.home)
  if (options.part.kind === 'whole') await partitionsFor(database, await truth.now(), log)
  clock.setBase(await truth.now(), bootMs())
  await options.prepare(truth, clock)
  const clusters = await options.clusters(clock)
  for (const cluster of clusters) ends.push(() => cluster.close())
  const metrics = createMetrics()
  // Connections to a mail server would outlive us.
  ends.push(() => options.alerting?.notifier.close())
  // The bell exists before the loops that it rings for.
  let bell = SILENT
  const control: Control = {
    store:
      options.part.kind === 'api'
        ? withToldHealth(
            truth,
            clusters.map(({ name }) => name),
            () => clock.now(),
            blindAfterMs,
          )
        : truth,
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
    alerting:
      options.alerting === null
        ? null
        : {
            ...options.alerting,
            notifier: counted(options.alerting.notifier, metrics),
            store: alertStore(database),
          },
  }
  const startLoops = async (): Promise<End> => {
    const looks = await startLooks(looksOf(control, metrics, options))
    const stopRolling = startRolling(control, metrics)
    const deliveries = new Deliveries()
    const stopDetecting = startDetecting(control, metrics, options.timersMs.detect, deliveries)
    const stopDelivering = startDelivering(control, metrics, deliveries)
    bell = looks
    for (const loop of ['observe', 'place', 'launch', 'account'] as const) looks.ring(loop)
    return async () => {
      bell = SILENT
      await stopDetecting()
      await stopDelivering()
      await stopRolling()
      await looks.close()
    }
  }
  switch (options.part.kind) {
    case 'whole':
      ends.push(await startLeading(control, clock, { holder: options.home, force: true }))
      ends.push(await startUpkeep(control, database, options.retention))
      ends.push(await startLoops())
      break
    case 'controller': {
      // Messages go to one process each: one that stands by would take those of the leader, and do nothing.
      const loops = new WhileLeading(startLoops, (error) =>
        log.error({ error: String(error) }, 'the loops could not be started; it is tried again'),
      )
      const lead = { holder: options.part.holder, force: false, leads: (leads: boolean) => loops.leads(leads) }
      ends.push(await startLeading(control, clock, lead))
      ends.push(await startUpkeep(control, database, options.retention))
      ends.push(() => loops.end())
      break
    }
    case 'api': {
      const opened = await openBell(options.connection, options.redisUrl, toLog(log))
      ends.push(() => opened.close())
      ends.push(startTelling(control, clock))
      bell = opened
      break
    }
  }
  for (const cluster of clusters) ends.push(cluster.watch(() => bell.ring('observe')))
  const context: RequestContext = { control, defaultCluster: options.defaultCluster, peaks: options.peaks, secrets }
  return {
    control,
    context,
    store: control.store,
    feed: feedOf(database),
    metrics,
    requests: requestsOf(context),
    views: viewsOf(context),
    alerts: alertsFor(context),
    stop: () => endAll(ends),
  }
}

/** Each try of a message is counted. */
const counted = (notifier: Notifier, metrics: Metrics): Notifier => ({
  check: (address) => notifier.check(address),
  async deliver(address, notice, signal) {
    const outcome = await notifier.deliver(address, notice, signal)
    metrics.tried(address.kind, outcome.kind)
    return outcome
  },
  close: () => notifier.close(),
})

const toLog =
  (log: Log) =>
  (level: 'info' | 'warn' | 'error', fields: object, message: string): void =>
    log[level]({ ...fields }, message)

function looksOf(control: Control, metrics: Metrics, options: ServiceOptions): LooksOptions {
  const every = options.timersMs
  return {
    connection: options.connection,
    redisUrl: options.redisUrl,
    log: toLog(options.log),
    loops: {
      place: { everyMs: every.place, run: () => metrics.turn('place', async () => void (await placeTurn(control))) },
      launch: { everyMs: every.launch, run: () => metrics.turn('launch', () => launchTurn(control)) },
      observe: {
        everyMs: every.observe,
        run: async () => {
          await metrics.turn('observe', () => observeTurn(control))
          if (options.part.kind === 'controller') await tellHealth(control)
          await metrics.turn('logs', () => followLogs(control))
        },
      },
      account: { everyMs: every.account, run: () => metrics.turn('account', () => accountTurn(control)) },
    },
  }
}

/** The schema of the newest version, made or migrated. */
async function bringUpToDate(database: Database, log: Log): Promise<void> {
  const applied = await migrate(database)
  if (applied.length > 0) log.info({ applied }, 'the schema was brought up to date')
}

/** Somebody who reads a whole table, as a backup does, holds its partitions: then the DEFAULT ones take what comes, and the hourly look makes them. */
async function partitionsFor(database: Database, now: EpochMs, log: Log): Promise<void> {
  await makePartitions(database, now).catch((error: unknown) =>
    log.warn({ error: String(error) }, 'partitions could not be made; it is tried again in an hour'),
  )
}

const TELL_EVERY_MS = 60_000

/** A process that never takes the lead sets its clock by the database's from time to time: the two drift by seconds in a day. */
function startTelling(control: Control, clock: BootClock): End {
  const timer = setInterval(() => {
    clock
      .askBase(() => control.store.now())
      .catch((error: unknown) =>
        control.log.warn({ error: String(error) }, 'the database could not be asked for the time'),
      )
  }, TELL_EVERY_MS)
  return () => clearInterval(timer)
}

/** A look costs one small query, and nobody waits for it: no wake-up is needed. */
const ROLL_EVERY_MS = 2_000

const startRolling = (control: Control, metrics: Metrics): End =>
  turnEvery(ROLL_EVERY_MS, async () => {
    try {
      await metrics.turn('experts', () => rollExperts(control))
    } catch (error) {
      control.log.warn({ error: String(error) }, 'expert load could not be summed up yet; it will be tried again')
    }
  })

/** Who is to be told is told before the next look: what is over by then was told all the same. */
const startDetecting = (control: Control, metrics: Metrics, everyMs: number, deliveries: Deliveries): End =>
  turnEvery(everyMs, async () => {
    try {
      await metrics.turn('tell', () => tellTurn(control))
      await metrics.turn('detect', () => detectTurn(control))
      await metrics.turn('tell', () => tellTurn(control))
      await deliveries.look(control)
    } catch (error) {
      control.log.warn({ error: String(error) }, 'nothing could be looked for; it will be tried again')
    }
  })

/** A test, and what is tried again: what was just found does not wait for it. */
const DELIVER_EVERY_MS = 1_000

function startDelivering(control: Control, metrics: Metrics, deliveries: Deliveries): End {
  const stop = turnEvery(DELIVER_EVERY_MS, async () => {
    try {
      await metrics.turn('deliver', () => deliveries.look(control))
    } catch (error) {
      control.log.warn({ error: String(error) }, 'the outbox could not be read; it will be tried again')
    }
  })
  return async () => {
    await stop()
    await deliveries.stop()
  }
}

/** One turn after the other, and none beside another. */
function turnEvery(ms: number, turn: () => Promise<unknown>): End {
  let running: Promise<unknown> | null = null
  const timer = setInterval(() => {
    running ??= turn().finally(() => {
      running = null
    })
  }, ms)
  return async () => {
    clearInterval(timer)
    await running
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
