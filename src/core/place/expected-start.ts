// When a waiting run may be expected to start: the turn itself, taken again at each moment at which something is known to end. What
// nobody limited or estimated never ends here, so that a run behind it has no expected start rather than a guess.
import type { Claim } from '../../domain/claim.ts'
import { isRestartHolder } from '../../domain/claim.ts'
import type { RunId } from '../../domain/ids.ts'
import type { Run } from '../../domain/run.ts'
import { waitsUntil } from '../../domain/run.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { EpochMs } from '../../domain/units.ts'
import { epochMs, later } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'
import { worldAt } from '../../domain/world.ts'
import { ESTIMATE_P50_OF_P80, ESTIMATE_P90_OF_P80 } from '../estimate/estimate.ts'
import type { Queue } from './counterfactual.ts'
import type { PlaceSettings } from './place.ts'
import { planPlacements } from './place.ts'

export type ExpectedStart = { readonly p50: EpochMs; readonly p90: EpochMs }

/** Moments that are looked at: each costs one turn over the runs before it. */
const MOMENTS_MAX = 64
const BEFORE_MAX = 256

/** Half of the time by `p50`, nine times in ten by `p90`, as far as limits and estimates of the runs before it say; null: not known. */
export function expectedStart(world: World, id: RunId, queue: Queue, settings: PlaceSettings): ExpectedStart | null {
  if (queue(world).findIndex((candidate) => candidate.run === id) > BEFORE_MAX) return null
  const p50 = startOf(world, id, queue, settings, ESTIMATE_P50_OF_P80)
  const p90 = startOf(world, id, queue, settings, ESTIMATE_P90_OF_P80)
  return p50 === null || p90 === null ? null : { p50, p90: later(p50, p90) }
}

function startOf(first: World, id: RunId, queue: Queue, settings: PlaceSettings, share: number): EpochMs | null {
  const ends = new Map<RunId, EpochMs>()
  for (const attempt of first.attempts.values()) {
    const run = first.runs.get(attempt.run)
    const end = run === undefined ? null : endOf(run, run.startedAt ?? attempt.plannedAt, attempt.plannedAt, share)
    if (end !== null && end > first.now) ends.set(attempt.run, end)
  }
  let world = first
  for (let looked = 0; looked < MOMENTS_MAX; looked += 1) {
    const waiting = queue(world)
    const own = waiting.findIndex((candidate) => candidate.run === id)
    const { items, report } = planPlacements(world, waiting.slice(0, own + 1), settings)
    if (report.placed.some((placed) => placed.run === id)) return world.now
    const started = items.flatMap((item) => item.writes)
    const claims = started.flatMap((write) => (write.kind === 'claim' ? [write.claim] : []))
    const runs = new Map(world.runs)
    for (const write of started) {
      if (write.kind !== 'attempt') continue
      const run = runs.get(write.attempt.run)
      if (run === undefined) continue
      runs.set(run.id, { ...run, state: { kind: 'admitted', attempt: write.attempt.id } })
      const end = endOf(run, run.startedAt ?? world.now, world.now, share)
      if (end !== null) ends.set(run.id, end)
    }
    const placed = new Set(claims.map((claim) => claim.run))
    const kept = world.claims.filter((claim) => !(isRestartHolder(claim.holder) && placed.has(claim.run)))
    const now = nextMoment(world, ends, kept)
    if (now === null) return null
    world = at(now, { ...world, runs, claims: [...kept, ...claims] }, ends)
  }
  return null
}

/** When a run ends by its limits or its estimate; null where neither says. `share` takes the estimate's P80 to another percentile. */
function endOf(run: Run, startedAt: EpochMs, plannedAt: EpochMs, share: number): EpochMs | null {
  const gpus = gpusOf(run.resources)
  const known: number[] = []
  if (run.limits.timeMs !== null) known.push(startedAt + run.limits.timeMs)
  if (run.limits.gpuMs !== null) known.push(plannedAt + Math.max(0, run.limits.gpuMs - run.paidGpuMs) / gpus)
  if (run.estimateP80 !== null) {
    const left = run.estimateP80 * share - run.paidGpuMs
    if (left > 0) known.push(plannedAt + left / gpus)
  }
  return known.length === 0 ? null : epochMs(Math.ceil(Math.min(...known)))
}

function nextMoment(world: World, ends: ReadonlyMap<RunId, EpochMs>, claims: readonly Claim[]): EpochMs | null {
  let next: EpochMs | null = null
  const consider = (moment: EpochMs | null): void => {
    if (moment !== null && moment > world.now && (next === null || moment < next)) next = moment
  }
  for (const end of ends.values()) consider(end)
  for (const claim of claims) consider(claim.until)
  for (const run of world.runs.values()) {
    consider(waitsUntil(run))
    for (const { until } of run.avoided ?? []) consider(until)
  }
  return next
}

/** The world at a later moment: what has ended by then holds nothing more. */
function at(now: EpochMs, world: World, ends: ReadonlyMap<RunId, EpochMs>): World {
  const ended = (run: RunId): boolean => (ends.get(run) ?? Infinity) <= now
  return {
    ...worldAt(world, now),
    claims: world.claims.filter((claim) => !ended(claim.run) && !(claim.until !== null && claim.until <= now)),
    runs: new Map([...world.runs].filter(([id]) => !ended(id))),
  }
}
