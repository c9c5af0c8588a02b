// Many steps of expert load in few buckets, for a picture of a whole run: each bucket is a power of two of steps long, and keeps the
// least and the most of what lies in it, so that a spike survives zooming out.
import type { ExpertMeasure, LoadPart, RolledBlock, Spread } from '../../domain/expert-blocks.ts'
import { EXPERT_MEASURES, firstStepOf, lastStepOf } from '../../domain/expert-blocks.ts'
import { MEASURES_PER_LAYER } from './measures.ts'
import { mergedSpread } from './rollup.ts'

/** Measures of a stretch of steps that lies in one bucket. */
export type MeasurePart = {
  readonly from: number
  readonly to: number
  readonly frames: number
  readonly seen: Uint32Array
  readonly measures: Spread
}

export function partOfStep(step: number, values: Float32Array): MeasurePart {
  const seen = new Uint32Array(values.length / MEASURES_PER_LAYER)
  for (let layer = 0; layer < seen.length; layer += 1)
    seen[layer] = Number.isNaN(values[layer * MEASURES_PER_LAYER]) ? 0 : 1
  return { from: step, to: step, frames: 1, seen, measures: { min: values, max: values, mean: values, p99: values } }
}

export const partOfBlock = ({ level, block, frames, seen, measures }: RolledBlock): MeasurePart => ({
  from: firstStepOf(block, level),
  to: lastStepOf(block, level),
  frames,
  seen,
  measures,
})

/** The least power of two with which `[first, last]` needs at most `points` buckets. */
export function bucketSteps(first: number, last: number, points: number): number {
  let size = 1
  while (Math.floor(last / size) - Math.floor(first / size) + 1 > points) size *= 2
  return size
}

export type Bucket = { readonly from: number; readonly to: number; readonly frames: number }
export type MeasureBuckets = { readonly buckets: readonly Bucket[]; readonly spreads: readonly Spread[] }

/** `parts` are sorted. A stretch without a frame has no bucket: what was not reported is not drawn. */
export function measureBuckets(parts: readonly MeasurePart[], layers: number, size: number): MeasureBuckets {
  const buckets: Bucket[] = []
  const spreads: Spread[] = []
  for (const [bucket, some] of Map.groupBy(parts, ({ from }) => Math.floor(from / size))) {
    const frames = some.reduce((sum, part) => sum + part.frames, 0)
    buckets.push({ from: bucket * size, to: (bucket + 1) * size - 1, frames })
    const seen = new Uint32Array(layers)
    for (const part of some)
      for (let layer = 0; layer < layers; layer += 1) seen[layer] = (seen[layer] ?? 0) + (part.seen[layer] ?? 0)
    const [first] = some
    spreads.push(
      some.length === 1 && first !== undefined
        ? first.measures
        : mergedSpread(
            some.map((part) => ({ spread: part.measures, seen: part.seen })),
            seen,
            MEASURES_PER_LAYER,
          ),
    )
  }
  return { buckets, spreads }
}

export type Rows = readonly (readonly (number | null)[])[]

/** One row for each bucket, one number for each layer; null: no token reached the layer in the bucket. */
export function rowsOf(spreads: readonly Spread[], measure: ExpertMeasure, of: keyof Spread): Rows {
  const place = EXPERT_MEASURES.indexOf(measure)
  return spreads.map((spread) => {
    const values = spread[of]
    const row: (number | null)[] = []
    for (let index = place; index < values.length; index += MEASURES_PER_LAYER) {
      const value = values[index] ?? Number.NaN
      row.push(Number.isNaN(value) ? null : readable(value))
    }
    return row
  })
}

/** A 32-bit float has seven digits; its other ten as a 64-bit one would be half of a document. */
const readable = (value: number): number => Math.round(value * 1e6) / 1e6

/** One expert. `parts` are sorted, each in one bucket. */
export function historyOf(parts: readonly LoadPart[], size: number) {
  const buckets: Bucket[] = []
  const [min, mean, max, p99]: [number[], number[], number[], number[]] = [[], [], [], []]
  for (const [bucket, some] of Map.groupBy(parts, ({ from }) => Math.floor(from / size))) {
    const frames = some.reduce((sum, part) => sum + part.frames, 0)
    buckets.push({ from: bucket * size, to: (bucket + 1) * size - 1, frames })
    min.push(readable(some.reduce((least, part) => Math.min(least, part.min), Infinity)))
    mean.push(readable(some.reduce((sum, part) => sum + part.mean * part.frames, 0) / frames))
    max.push(readable(some.reduce((most, part) => Math.max(most, part.max), 0)))
    p99.push(readable(some.reduce((most, part) => Math.max(most, part.p99), 0)))
  }
  return { buckets, min, mean, max, p99 }
}

const GAPS_MAX = 1_000

/** Steps that are missing, by the usual distance of the others: a script may report every tenth step. `steps` are sorted. */
export function gapsOf(steps: readonly number[]): { from: number; to: number }[] {
  const distances = steps.slice(1).map((step, index) => step - (steps[index] ?? step))
  const usual = distances.toSorted((a, b) => a - b)[distances.length >> 1] ?? 1
  const gaps: { from: number; to: number }[] = []
  for (const [index, distance] of distances.entries()) {
    const before = steps[index] ?? 0
    if (distance > usual && gaps.length < GAPS_MAX) gaps.push({ from: before + 1, to: before + distance - 1 })
  }
  return gaps
}

/** Stretches between buckets in which nothing was reported. */
export function emptyStretches(buckets: readonly Bucket[]): { from: number; to: number }[] {
  return buckets
    .slice(1)
    .flatMap(({ from }, index) => {
      const before = buckets[index]?.to ?? from - 1
      return before + 1 < from ? [{ from: before + 1, to: from - 1 }] : []
    })
    .slice(0, GAPS_MAX)
}
