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
      /** Trained by all ranks together in the steps of the mark, where the source counts them itself. */
      readonly tokens: number | null
    }
  | { readonly kind: 'begin'; readonly phase: Phase }
  | { readonly kind: 'end'; readonly phase: Phase }
  /** A checkpoint of this step is durable. */
  | { readonly kind: 'saved'; readonly step: number }
  /** Training went on from the checkpoint of this step. */
  | { readonly kind: 'resumed'; readonly step: number }
  /** The source said that training is done. */
  | { readonly kind: 'done' }
  /** Facts of a reporter that will never come: `facts` of them between the two sequences. */
  | {
      readonly kind: 'gap'
      readonly of: string
      readonly from: number
      readonly to: number
      readonly facts: number
      readonly why: string
    }
  /** What became of a directive. */
  | {
      readonly kind: 'directive'
      readonly id: string
      readonly version: number
      readonly outcome: string
      readonly step: number | null
    }

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

/** The reports of one rank, whichever process of it they come from: what progress is elected from. */
export const reporterStream = (attempt: AttemptId, rank: number): string => `rep:${attempt}:${rank}`
/** One process of a rank: (source, sequence) is the name of what it says. */
export const reporterSource = (attempt: AttemptId, rank: number, process: string): string =>
  `${reporterStream(attempt, rank)}:${process}`

/** What a source of progress is elected as: a rank that reports, or a worker's log. */
export const streamOf = (source: string): string =>
  source.startsWith('rep:') ? source.slice(0, source.lastIndexOf(':')) : source

/** Reporters by rank before logs by worker: the order in which one is elected. */
export function compareStreams(a: string, b: string): number {
  const [aIsLog, bIsLog] = [a.startsWith('log:'), b.startsWith('log:')]
  if (aIsLog !== bIsLog) return aIsLog ? 1 : -1
  // `log:<attempt>-2` before `log:<attempt>-10`.
  return a.length === b.length ? (a < b ? -1 : a > b ? 1 : 0) : a.length - b.length
}

/** Several facts may come from one line: the sequence is the line's byte offset and its place in the line. */
export const FACTS_PER_LINE_MAX = 8

export function byTime(a: Fact, b: Fact): number {
  if (a.at !== b.at) return a.at - b.at
  if (a.source !== b.source) return a.source < b.source ? -1 : 1
  if (a.sequence !== b.sequence) return a.sequence - b.sequence
  // A source that gives one name to two things is held to both, in an order that does not depend on how they came.
  return a.sentAt - b.sentAt
}
