// Expert load of a run: a picture of many steps, and one step whole. Computed from roll-ups, frames and measures as they are stored.
import { conservationOf, unconservedText, WHAT_TO_DO } from '../../core/experts/finding.ts'
import { measuresOf, outliersOf } from '../../core/experts/measures.ts'
import { emptyStretches, gapsOf, historyOf, measureBuckets, rowsOf } from '../../core/experts/overview.ts'
import type {
  ExpertFindingDocument,
  ExpertFrameDocument,
  ExpertHistoryDocument,
  ExpertsDocument,
  ExpertTileDocument,
  StatementDocument,
} from '../../domain/documents.ts'
import type { ExpertMeasure } from '../../domain/expert-blocks.ts'
import type { AttemptId } from '../../domain/ids.ts'
import { attemptIdOf } from '../../domain/ids.ts'
import type { Answer } from '../../domain/refusal.ts'
import { accepted, refused } from '../../domain/refusal.ts'
import type { Run } from '../../domain/run.ts'
import type { LayerSet, Store, StoredFrame } from '../../ports/store.ts'
import type { ExpertsAsked } from '../../ports/views.ts'
import type { Found } from './expert-zoom.ts'
import { loadParts, loadZoomOf, measureParts, zoomOf } from './expert-zoom.ts'

export async function expertsOf(store: Store, run: Run, asked: ExpertsAsked): Promise<Answer<ExpertsDocument>> {
  const picture = await pictureOf(store, run, asked)
  if (picture === null) return nothing(store, run, asked)
  const { found, apart, buckets, spreads } = picture
  const { number, set, sets } = found
  return accepted({
    run: run.id,
    attempt: number,
    set: sets.findIndex((each) => each.layers === set.layers) + 1,
    sets: sets.map(setDocument),
    layers: set.names,
    experts: set.experts,
    topK: set.topK,
    firstStep: set.firstStep,
    lastStep: set.lastStep,
    frames: set.frames,
    buckets,
    maxVio: {
      min: rowsOf(spreads, 'maxVio', 'min'),
      mean: rowsOf(spreads, 'maxVio', 'mean'),
      max: rowsOf(spreads, 'maxVio', 'max'),
      p99: rowsOf(spreads, 'maxVio', 'p99'),
    },
    cv: rowsOf(spreads, 'cv', 'mean'),
    entropy: rowsOf(spreads, 'entropy', 'mean'),
    dead: rowsOf(spreads, 'dead', 'max'),
    hot: rowsOf(spreads, 'hot', 'max'),
    gaps: set.frames > STEPS_LISTED_MAX ? emptyStretches(buckets) : await gapsIn(store, found),
    apart,
    unconserved: set.unconserved,
    finding: await findingOf(store, found),
    observedAt: set.lastAt,
  })
}

/** What is asked for, in buckets. */
async function pictureOf(store: Store, run: Run, asked: ExpertsAsked) {
  const whole = await setOf(store, run, asked)
  if (whole === null) return null
  const { found, apart } = await nearOf(store, whole, asked)
  const zoom = zoomOf(found.set, asked)
  const parts = await measureParts(store, found, zoom)
  return { found, apart, ...measureBuckets(parts, found.set.names.length, zoom.size) }
}

/** So few steps of a stretch have a frame before it is asked whether some of them are far from all others, and so many of these are. */
const SPARSE = 100
const APART_MAX = 8
const FAR = 10

/**
 * A frame whose step is far beyond all others would leave these no room in a picture: it is left out unless somebody asks how far the
 * picture is to go, and it is said that it is. A script that counts steps in another way has its frames so, too.
 */
async function nearOf(
  store: Store,
  whole: Found,
  asked: Pick<ExpertsAsked, 'to'>,
): Promise<{ readonly found: Found; readonly apart: ExpertsDocument['apart'] }> {
  const { attempt, set } = whole
  const { firstStep, lastStep } = set
  if (asked.to !== null || lastStep - firstStep < set.frames * SPARSE) return { found: whole, apart: null }
  for (let step = lastStep, frames = 1; frames <= APART_MAX; frames += 1) {
    const before = (await store.expertFrame(attempt, set.layers, step - 1))?.step
    if (before === undefined || before <= firstStep) break
    if (step - before > FAR * (before - firstStep + 1))
      return { found: { ...whole, set: { ...set, lastStep: before } }, apart: { from: step, to: lastStep, frames } }
    step = before
  }
  return { found: whole, apart: null }
}

