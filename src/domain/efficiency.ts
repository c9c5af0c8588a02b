// How well a run used what it held, as its statement says it. Null is not known, and a word of a closed list says why.

import type { AttemptId } from './ids.ts'
import type { EpochMs } from './units.ts'

/** What is read for it besides the books. */
export type EfficiencyRead = {
  /** Once for each GPU model of an attempt. */
  readonly ranOn: readonly { readonly attempt: AttemptId; readonly gpuModel: string; readonly declared: boolean }[]
  /** Durable checkpoints in the order in which they were first said to be. */
  readonly saves: readonly Save[]
}
export type Save = { readonly attempt: AttemptId; readonly step: number; readonly at: EpochMs }

/** Why a run has no MFU. */
export const MFU_UNKNOWN = ['no-model', 'nothing-kept', 'no-tokens', 'no-peak'] as const
export type MfuUnknown = (typeof MFU_UNKNOWN)[number]

/** Why there is no best interval between its checkpoints. */
export const INTERVAL_UNKNOWN = [
  'no-checkpoint',
  'no-save-time',
  'no-interval',
  'restarts-too-slow',
  'too-short',
] as const
export type IntervalUnknown = (typeof INTERVAL_UNKNOWN)[number]

export const WHY_UNKNOWN: Readonly<Record<MfuUnknown | IntervalUnknown, string>> = {
  'no-model': 'the spec names no training.model',
  'nothing-kept': 'no productive time is kept yet',
  'no-tokens': 'nothing counted its tokens, and the spec names no sequenceLength',
  'no-peak': 'what it ran on has no peak FLOP/s in the catalogue, as a declared slot has none',
  'no-checkpoint': 'no durable checkpoint was seen',
  'no-save-time': 'nothing says how long a save stops training',
  'no-interval': 'no two checkpoints of one attempt were seen',
  'restarts-too-slow': 'a restart takes as long as the mean time to the next failure',
  'too-short': 'it has not yet trained for as long as the best interval would be',
}

export type Efficiency = {
  /** Model FLOPs of kept tokens, over the peak of its GPUs in the time that was productive and kept. */
  readonly mfuProductive: number | null
  /** The same FLOPs over the peak of all the time that it held. */
  readonly mfuHeld: number | null
  readonly mfuUnknown: MfuUnknown | null
  readonly checkpoints: CheckpointEfficiency
}

export type CheckpointEfficiency = {
  /** Durable ones that were seen. */
  readonly saves: number
  /** How long one stops training. */
  readonly saveMs: number | null
  /** Training between two of them, the save itself left out. */
  readonly intervalMs: number | null
  readonly intervalSteps: number | null
  /** Attempts that trained and ended by a failure. */
  readonly failures: number
  /** Median of what its restarts took until they trained; null: there was none. */
  readonly restartMs: number | null
  /** Expected of all its GPUs together. */
  readonly meanToFailureMs: number
  readonly best: {
    readonly intervalMs: number
    readonly intervalSteps: number
    /** Expected ETTR, with the interval that it has and with the best. */
    readonly ettrNow: number
    readonly ettrBest: number
    /** How much less the run so far would have held for the same work. */
    readonly savedGpuMs: number
  } | null
  readonly bestUnknown: IntervalUnknown | null
}
