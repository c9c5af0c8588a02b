// Expert load in memory: frames as they came, and roll-ups that are built, marked and read as those of the real store.
import type { LoadPart, RolledBlock } from '../../domain/expert-blocks.ts'
import {
  BEHIND_STEPS,
  blockOf,
  BUILT_LEVEL,
  firstStepOf,
  lastStepOf,
  levelAbove,
  loadRatio,
  QUIET_MS,
} from '../../domain/expert-blocks.ts'
import type { AttemptId } from '../../domain/ids.ts'
import { EXPERT_SETS_MAX } from '../../domain/limits.ts'
import { sumOfRanks } from '../../domain/report.ts'
import type { EpochMs } from '../../domain/units.ts'
import { later } from '../../domain/units.ts'
import type { ExpertBlockStore } from '../../ports/expert-store.ts'
import type { FrameSave, LayerSet, MeasureFrame, ReportSave, StoredFrame } from '../../ports/store.ts'
import type { Tables } from './tables.ts'
import { writeEvent } from './tables.ts'

export type ExpertSet = {
  readonly attempt: AttemptId
  readonly layers: string
  readonly names: readonly string[]
  readonly experts: number
  /** By step and rank. */
  readonly steps: Map<number, Map<number, { readonly startedAt: EpochMs; readonly frame: FrameSave }>>
  readonly pending: Map<string, Pending>
  readonly rolled: Map<string, RolledBlock>
  /** Steps whose counts do not add up. */
  readonly wrong: Set<number>
  told: boolean
}
type Pending = { readonly level: number; readonly block: number; touched: number; at: EpochMs }

const setKey = (attempt: AttemptId, layers: string): string => `${attempt} ${layers}`
/** The same layers with another number of experts are another set: their counts cannot be added. */
const layersKey = ({ layers, experts }: Pick<FrameSave, 'layers' | 'experts'>): string =>
  JSON.stringify([layers, experts])
const blockKey = (level: number, block: number): string => `${level}/${block}`

/** False: the attempt has its sets of layers already, and this would be one more. */
export function saveFrame(tables: Tables, measure: MeasureFrame, report: ReportSave, frame: FrameSave): boolean {
  const { attempt, rank, startedAt, receivedAt } = report
  const layers = layersKey(frame)
  const key = setKey(attempt, layers)
  const set = tables.expertSets.get(key) ?? {
    attempt,
    layers,
    names: frame.layers,
    experts: frame.experts,
    steps: new Map(),
    pending: new Map(),
    rolled: new Map(),
    wrong: new Set<number>(),
    told: false,
  }
  if (!tables.expertSets.has(key)) {
    const own = [...tables.expertSets.values()].filter((each) => each.attempt === attempt)
    if (own.length >= EXPERT_SETS_MAX) return false
  }
  tables.expertSets.set(key, set)
  const ranks = set.steps.get(frame.step) ?? new Map<number, { startedAt: EpochMs; frame: FrameSave }>()
  const old = ranks.get(rank)
  if (old !== undefined && old.startedAt >= startedAt) return true
  set.steps.set(frame.step, ranks.set(rank, { startedAt, frame }))
  mark(tables, set, BUILT_LEVEL, blockOf(frame.step, BUILT_LEVEL), receivedAt)
  if (summedAt(set, frame.step).some((whole) => measure(whole).unconserved > 0)) set.wrong.add(frame.step)
  else set.wrong.delete(frame.step)
  if (frame.finding == null || set.told) return true
  set.told = true
  writeEvent(tables, frame.finding)
  return true
}

export type FrameRow = { readonly rank: number; readonly startedAt: EpochMs; readonly frame: FrameSave }

/** What a rank sent of a step. */
export function frameOf(
  tables: Tables,
  attempt: AttemptId,
  rank: number,
  about: Pick<FrameSave, 'step' | 'layers' | 'experts'>,
): FrameRow | undefined {
  const found = tables.expertSets
    .get(setKey(attempt, layersKey(about)))
    ?.steps.get(about.step)
    ?.get(rank)
  return found === undefined ? undefined : { rank, ...found }
}

export const frameRows = (set: ExpertSet): FrameRow[] =>
  [...set.steps.values()].flatMap((ranks) => [...ranks].map(([rank, each]) => ({ rank, ...each })))

function mark(tables: Tables, set: ExpertSet, level: number, block: number, at: EpochMs): void {
  set.pending.set(blockKey(level, block), { level, block, touched: tables.writes, at })
}

export function layerSets(tables: Tables, attempt: AttemptId): LayerSet[] {
  return [...tables.expertSets.values()]
    .filter((set) => set.attempt === attempt)
    .map((set) => {
      const steps = [...set.steps.keys()].toSorted((a, b) => a - b)
      const all = [...set.steps.values()].flatMap((ranks) => [...ranks.values()].map(({ frame }) => frame))
      const lastStep = steps.at(-1) ?? 0
      return {
        layers: set.layers,
        names: set.names,
        experts: set.experts,
        topK: all.reduce<number | null>((most, { topK }) => (topK === null ? most : Math.max(most ?? 0, topK)), null),
        firstStep: steps[0] ?? 0,
        lastStep,
        frames: steps.length,
        ranks: Math.max(...[...set.steps.values()].map((ranks) => ranks.size)),
        unconserved: set.wrong.size,
        unconservedStep: set.wrong.size === 0 ? null : Math.max(...set.wrong),
        lastAt: summedAt(set, lastStep)[0]?.at ?? (0 as EpochMs),
      }
    })
}

