// A finding about whoever counts, not about the router: counts of a layer that are not tokens x top-k.
import { unconserved } from './measures.ts'

type Frame = {
  readonly step: number
  readonly layers: readonly string[]
  readonly counts: ArrayLike<number>
  readonly experts: number
  readonly tokens: number | null
  readonly topK: number | null
  readonly flags: readonly string[]
}

export type Unconserved = {
  readonly step: number
  /** The first layer that is wrong, and how many are. */
  readonly layer: string
  readonly layers: number
  readonly counted: number
  readonly expected: number
}

/** Null where all layers add up, or nothing can be said. */
export function conservationOf(frame: Frame): Unconserved | null {
  const { step, layers, counts, experts, tokens, topK, flags } = frame
  const wrong = unconserved(counts, experts, tokens, topK, flags)
  const [first] = wrong
  if (first === undefined || tokens === null || topK === null) return null
  let counted = 0
  for (let expert = 0; expert < experts; expert += 1) counted += counts[first * experts + expert] ?? 0
  return { step, layer: layers[first] ?? String(first), layers: wrong.length, counted, expected: tokens * topK }
}

export const WHAT_TO_DO =
  'look at the script: give the tokens that were routed in each layer and the true top-k, count each token on one rank only, and set ' +
  "the flag after-drop where tokens over an expert's capacity are left out, padding where padding is counted"

/** One sentence for people. */
export function unconservedText({ step, layer, layers, counted, expected }: Unconserved): string {
  const more = layers > 1 ? ` and in ${layers - 1} more` : ''
  const thousands = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',')
  return `step ${step}: the experts of layer ${layer} counted ${thousands(counted)} tokens where tokens x top-k is ${thousands(expected)}${more}`
}

/** What is written once for an attempt and a set of layers. */
export function unconservedMessage(frame: Frame): string | null {
  const seen = conservationOf(frame)
  return seen === null ? null : `${unconservedText(seen)}; ${WHAT_TO_DO}`
}
