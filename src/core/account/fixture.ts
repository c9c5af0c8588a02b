// Facts and timelines for the tests of the books. A moment is written as seconds after `T0`.
import fc from 'fast-check'
import type { Fact, FactBody, Phase } from '../../domain/fact.ts'
import { byTime } from '../../domain/fact.ts'
import { attemptIdOf } from '../../domain/ids.ts'
import { runId, t } from '../../domain/fixture.ts'
import type { TimelineInput } from './timeline.ts'
import { EMPTY_CARRY, timelineOf } from './timeline.ts'

export const ATTEMPT = attemptIdOf(runId(1), 1)
export const SOURCE = `log:${ATTEMPT}-0`
export const OTHER = `log:${ATTEMPT}-1`

export const s = (seconds: number) => t(seconds * 1_000)

export function factAt(at: number, body: FactBody, source = SOURCE, sequence = at): Fact {
  return { source, sequence, attempt: ATTEMPT, at: t(at), sentAt: t(at), body }
}

export function step(
  seconds: number,
  number: number,
  over: Partial<Extract<FactBody, { kind: 'step' }>> = {},
  source = SOURCE,
): Fact {
  const body: FactBody = {
    kind: 'step',
    step: number,
    steps: null,
    durationMs: null,
    samples: null,
    batch: null,
    total: null,
    loss: null,
    tokens: null,
    ...over,
  }
  return factAt(seconds * 1_000, body, source)
}

export const begin = (seconds: number, phase: Phase, source = SOURCE) =>
  factAt(seconds * 1_000, { kind: 'begin', phase }, source)
export const end = (seconds: number, phase: Phase, source = SOURCE) =>
  factAt(seconds * 1_000, { kind: 'end', phase }, source)
export const saved = (seconds: number, number: number) => factAt(seconds * 1_000, { kind: 'saved', step: number })
export const resumed = (seconds: number, number: number, source = SOURCE) =>
  factAt(seconds * 1_000, { kind: 'resumed', step: number }, source)
export const done = (seconds: number) => factAt(seconds * 1_000, { kind: 'done' })

export function inputOf(facts: readonly Fact[], over: Partial<TimelineInput> = {}): TimelineInput {
  return {
    from: s(0),
    to: s(300),
    carry: EMPTY_CARRY,
    facts: facts.toSorted(byTime),
    source: SOURCE,
    observedTo: s(1_000_000),
    startedAt: s(0),
    failureAt: null,
    progressExpected: true,
    endedWithoutSuccess: false,
    sequenceLength: null,
    firstAttempt: false,
    ...over,
  }
}

/** The pieces as people read them, neighbours of one account joined: `0-10 startup, 10-20 productive`. */
export function told(facts: readonly Fact[], over: Partial<TimelineInput> = {}): string {
  const joined: { from: number; to: number; account: string }[] = []
  for (const piece of timelineOf(inputOf(facts, over)).pieces) {
    const last = joined.at(-1)
    const [from, to] = [(piece.from - s(0)) / 1_000, (piece.to - s(0)) / 1_000]
    if (last?.account === piece.account && last.to === from) last.to = to
    else joined.push({ from, to, account: piece.account })
  }
  return joined.map((each) => `${each.from}-${each.to} ${each.account}`).join(', ')
}

const body: fc.Arbitrary<FactBody> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('step' as const),
      step: fc.integer({ min: 0, max: 40 }),
      steps: fc.option(fc.integer({ min: 0, max: 6 })),
      durationMs: fc.option(fc.integer({ min: 0, max: 90_000 })),
      samples: fc.option(fc.integer({ min: 0, max: 400 })),
      batch: fc.option(fc.constant(8)),
      total: fc.constant(null),
      loss: fc.constant(null),
      tokens: fc.option(fc.nat(1_000)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('begin' as const), phase: phaseArbitrary() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('end' as const), phase: phaseArbitrary() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('saved' as const), step: fc.integer({ min: 0, max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('resumed' as const), step: fc.integer({ min: 0, max: 40 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'done' as const }) },
)

function phaseArbitrary(): fc.Arbitrary<Phase> {
  return fc.constantFrom('restore', 'checkpoint', 'evaluate')
}

/** Facts of two sources within `[0, spanMs)`, on a coarse grid so that many fall together; each name once, sorted. */
export function factsArbitrary(spanMs: number, count = 30): fc.Arbitrary<Fact[]> {
  const moment = fc.oneof(
    fc.integer({ min: 0, max: Math.floor((spanMs - 1) / 10_000) }).map((at) => at * 10_000),
    fc.integer({ min: 0, max: spanMs - 1 }),
  )
  return fc
    .array(fc.record({ at: moment, body, source: fc.constantFrom(SOURCE, SOURCE, SOURCE, OTHER) }), {
      maxLength: count,
    })
    .map((drafts) =>
      drafts
        .toSorted((a, b) => a.at - b.at)
        .map((draft, sequence) => factAt(draft.at, draft.body, draft.source, sequence))
        .toSorted(byTime),
    )
}
