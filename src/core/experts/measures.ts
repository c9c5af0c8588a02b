// How evenly a layer's tokens were spread over its experts in one step, by the measures of the field. They are of one step alone: that
// an expert is dead for good, or a router collapses, is for a detector with memory to say.

export type LayerMeasures = {
  /** max / mean - 1 (MaxVio of Wang et al., "Auxiliary-loss-free load balancing", 2024); 0 is even. */
  readonly maxVio: number
  /** Population standard deviation / mean; 0 is even. */
  readonly cv: number
  /** Shannon entropy of the shares / ln(experts); 1 is even, 0 is all in one. With one expert it is 1. */
  readonly entropy: number
  /** Experts whose load ratio is below `DEAD_BELOW`. */
  readonly dead: number
  /** Experts whose load ratio is at least `HOT_FROM`. */
  readonly hot: number
}

/** Load ratio = load x experts / total: 1 is an even share. */
export const DEAD_BELOW = 0.05
export const HOT_FROM = 2

/** Null where the layer got no token: nothing can be said of it, least of all that it is even. */
export function measuresOf(counts: ArrayLike<number>): LayerMeasures | null {
  const experts = counts.length
  let total = 0
  let most = 0
  for (let index = 0; index < experts; index += 1) {
    const count = counts[index] ?? 0
    total += count
    if (count > most) most = count
  }
  if (total === 0) return null
  const mean = total / experts
  let squares = 0
  let entropy = 0
  let dead = 0
  let hot = 0
  for (let index = 0; index < experts; index += 1) {
    const count = counts[index] ?? 0
    squares += (count - mean) ** 2
    if (count > 0) entropy -= (count / total) * Math.log(count / total)
    const ratio = count / mean
    if (ratio < DEAD_BELOW) dead += 1
    if (ratio >= HOT_FROM) hot += 1
  }
  return {
    maxVio: most / mean - 1,
    cv: Math.sqrt(squares / experts) / mean,
    entropy: experts === 1 ? 1 : Math.min(1, Math.max(0, entropy / Math.log(experts))),
    dead,
    hot,
  }
}

/** Experts of a layer whose load ratio is dead or hot in this step. */
export function outliersOf(counts: ArrayLike<number>): { readonly dead: number[]; readonly hot: number[] } {
  const experts = counts.length
  let total = 0
  for (let index = 0; index < experts; index += 1) total += counts[index] ?? 0
  const dead: number[] = []
  const hot: number[] = []
  if (total === 0) return { dead, hot }
  for (let index = 0; index < experts; index += 1) {
    const ratio = ((counts[index] ?? 0) * experts) / total
    if (ratio < DEAD_BELOW) dead.push(index)
    else if (ratio >= HOT_FROM) hot.push(index)
  }
  return { dead, hot }
}

/**
 * Conservation: the counts of each layer sum to tokens x top-k where nothing was dropped. Returns the layers where they do not: a
 * mistake of whoever counts, not of the router. `after-drop` and `padding` say that they need not.
 */
export function unconserved(
  counts: ArrayLike<number>,
  experts: number,
  tokens: number | null,
  topK: number | null,
  flags: readonly string[],
): number[] {
  if (tokens === null || topK === null || flags.includes('after-drop') || flags.includes('padding')) return []
  const wrong: number[] = []
  for (let layer = 0; layer * experts < counts.length; layer += 1) {
    let sum = 0
    for (let expert = 0; expert < experts; expert += 1) sum += counts[layer * experts + expert] ?? 0
    if (sum !== tokens * topK) wrong.push(layer)
  }
  return wrong
}

/** For each layer five numbers, in the order of `LayerMeasures`: NaN where it got no token. */
export const MEASURES_PER_LAYER = 5

export function measureFrame(frame: {
  readonly counts: Uint32Array
  readonly experts: number
  readonly tokens: number | null
  readonly topK: number | null
  readonly flags: readonly string[]
}): { values: Float32Array; unconserved: number } {
  const { counts, experts, tokens, topK, flags } = frame
  const layers = counts.length / experts
  const values = new Float32Array(layers * MEASURES_PER_LAYER).fill(Number.NaN)
  for (let layer = 0; layer < layers; layer += 1) {
    const seen = measuresOf(counts.subarray(layer * experts, (layer + 1) * experts))
    if (seen !== null) values.set([seen.maxVio, seen.cv, seen.entropy, seen.dead, seen.hot], layer * MEASURES_PER_LAYER)
  }
  return { values, unconserved: unconserved(counts, experts, tokens, topK, flags).length }
}
