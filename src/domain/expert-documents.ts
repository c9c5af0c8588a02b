// What callers read about expert load, as `documents.ts` has the rest.
import type { EpochMs } from './units.ts'

type PerBucket = readonly (readonly (number | null)[])[]

/** Expert load of one attempt in few buckets of steps. Rows are buckets, columns layers; null: no token reached the layer. */
export type ExpertsDocument = {
  readonly run: string
  readonly attempt: number
  /** Which of `sets` this is, from 1. */
  readonly set: number
  /** All sets of layers of the attempt, the widest first: each pipeline stage reports its own, and so do layers with other experts. */
  readonly sets: readonly ExpertSetDocument[]
  readonly layers: readonly string[]
  readonly experts: number
  readonly topK: number | null
  readonly firstStep: number
  readonly lastStep: number
  readonly frames: number
  readonly buckets: readonly { readonly from: number; readonly to: number; readonly frames: number }[]
  readonly maxVio: {
    readonly min: PerBucket
    readonly mean: PerBucket
    readonly max: PerBucket
    readonly p99: PerBucket
  }
  readonly cv: PerBucket
  readonly entropy: PerBucket
  readonly dead: PerBucket
  readonly hot: PerBucket
  /** Steps without a frame where there should be one: lost reports, never zeros. */
  readonly gaps: readonly { readonly from: number; readonly to: number }[]
  /** A few frames whose steps are far beyond all others, left out where nobody said how far to go: `lastStep` is before them. */
  readonly apart: { readonly from: number; readonly to: number; readonly frames: number } | null
  /** Frames in which the counts of some layer are not tokens x top-k: whoever counts is wrong there. */
  readonly unconserved: number
  /** The newest of them with its numbers. */
  readonly finding: ExpertFindingDocument | null
  readonly observedAt: EpochMs | null
}

/** Layers that are reported together. */
export type ExpertSetDocument = {
  readonly layers: number
  readonly first: string
  readonly last: string
  readonly experts: number
  readonly frames: number
  readonly unconserved: number
}

/** A mistake of whoever counts: the counts of a layer are not tokens x top-k. */
export type ExpertFindingDocument = {
  readonly attempt: number
  /** Steps in which it is so. */
  readonly steps: number
  /** The newest of them, its first layer that is wrong, and how many layers are. */
  readonly step: number
  readonly layer: string
  readonly layers: number
  readonly counted: number
  readonly expected: number
  readonly text: string
  readonly whatToDo: string
}

/** One measure of all layers over some steps. Rows are buckets, columns layers; null: no token reached the layer. */
export type ExpertTileDocument = {
  readonly run: string
  readonly attempt: number
  readonly measure: string
  readonly layers: readonly string[]
  readonly firstStep: number
  readonly lastStep: number
  readonly buckets: readonly { readonly from: number; readonly to: number; readonly frames: number }[]
  readonly min: PerBucket
  readonly mean: PerBucket
  readonly max: PerBucket
  readonly p99: PerBucket
}

export type ExpertFrameDocument = {
  readonly run: string
  readonly attempt: number
  readonly step: number
  readonly layers: readonly string[]
  readonly experts: number
  readonly topK: number | null
  readonly tokens: number | null
  readonly flags: readonly string[]
  /** Unsigned integers of 4 bytes, least significant byte first, layer by expert. */
  readonly counts: Uint32Array
  readonly maxVio: readonly (number | null)[]
  readonly cv: readonly (number | null)[]
  readonly entropy: readonly (number | null)[]
  readonly dead: readonly (readonly number[])[]
  readonly hot: readonly (readonly number[])[]
  readonly observedAt: EpochMs
}

/** Load ratio (load x experts / total of its layer; 1 is an even share) of one expert over all steps. */
export type ExpertHistoryDocument = {
  readonly run: string
  readonly attempt: number
  readonly layer: string
  readonly expert: number
  readonly buckets: readonly { readonly from: number; readonly to: number; readonly frames: number }[]
  readonly min: readonly number[]
  readonly mean: readonly number[]
  readonly max: readonly number[]
  readonly p99: readonly number[]
  /** Always 1: every step is in. */
  readonly stride: number
}
