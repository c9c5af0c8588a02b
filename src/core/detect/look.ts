// What a detector looks at, and what it is: a pure function from one look to sightings. The tenth costs one file and one row in
// `detectors.ts`.
import type { Attempt } from '../../domain/attempt.ts'
import type { Budget } from '../../domain/budget.ts'
import type { Phase } from '../../domain/fact.ts'
import type { Rule, Sighting } from '../../domain/finding.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { Run } from '../../domain/run.ts'
import type { RunSpec } from '../../domain/spec.ts'
import type { Thresholds } from '../../domain/thresholds.ts'
import type { Node } from '../../domain/node.ts'
import type { EpochMs, GpuMs, Price } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'

/** A step as its source told it. */
export type Mark = {
  readonly at: EpochMs
  readonly step: number
  readonly loss: number | null
}

/** What is known of an attempt that runs. All of it of its elected source of progress, oldest first. */
export type Series = {
  readonly marks: readonly Mark[]
  /** A phase that has begun and not ended since the last mark. */
  readonly phase: { readonly phase: Phase; readonly since: EpochMs } | null
  /** Phases that ended since the last mark took so long in all. */
  readonly phasesMs: number
  /** Training is done, said the source. */
  readonly doneAt: EpochMs | null
  /** Up to when its silence is silence; null: nobody hears it. */
  readonly heardTo: EpochMs | null
  readonly experts: readonly ExpertSeries[]
}

/** The newest steps of one set of layers: five measures for each layer and step, as `MEASURES_PER_LAYER` says. */
export type ExpertSeries = {
  readonly layers: readonly string[]
  readonly experts: number
  readonly topK: number | null
  readonly steps: readonly { readonly step: number; readonly at: EpochMs; readonly values: ArrayLike<number> }[]
}

export type Running = {
  readonly run: Run
  readonly attempt: Attempt
  readonly spec: Pick<RunSpec, 'watch'>
  readonly gpus: number
  /** Of one of its GPUs; null where its model has none. */
  readonly price: Price | null
  /** When its last worker started. */
  readonly startedAt: EpochMs
  readonly series: Series
}

export type Look = {
  readonly now: EpochMs
  readonly running: readonly Running[]
  readonly budgets: readonly BudgetLook[]
  readonly recovering: readonly Recovering[]
  readonly failed: readonly Failed[]
  readonly nodes: readonly Node[]
  readonly prices: World['prices']
  readonly thresholds: Thresholds
}

/** A living run that has failed before: its newest attempt that has ended, and what it holds now. */
export type Recovering = {
  readonly run: Run
  readonly attempt: Attempt
  readonly gpus: number
  readonly price: Price | null
}

/** A run that has failed for good, and was not submitted again. */
export type Failed = {
  readonly run: Run
  readonly attempt: Attempt | null
  /** What its last attempt held in all. */
  readonly gpuMs: GpuMs | null
  readonly price: Price | null
}

export type BudgetLook = {
  readonly budget: Budget
  /** What is spent an hour by what runs now, in the unit of the budget; null where a price is missing. */
  readonly burnPerHour: number | null
  readonly runs: number
}

export type Detector = {
  readonly rules: readonly Rule[]
  readonly detect: (look: Look) => readonly Sighting[]
}

/** Attempts of which a look can say nothing: nobody has heard them for too long. What is open of them stays open. */
export function unheard({ running, now, thresholds }: Look): ReadonlySet<AttemptId> {
  const silent = running.filter(
    ({ series }) => series.heardTo === null || now - series.heardTo > thresholds.blindAfterMs,
  )
  return new Set(silent.map(({ attempt }) => attempt.id))
}
