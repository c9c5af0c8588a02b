// Reads expert load at any zoom in a bounded number of rows: from the highest roll-up that is not coarser than what is asked for, and
// where that one waits to be built, from what lies below it.
import type { MeasurePart } from '../../core/experts/overview.ts'
import { bucketSteps, partOfBlock, partOfStep } from '../../core/experts/overview.ts'
import type { Source } from '../../core/experts/rollup.ts'
import { sourcesOf } from '../../core/experts/rollup.ts'
import type { LoadPart } from '../../domain/expert-blocks.ts'
import { LOAD_LEVELS, MEASURE_LEVELS } from '../../domain/expert-blocks.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { LayerSet, Store } from '../../ports/store.ts'
import type { ExpertsAsked } from '../../ports/views.ts'

/** A set of layers, among all of its attempt. */
export type Found = {
  readonly number: number
  readonly attempt: AttemptId
  readonly set: LayerSet
  readonly sets: readonly LayerSet[]
}
/** Steps, and how long a bucket of them is. */
export type Zoom = { readonly from: number; readonly to: number; readonly size: number }

/** Frames that one look at an expert reads one by one; beyond that its buckets are those of the lowest roll-up. */
const FRAMES_READ_MAX = 8_192

/** What was asked for, within what there is, from and to the edge of a bucket. */
export function zoomOf({ firstStep, lastStep }: LayerSet, asked: Omit<ExpertsAsked, 'attempt' | 'set'>): Zoom {
  const from = Math.min(Math.max(asked.from ?? firstStep, firstStep), lastStep)
  const to = Math.max(from, Math.min(asked.to ?? lastStep, lastStep))
  return atEdges(from, to, bucketSteps(from, to, asked.points))
}

const atEdges = (from: number, to: number, size: number): Zoom => ({
  from: Math.floor(from / size) * size,
  to: (Math.floor(to / size) + 1) * size - 1,
  size,
})

/** As `zoomOf`, for one expert. */
export function loadZoomOf(set: LayerSet, asked: Omit<ExpertsAsked, 'attempt' | 'set'>): Zoom {
  const zoom = zoomOf(set, asked)
  const lowest = 2 ** (LOAD_LEVELS[0] ?? 0)
  const rows = (zoom.to - zoom.from + 1) * set.ranks
  return zoom.size < lowest && rows > FRAMES_READ_MAX ? atEdges(zoom.from, zoom.to, lowest) : zoom
}

export async function measureParts(store: Store, { attempt, set }: Found, zoom: Zoom): Promise<MeasurePart[]> {
  const parts: MeasurePart[] = []
  for (const { level, first, last } of await sources(store, attempt, set.layers, zoom, MEASURE_LEVELS)) {
    if (level === null)
      for (const { step, values } of await store.expertMeasures(attempt, set.layers, first, last))
        parts.push(partOfStep(step, values))
    else {
      const wanted = { level, first, last, loads: false }
      for (const block of await store.expertRollups(attempt, set.layers, wanted)) parts.push(partOfBlock(block))
    }
  }
  return parts
}

export async function loadParts(
  store: Store,
  { attempt, set }: Found,
  zoom: Zoom,
  place: { readonly layer: number; readonly expert: number },
): Promise<LoadPart[]> {
  const parts: LoadPart[] = []
  for (const { level, first, last } of await sources(store, attempt, set.layers, zoom, LOAD_LEVELS))
    parts.push(...(await store.expertLoads(attempt, set.layers, { ...place, level, first, last })))
  return parts
}

async function sources(
  store: Store,
  attempt: AttemptId,
  layers: string,
  { from, to, size }: Zoom,
  levels: readonly number[],
): Promise<readonly Source[]> {
  const level = levels.findLast((each) => 2 ** each <= size)
  if (level === undefined) return [{ level: null, first: from, last: to }]
  // What waits is read first: a block that is built after this is read from below, which is as right.
  return newest(sourcesOf(level, from, to, await store.expertPending(attempt, layers)))
}

/** Where building is far behind, only the newest of what waits is read step by step; the rest is drawn when it is built. */
function newest(all: readonly Source[]): Source[] {
  let left = FRAMES_READ_MAX
  return all
    .toReversed()
    .filter(({ level, first, last }) => {
      if (level !== null) return true
      left -= last - first + 1
      return left >= 0
    })
    .toReversed()
}
