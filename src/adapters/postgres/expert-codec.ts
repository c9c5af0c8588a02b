// How expert load lies in bytes. Counts are exact; each layer stands alone, so that the history of one expert reads a fiftieth of a
// frame. That is why they are not simply deflated, which would take the whole frame at once (and, at 58 x 256 counts of two million,
// 3 to 7 % more bytes and three times the time).
import { inflateRawSync } from 'node:zlib'
import type { RolledBlock, Spread } from '../../domain/expert-blocks.ts'
import { hasP99 } from '../../domain/expert-blocks.ts'

/**
 * A layer: the mean of its counts (4 bytes, least significant first), a width k (1 byte), then of each count its difference from the
 * mean, folded to 0, -1, 1, -2 ... as 0, 1, 2, 3 ...: what is above k bits as so many ones and a zero, then the k bits (Rice coding:
 * near the entropy for counts that lie around their mean). `ends[n]` is where layer n ends.
 */
export function packedCounts(
  counts: Uint32Array,
  experts: number,
): { readonly bytes: Buffer; readonly ends: number[] } {
  const layers = counts.length / experts
  const ends: number[] = []
  const widths = new Uint8Array(layers)
  const means = new Float64Array(layers)
  let end = 0
  for (let layer = 0; layer < layers; layer += 1) {
    const own = counts.subarray(layer * experts, (layer + 1) * experts)
    let total = 0
    for (let index = 0; index < experts; index += 1) total += own[index] ?? 0
    const mean = Math.round(total / experts)
    const { width, bits } = bestWidth(own, mean)
    means[layer] = mean
    widths[layer] = width
    end += HEAD + Math.ceil(bits / 8)
    ends.push(end)
  }
  const bytes = Buffer.alloc(end)
  for (let layer = 0; layer < layers; layer += 1)
    writeLayer(
      bytes,
      layer === 0 ? 0 : (ends[layer - 1] ?? 0),
      counts.subarray(layer * experts, (layer + 1) * experts),
      means[layer] ?? 0,
      widths[layer] ?? 0,
    )
  return { bytes, ends }
}

const HEAD = 5

const folded = (count: number, mean: number): number => (count >= mean ? 2 * (count - mean) : 2 * (mean - count) - 1)

function bestWidth(counts: Uint32Array, mean: number): { width: number; bits: number } {
  let sum = 0
  for (let index = 0; index < counts.length; index += 1) sum += folded(counts[index] ?? 0, mean)
  // The best one is near the logarithm of the average.
  const near = Math.max(0, Math.floor(Math.log2(sum / counts.length + 1)))
  let best = { width: 0, bits: Infinity }
  for (let width = Math.max(0, near - 2); width <= Math.min(32, near + 1); width += 1) {
    const step = 2 ** width
    let bits = counts.length * (width + 1)
    for (let index = 0; index < counts.length; index += 1) bits += Math.floor(folded(counts[index] ?? 0, mean) / step)
    if (bits < best.bits) best = { width, bits }
  }
  return best
}

function writeLayer(bytes: Buffer, begin: number, counts: Uint32Array, mean: number, width: number): void {
  bytes.writeUInt32LE(mean, begin)
  bytes[begin + 4] = width
  const step = 2 ** width
  // Bits that are not a whole byte yet, the first one least significant.
  let held = 0
  let size = 0
  let at = begin + HEAD
  /** At most 16 bits at once: with the up to 7 that are held they fit a 32-bit integer. */
  const put = (value: number, bits: number): void => {
    held |= value << size
    size += bits
    for (; size >= 8; size -= 8) {
      bytes[at] = held
      held >>>= 8
      at += 1
    }
  }
  for (let index = 0; index < counts.length; index += 1) {
    const value = folded(counts[index] ?? 0, mean)
    let above = Math.floor(value / step)
    const below = value - above * step
    for (; above >= 16; above -= 16) put(0xffff, 16)
    put((1 << above) - 1, above + 1)
    if (width <= 16) put(below, width)
    else {
      put(below & 0xffff, 16)
      put(below >>> 16, width - 16)
    }
  }
  if (size > 0) bytes[at] = held
}

