// Simple rails for a router that has gone wrong for good: one expert gets almost all that one can get, or experts get nothing, for many
// reported steps in a row. One step proves nothing. Measures: core/experts/measures.ts; 0.9 of the tokens in one expert is where published
// collapses were called so.
import type { Sighting } from '../../../domain/finding.ts'
import { MEASURES_PER_LAYER } from '../../experts/measures.ts'
import type { Detector, ExpertSeries, Look, Running } from '../look.ts'
import { costOf, FREE, subjectOf } from '../subject.ts'
import { percent } from '../words.ts'

export const experts: Detector = {
  rules: ['experts-collapsed', 'experts-dead'],
  detect: (look) =>
    look.running.flatMap((each) => {
      if (each.spec.watch.experts === 'off') return []
      return each.series.experts.flatMap((set) => [...collapsed(each, set, look), ...dead(each, set, look)])
    }),
}

const MAX_VIO = 0
const DEAD = 3

type Layer = { readonly index: number; readonly value: number }

/** Layers for which something holds in each of the newest `count` steps, with the newest value. */
function layersWhere(
  set: ExpertSeries,
  count: number,
  measure: number,
  holds: (value: number) => boolean,
): { readonly layers: readonly Layer[]; readonly steps: ExpertSeries['steps'] } {
  const steps = set.steps.slice(-count)
  const layers: Layer[] = []
  if (steps.length < count) return { layers, steps }
  for (let index = 0; index < set.layers.length; index += 1) {
    const valueOf = (step: ExpertSeries['steps'][number]): number =>
      step.values[index * MEASURES_PER_LAYER + measure] ?? Number.NaN
    if (!steps.every((step) => holds(valueOf(step)))) continue
    const newest = steps.at(-1)
    if (newest !== undefined) layers.push({ index, value: valueOf(newest) })
  }
  return { layers, steps }
}

function collapsed(each: Running, set: ExpertSeries, { thresholds }: Look): Sighting[] {
  const { collapsedShare, collapsedSteps } = thresholds.experts
  const topK = set.topK ?? 1
  // Of the tokens that a layer routes, the share that one expert takes part in: 1 is all of them.
  const taken = (maxVio: number): number => ((maxVio + 1) * topK) / set.experts
  // Where few experts are left out anyway, even is as much.
  if (taken(0) >= collapsedShare / 2) return []
  const { layers, steps } = layersWhere(set, collapsedSteps, MAX_VIO, (value) => taken(value) >= collapsedShare)
  const worst = layers.toSorted((a, b) => b.value - a.value)[0]
  const [first] = steps
  if (worst === undefined || first === undefined) return []
  return [
    {
      rule: 'experts-collapsed',
      subject: subjectOf(each, partOf(set)),
      severity: 'critical',
      since: first.at,
      message: `one expert takes part in ${percent(taken(worst.value))} of the tokens of layer ${nameOf(set, worst)}${andMore(layers.length)}, in each of the last ${steps.length} reported steps`,
      evidence: layers.slice(0, 5).map((layer) => ({
        what: `MaxVio of layer ${nameOf(set, layer)} in step ${steps.at(-1)?.step ?? '?'}`,
        value: layer.value.toFixed(2),
        at: steps.at(-1)?.at ?? null,
        worker: null,
      })),
      ...costOf(each),
      whatToTry:
        'Stop it and resume from a checkpoint before this step. Look at the auxiliary loss or the bias update rate: a router that is trained without either collapses. plimsoll experts RUN, or its Experts tab, shows when it began.',
    },
  ]
}

function dead(each: Running, set: ExpertSeries, { thresholds }: Look): Sighting[] {
  const { layers, steps } = layersWhere(set, thresholds.experts.deadSteps, DEAD, (value) => value > 0)
  const worst = layers.toSorted((a, b) => b.value - a.value)[0]
  const [first] = steps
  if (worst === undefined || first === undefined) return []
  return [
    {
      rule: 'experts-dead',
      subject: subjectOf(each, partOf(set)),
      severity: 'warning',
      since: first.at,
      message: `${worst.value} of ${set.experts} experts of layer ${nameOf(set, worst)} get less than a twentieth of an even share${andMore(layers.length)}, in each of the last ${steps.length} reported steps`,
      evidence: layers.slice(0, 5).map((layer) => ({
        what: `dead experts of layer ${nameOf(set, layer)} in step ${steps.at(-1)?.step ?? '?'}`,
        value: String(layer.value),
        at: steps.at(-1)?.at ?? null,
        worker: null,
      })),
      ...FREE,
      whatToTry:
        'Its parameters are paid for and train on nothing. Its Experts tab shows which it is and since when; a higher auxiliary loss or bias update rate brings it back, unless its router weights have died.',
    },
  ]
}

const nameOf = (set: ExpertSeries, { index }: Layer): string => set.layers[index] ?? String(index)
const andMore = (layers: number): string =>
  layers > 1 ? ` (and the same is so in ${layers - 1} more of its layers)` : ''
/** Ranks of a pipeline report a set of layers each. */
const partOf = ({ layers }: ExpertSeries): string => layers[0] ?? ''
