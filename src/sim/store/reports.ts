// Reports in memory: facts as the logs' are, expert load as it came.
import { reporterStream } from '../../domain/fact.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { EpochMs } from '../../domain/units.ts'
import { later } from '../../domain/units.ts'
import { sumOfRanks } from '../../domain/report.ts'
import type { FrameSave, MeasureFrame, ReportSave, ReportStore, StoredFrame } from '../../ports/store.ts'
import { reopenLooked, saveFacts } from './logs.ts'
import type { Tables } from './tables.ts'

export function reportStore(tables: Tables, measure: MeasureFrame): ReportStore {
  /** Rows of all ranks, by step. */
  const stepsOf = (attempt: AttemptId, layers: string) => {
    const own = [...tables.frames.values()].filter((each) => each.attempt === attempt && keyOf(each.frame) === layers)
    return new Map([...Map.groupBy(own, ({ frame }) => frame.step)].toSorted(([a], [b]) => a - b))
  }
  return {
    async reportable(attempt) {
      const known = tables.attempts.get(attempt)
      if (known === undefined) return null
      return { endedAt: known.state.kind === 'ended' ? known.endedAt : null }
    },
    async saveReport(report) {
      tables.writes += 1
      tables.reported?.(report)
      saveSource(tables, report)
      saveFacts(tables, report.facts)
      for (const frame of report.frames) saveFrame(tables, report, frame)
    },
    async expertLayers(attempt) {
      const all = [...tables.frames.values()].filter((each) => each.attempt === attempt)
      const sets = Map.groupBy(all, ({ frame }) => keyOf(frame))
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
      return [...stepsOf(attempt, layers)].flatMap(([step, rows]) => {
        const whole = step >= from && step <= to ? wholeOf(rows) : null
        return whole === null ? [] : [{ step, at: whole.at, ...measure(whole) }]
      })
    },
    async expertSeries(attempt, layers, { layer, expert, stride }) {
      return [...stepsOf(attempt, layers)].flatMap(([step, rows]) => {
        const whole = step % stride === 0 ? wholeOf(rows) : null
        if (whole === null) return []
        const counts = whole.counts.subarray(layer * whole.experts, (layer + 1) * whole.experts)
        return [{ step, count: counts[expert] ?? 0, total: counts.reduce((sum, each) => sum + each, 0) }]
      })
    },
    async expertFrame(attempt, layers, step) {
      const rows = [...stepsOf(attempt, layers)].findLast(([each]) => each <= step)?.[1]
      return rows === undefined ? null : wholeOf(rows)
    },
  }
}

type FrameRow = { readonly rank: number; readonly frame: FrameSave }

/** The same layers with another number of experts are another set: their counts cannot be added. */
const keyOf = ({ layers, experts }: Pick<FrameSave, 'layers' | 'experts'>): string =>
  JSON.stringify([experts, ...layers])

export const frameKey = (
  attempt: AttemptId,
  rank: number,
  frame: Pick<FrameSave, 'step' | 'layers' | 'experts'>,
): string => `${attempt}|${rank}|${frame.step}|${keyOf(frame)}`

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

function saveFrame(tables: Tables, { attempt, rank, startedAt }: ReportSave, frame: FrameSave): void {
  const key = frameKey(attempt, rank, frame)
  const old = tables.frames.get(key)
  if (old !== undefined && old.startedAt >= startedAt) return
  tables.frames.set(key, { attempt, rank, startedAt, frame })
}

/** The sum over the ranks that sent the step. */
function wholeOf(rows: readonly FrameRow[]): StoredFrame | null {
  const frames = rows.toSorted((a, b) => a.rank - b.rank).map(({ frame }) => frame)
  const [first] = frames
  return first === undefined ? null : { ...first, ...sumOfRanks(frames), ranks: frames.length }
}
