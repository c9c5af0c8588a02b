// Reports in memory: facts as the logs' are, expert load as it came.
import { reporterStream } from '../../domain/fact.ts'
import type { Attempt } from '../../domain/attempt.ts'
import type { AttemptId } from '../../domain/ids.ts'
import { checkpointDirective } from '../../domain/report.ts'
import type { EpochMs } from '../../domain/units.ts'
import { later } from '../../domain/units.ts'
import type { AttemptReports } from '../../domain/world.ts'
import type { FrameSave, MeasureFrame, ReportSave, ReportStore, StoredFrame } from '../../ports/store.ts'
import { reopenLooked, saveFacts } from './logs.ts'
import type { Tables } from './tables.ts'

export function reportStore(tables: Tables, measure: MeasureFrame): ReportStore {
  const framesOf = (attempt: AttemptId, layers: string) =>
    [...tables.frames.values()].filter((each) => each.attempt === attempt && keyOf(each.frame.layers) === layers)
  return {
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
      saveSource(tables, report)
      saveFacts(tables, report.facts)
      for (const frame of report.frames) saveFrame(tables, report, frame)
    },
    async expertLayers(attempt) {
      const all = [...tables.frames.values()].filter((each) => each.attempt === attempt)
      const sets = Map.groupBy(all, ({ frame }) => keyOf(frame.layers))
      return [...sets].map(([layers, some]) => {
        const steps = some.map(({ frame }) => frame.step)
        return {
          layers,
          names: some[0]?.frame.layers ?? [],
          experts: Math.max(...some.map(({ frame }) => frame.experts)),
          topK: some[0]?.frame.topK ?? null,
          firstStep: Math.min(...steps),
          lastStep: Math.max(...steps),
          frames: new Set(steps).size,
        }
      })
    },
    async expertMeasures(attempt, layers, from, to) {
      const steps = new Set(framesOf(attempt, layers).map(({ frame }) => frame.step))
      return [...steps]
        .filter((step) => step >= from && step <= to)
        .toSorted((a, b) => a - b)
        .flatMap((step) => {
          const whole = frameAt(framesOf(attempt, layers), step)
          return whole === null ? [] : [{ step, at: whole.at, ...measure(whole) }]
        })
    },
    async expertSeries(attempt, layers, { layer, expert, stride }) {
      const steps = new Set(framesOf(attempt, layers).map(({ frame }) => frame.step))
      return [...steps]
        .filter((step) => step % stride === 0)
        .toSorted((a, b) => a - b)
        .flatMap((step) => {
          const whole = frameAt(framesOf(attempt, layers), step)
          if (whole === null) return []
          const counts = whole.counts.subarray(layer * whole.experts, (layer + 1) * whole.experts)
          return [{ step, count: counts[expert] ?? 0, total: counts.reduce((sum, each) => sum + each, 0) }]
        })
    },
    async expertFrame(attempt, layers, step) {
      const steps = framesOf(attempt, layers)
        .map(({ frame }) => frame.step)
        .filter((each) => each <= step)
      return steps.length === 0 ? null : frameAt(framesOf(attempt, layers), Math.max(...steps))
    },
  }
}

const keyOf = (layers: readonly string[]): string => JSON.stringify(layers)

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

function saveFrame(tables: Tables, { attempt, rank, startedAt }: ReportSave, frame: FrameSave): void {
  const key = JSON.stringify([attempt, frame.layers, frame.step, rank])
  const old = tables.frames.get(key)
  if (old !== undefined && old.startedAt >= startedAt) return
  tables.frames.set(key, { attempt, rank, startedAt, frame })
}

function frameAt(
  all: readonly { readonly rank: number; readonly frame: FrameSave }[],
  step: number,
): StoredFrame | null {
  const rows = all.filter(({ frame }) => frame.step === step).toSorted((a, b) => a.rank - b.rank)
  const first = rows[0]?.frame
  if (first === undefined) return null
  const counts = new Uint32Array(first.counts.length)
  for (const { frame } of rows)
    for (let index = 0; index < counts.length; index += 1)
      counts[index] = (counts[index] ?? 0) + (frame.counts[index] ?? 0)
  const tokens = rows.reduce<number | null>(
    (sum, { frame }) => (sum === null || frame.tokens === null ? null : sum + frame.tokens),
    0,
  )
  return { ...first, counts, tokens, flags: [...new Set(rows.flatMap(({ frame }) => frame.flags))], ranks: rows.length }
}
