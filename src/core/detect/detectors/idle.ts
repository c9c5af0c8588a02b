// GPUs that are held by a run which said that its training is done.
import type { Detector } from '../look.ts'
import { costOf, subjectOf } from '../subject.ts'

export const idle: Detector = {
  rules: ['gpus-idle'],
  detect: ({ running, thresholds }) =>
    running.flatMap((each) => {
      const { doneAt, heardTo } = each.series
      if (doneAt === null || heardTo === null || heardTo - doneAt <= thresholds.idle.afterDone) return []
      return [
        {
          rule: 'gpus-idle' as const,
          subject: subjectOf(each),
          severity: 'warning' as const,
          since: doneAt,
          message: `it said that its training is done, and still holds ${each.gpus} GPUs`,
          evidence: [{ what: 'training is done', value: '', at: doneAt, worker: null }],
          ...costOf(each),
          whatToTry:
            'See what it does with them: an upload, an evaluation, a debugger. plimsoll stop RUN gives them back.',
        },
      ]
    }),
}
