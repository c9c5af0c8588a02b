// A taint that an operator's policy puts on nodes that are out of service here, where others place work too: it keeps that off, or sends
// it away. It is Kubernetes' own word.

export const TAINT_EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] as const

export type Taint = {
  readonly key: string
  readonly value: string | null
  readonly effect: (typeof TAINT_EFFECTS)[number]
}

/** Out of service by whose word: a person's, or what is seen of the machine. */
export const TAINT_REASONS = ['cordoned', 'unhealthy'] as const
export type TaintReason = (typeof TAINT_REASONS)[number]

export type TaintPolicy = { readonly taint: Taint; readonly nodes: readonly TaintReason[] }

/** As Kubernetes writes it. Two of the same text are the same taint. */
export function taintText(taint: {
  readonly key: string
  readonly value?: string | null
  readonly effect: string
}): string {
  return `${taint.key}${taint.value ? `=${taint.value}` : ''}:${taint.effect}`
}