export function expertBlockStore(tables: Tables): ExpertBlockStore {
  const setOf = (attempt: AttemptId, layers: string) => tables.expertSets.get(setKey(attempt, layers))
  return {
    async expertPending(attempt, layers) {
      return [...(setOf(attempt, layers)?.pending.values() ?? [])].map(({ level, block }) => ({ level, block }))
    },
    async expertBlocksDue(now, limit) {
      const due = [...tables.expertSets.values()].flatMap((set) => {
        const [first, last] = [Math.min(...set.steps.keys()), Math.max(...set.steps.keys())]
        const spans = (level: number): boolean =>
          level === BUILT_LEVEL || blockOf(first, level - 2) !== blockOf(last, level - 2)
        return [...set.pending.values()]
          .filter(({ level, block, at }) => last > lastStepOf(block, level) + BEHIND_STEPS || at <= now - QUIET_MS)
          .filter(({ level }) => spans(level))
          .map((each) => ({ ...each, attempt: set.attempt, layers: set.layers }))
      })
      return due.toSorted((a, b) => a.level - b.level || a.at - b.at).slice(0, limit)
    },
    async expertFrames(attempt, layers, from, to) {
      const set = setOf(attempt, layers)
      return set === undefined ? [] : stepsBetween(set, from, to).flatMap((step) => summedAt(set, step))
    },
    async expertRollups(attempt, layers, { level, first, last, loads }) {
      return [...(setOf(attempt, layers)?.rolled.values() ?? [])]
        .filter((row) => row.level === level && row.block >= first && row.block <= last)
        .toSorted((a, b) => a.block - b.block)
        .map((row) => (loads ? row : { ...row, loads: null }))
    },
    async expertLoads(attempt, layers, { layer, expert, level, first, last }) {
      const set = setOf(attempt, layers)
      if (set === undefined) return []
      if (level !== null)
        return [...set.rolled.values()]
          .filter((row) => row.level === level && row.block >= first && row.block <= last)
          .toSorted((a, b) => a.block - b.block)
          .flatMap((row) => partOf(row, layer, layer * set.experts + expert))
      return stepsBetween(set, first, last).flatMap((step) => {
        const counts = summedAt(set, step)[0]?.counts.subarray(layer * set.experts, (layer + 1) * set.experts)
        if (counts === undefined) return []
        const total = counts.reduce((sum, each) => sum + each, 0)
        const ratio = loadRatio(counts[expert] ?? 0, set.experts, total)
        return Number.isNaN(ratio)
          ? []
          : [{ from: step, to: step, frames: 1, min: ratio, max: ratio, mean: ratio, p99: ratio }]
      })
    },
    async saveExpertBlock({ attempt, layers, level, block, touched }, rows) {
      const set = setOf(attempt, layers)
      const waits = set?.pending.get(blockKey(level, block))
      if (set === undefined || waits?.touched !== touched) return
      tables.writes += 1
      set.pending.delete(blockKey(level, block))
      for (const row of rows) set.rolled.set(blockKey(row.level, row.block), row)
      const above = levelAbove(level)
      if (above === null) return
      const known = set.pending.get(blockKey(above, Math.floor(block / 4)))
      mark(tables, set, above, Math.floor(block / 4), known === undefined ? waits.at : later(known.at, waits.at))
    },
    async expertSteps(attempt, layers, from, to) {
      const set = setOf(attempt, layers)
      return set === undefined ? [] : stepsBetween(set, from, to)
    },
  }
}

export const stepsBetween = (set: ExpertSet, from: number, to: number): number[] =>
  [...set.steps.keys()].filter((step) => step >= from && step <= to).toSorted((a, b) => a - b)

/** The frame of a step, summed over ranks; none where nobody sent it. */
export function summedAt(set: ExpertSet, step: number): StoredFrame[] {
  const rows = [...(set.steps.get(step) ?? [])].toSorted(([a], [b]) => a - b).map(([, { frame }]) => frame)
  const [first] = rows
  if (first === undefined) return []
  const { at, layers, experts, topK } = first
  return [{ step, at, layers, experts, topK, ...sumOfRanks(rows), ranks: rows.length }]
}

function partOf({ level, block, seen, loads }: RolledBlock, layer: number, index: number): LoadPart[] {
  const frames = seen[layer] ?? 0
  if (loads === null || frames === 0) return []
  const { min, max, mean, p99 } = loads
  return [
    {
      from: firstStepOf(block, level),
      to: lastStepOf(block, level),
      frames,
      min: min[index] ?? 0,
      max: max[index] ?? 0,
      mean: mean[index] ?? 0,
      p99: p99[index] ?? 0,
    },
  ]
}
