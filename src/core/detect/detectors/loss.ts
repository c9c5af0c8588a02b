// A loss that is no number any more, or that has gone up for good. Megatron never prints a loss that is NaN: the field is missing from its
// line (training_log prints a key only where its average is at least 0), so a loss that was there and is not is the alarm.
import type { Sighting } from '../../../domain/finding.ts'
import type { Thresholds } from '../../../domain/thresholds.ts'
import type { Detector, Mark, Running } from '../look.ts'
import { deviation, median } from '../median.ts'
import { costOf, FREE, subjectOf } from '../subject.ts'
import { figure } from '../words.ts'

export const loss: Detector = {
  rules: ['loss-not-finite', 'loss-diverged'],
  detect: ({ running, thresholds }) =>
    running.flatMap((each) => {
      if (each.spec.watch.loss === 'off') return []
      const missing = notFinite(each, thresholds)
      return missing.length > 0 ? missing : diverged(each, thresholds)
    }),
}

const isFinite = ({ loss: value }: Mark): boolean => value !== null && Number.isFinite(value)

function notFinite(each: Running, { loss: limits }: Thresholds): Sighting[] {
  const { marks } = each.series
  const last = marks.findLastIndex(isFinite)
  const without = marks.slice(last + 1)
  const [first] = without
  if (last === -1 || first === undefined) return []
  // A script may tell its loss every tenth step only: its own longest gap so far is no alarm.
  let longest = 0
  let gap = 0
  for (const mark of marks.slice(marks.findIndex(isFinite), last + 1)) {
    gap = isFinite(mark) ? 0 : gap + 1
    longest = Math.max(longest, gap)
  }
  if (without.length < Math.max(limits.missing, 2 * longest + 1)) return []
  const before = marks[last]
  return [
    {
      rule: 'loss-not-finite',
      subject: subjectOf(each),
      severity: 'critical',
      since: first.at,
      message: `the loss of ${without.length} steps in a row is missing or no number, from step ${first.step} on`,
      evidence: [
        {
          what: `loss of step ${before?.step ?? '?'}, the last that is a number`,
          value: figure(before?.loss ?? Number.NaN),
          at: before?.at ?? null,
          worker: null,
        },
      ],
      ...costOf(each),
      whatToTry:
        'Stop it: what it trains now is lost. Resume from a checkpoint before this step, with the data of these steps left out or a lower learning rate; where the same step fails again on another node it is not the GPU.',
    },
  ]
}

function diverged(each: Running, { loss: limits }: Thresholds): Sighting[] {
  const marks = each.series.marks.filter(isFinite)
  const newest = marks.slice(-limits.window)
  const before = marks.slice(0, -limits.window)
  const [first] = newest
  // Twice the window before it: the spread of a few values is chance.
  if (first === undefined || before.length < 2 * limits.window) return []
  const valueOf = (mark: Mark): number => mark.loss ?? Number.NaN
  const [now, was] = [median(newest.map(valueOf)), median(before.slice(-4 * limits.window).map(valueOf))]
  const spread = deviation(before.slice(-4 * limits.window).map(valueOf), was)
  if (now <= was + limits.deviations * spread || now <= was + (limits.ratio - 1) * Math.abs(was)) return []
  return [
    {
      rule: 'loss-diverged',
      subject: subjectOf(each),
      severity: 'warning',
      since: first.at,
      message: `the loss has gone up from ${figure(was)} to ${figure(now)} (medians), from about step ${first.step} on`,
      evidence: [
        {
          what: `median loss of the ${newest.length} newest steps`,
          value: figure(now),
          at: newest.at(-1)?.at ?? null,
          worker: null,
        },
        { what: 'median loss before them', value: figure(was), at: null, worker: null },
        { what: 'its deviation (MAD x 1.4826)', value: figure(spread), at: null, worker: null },
      ],
      ...FREE,
      whatToTry:
        'See whether it comes down by itself within some hundred steps. If not, resume from a checkpoint before this step, and leave out the data of these steps.',
    },
  ]
}