/** Beyond so many steps only stretches without any frame in a whole bucket are told as gaps. */
const STEPS_LISTED_MAX = 65_536

const gapsIn = async (store: Store, { attempt, set }: Found) =>
  gapsOf(await store.expertSteps(attempt, set.layers, set.firstStep, set.lastStep))

/** Counts that do not add up, with the numbers of the newest frame in which they do not. */
async function findingOf(store: Store, { number, attempt, set }: Found): Promise<ExpertFindingDocument | null> {
  if (set.unconservedStep === null) return null
  const frame = await store.expertFrame(attempt, set.layers, set.unconservedStep)
  const seen = frame === null ? null : conservationOf(frame)
  if (seen === null) return null
  const { step, layer, layers, counted, expected } = seen
  const steps = set.unconserved
  return {
    attempt: number,
    steps,
    step,
    layer,
    layers,
    counted,
    expected,
    text: unconservedText(seen),
    whatToDo: WHAT_TO_DO,
  }
}

/** The finding of the newest attempt that reported experts, of the first of its sets that has one; null where all counts add up. */
export async function expertFindingOf(store: Store, run: Run): Promise<ExpertFindingDocument | null> {
  for (const found of await allSetsOf(store, run)) {
    const finding = await findingOf(store, found)
    if (finding !== null) return finding
  }
  return null
}

/** One measure of all layers over some steps: what a heat map draws. */
export async function expertTileOf(
  store: Store,
  run: Run,
  asked: ExpertsAsked & { readonly measure: ExpertMeasure },
): Promise<Answer<ExpertTileDocument>> {
  const picture = await pictureOf(store, run, asked)
  if (picture === null) return nothing(store, run, asked)
  const { found, buckets, spreads } = picture
  const { number, set } = found
  return accepted({
    run: run.id,
    attempt: number,
    measure: asked.measure,
    layers: set.names,
    firstStep: set.firstStep,
    lastStep: set.lastStep,
    buckets,
    min: rowsOf(spreads, asked.measure, 'min'),
    mean: rowsOf(spreads, asked.measure, 'mean'),
    max: rowsOf(spreads, asked.measure, 'max'),
    p99: rowsOf(spreads, asked.measure, 'p99'),
  })
}

export async function expertFrameOf(
  store: Store,
  run: Run,
  asked: { readonly attempt: number | null; readonly set: number | null; readonly step: number | null },
): Promise<Answer<ExpertFrameDocument>> {
  const found = await setOf(store, run, asked)
  if (found === null) return nothing(store, run, asked)
  const { number, attempt, set } = found
  const frame = await store.expertFrame(attempt, set.layers, asked.step ?? set.lastStep)
  if (frame === null)
    return refused(
      'not-found',
      `attempt ${number} reported no experts up to step ${asked.step ?? 0}`,
      `the first is ${set.firstStep}`,
    )
  const layers = frame.layers.map((_, layer) => layerOf(frame, layer))
  const measures = layers.map((counts) => measuresOf(counts))
  const outliers = layers.map((counts) => outliersOf(counts))
  return accepted({
    run: run.id,
    attempt: number,
    step: frame.step,
    layers: frame.layers,
    experts: frame.experts,
    topK: frame.topK,
    tokens: frame.tokens,
    flags: frame.flags,
    counts: frame.counts,
    maxVio: measures.map((each) => each?.maxVio ?? null),
    cv: measures.map((each) => each?.cv ?? null),
    entropy: measures.map((each) => each?.entropy ?? null),
    dead: outliers.map((each) => each.dead),
    hot: outliers.map((each) => each.hot),
    observedAt: frame.at,
  })
}

export async function expertHistoryOf(
  store: Store,
  run: Run,
  asked: ExpertsAsked & { readonly layer: number; readonly expert: number },
): Promise<Answer<ExpertHistoryDocument>> {
  const whole = await setOf(store, run, asked)
  if (whole === null) return nothing(store, run, asked)
  const { found } = await nearOf(store, whole, asked)
  const { number, set } = found
  const { layer, expert } = asked
  const name = set.names[layer]
  if (name === undefined || expert >= set.experts)
    return refused(
      'not-found',
      `there is no expert ${expert} in layer ${layer}`,
      `layers are 0 to ${set.names.length - 1}, experts 0 to ${set.experts - 1}`,
    )
  const zoom = loadZoomOf(set, asked)
  const parts = await loadParts(store, found, zoom, { layer, expert })
  return accepted({ run: run.id, attempt: number, layer: name, expert, stride: 1, ...historyOf(parts, zoom.size) })
}

