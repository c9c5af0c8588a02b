// Expert load of a run: a picture of all steps, and one step whole. Computed from frames and measures as they are stored.
import { measuresOf, outliersOf } from '../../core/experts/measures.ts'
import { bucketSteps, gapsOf, historyOf, overviewOf } from '../../core/experts/overview.ts'
import type {
  ExpertFrameDocument,
  ExpertHistoryDocument,
  ExpertsDocument,
  StatementDocument,
} from '../../domain/documents.ts'
import type { AttemptId } from '../../domain/ids.ts'
import { attemptIdOf } from '../../domain/ids.ts'
import type { Answer } from '../../domain/refusal.ts'
import { accepted, refused } from '../../domain/refusal.ts'
import type { Run } from '../../domain/run.ts'
import type { Store, StoredFrame } from '../../ports/store.ts'

type LayerSet = Awaited<ReturnType<Store['expertLayers']>>[number]
type Found = { readonly number: number; readonly attempt: AttemptId; readonly set: LayerSet }

export async function expertsOf(
  store: Store,
  run: Run,
  asked: { readonly attempt: number | null; readonly points: number },
): Promise<Answer<ExpertsDocument>> {
  const found = await setOf(store, run, asked.attempt)
  if (found === null) return nothing(run, asked.attempt)
  const { number, attempt, set } = found
  const { firstStep, lastStep } = set
  const measures = await store.expertMeasures(attempt, set.layers, firstStep, lastStep)
  const size = bucketSteps(firstStep, lastStep, asked.points)
  return accepted({
    run: run.id,
    attempt: number,
    layers: set.names,
    experts: set.experts,
    topK: set.topK,
    firstStep,
    lastStep,
    frames: set.frames,
    ...overviewOf(measures, set.names.length, size),
    gaps: gapsOf(measures.map(({ step }) => step)),
    unconserved: measures.reduce((sum, each) => sum + (each.unconserved > 0 ? 1 : 0), 0),
    observedAt: measures.at(-1)?.at ?? null,
  })
}

export async function expertFrameOf(
  store: Store,
  run: Run,
  asked: { readonly attempt: number | null; readonly step: number | null },
): Promise<Answer<ExpertFrameDocument>> {
  const found = await setOf(store, run, asked.attempt)
  if (found === null) return nothing(run, asked.attempt)
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

/** Frames that one history reads. Each is inflated while everybody else waits, so that of a long run every second, fourth ... step is looked at. */
const HISTORY_FRAMES_MAX = 512

export async function expertHistoryOf(
  store: Store,
  run: Run,
  asked: {
    readonly attempt: number | null
    readonly layer: number
    readonly expert: number
    readonly points: number
  },
): Promise<Answer<ExpertHistoryDocument>> {
  const found = await setOf(store, run, asked.attempt)
  if (found === null) return nothing(run, asked.attempt)
  const { number, attempt, set } = found
  const layer = set.names[asked.layer]
  if (layer === undefined || asked.expert >= set.experts)
    return refused(
      'not-found',
      `there is no expert ${asked.expert} in layer ${asked.layer}`,
      `layers are 0 to ${set.names.length - 1}, experts 0 to ${set.experts - 1}`,
    )
  const { firstStep, lastStep } = set
  const stride = bucketSteps(firstStep, lastStep, HISTORY_FRAMES_MAX)
  const series = await store.expertSeries(attempt, set.layers, { layer: asked.layer, expert: asked.expert, stride })
  const ratios = series.flatMap(({ step, count, total }) =>
    total === 0 ? [] : [{ step, ratio: (count * set.experts) / total }],
  )
  const size = bucketSteps(firstStep, lastStep, asked.points)
  return accepted({ run: run.id, attempt: number, layer, expert: asked.expert, stride, ...historyOf(ratios, size) })
}

/** An expert is called dead in a statement when it was so in each of so many last frames: one step proves nothing. */
const LAST_FRAMES = 50

/** The balance that a run ended with: the mean MaxVio of its worst layer over the last frames, and experts dead in all of them. */
export async function balanceOfExperts(store: Store, run: Run): Promise<StatementDocument['experts']> {
  const found = await setOf(store, run, null)
  if (found === null) return null
  const { attempt, set } = found
  const frames: StoredFrame[] = []
  for (let step = set.lastStep; frames.length < LAST_FRAMES && step >= set.firstStep;) {
    const frame = await store.expertFrame(attempt, set.layers, step)
    if (frame === null) break
    frames.push(frame)
    step = frame.step - 1
  }
  const perLayer = set.names.map((_, layer) => {
    const seen = frames.flatMap((frame) => measuresOf(layerOf(frame, layer))?.maxVio ?? [])
    return seen.length === 0 ? null : seen.reduce((sum, each) => sum + each, 0) / seen.length
  })
  const known = perLayer.filter((each) => each !== null)
  const dead = set.names.reduce((sum, _, layer) => sum + deadInAll(frames, layer), 0)
  return {
    layers: set.names.length,
    experts: set.experts,
    maxVio: known.length === 0 ? null : Math.max(...known),
    dead,
  }
}

function deadInAll(frames: readonly StoredFrame[], layer: number): number {
  const [first, ...others] = frames.map((frame) => new Set(outliersOf(layerOf(frame, layer)).dead))
  if (first === undefined) return 0
  return [...first].filter((expert) => others.every((dead) => dead.has(expert))).length
}

const layerOf = (frame: StoredFrame, layer: number): Uint32Array =>
  frame.counts.subarray(layer * frame.experts, (layer + 1) * frame.experts)

/** The widest set of layers of the attempt, or of the newest that has one. */
async function setOf(store: Store, run: Run, number: number | null): Promise<Found | null> {
  for (let each = number ?? run.attempts; each >= 1; each -= 1) {
    const attempt = attemptIdOf(run.id, each)
    const sets = await store.expertLayers(attempt)
    const widest = sets.toSorted((a, b) => b.names.length * b.experts - a.names.length * a.experts)[0]
    if (widest !== undefined) return { number: each, attempt, set: widest }
    if (number !== null) return null
  }
  return null
}

const nothing = (run: Run, attempt: number | null) =>
  refused(
    'not-found',
    `${attempt === null ? `run ${run.id}` : `attempt ${attempt} of run ${run.id}`} reported no expert load`,
    'import plimsoll_reporter in the script, or set PLIMSOLL_REPORTER_AUTO=1 for Megatron-core and Hugging Face (src/reporter/README.md)',
  )