/** One layer of `packedCounts`, written to `into` from `at` on. `begin` is where it begins in `bytes`. */
export function unpackLayer(bytes: Uint8Array, begin: number, into: Uint32Array, at: number, experts: number): void {
  if (begin + HEAD > bytes.length) throw new Error('bug: stored counts end too early')
  const byte = (index: number): number => bytes[index] ?? 0
  const mean = (byte(begin) | (byte(begin + 1) << 8) | (byte(begin + 2) << 16) | (byte(begin + 3) << 24)) >>> 0
  const width = byte(begin + 4)
  const step = 2 ** width
  let next = begin + HEAD
  let held = 0
  let size = 0
  const fill = (): void => {
    for (; size <= 16; size += 8) {
      held |= byte(next) << size
      next += 1
    }
  }
  const take = (bits: number): number => {
    fill()
    const value = held & ((1 << bits) - 1)
    held >>>= bits
    size -= bits
    return value
  }
  for (let index = 0; index < experts; index += 1) {
    let above = 0
    for (;;) {
      fill()
      // Ones before the first zero, of those that are here.
      const ones = Math.min(size, 31 - Math.clz32(~held & -~held))
      above += ones
      if (ones < size) {
        held >>>= ones + 1
        size -= ones + 1
        break
      }
      held = 0
      size = 0
      if (next > bytes.length) throw new Error('bug: stored counts end too early')
    }
    const below = width <= 16 ? take(width) : take(16) + take(width - 16) * 65_536
    const value = above * step + below
    into[at + index] = value % 2 === 0 ? mean + value / 2 : mean - (value + 1) / 2
  }
}

/** All layers. `ends` null: a frame of before migration 0006, planes of bytes deflated. */
export function unpackedCounts(
  bytes: Buffer,
  ends: readonly number[] | null,
  layers: number,
  experts: number,
): Uint32Array {
  const counts = new Uint32Array(layers * experts)
  if (ends !== null) {
    for (let layer = 0; layer < layers; layer += 1)
      unpackLayer(bytes, layer === 0 ? 0 : (ends[layer - 1] ?? 0), counts, layer * experts, experts)
    return counts
  }
  const size = counts.length
  const planes = inflateRawSync(bytes, { maxOutputLength: size * 4 })
  for (let index = 0; index < size; index += 1)
    counts[index] =
      (planes[index] ?? 0) |
      ((planes[size + index] ?? 0) << 8) |
      ((planes[2 * size + index] ?? 0) << 16) |
      ((planes[3 * size + index] ?? 0) << 24)
  return counts
}

/** min, max, mean of all measures as 32-bit floats, then p99 where it is not the max; before them `seen`. */
export function packedMeasures({ level, seen, measures }: RolledBlock): Buffer {
  const floats = [measures.min, measures.max, measures.mean, ...(hasP99(level) ? [measures.p99] : [])]
  return Buffer.concat([bytesOf(seen), ...floats.map(bytesOf)])
}

export function unpackedMeasures(
  bytes: Buffer,
  level: number,
  layers: number,
  each: number,
): { seen: Uint32Array; measures: Spread } {
  const copy = aligned(bytes)
  const floats = (place: number) => new Float32Array(copy, 4 * layers * (1 + place * each), layers * each)
  const [min, max, mean] = [floats(0), floats(1), floats(2)]
  return { seen: new Uint32Array(copy, 0, layers), measures: { min, max, mean, p99: hasP99(level) ? floats(3) : max } }
}

/** Bytes of a layer's loads: its experts' means in 4 bytes each, then min, max and, where it is not the max, p99 in 2 bytes. */
export const loadBytes = (level: number, experts: number): number => experts * (hasP99(level) ? 10 : 8)

/** Layer by layer, all of one size, so that one layer is a part of the bytes. */
export function packedLoads(loads: Spread, level: number, layers: number): Buffer {
  const experts = loads.min.length / layers
  const parts: Buffer[] = []
  for (let layer = 0; layer < layers; layer += 1) {
    const own = (values: Float32Array) => values.subarray(layer * experts, (layer + 1) * experts)
    parts.push(bytesOf(own(loads.mean)))
    const halves = [loads.min, loads.max, ...(hasP99(level) ? [loads.p99] : [])]
    for (const values of halves) parts.push(bytesOf(new Float16Array(own(values))))
  }
  return Buffer.concat(parts)
}

/** `layers` of them; with 1 `bytes` are one layer. */
export function unpackedLoads(bytes: Buffer, level: number, layers: number, experts: number): Spread {
  const size = layers * experts
  const each = loadBytes(level, experts)
  const [min, max, mean] = [new Float32Array(size), new Float32Array(size), new Float32Array(size)]
  const p99 = hasP99(level) ? new Float32Array(size) : max
  for (let layer = 0; layer < layers; layer += 1) {
    const copy = aligned(bytes.subarray(layer * each, (layer + 1) * each))
    mean.set(new Float32Array(copy, 0, experts), layer * experts)
    const halves = hasP99(level) ? [min, max, p99] : [min, max]
    for (const [place, values] of halves.entries())
      values.set(new Float16Array(copy, (4 + 2 * place) * experts, experts), layer * experts)
  }
  return { min, max, mean, p99 }
}

export const bytesOf = (values: Float32Array | Uint32Array | Float16Array): Buffer =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength)

function aligned(bytes: Buffer): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.length)
  new Uint8Array(copy).set(bytes)
  return copy
}
