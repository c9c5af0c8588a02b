// When something is worth a finding: config/alerts/thresholds.yaml has each with its unit and its reason.
import type { DurationMs } from './units.ts'

export type Thresholds = {
  /** Of durations: what is older is unknown. */
  readonly blindAfterMs: DurationMs
  readonly progress: {
    /** Silence of so many median distances of the run's own marks, and of at least so long. */
    readonly factor: number
    readonly silenceMin: DurationMs
    /** Marks before that: their distances are the run's own. */
    readonly marks: number
    /** From the start of the last worker to the first step. */
    readonly firstStep: DurationMs
    /** A checkpoint, an evaluation or a restore may take so long. */
    readonly phase: DurationMs
  }
  readonly loss: {
    /** Steps in a row without a finite loss where there was one before. */
    readonly missing: number
    /** Steps that are compared with those before them. */
    readonly window: number
    /** The median of the newest window above that of all before by so many of their deviations, and by so much of itself. */
    readonly deviations: number
    readonly ratio: number
  }
  readonly experts: {
    /** Of the most that one expert can get: a share of 1 / top-k. */
    readonly collapsedShare: number
    /** Steps in a row that were reported. */
    readonly collapsedSteps: number
    readonly deadSteps: number
  }
  readonly idle: {
    /** GPUs are held after training said that it is done. */
    readonly afterDone: DurationMs
  }
  readonly budget: {
    /** Parts of the limit, ascending; the last one is critical. */
    readonly used: readonly number[]
    /** At the present rate all of it is gone so soon. */
    readonly goneWithin: DurationMs
    /** Used so many times as much as an even share of the period until now, and at least so large a part of the limit. */
    readonly pace: number
    readonly paceFrom: number
  }
}

/** The values of config/alerts/thresholds.yaml, for the simulator and for tests. */
export const DEFAULT_THRESHOLDS = {
  blindAfterMs: 60_000,
  progress: { factor: 3, silenceMin: 120_000, marks: 6, firstStep: 1_800_000, phase: 1_800_000 },
  loss: { missing: 3, window: 16, deviations: 6, ratio: 1.2 },
  experts: { collapsedShare: 0.9, collapsedSteps: 5, deadSteps: 50 },
  idle: { afterDone: 600_000 },
  budget: { used: [0.5, 0.8, 0.9, 1], goneWithin: 86_400_000, pace: 1.25, paceFrom: 0.1 },
} as unknown as Thresholds
