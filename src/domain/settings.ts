// What an operator may set (config/default.yaml has each with its unit and reason), as the decisions see it.
import type { DurationMs } from './units.ts'

/** Durations of design: state. `contract` refuses values that break their order. */
export type Durations = {
  readonly persistMs: DurationMs
  readonly blindAfterMs: DurationMs
  readonly leaseMs: DurationMs
  readonly leaseRenewMs: DurationMs
  readonly nodeLostAfterMs: DurationMs
  readonly fenceAfterMs: DurationMs
  readonly startDeadlineMs: DurationMs
  readonly checkpointMs: DurationMs
  readonly graceMs: DurationMs
  readonly restartHoldMs: DurationMs
  readonly reserveSliceMs: DurationMs
  readonly cellSettleMs: DurationMs
  readonly backoffMinMs: DurationMs
  readonly backoffMaxMs: DurationMs
}

/** Stored of what the workers of a run print; the value of config/default.yaml. */
export const DEFAULT_LOG_BYTES_MAX = 4 * 1024 ** 3

/** The values of config/default.yaml, for the simulator and for tests. */
export const DEFAULT_DURATIONS = {
  persistMs: 20_000,
  blindAfterMs: 60_000,
  leaseMs: 10_000,
  leaseRenewMs: 3_000,
  nodeLostAfterMs: 300_000,
  fenceAfterMs: 600_000,
  startDeadlineMs: 600_000,
  checkpointMs: 600_000,
  graceMs: 60_000,
  restartHoldMs: 900_000,
  reserveSliceMs: 86_400_000,
  cellSettleMs: 300_000,
  backoffMinMs: 1_000,
  backoffMaxMs: 300_000,
} as Record<keyof Durations, number> as Durations
