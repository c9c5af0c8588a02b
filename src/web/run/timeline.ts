// An attempt as spans of time. Only what was seen is drawn: when it was placed, when it began, its steps, its end. How much went where to
// the millisecond stands in the books; this shows when.
import type { AttemptAccount } from '../../domain/reasons.ts'
import type { Attempt, Series, SeriesAttempt, Statement } from '../api/documents.ts'

export type Span = {
  readonly account: AttemptAccount
  readonly from: number
  readonly to: number
}

export type AttemptLine = {
  readonly number: number
  readonly from: number
  readonly to: number
  readonly spans: readonly Span[]
  /** Moments of durable checkpoints. */
  readonly saves: readonly number[]
}

/** What the books have of an attempt, in GPU-milliseconds. */
type Booked = Partial<Statement['attempts'][number]['byAccount']>

export function attemptLines(
  attempts: readonly Attempt[],
  series: Series | null,
  now: number,
  statement: Statement | null = null,
): readonly AttemptLine[] {
  return attempts.map((attempt, index) => {
    const steps = series?.attempts.find((each) => each.number === attempt.number) ?? null
    const booked = statement?.attempts.find((each) => each.id === attempt.id)?.byAccount ?? {}
    const from = Date.parse(attempt.plannedAt)
    const to = attempt.endedAt === null ? Math.max(now, from) : Date.parse(attempt.endedAt)
    const kept = keptTo(attempt, attempts.slice(index + 1), series)
    return {
      number: attempt.number,
      from,
      to,
      spans: spansOf(attempt, steps, kept, to, booked).filter((span) => span.to > span.from),
      saves: (series?.marks ?? [])
        .filter((mark) => mark.kind === 'saved' && mark.attempt === attempt.number)
        .map((mark) => Date.parse(mark.at)),
    }
  })
}

/** The last step that counts, by the rule of the books (`core/account/keep`); null: all do. */
function keptTo(attempt: Attempt, later: readonly Attempt[], series: Series | null): number | null {
  const resumes = later.flatMap(({ resumedFromStep }) => resumedFromStep ?? [])
  if (resumes.length > 0) return Math.min(...resumes)
  if (attempt.endedAt === null || attempt.outcome === 'succeeded') return null
  const saved = (series?.marks ?? []).filter(({ kind, attempt: of }) => kind === 'saved' && of === attempt.number)
  return saved.length > 0 ? Math.max(...saved.map(({ step }) => step ?? 0)) : attempt.resumedFromStep
}

function spansOf(
  attempt: Attempt,
  steps: SeriesAttempt | null,
  kept: number | null,
  to: number,
  booked: Booked,
): Span[] {
  const placed = Date.parse(attempt.plannedAt)
  if (attempt.startedAt === null) return [{ account: 'provision', from: placed, to }]
  const began = Date.parse(attempt.startedAt)
  const before: Span = { account: 'provision', from: placed, to: began }
  const first = steps?.at[0]
  const last = steps?.at.at(-1)
  if (steps === null || first === undefined || last === undefined)
    return [before, { account: 'startup', from: began, to }]
  const lostFrom = kept === null ? -1 : steps.step.findIndex((step) => step > kept)
  const lostAt = lostFrom < 0 ? null : Date.parse(steps.at[Math.max(0, lostFrom - 1)] ?? last)
  const end = Date.parse(last)
  return [
    before,
    { account: 'startup', from: began, to: Date.parse(first) },
    { account: 'productive', from: Date.parse(first), to: lostAt ?? end },
    ...(lostAt === null ? [] : [{ account: 'lost' as const, from: lostAt, to: end }]),
    // Of what comes after the newest step of a living attempt nothing is known yet.
    { account: attempt.endedAt === null ? 'unknown' : tailOf(booked), from: end, to },
  ]
}

/** What may come after the last step of an attempt that has ended. */
const TAILS = ['idle', 'stalled', 'unknown', 'recovery', 'teardown'] as const

/** When each of them was is not known here, so all of it is drawn as what the books have most of. */
function tailOf(booked: Booked): AttemptAccount {
  return TAILS.reduce<AttemptAccount>(
    (most, each) => ((booked[each] ?? 0) > (booked[most] ?? 0) ? each : most),
    'teardown',
  )
}
