// Stretches of steps whose expert load is summed up once and for all: block b of level n covers the steps from b x 2^n on, 2^n of
// them. Each level holds four blocks of the one below, so that all of them together cost a third more than the lowest, and a picture of
// any width reads at most twice as many as it has points.
import type { AttemptId } from './ids.ts'

/** What is built in one go from frames, and marked when one of its frames changes. Below it stand parts of the same build. */
export const BUILT_LEVEL = 8
const TOP_LEVEL = 20
/** Measures of layers are small, so that they have one level more than the loads of single experts. */
export const MEASURE_LEVELS = [4, 6, 8, 10, 12, 14, 16, 18, 20] as const
export const LOAD_LEVELS = MEASURE_LEVELS.slice(1)

/** What is known of a layer in a step, in the order in which it is stored; core/experts/measures.ts has the formulas. */
export const EXPERT_MEASURES = ['maxVio', 'cv', 'entropy', 'dead', 'hot'] as const
export type ExpertMeasure = (typeof EXPERT_MEASURES)[number]

export type BlockName = {
  readonly attempt: AttemptId
  /** The key of the set of layers. */
  readonly layers: string
  readonly level: number
  readonly block: number
}

/** A block to be built, or built anew. `touched` names the write that asked for it last. */
export type PendingBlock = BlockName & { readonly touched: number }

/** Four numbers for each layer and measure, or for each layer and expert, over the steps in which the layer got a token. */
export type Spread = {
  readonly min: Float32Array
  readonly max: Float32Array
  readonly mean: Float32Array
  /** Of up to 64 steps it is the greatest: 99 of 100 values are all of them. */
  readonly p99: Float32Array
}

export type RolledBlock = {
  readonly level: number
  readonly block: number
  /** Steps of the block that were reported. */
  readonly frames: number
  /** For each layer the steps in which it got a token. Where there is none its numbers are NaN. */
  readonly seen: Uint32Array
  readonly measures: Spread
  /** Load ratios, in half precision but for the mean; null on the lowest level, and where nobody asked for them. */
  readonly loads: Spread | null
}

/** One expert in a stretch of steps. `frames` are those in which its layer got a token. */
export type LoadPart = {
  readonly from: number
  readonly to: number
  readonly frames: number
  readonly min: number
  readonly max: number
  readonly mean: number
  readonly p99: number
}

export const blockOf = (step: number, level: number): number => Math.floor(step / 2 ** level)
export const firstStepOf = (block: number, level: number): number => block * 2 ** level
export const lastStepOf = (block: number, level: number): number => (block + 1) * 2 ** level - 1
export const hasLoads = (level: number): boolean => level >= (LOAD_LEVELS[0] ?? 0)
export const hasP99 = (level: number): boolean => level >= BUILT_LEVEL
/** The level that is built from this one; null at the top. */
export const levelAbove = (level: number): number | null => (level >= TOP_LEVEL ? null : level + 2)

/** Ranks report some seconds apart: a block is built once its steps are this far behind, or when nothing came for a while. */
export const BEHIND_STEPS = 64
export const QUIET_MS = 60_000

/**
 * load x experts / total of the layer, 1 is an even share; NaN where the layer got no token. In half precision (three digits): so it is
 * kept in roll-ups, and what is read from frames must be the same number, or a spike would differ between two zooms.
 */
export function loadRatio(count: number, experts: number, total: number): number {
  return total === 0 ? Number.NaN : Math.f16round((count * experts) / total)
}
