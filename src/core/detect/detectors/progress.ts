// A run that takes no steps while it is heard. The threshold is the run's own, by the rule of the books for `stalled` (design: books):
// three median distances of its marks, and a floor. A known phase is no stall until it takes longer than any should.
import type { Sighting } from '../../../domain/finding.ts'
import type { EpochMs } from '../../../domain/units.ts'
import type { Thresholds } from '../../../domain/thresholds.ts'
import type { Detector, Running, Series } from '../look.ts'
import { median } from '../median.ts'
import { costOf, subjectOf } from '../subject.ts'
import { durationText, figure } from '../words.ts'

const PHASE_WORDS = { restore: 'a restore', checkpoint: 'a checkpoint', evaluate: 'an evaluation' } as const
/** Distances whose median is the run's own pace. */
const DISTANCES = 20

export const progress: Detector = {
  rules: ['no-progress', 'never-progressed'],
  detect: ({ running, thresholds }) =>
    running.flatMap((each) => {
      const { series, spec } = each
      if (spec.watch.stall === 'off' || series.heardTo === null || series.doneAt !== null) return []
      const last = series.marks.at(-1)
      return last === undefined
        ? neverProgressed(each, series.heardTo, thresholds)
        : noProgress(each, last, series.heardTo, thresholds)
    }),
}

function neverProgressed(each: Running, heardTo: EpochMs, { progress: limits }: Thresholds): Sighting[] {
  const { run, startedAt } = each
  const waited = heardTo - startedAt
  // Of what prints steps that nobody knows to read, nothing is known.
  if (!run.progressExpected || waited <= limits.firstStep) return []
  return [
    {
      rule: 'never-progressed',
      subject: subjectOf(each),
      severity: 'warning',
      since: startedAt,
      message: `no step was seen within ${durationText(limits.firstStep)} of the start of its last worker`,
      evidence: [],
      ...costOf(each),
      whatToTry:
        'Read its log: plimsoll logs RUN. A first step that compiles, or reads a large checkpoint, may take long; a rendezvous in which one worker is missing never ends.',
    },
  ]
}

function noProgress(
  each: Running,
  last: Series['marks'][number],
  heardTo: EpochMs,
  { progress: limits }: Thresholds,
): Sighting[] {
  const { series } = each
  const sighting = (since: EpochMs, message: string, whatToTry: string): Sighting[] => [
    {
      rule: 'no-progress',
      subject: subjectOf(each),
      severity: 'critical',
      since,
      message,
      evidence: [{ what: 'last step', value: String(last.step), at: last.at, worker: null }],
      ...costOf(each),
      whatToTry,
    },
  ]
  if (series.phase !== null) {
    const { phase, since } = series.phase
    if (heardTo - since <= limits.phase) return []
    return sighting(
      since,
      `${PHASE_WORDS[phase]} has begun after step ${last.step} and has not ended within ${durationText(limits.phase)}`,
      'Look at the storage that it reads or writes: a full or slow file system is the usual cause. If nothing moves, plimsoll stop RUN --now and resume it.',
    )
  }
  const distances = series.marks.slice(-DISTANCES - 1).flatMap(({ at }, index, marks) => {
    const before = marks[index - 1]
    return before === undefined ? [] : [at - before.at]
  })
  const enough = series.marks.length >= limits.marks
  const pace = median(distances)
  const limit = enough ? Math.max(limits.factor * pace, limits.silenceMin) : limits.firstStep
  const silent = heardTo - last.at - series.phasesMs
  if (silent <= limit) return []
  const own = enough ? `; its steps came every ${figure(pace / 1_000)} s` : ''
  return sighting(
    last.at,
    `no step after step ${last.step}${own}`,
    'All ranks wait for the slowest one: plimsoll logs RUN says which worker was heard last. NVIDIA GPUs that wait in a collective read 100 % busy. A stack dump of each rank (py-spy) names the one that is elsewhere; stop and resume starts it from its newest checkpoint.',
  )
}
