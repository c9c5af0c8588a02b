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
