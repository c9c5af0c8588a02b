// Sums up the expert load of a stretch of steps. A mean is weighted by the steps in which a layer got a token. The p99 of up to 64
// steps, and of one block of 256, is exact (the smallest value that 99 of 100 do not exceed); that of more is the highest p99 of its
// parts: never below the true one, never above the greatest. (If 99 of 100 in each part do not exceed p, so it is in the whole.)
import type { RolledBlock, Spread } from '../../domain/expert-blocks.ts'
import {
  BUILT_LEVEL,
  firstStepOf,
  hasLoads,
  levelAbove,
  loadRatio,
  MEASURE_LEVELS,
} from '../../domain/expert-blocks.ts'
import { MEASURES_PER_LAYER } from './measures.ts'

/** How many of the greatest values of a full block are above its p99, and that one: what has to be remembered for it. */
const TAIL = 2 ** BUILT_LEVEL - Math.ceil(0.99 * 2 ** BUILT_LEVEL) + 1

/** Frames of one block of `BUILT_LEVEL`, one after the other in any order. */
export class BlockBuilder {
  readonly #layers: number
  readonly #experts: number
  readonly #parts = new Map<string, Part>()
  readonly #ratios: Float32Array

  constructor(layers: number, experts: number) {
    this.#layers = layers
    this.#experts = experts
    this.#ratios = new Float32Array(layers * experts)
  }