/** An expert is called dead in a statement when it was so in each of so many last frames: one step proves nothing. */
const LAST_FRAMES = 50

/**
 * The balance that a run ended with: the mean MaxVio of its worst layer over the last frames, and experts dead in all of them. Over all
 * layers, whatever set they are reported in; where not all have as many experts, `experts` is the most.
 */
export async function balanceOfExperts(store: Store, run: Run): Promise<StatementDocument['experts']> {
  const all = await allSetsOf(store, run)
  if (all.length === 0) return null
  const known: number[] = []
  let dead = 0
  for (const { attempt, set } of all) {
    const frames = await lastFrames(store, attempt, set)
    for (const layer of set.names.keys()) {
      const seen = frames.flatMap((frame) => measuresOf(layerOf(frame, layer))?.maxVio ?? [])
      if (seen.length > 0) known.push(seen.reduce((sum, each) => sum + each, 0) / seen.length)
      dead += deadInAll(frames, layer)
    }
  }
  return {
    layers: all.reduce((sum, { set }) => sum + set.names.length, 0),
    experts: Math.max(...all.map(({ set }) => set.experts)),
    maxVio: known.length === 0 ? null : Math.max(...known),
    dead,
  }
}

async function lastFrames(store: Store, attempt: AttemptId, set: LayerSet): Promise<StoredFrame[]> {
  const frames: StoredFrame[] = []
  for (let step = set.lastStep; frames.length < LAST_FRAMES && step >= set.firstStep;) {
    const frame = await store.expertFrame(attempt, set.layers, step)
    if (frame === null) break
    frames.push(frame)
    step = frame.step - 1
  }
  return frames
}

function deadInAll(frames: readonly StoredFrame[], layer: number): number {
  const [first, ...others] = frames.map((frame) => new Set(outliersOf(layerOf(frame, layer)).dead))
  if (first === undefined) return 0
  return [...first].filter((expert) => others.every((dead) => dead.has(expert))).length
}

const layerOf = (frame: StoredFrame, layer: number): Uint32Array =>
  frame.counts.subarray(layer * frame.experts, (layer + 1) * frame.experts)

/** Sets of layers that are reported together, the widest first: pipeline stages report their own, and so do layers with other experts. */
async function setsOf(store: Store, attempt: AttemptId): Promise<LayerSet[]> {
  const width = (set: LayerSet): number => set.names.length * set.experts
  return (await store.expertLayers(attempt)).toSorted(
    (a, b) => width(b) - width(a) || inOrder(a.names[0] ?? '', b.names[0] ?? '') || inOrder(a.layers, b.layers),
  )
}

/** `layers.2` before `layers.10`. */
function inOrder(a: string, b: string): number {
  const [left, right] = [a, b].map((name) => name.replaceAll(/\d+/g, (digits) => digits.padStart(8, '0')))
  return left === right ? 0 : (left ?? '') < (right ?? '') ? -1 : 1
}

const setDocument = ({ names, experts, frames, unconserved }: LayerSet) => ({
  layers: names.length,
  first: names[0] ?? '',
  last: names.at(-1) ?? '',
  experts,
  frames,
  unconserved,
})

type SetAsked = Pick<ExpertsAsked, 'attempt' | 'set'>

/** What was reported in the attempt, or in the newest that has any. */
async function allSetsOf(store: Store, run: Run, asked: number | null = null): Promise<Found[]> {
  for (let number = asked ?? run.attempts; number >= 1; number -= 1) {
    const attempt = attemptIdOf(run.id, number)
    const sets = await setsOf(store, attempt)
    if (sets.length > 0 || asked !== null) return sets.map((set) => ({ number, attempt, set, sets }))
  }
  return []
}

const setOf = async (store: Store, run: Run, { attempt, set }: SetAsked): Promise<Found | null> =>
  (await allSetsOf(store, run, attempt))[(set ?? 1) - 1] ?? null

async function nothing(store: Store, run: Run, { attempt, set }: SetAsked) {
  const sets = await allSetsOf(store, run, attempt)
  if (sets.length > 0) return refused('not-found', `there is no set ${set} of layers`, `sets are 1 to ${sets.length}`)
  return refused(
    'not-found',
    `${attempt === null ? `run ${run.id}` : `attempt ${attempt} of run ${run.id}`} reported no expert load`,
    'import plimsoll_reporter in the script, or set PLIMSOLL_REPORTER_AUTO=1 for Megatron-core and Hugging Face (src/reporter/README.md)',
  )
}
