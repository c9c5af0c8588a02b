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

const MAX_VIO = 0
const CV = 1
const ENTROPY = 2
const DEAD = 3
const HOT = 4

/**
 * `steps` are sorted. A stretch without a frame has no bucket: what was not reported is not drawn. Each number of a long run is read once
 * and nothing is made for it: 10,000 steps of 58 layers have three million.
 */
export function overviewOf(steps: readonly MeasuredStep[], layers: number, size: number): Overview {
  const buckets: { from: number; to: number; frames: number }[] = []
  const rows = { min: [], mean: [], max: [], cv: [], entropy: [], dead: [], hot: [] } as Record<
    'min' | 'mean' | 'max' | 'cv' | 'entropy' | 'dead' | 'hot',
    (number | null)[][]
  >
  for (let index = 0; index < steps.length;) {
    const bucket = Math.floor((steps[index]?.step ?? 0) / size)
    const begin = index
    const found = new Reduced(layers)
    while (index < steps.length && Math.floor((steps[index]?.step ?? 0) / size) === bucket) {
      found.add(steps[index]?.values ?? new Float32Array())
      index += 1
    }
    buckets.push({ from: bucket * size, to: (bucket + 1) * size - 1, frames: index - begin })
    rows.min.push(found.row(found.least, MAX_VIO))
    rows.mean.push(found.means(MAX_VIO))
    rows.max.push(found.row(found.most, MAX_VIO))
    rows.cv.push(found.means(CV))
    rows.entropy.push(found.means(ENTROPY))
    rows.dead.push(found.row(found.most, DEAD))
    rows.hot.push(found.row(found.most, HOT))
  }
  const { min, mean: means, max, cv, entropy, dead, hot } = rows
  return { buckets, maxVio: { min, mean: means, max }, cv, entropy, dead, hot }
}

/** Least, most, sum and number of what one bucket holds, for each measure of each layer. */
class Reduced {
  readonly #layers: number
  readonly least: Float64Array
  readonly most: Float64Array
  readonly #sums: Float64Array
  readonly #seen: Uint32Array

  constructor(layers: number) {
    const places = layers * MEASURES_PER_LAYER
    this.#layers = layers
    this.least = new Float64Array(places).fill(Number.POSITIVE_INFINITY)
    this.most = new Float64Array(places).fill(Number.NEGATIVE_INFINITY)
    this.#sums = new Float64Array(places)
    this.#seen = new Uint32Array(places)
  }

  add(values: Float32Array): void {
    const { least, most } = this
    const [sums, seen] = [this.#sums, this.#seen]
    for (let at = 0; at < least.length; at += 1) {
      const value = values[at] ?? Number.NaN
      // Not a number: no token reached the layer.
      if (Number.isNaN(value)) continue
      if (value < (least[at] ?? 0)) least[at] = value
      if (value > (most[at] ?? 0)) most[at] = value
      sums[at] = (sums[at] ?? 0) + value
      seen[at] = (seen[at] ?? 0) + 1
    }
  }

  readonly row = (of: Float64Array, measure: number): (number | null)[] => this.#each(measure, (at) => of[at] ?? 0)
  readonly means = (measure: number): (number | null)[] =>
    this.#each(measure, (at) => (this.#sums[at] ?? 0) / (this.#seen[at] ?? 1))

  #each(measure: number, of: (at: number) => number): (number | null)[] {
    return Array.from({ length: this.#layers }, (_, layer) => {
      const at = layer * MEASURES_PER_LAYER + measure
      return this.#seen[at] === 0 ? null : rounded(of(at))
    })
  }
}

/** Four decimals are more than a picture shows; all that a 32-bit float has as text would be three times as much to send. */
const rounded = (value: number): number => Math.round(value * 1e4) / 1e4

/** The same for one number a step. p99 is the smallest value that 99 of 100 do not exceed. */
export function historyOf(series: readonly { readonly step: number; readonly ratio: number }[], size: number) {
  const buckets: { from: number; to: number; frames: number }[] = []
  const [min, mean, max, p99]: [number[], number[], number[], number[]] = [[], [], [], []]
  for (const [bucket, some] of Map.groupBy(series, ({ step }) => Math.floor(step / size))) {
    const sorted = some.map(({ ratio }) => ratio).toSorted((a, b) => a - b)
    buckets.push({ from: bucket * size, to: (bucket + 1) * size - 1, frames: some.length })
    min.push(sorted[0] ?? 0)
    mean.push(sorted.reduce((sum, each) => sum + each, 0) / sorted.length)
    max.push(sorted.at(-1) ?? 0)
    p99.push(sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0)
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
