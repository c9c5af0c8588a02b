// Runs whose newest attempt failed and that have not come back yet, and runs that have failed for good.
import type { Attempt } from '../../../domain/attempt.ts'
import type { Evidence, Sighting } from '../../../domain/finding.ts'
import { FAILURES } from '../../../domain/failure.ts'
import type { Detector, Failed, Look, Recovering } from '../look.ts'

/** One that tells no progress is back when it has run for so long. */
const RUNS_MS = 600_000
/** NVIDIA's Resiliency Extension and those who run such fleets take three in a row for a fault that passes no more by itself. */
const IN_A_ROW = 3
/** A day is long enough for everybody to have been at work once. */
export const FAILED_MS = 24 * 3_600_000

export const failure: Detector = {
  rules: ['attempt-failed', 'run-failed'],
  detect: (look) => [
    ...look.recovering.flatMap((each) => recovering(look, each)),
    ...look.failed.flatMap((each) => failed(look, each)),
  ],
}

function recovering({ running, now }: Look, { run, attempt, gpus, price }: Recovering): Sighting[] {
  if (attempt.state.kind !== 'ended' || attempt.state.failure === null) return []
  const next = running.find((each) => each.run.id === run.id)
  if (next !== undefined && (next.series.marks.length > 0 || now - next.startedAt > RUNS_MS)) return []
  const inRow = run.failuresInRow > 1 ? `, the ${ordinal(run.failuresInRow)} failure in a row` : ''
  return [
    {
      rule: 'attempt-failed',
      subject: { project: run.project, run: run.id, attempt: attempt.id, budget: null, part: '' },
      severity: run.failuresInRow >= IN_A_ROW ? 'critical' : 'warning',
      since: attempt.failureAt ?? attempt.endedAt ?? now,
      message: `attempt ${attempt.number} failed${inRow}: ${whyOf(attempt)}`,
      evidence: evidenceOf(attempt),
      gpus: gpus === 0 ? null : gpus,
      price,
      whatToTry: `Nothing yet: it is started again by itself. ${tryOf(attempt)}`.trim(),
    },
  ]
}

function failed({ now }: Look, { run, attempt, gpuMs, price }: Failed): Sighting[] {
  const endedAt = run.endedAt ?? now
  if (now >= endedAt + FAILED_MS || run.state.kind !== 'failed') return []
  return [
    {
      rule: 'run-failed',
      subject: { project: run.project, run: run.id, attempt: null, budget: null, part: '' },
      severity: 'critical',
      since: endedAt,
      message: `it failed in attempt ${run.attempts} and is not started again: ${attempt === null ? 'see why' : whyOf(attempt)}`,
      evidence: attempt === null ? [] : evidenceOf(attempt),
      gpus: null,
      spent: gpuMs,
      price,
      whatToTry: `${attempt === null ? '' : tryOf(attempt)} Submit it again when that is done.`.trim(),
    },
  ]
}

// No line of a log is in a finding: it goes to people who may not read logs, and out of the house.
function whyOf({ state }: Attempt): string {
  const kind = state.kind === 'ended' ? state.verdict?.kind : undefined
  return kind === undefined || kind === 'not-identified'
    ? 'why is not identified'
    : `${kind}: ${FAILURES[kind].meaning}`
}

function tryOf({ state }: Attempt): string {
  const kind = state.kind === 'ended' ? state.verdict?.kind : undefined
  return kind === undefined ? 'Read the last lines of its workers.' : sentence(FAILURES[kind].whatToTry)
}

const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`

const WITNESSES_MAX = 3

/** Who failed first and when; where nobody is accused, whose logs tell what it was, else when it was known. */
function evidenceOf({ state, failureAt, endedAt }: Attempt): Evidence[] {
  const verdict = state.kind === 'ended' ? state.verdict : undefined
  const knownAt = failureAt ?? endedAt
  if (verdict?.culprit != null) {
    const { worker, nodeName } = verdict.culprit
    const at = verdict.evidence.find((line) => line.worker === worker && line.at !== null)?.at ?? knownAt
    return [{ what: 'failed first, on node', value: nodeName, at, worker }]
  }
  const all = verdict?.evidence ?? []
  const ofWorkers = all.filter((line, index) => all.findIndex(({ worker }) => worker === line.worker) === index)
  return ofWorkers.length === 0
    ? [{ what: 'failed first', value: 'not known', at: knownAt, worker: null }]
    : ofWorkers
        .slice(0, WITNESSES_MAX)
        .map(({ worker, at }) => ({ what: 'its end says so', value: worker, at: at ?? knownAt, worker }))
}

const ORDINALS = ['', 'first', 'second', 'third', 'fourth', 'fifth'] as const
const ordinal = (count: number): string => ORDINALS[count] ?? `${count}th`
