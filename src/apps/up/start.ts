import { homeId } from '../../adapters/system/home-id.ts'
import type { Connection } from '../../adapters/postgres/pool.ts'
import type { Control } from '../../control/control.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Cluster } from '../../ports/cluster.ts'
import type { Log } from '../../ports/log.ts'
import type { Files } from '../parts/files.ts'
import type { Service, ServiceOptions } from '../parts/service.ts'
import { seedPolicy } from '../parts/seed.ts'
import { startService } from '../parts/service.ts'

export async function startAll(options: {
  readonly home: string
  readonly files: Files
  readonly log: Log
  readonly connection: Connection
  readonly ingest: Control['ingest']
  readonly alerting: ServiceOptions['alerting']
  readonly clusters: (clock: Clock) => Promise<readonly (Cluster & { close(): Promise<void> })[]>
}): Promise<Service> {
  const { files, home } = options
  return startService({
    connection: options.connection,
    poolMax: files.config.database.poolMax,
    redisUrl: files.config.queue.url,
    settings: {
      durations: files.config.durations,
      logBytesMax: files.config.retention.logsPerRun,
      thresholds: files.thresholds,
    },
    timersMs: files.config.loops,
    retention: files.config.retention,
    defaultCluster: files.policy.defaultCluster,
    peaks: files.peaks,
    home: homeId(home),
    part: { kind: 'whole' },
    log: options.log,
    ingest: options.ingest,
    clusters: options.clusters,
    alerting: options.alerting,
    prepare: (store, clock) => seedPolicy(store, clock, files),
  })
}
