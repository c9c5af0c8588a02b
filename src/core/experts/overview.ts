// Many steps of expert load in few buckets, for a picture of a whole run: each bucket is a power of two of steps long, and keeps the
// least and the most of what lies in it, so that a spike survives zooming out.
import { MEASURES_PER_LAYER } from './measures.ts'

export type MeasuredStep = { readonly step: number; readonly values: Float32Array }

/** One row for each bucket, one number for each layer; null: no token reached the layer in the bucket. */
export type Overview = {
  readonly buckets: readonly { readonly from: number; readonly to: number; readonly frames: number }[]
  readonly maxVio: { readonly min: Rows; readonly mean: Rows; readonly max: Rows }
  /** Means. */
  readonly cv: Rows
  readonly entropy: Rows
  /** The most in any frame of the bucket. */
  readonly dead: Rows
  readonly hot: Rows
}
type Rows = readonly (readonly (number | null)[])[]

/** The least power of two with which `[first, last]` needs at most `points` buckets. */
export function bucketSteps(first: number, last: number, points: number): number {
  let size = 1
  while (Math.floor(last / size) - Math.floor(first / size) + 1 > points) size *= 2
  return size
}

/** `steps` are sorted. A stretch without a frame has no bucket: what was not reported is not drawn. */
export function overviewOf(steps: readonly MeasuredStep[], layers: number, size: number): Overview {
  const buckets: { from: number; to: number; frames: number }[] = []
  const rows = { min: [], mean: [], max: [], cv: [], entropy: [], dead: [], hot: [] } as Record<
    'min' | 'mean' | 'max' | 'cv' | 'entropy' | 'dead' | 'hot',
    (number | null)[][]
  >
  for (let index = 0; index < steps.length;) {
    const bucket = Math.floor((steps[index]?.step ?? 0) / size)
    let end = index
    while (end < steps.length && Math.floor((steps[end]?.step ?? 0) / size) === bucket) end += 1
    const some = steps.slice(index, end)
    buckets.push({ from: bucket * size, to: (bucket + 1) * size - 1, frames: some.length })
    const over = (measure: number, reduce: (values: readonly number[]) => number): (number | null)[] =>
      Array.from({ length: layers }, (_, layer) => {
        const values = some.flatMap(({ values: all }) => {
          const value = all[layer * MEASURES_PER_LAYER + measure]
          return value === undefined || Number.isNaN(value) ? [] : [value]
        })
        return values.length === 0 ? null : reduce(values)
      })
    rows.min.push(over(0, least))
    rows.mean.push(over(0, mean))
    rows.max.push(over(0, most))
    rows.cv.push(over(1, mean))
    rows.entropy.push(over(2, mean))
    rows.dead.push(over(3, most))
    rows.hot.push(over(4, most))
    index = end
  }
  const { min, mean: means, max, cv, entropy, dead, hot } = rows
  return { buckets, maxVio: { min, mean: means, max }, cv, entropy, dead, hot }
}

const least = (values: readonly number[]): number => values.reduce((a, b) => (b < a ? b : a))
const most = (values: readonly number[]): number => values.reduce((a, b) => (b > a ? b : a))
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length

/** The same for one number a step. p99 is the smallest value that 99 of 100 do not exceed. */
export function historyOf(series: readonly { readonly step: number; readonly ratio: number }[], size: number) {
  const buckets: { from: number; to: number; frames: number }[] = []
  const [min, mean_, max, p99]: [number[], number[], number[], number[]] = [[], [], [], []]
  for (const [bucket, some] of Map.groupBy(series, ({ step }) => Math.floor(step / size))) {
    const sorted = some.map(({ ratio }) => ratio).toSorted((a, b) => a - b)
    buckets.push({ from: bucket * size, to: (bucket + 1) * size - 1, frames: some.length })
    min.push(sorted[0] ?? 0)
    mean_.push(mean(sorted))
    max.push(sorted.at(-1) ?? 0)
    p99.push(sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0)
  }
  return { buckets, min, mean: mean_, max, p99 }
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
