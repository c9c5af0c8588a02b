// Reports in memory: facts as the logs' are, expert load as it came.
import { reporterStream } from '../../domain/fact.ts'
import type { EpochMs } from '../../domain/units.ts'
import { later } from '../../domain/units.ts'
import type { MeasureFrame, ReportSave, ReportStore } from '../../ports/store.ts'
import { expertBlockStore, layerSets, saveFrame, stepsBetween, summedAt } from './experts.ts'
import { reopenLooked, saveFacts } from './logs.ts'
import type { Tables } from './tables.ts'

export function reportStore(tables: Tables, measure: MeasureFrame): ReportStore {
  const blocks = expertBlockStore(tables)
  return {
    ...blocks,
    async reportable(attempt) {
      const known = tables.attempts.get(attempt)
      if (known === undefined) return null
      return { endedAt: known.state.kind === 'ended' ? known.endedAt : null }
    },
    async saveReport(report) {
      tables.writes += 1
      saveSource(tables, report)
      saveFacts(tables, report.facts)
      for (const frame of report.frames) saveFrame(tables, measure, report, frame)
    },
    expertLayers: async (attempt) => layerSets(tables, attempt),
    async expertMeasures(attempt, layers, from, to) {
      const frames = await blocks.expertFrames(attempt, layers, from, to)
      return frames.map((frame) => ({ step: frame.step, at: frame.at, ...measure(frame) }))
    },
    async expertFrame(attempt, layers, step) {
      const set = [...tables.expertSets.values()].find((each) => each.attempt === attempt && each.layers === layers)
      const last = set === undefined ? undefined : stepsBetween(set, 0, step).at(-1)
      return set === undefined || last === undefined ? null : (summedAt(set, last)[0] ?? null)
    },
  }
}

function saveSource(tables: Tables, { attempt, rank, process, receivedAt, facts }: ReportSave): void {
  const stream = reporterStream(attempt, rank)
  const old = tables.sources.get(stream)
  const lastAt = [...facts.map((fact) => fact.at), ...(old?.lastAt == null ? [] : [old.lastAt])].reduce<EpochMs | null>(
    (last, at) => (last === null ? at : later(last, at)),
    null,
  )
  const observedTo = old === undefined ? receivedAt : later(old.observedTo, receivedAt)
  tables.sources.set(stream, { attempt, process, lastAt, observedTo })
  reopenLooked(tables, attempt, old?.observedTo ?? null, observedTo)
}