  /** `counts` are summed over ranks, `measures` five numbers for each layer. */
  add(step: number, counts: Uint32Array, measures: Float32Array): void {
    const ratios = this.#ratiosOf(counts)
    for (const level of MEASURE_LEVELS) {
      if (level > BUILT_LEVEL) return
      const block = Math.floor(step / 2 ** level)
      const part = this.#part(level, block)
      part.frames += 1
      for (let layer = 0; layer < this.#layers; layer += 1)
        if (!Number.isNaN(ratios[layer * this.#experts])) part.seen[layer] = (part.seen[layer] ?? 0) + 1
      part.measures.add(measures)
      part.loads?.add(ratios)
    }
  }

  rolled(): RolledBlock[] {
    return [...this.#parts.values()].map(({ level, block, frames, seen, measures, loads }) => ({
      level,
      block,
      frames,
      seen,
      measures: measures.spread(seen, MEASURES_PER_LAYER),
      loads: loads?.spread(seen, this.#experts) ?? null,
    }))
  }

  #part(level: number, block: number): Part {
    const key = `${level}/${block}`
    const known = this.#parts.get(key)
    if (known !== undefined) return known
    const tail = level === BUILT_LEVEL ? TAIL : 1
    const part: Part = {
      level,
      block,
      frames: 0,
      seen: new Uint32Array(this.#layers),
      measures: new Gathered(this.#layers * MEASURES_PER_LAYER, tail),
      loads: hasLoads(level) ? new Gathered(this.#layers * this.#experts, tail) : null,
    }
    this.#parts.set(key, part)
    return part
  }

  #ratiosOf(counts: Uint32Array): Float32Array {
    const experts = this.#experts
    for (let layer = 0; layer < this.#layers; layer += 1) {
      const from = layer * experts
      let total = 0
      for (let index = from; index < from + experts; index += 1) total += counts[index] ?? 0
      for (let index = from; index < from + experts; index += 1)
        this.#ratios[index] = loadRatio(counts[index] ?? 0, experts, total)
    }
    return this.#ratios
  }
}

type Part = {
  readonly level: number
  readonly block: number
  frames: number
  readonly seen: Uint32Array
  readonly measures: Gathered
  readonly loads: Gathered | null
}

/** Least, sum and the few greatest of many series at once. */
class Gathered {
  readonly #size: number
  readonly #tail: number
  readonly #min: Float32Array
  readonly #sum: Float64Array
  /** The greatest of all series, then the second ones ... */
  readonly #greatest: Float32Array

  constructor(size: number, tail: number) {
    this.#size = size
    this.#tail = tail
    this.#min = new Float32Array(size).fill(Infinity)
    this.#sum = new Float64Array(size)
    this.#greatest = new Float32Array(size * tail).fill(-Infinity)
  }

  add(values: Float32Array): void {
    const size = this.#size
    for (let index = 0; index < size; index += 1) {
      const value = values[index] ?? Number.NaN
      if (Number.isNaN(value)) continue
      if (value < (this.#min[index] ?? 0)) this.#min[index] = value
      this.#sum[index] = (this.#sum[index] ?? 0) + value
      let place = this.#tail - 1
      if (value <= (this.#greatest[place * size + index] ?? 0)) continue
      for (; place > 0 && value > (this.#greatest[(place - 1) * size + index] ?? 0); place -= 1)
        this.#greatest[place * size + index] = this.#greatest[(place - 1) * size + index] ?? 0
      this.#greatest[place * size + index] = value
    }
  }

  spread(seen: Uint32Array, each: number): Spread {
    const size = this.#size
    const max = this.#greatest.slice(0, size)
    const mean = new Float32Array(size)
    const p99 = this.#tail === 1 ? max : new Float32Array(size)
    for (let index = 0; index < size; index += 1) {
      const count = seen[Math.floor(index / each)] ?? 0
      if (count === 0) {
        this.#min[index] = Number.NaN
        max[index] = Number.NaN
        mean[index] = Number.NaN
        p99[index] = Number.NaN
        continue
      }
      mean[index] = (this.#sum[index] ?? 0) / count
      if (this.#tail > 1) p99[index] = this.#greatest[(count - Math.ceil(0.99 * count)) * size + index] ?? 0
    }
    return { min: this.#min, max, mean, p99 }
  }
}

/** One block of the blocks that lie in it, whichever of them there are. */
export function mergedBlock(level: number, block: number, parts: readonly RolledBlock[]): RolledBlock | null {
  const [first] = parts
  if (first === undefined) return null
  const seen = new Uint32Array(first.seen.length)
  for (const part of parts)
    for (let layer = 0; layer < seen.length; layer += 1) seen[layer] = (seen[layer] ?? 0) + (part.seen[layer] ?? 0)
  return {
    level,
    block,
    frames: parts.reduce((sum, part) => sum + part.frames, 0),
    seen,
    measures: mergedSpread(
      parts.map((part) => ({ spread: part.measures, seen: part.seen })),
      seen,
      MEASURES_PER_LAYER,
    ),
    loads:
      first.loads === null
        ? null
        : mergedSpread(
            parts.flatMap(({ loads, seen: own }) => (loads === null ? [] : [{ spread: loads, seen: own }])),
            seen,
            first.loads.min.length / seen.length,
          ),
  }
}

/** Each part weighs as many steps as its layers got tokens in; `seen` is the sum of all parts. */
export function mergedSpread(
  parts: readonly { readonly spread: Spread; readonly seen: Uint32Array }[],
  seen: Uint32Array,
  each: number,
): Spread {
  const size = seen.length * each
  const min = new Float32Array(size).fill(Number.NaN)
  const max = new Float32Array(size).fill(Number.NaN)
  const p99 = new Float32Array(size).fill(Number.NaN)
  const sum = new Float64Array(size)
  for (const part of parts) {
    for (let index = 0; index < size; index += 1) {
      const weight = part.seen[Math.floor(index / each)] ?? 0
      if (weight === 0) continue
      const [low, high, tail] = [part.spread.min[index] ?? 0, part.spread.max[index] ?? 0, part.spread.p99[index] ?? 0]
      // NaN loses each of these comparisons: the first part that was seen sets the number.
      if (!((min[index] ?? 0) <= low)) min[index] = low
      if (!((max[index] ?? 0) >= high)) max[index] = high
      if (!((p99[index] ?? 0) >= tail)) p99[index] = tail
      sum[index] = (sum[index] ?? 0) + weight * (part.spread.mean[index] ?? 0)
    }
  }
  return {
    min,
    max,
    p99,
    mean: Float32Array.from(sum, (value, index) => value / (seen[Math.floor(index / each)] ?? 0)),
  }
}

/** Which part of which stretch is read from where, so that steps `from` to `to` come from blocks of a level where these are right. */
export type Source = { readonly level: number | null; readonly first: number; readonly last: number }

/**
 * A block that waits to be built is read from the level below, in the end from frames (`level` null; `first` and `last` are then steps).
 * `pending` are the blocks of `BUILT_LEVEL` and above that wait; `level` is where one wants to read, below `BUILT_LEVEL` too.
 */
export function sourcesOf(
  level: number,
  from: number,
  to: number,
  pending: readonly { readonly level: number; readonly block: number }[],
): Source[] {
  const sources: Source[] = []
  const add = (source: Source): void => {
    const last = sources.at(-1)
    if (last !== undefined && last.level === source.level && last.last + 1 === source.first)
      sources[sources.length - 1] = { ...last, last: source.last }
    else sources.push(source)
  }
  const unit = Math.max(level, BUILT_LEVEL)
  const stale = new Map<number, Set<number>>()
  // What lies above a block that waits is as wrong as that.
  for (const each of pending) {
    for (let at: number | null = each.level, block = each.block; at !== null && at <= unit; at = levelAbove(at)) {
      stale.set(at, (stale.get(at) ?? new Set()).add(block))
      block = Math.floor(block / 4)
    }
  }
  const look = (at: number, block: number): void => {
    const begin = firstStepOf(block, at)
    if (begin > to || begin + 2 ** at <= from) return
    if (stale.get(at)?.has(block) !== true) {
      const size = 2 ** (at - Math.min(at, level))
      add({ level: Math.min(at, level), first: block * size, last: (block + 1) * size - 1 })
    } else if (at <= BUILT_LEVEL) add({ level: null, first: begin, last: begin + 2 ** at - 1 })
    else for (let child = block * 4; child < (block + 1) * 4; child += 1) look(at - 2, child)
  }
  const last = Math.floor(to / 2 ** unit)
  // A stretch in which nothing waits is one source, however long it is.
  const wrong = [...(stale.get(unit) ?? [])].filter((block) => block <= last).toSorted((a, b) => a - b)
  let next = Math.floor(from / 2 ** unit)
  const fresh = (until: number): void => {
    const size = 2 ** (unit - level)
    if (until > next) add({ level, first: next * size, last: until * size - 1 })
  }
  for (const block of wrong) {
    if (block < next) continue
    fresh(block)
    look(unit, block)
    next = block + 1
  }
  fresh(last + 1)
  return sources.map((each) => clipped(each, from, to))
}

function clipped({ level, first, last }: Source, from: number, to: number): Source {
  const size = 2 ** (level ?? 0)
  return { level, first: Math.max(first, Math.floor(from / size)), last: Math.min(last, Math.floor(to / size)) }
}
