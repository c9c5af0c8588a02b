// What a reporter inside a training job sends: docs/ingest-v1.md has it byte by byte.
import type { FactBody } from './fact.ts'
import type { EpochMs } from './units.ts'

export type ReportBatch = {
  /** The process: 16 hexadecimal digits. */
  readonly source: string
  readonly startedAt: EpochMs
  /** By the same clock as `startedAt` and each `at`. */
  readonly sentAt: EpochMs
  readonly rank: number
  readonly reporter: string
  /** Kinds of directives that its script asks for. */
  readonly obeys: readonly string[]
  readonly facts: readonly ReportFact[]
  readonly frames: readonly ReportFrame[]
  /** Facts that were not taken, while the rest of the batch was. */
  readonly refused: readonly RefusedFact[]
  /** All facts of the batch, refused ones included. */
  readonly sent: number
}

export type ReportFact = { readonly seq: number; readonly at: EpochMs; readonly body: FactBody }

/** Tokens sent to each expert of some layers in one step, as they were sent. */
export type ReportFrame = {
  readonly seq: number
  readonly at: EpochMs
  readonly step: number
  readonly layers: readonly string[]
  readonly experts: number
  /** Layer by expert. */
  readonly counts: Uint32Array
  readonly tokens: number | null
  readonly topK: number | null
  readonly flags: readonly string[]
}

export type RefusedFact = {
  readonly seq: number
  readonly reason: 'invalid' | 'unknown-kind' | 'too-late' | 'too-many'
}

/** `accepted`: facts of the batch that are stored now, repeats included. */
export type ReportAnswer = {
  readonly accepted: number
  readonly refused: readonly RefusedFact[]
  /** All that are open; one that is no longer named is withdrawn. */
  readonly directives: readonly Directive[]
}

/** A bounded request to the script: it is asked, never forced. */
export type Directive = {
  readonly id: string
  readonly version: number
  readonly kind: 'checkpoint'
  readonly withinMs: number
}

/** An ending asks once: the moment at which it began names the directive. */
export const checkpointDirective = (since: EpochMs): string => `checkpoint-${since}`

const COUNT_MAX = 2 ** 32 - 1
const SATURATED = 'saturated'

/**
 * What several ranks counted of the same layers in one step, added. A sum that does not fit stays at the largest number and says so; it
 * never becomes a small one. Tokens are not known where a rank does not say them.
 */
export function sumOfRanks(frames: readonly Pick<ReportFrame, 'counts' | 'tokens' | 'flags'>[]): {
  readonly counts: Uint32Array
  readonly tokens: number | null
  readonly flags: readonly string[]
} {
  const counts = new Uint32Array(frames[0]?.counts ?? [])
  const flags = new Set(frames.flatMap((frame) => frame.flags))
  const atMost = (sum: number, most: number): number => {
    if (sum > most) flags.add(SATURATED)
    return Math.min(sum, most)
  }
  for (const frame of frames.slice(1))
    for (let index = 0; index < counts.length; index += 1)
      counts[index] = atMost((counts[index] ?? 0) + (frame.counts[index] ?? 0), COUNT_MAX)
  let tokens: number | null = 0
  for (const frame of frames)
    tokens = tokens === null || frame.tokens === null ? null : atMost(tokens + frame.tokens, Number.MAX_SAFE_INTEGER)
  return { counts, tokens, flags: [...flags] }
}
