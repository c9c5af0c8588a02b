// What every loop gets: one record of ports and settings. In production they are PostgreSQL, clusters and the system's clock; in the
// simulator they are one heap of events. No line of a loop knows which.
import type { AttemptId, ClusterName } from '../domain/ids.ts'
import { REQUEST_MS_MAX } from '../domain/limits.ts'
import type { Durations } from '../domain/settings.ts'
import type { Thresholds } from '../domain/thresholds.ts'
import type { EpochMs } from '../domain/units.ts'
import type { ClusterHealth } from '../domain/world.ts'
import type { AlertStore } from '../ports/alert-store.ts'
import type { Chance } from '../ports/chance.ts'
import type { Clock } from '../ports/clock.ts'
import type { Cluster, IngestAddress } from '../ports/cluster.ts'
import type { Doorbell } from '../ports/doorbell.ts'
import type { Log } from '../ports/log.ts'
import type { Notifier } from '../ports/notifier.ts'
import type { Seal } from '../ports/seal.ts'
import type { ReadSpool } from '../ports/spool.ts'
import type { Epoch, Store } from '../ports/store.ts'

export type ControlSettings = {
  readonly durations: Durations
  /** Stored of the logs of one run. */
  readonly logBytesMax: number
  readonly thresholds: Thresholds
}

export type Control = {
  readonly store: Store
  readonly clusters: ReadonlyMap<ClusterName, Cluster>
  readonly clock: Clock
  readonly doorbell: Doorbell
  readonly chance: Chance
  readonly log: Log
  readonly settings: ControlSettings
  /** What the last look at each cluster said. Thrown away with the process. */
  readonly health: Map<ClusterName, ClusterHealth>
  readonly lead: Lead
  /** Where the jobs of an attempt send their reports; null where none are taken. */
  readonly ingest: ((attempt: AttemptId) => IngestAddress) | null
  readonly readSpool: ReadSpool
  /** Null: nobody is told of anything. */
  readonly alerting: Alerting | null
}

export type Alerting = {
  readonly store: AlertStore
  readonly notifier: Notifier
  readonly seal: Seal
  /** Where the pages are, for links in messages; without a slash at its end. */
  readonly pages: () => string
}

/** The lead as this process believes to have it. `until` is on its own clock: what is started must be over by then. */
export type Lead = { epoch: Epoch | null; until: EpochMs }

/** Null while somebody else leads: the loops then do nothing. */
export function epochNow(control: Control): Epoch | null {
  return control.lead.epoch !== null && control.clock.now() < control.lead.until ? control.lead.epoch : null
}

/** A request to a cluster takes at most this long; the lease must outlast it. */
export const EFFECT_MS = REQUEST_MS_MAX

/** Whether an effect outside may still be started: the lease must outlast it. */
export function leaseOutlasts(control: Control, timeoutMs: number): boolean {
  return control.lead.epoch !== null && control.clock.now() + timeoutMs < control.lead.until
}
