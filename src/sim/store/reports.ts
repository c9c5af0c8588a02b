// Reports in memory: facts as the logs' are, expert load as it came.
import { reporterStream } from '../../domain/fact.ts'
import type { Attempt } from '../../domain/attempt.ts'
import type { AttemptId } from '../../domain/ids.ts'
import { checkpointDirective } from '../../domain/report.ts'
import type { EpochMs } from '../../domain/units.ts'
import { later } from '../../domain/units.ts'
import type { AttemptReports } from '../../domain/world.ts'
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
      const { state } = known
      return {
        endedAt: state.kind === 'ended' ? known.endedAt : null,
        checkpoint:
          state.kind === 'stopping' && state.checkpointUntil !== undefined
            ? { since: state.since, until: state.checkpointUntil }
            : null,
      }
    },
    async saveReport(report) {
      tables.writes += 1
      tables.reported?.(report)
      saveSource(tables, report)
      saveFacts(tables, report.facts)
      return report.frames.flatMap((frame, place) => (saveFrame(tables, measure, report, frame) ? [] : [place]))
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

/** What a world says of the reporters of living attempts. */
export function attemptReports(tables: Tables): Map<AttemptId, AttemptReports> {
  const reports = new Map<AttemptId, AttemptReports>()
  for (const { attempt, obeysAt } of tables.sources.values()) {
    const living = tables.liveAttempts.get(attempt)
    if (living === undefined) continue
    const before = reports.get(attempt)
    const heardAt = before?.obeysAt ?? null
    reports.set(attempt, {
      ...(before ?? answered(tables, living)),
      obeysAt: obeysAt === null || heardAt === null ? (obeysAt ?? heardAt) : later(obeysAt, heardAt),
    })
  }
  return reports
}

function answered(tables: Tables, { id, state }: Attempt): Pick<AttemptReports, 'saved' | 'savedStep'> {
  if (state.kind !== 'stopping' || state.checkpointUntil === undefined) return { saved: false, savedStep: null }
  const directive = checkpointDirective(state.since)
  const done = [...(tables.facts.get(id)?.values() ?? [])].find(
    ({ body }) => body.kind === 'directive' && body.id === directive && body.outcome === 'done',
  )
  return { saved: done !== undefined, savedStep: done?.body.kind === 'directive' ? done.body.step : null }
}

function saveSource(tables: Tables, { attempt, rank, process, obeys, receivedAt, facts }: ReportSave): void {
  const stream = reporterStream(attempt, rank)
  const old = tables.sources.get(stream)
  const lastAt = [...facts.map((fact) => fact.at), ...(old?.lastAt == null ? [] : [old.lastAt])].reduce<EpochMs | null>(
    (last, at) => (last === null ? at : later(last, at)),
    null,
  )
  const observedTo = old === undefined ? receivedAt : later(old.observedTo, receivedAt)
  const obeysAt = obeys.includes('checkpoint') ? observedTo : (old?.obeysAt ?? null)
  tables.sources.set(stream, { attempt, process, lastAt, observedTo, obeysAt })
  reopenLooked(tables, attempt, old?.observedTo ?? null, observedTo)
}
