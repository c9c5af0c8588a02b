// Stretches of time, sorted and without overlaps.
import type { EpochMs } from '../../domain/units.ts'
import { later } from '../../domain/units.ts'

export type Stretch = { readonly from: EpochMs; readonly to: EpochMs }

/** What of `[from, to)` no blocked stretch covers. `blocked` is sorted. */
export function freeStretches(blocked: readonly Stretch[], from: EpochMs, to: EpochMs): Stretch[] {
  const free: Stretch[] = []
  let at = from
  for (const stretch of blocked) {
    if (stretch.to <= at) continue
    if (stretch.from >= to) break
    if (stretch.from > at) free.push({ from: at, to: stretch.from })
    at = later(at, stretch.to)
  }
  if (at < to) free.push({ from: at, to })
  return free
}

export const lengthOf = (stretches: readonly Stretch[]): number =>
  stretches.reduce((sum, stretch) => sum + stretch.to - stretch.from, 0)
