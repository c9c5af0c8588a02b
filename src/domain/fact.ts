// A fact: something that a worker's log or reporter said. It is frozen at first receipt; (source, sequence) is its name, so that a
// repeat changes nothing and what follows depends on the set of facts, not on their order.
import type { AttemptId, WorkerId } from './ids.ts'
import type { EpochMs } from './units.ts'

export const PHASES = ['restore', 'checkpoint', 'evaluate'] as const
export type Phase = (typeof PHASES)[number]

export type FactBody =
  /** A mark: `steps` and `durationMs` (of one step) are null where the line does not say. `samples` counts from the run's start. */
  | {
      readonly kind: 'step'
      readonly step: number
      readonly steps: number | null
      readonly durationMs: number | null
      readonly samples: number | null
      readonly batch: number | null
      readonly total: number | null
      readonly loss: number | null
    }
  | { readonly kind: 'begin'; readonly phase: Phase }
  | { readonly kind: 'end'; readonly phase: Phase }
  /** A checkpoint of this step is durable. */
  | { readonly kind: 'saved'; readonly step: number }
  /** Training went on from the checkpoint of this step. */
  | { readonly kind: 'resumed'; readonly step: number }
  /** The source said that training is done. */
  | { readonly kind: 'done' }

export type Fact = {
  readonly source: string
  readonly sequence: number
  readonly attempt: AttemptId
  /** The source's time, corrected and clamped when it was received. */
  readonly at: EpochMs
  /** The source's time as it was first sent; it never changes, so a repeat meets the same partition. */
  readonly sentAt: EpochMs
  readonly body: FactBody
}

export const logSource = (worker: WorkerId): string => `log:${worker}`

/** Several facts may come from one line: the sequence is the line's byte offset and its place in the line. */
export const FACTS_PER_LINE_MAX = 8

export function byTime(a: Fact, b: Fact): number {
  if (a.at !== b.at) return a.at - b.at
  if (a.source !== b.source) return a.source < b.source ? -1 : 1
  return a.sequence - b.sequence
}
