// Looks for tests of detectors: one run that runs, and what it said.
import type { Fact, FactBody } from '../../domain/fact.ts'
import { attemptOf, runId, runOf, specOf, t } from '../../domain/fixture.ts'
import { attemptIdOf } from '../../domain/ids.ts'

import { DEFAULT_THRESHOLDS } from '../../domain/thresholds.ts'
import { detect } from './detectors.ts'
import type { ExpertSeries, Look, Mark, Running, Series } from './look.ts'
import type { Sighting } from '../../domain/finding.ts'

export const ATTEMPT = attemptIdOf(runId(1), 1)

/** Marks every `everyMs` from the start on, with these losses. */
export const marksOf = (losses: readonly (number | null)[], everyMs = 10_000): Mark[] =>
  losses.map((loss, index) => ({ at: t((index + 1) * everyMs), step: index + 1, loss }))

export const EMPTY: Series = { marks: [], phase: null, phasesMs: 0, doneAt: null, heardTo: t(0), experts: [] }

export function runningOf(series: Partial<Series>, over: Partial<Running> = {}): Running {
  const run = runOf(1, { resources: { nodes: 2, gpusPerNode: 8, gpu: [], topology: null, parallelism: {} } })
  const { attempt } = attemptOf(run, 1, [{ node: 'n1', slots: [0] }], { state: { kind: 'running' } })
  return {
    run,
    attempt,
    spec: specOf(),
    gpus: 16,
    price: null,
    startedAt: t(0),
    series: { ...EMPTY, ...series },
    ...over,
  }
}

export function lookOf(now: number, running: readonly Running[], over: Partial<Look> = {}): Look {
  return {
    now: t(now),
    running,
    budgets: [],
    recovering: [],
    failed: [],
    nodes: [],
    prices: new Map(),
    thresholds: DEFAULT_THRESHOLDS,
    ...over,
  }
}

/** What is seen of one run that was heard up to now. */
export const seen = (now: number, series: Partial<Series>, over: Partial<Running> = {}): Sighting[] =>
  detect(lookOf(now, [runningOf({ heardTo: t(now), ...series }, over)]))

/** A set of layers in which every step has the same measures. */
export function expertsOf(
  steps: number,
  layers: readonly { readonly maxVio: number; readonly dead: number }[],
  over: Partial<ExpertSeries> = {},
): ExpertSeries {
  const values = layers.flatMap(({ maxVio, dead }) => [maxVio, 0, 1, dead, 0])
  return {
    layers: layers.map((_, index) => `layers.${index}`),
    experts: 64,
    topK: 6,
    steps: Array.from({ length: steps }, (_, index) => ({ step: index + 1, at: t(index * 1_000), values })),
    ...over,
  }
}

export const factOf = (at: number, body: FactBody, source = 'log:w'): Fact => ({
  source,
  sequence: at,
  attempt: ATTEMPT,
  at: t(at),
  sentAt: t(at),
  body,
})
