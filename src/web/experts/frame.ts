// One frame of expert load as numbers: counts of tokens by layer and expert, and the load ratios made of them.
import type { ExpertFrame } from '../api/documents.ts'

export type Frame = {
  readonly step: number
  readonly layers: readonly string[]
  readonly experts: number
  readonly topK: number | null
  readonly tokens: number | null
  readonly counts: Uint32Array
  readonly ratios: Float32Array
  readonly maxVio: readonly number[]
  readonly cv: readonly number[]
  readonly entropy: readonly number[]
  readonly dead: readonly (readonly number[])[]
  readonly hot: readonly (readonly number[])[]
  readonly observedAt: string
}

export function decodeFrame(document: ExpertFrame): Frame {
  const { experts, layers } = document
  const counts = decodeCounts(document.counts)
  if (counts.length !== experts * layers.length) {
    throw new Error(`the frame of step ${document.step} has ${counts.length} counts, not ${experts} x ${layers.length}`)
  }
  return { ...document, counts, ratios: ratiosOf(counts, layers.length, experts) }
}

/** Every machine that runs a browser is little-endian, so the bytes are the numbers. */
export function decodeCounts(base64: string): Uint32Array {
  const text = atob(base64)
  const bytes = new Uint8Array(text.length - (text.length % 4))
  for (let index = 0; index < bytes.length; index += 1) bytes[index] = text.charCodeAt(index)
  return new Uint32Array(bytes.buffer)
}

/** Load x experts / total of the layer. A layer without a token has no ratios: its experts are NaN, not dead. */
export function ratiosOf(counts: Uint32Array, layers: number, experts: number): Float32Array {
  const ratios = new Float32Array(counts.length)
  for (let layer = 0; layer < layers; layer += 1) {
    const first = layer * experts
    let total = 0
    for (let expert = 0; expert < experts; expert += 1) total += counts[first + expert] ?? 0
    for (let expert = 0; expert < experts; expert += 1) {
      ratios[first + expert] = total === 0 ? Number.NaN : ((counts[first + expert] ?? 0) * experts) / total
    }
  }
  return ratios
}

/** How many layers add up to what the step routed; null where it is not known how much that was. */
export function conserved({ counts, layers, experts, tokens, topK }: Frame): number | null {
  if (tokens === null || topK === null) return null
  let whole = 0
  for (let layer = 0; layer < layers.length; layer += 1) {
    let total = 0
    for (let expert = 0; expert < experts; expert += 1) total += counts[layer * experts + expert] ?? 0
    if (total === tokens * topK) whole += 1
  }
  return whole
}

export type Cell = { readonly layer: number; readonly expert: number }

export const ratioAt = (frame: Frame, { layer, expert }: Cell): number =>
  frame.ratios[layer * frame.experts + expert] ?? Number.NaN
export const countAt = (frame: Frame, { layer, expert }: Cell): number =>
  frame.counts[layer * frame.experts + expert] ?? 0

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

/** What a layer is called where there is little room: its number in the model, where its name has just one. */
export function shortLayer(name: string | undefined, index: number): string {
  const numbers = name?.match(/\d+/g) ?? []
  return numbers.length === 1 ? (numbers[0] ?? String(index)) : String(index)
}
