// What the two plots of a run draw, from the series of its attempts.
import type { Series } from '../api/documents.ts'

type Nullable = (number | null)[]

/** Loss by step: one line of what was kept, one of what a restart threw away (drawn lighter, under it). */
export type LossLines = {
  readonly steps: number[]
  readonly kept: Nullable
  readonly lost: Nullable
  /** The first step of each attempt after the first. */
  readonly restarts: readonly { readonly step: number; readonly number: number }[]
  readonly last: number | null
  /** Steps far beyond all others, which would leave these no room: not in the lines. */
  readonly apart: readonly number[]
}

export function lossLines({ attempts }: Series): LossLines {
  const kept = new Map<number, number | null>()
  const lost = new Map<number, number | null>()
  const restarts: { step: number; number: number }[] = []
  let last: number | null = null
  for (const [index, attempt] of attempts.entries()) {
    const first = attempt.step[0]
    if (first === undefined) continue
    if (index > 0) restarts.push({ step: first, number: attempt.number })
    // Steps that an earlier attempt did from here on were done again.
    for (const [step, loss] of kept) {
      if (step < first) continue
      lost.set(step, loss)
      kept.delete(step)
    }
    for (const [at, step] of attempt.step.entries()) {
      const loss = attempt.loss[at] ?? null
      kept.set(step, loss)
      if (loss !== null) last = loss
    }
  }
  const all = [...new Set([...kept.keys(), ...lost.keys()])].toSorted((a, b) => a - b)
  const apart = apartOf(all)
  const steps = all.slice(0, all.length - apart.length)
  const pick = (map: ReadonlyMap<number, number | null>): Nullable => fill(steps, map)
  return { steps, kept: pick(kept), lost: pick(lost), restarts, last, apart }
}

const [SPARSE, APART_MAX, FAR] = [100, 8, 10]

/** As the picture of experts has it: of steps with much room between them a few last ones, much farther than all others reach. */
function apartOf(steps: readonly number[]): readonly number[] {
  const first = steps[0] ?? 0
  if ((steps.at(-1) ?? 0) - first < steps.length * SPARSE) return []
  for (let count = 1; count <= APART_MAX; count += 1) {
    const [before, step] = [steps.at(-count - 1), steps.at(-count)]
    if (before === undefined || step === undefined || before <= first) return []
    if (step - before > FAR * (before - first + 1)) return steps.slice(-count)
  }
  return []
}

/** A step that a line does not have is no gap in it: it takes the straight way between its neighbours. */
function fill(steps: readonly number[], map: ReadonlyMap<number, number | null>): Nullable {
  const own = [...map.keys()].toSorted((a, b) => a - b)
  const values: Nullable = []
  let next = 0
  for (const step of steps) {
    while (next < own.length && (own[next] ?? 0) < step) next += 1
    const before = own[own[next] === step ? next : next - 1]
    const after = own[next]
    if (before === undefined || after === undefined) values.push(null)
    else values.push(between(step, before, map.get(before) ?? null, after, map.get(after) ?? null))
  }
  return values
}

function between(x: number, x0: number, y0: number | null, x1: number, y1: number | null): number | null {
  if (y0 === null || y1 === null) return null
  return x1 === x0 ? y0 : y0 + ((x - x0) / (x1 - x0)) * (y1 - y0)
}

/** Where most of a line lies: its first values are often far above all that follow. */
export function mostOf(values: readonly (number | null)[]): readonly [number, number] | null {
  const known = values
    .filter((value): value is number => value !== null && Number.isFinite(value))
    .toSorted((a, b) => a - b)
  const low = known[0]
  const high = known.at(-1)
  if (low === undefined || high === undefined) return null
  const usual = known[Math.floor((known.length - 1) * 0.97)] ?? high
  const top = high - low > 2.5 * (usual - low) && usual > low ? usual : high
  const pad = top > low ? (top - low) * 0.08 : Math.max(0.01, Math.abs(top) * 0.05)
  return [low - pad, top + pad]
}

export type StepTimes = {
  /** Seconds of the epoch. */
  readonly at: number[]
  readonly seconds: Nullable
  /** The median of the steps before it, as many as it needs to be calm. */
  readonly median: Nullable
  readonly p5: number | null
  readonly p95: number | null
  /** The newest median, or value where there are too few. */
  readonly last: number | null
  /** Times between attempts, in seconds of the epoch. */
  readonly gaps: readonly (readonly [number, number])[]
}

const CALM = 15

export function stepTimes({ attempts }: Series): StepTimes {
  const at: number[] = []
  const seconds: Nullable = []
  const median: Nullable = []
  const gaps: [number, number][] = []
  for (const attempt of attempts) {
    const first = attempt.at[0]
    if (first === undefined) continue
    const before = at.at(-1)
    const begin = Date.parse(first) / 1000
    if (before !== undefined && begin > before) {
      gaps.push([before, begin])
      at.push((before + begin) / 2)
      seconds.push(null)
      median.push(null)
    }
    const window: number[] = []
    for (const [index, iso] of attempt.at.entries()) {
      const ms = attempt.stepMs[index] ?? null
      at.push(Date.parse(iso) / 1000)
      seconds.push(ms === null ? null : ms / 1000)
      if (ms !== null) window.push(ms / 1000)
      if (window.length > CALM) window.shift()
      median.push(window.length < 3 ? null : quantile(window, 0.5))
    }
  }
  const known = seconds.filter((value): value is number => value !== null)
  return {
    at,
    seconds,
    median,
    p5: known.length < CALM ? null : quantile(known, 0.05),
    p95: known.length < CALM ? null : quantile(known, 0.95),
    last: median.findLast((value) => value !== null) ?? known.at(-1) ?? null,
    gaps,
  }
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.round((sorted.length - 1) * share)] ?? 0
}
