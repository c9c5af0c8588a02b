import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Fact } from '../../domain/fact.ts'
import { CELL_MS, earlier, epochMs } from '../../domain/units.ts'
import { t } from '../../domain/fixture.ts'
import { ATTEMPT, begin, done, end, factsArbitrary, inputOf, OTHER, resumed, s, saved, step, told } from './fixture.ts'
import type { Timeline, TimelineInput } from './timeline.ts'
import { EMPTY_CARRY, timelineOf } from './timeline.ts'

const every = (seconds: number, count: number, from = 0): Fact[] =>
  Array.from({ length: count }, (_, index) => step(from + seconds * (index + 1), index + 1))

type Row = {
  readonly name: string
  readonly facts: readonly Fact[]
  readonly over?: Partial<TimelineInput>
  readonly is: string
}

const ROWS: readonly Row[] = [
  {
    name: 'until the last worker has started it is provision',
    facts: [],
    over: { startedAt: s(40) },
    is: '0-40 provision, 40-300 startup',
  },
  {
    name: 'without a start all of it is provision',
    facts: [step(50, 1)],
    over: { startedAt: null },
    is: '0-300 provision',
  },
  {
    name: 'from the moment a failure is known it is recovery',
    facts: every(20, 3),
    over: { failureAt: s(100) },
    is: '0-20 startup, 20-60 productive, 60-100 unknown, 100-300 recovery',
  },
  {
    name: 'recovery comes before provision',
    facts: [],
    over: { startedAt: null, failureAt: s(100) },
    is: '0-100 provision, 100-300 recovery',
  },
  { name: 'before the first step of a known source it is startup', facts: [], is: '0-300 startup' },
  {
    name: 'a source that is only elected is known too',
    facts: [],
    over: { progressExpected: false },
    is: '0-300 startup',
  },
  {
    name: 'without any source of progress a running worker is unknown, never idle',
    facts: [done(10)],
    over: { source: null, progressExpected: false },
    is: '0-300 unknown',
  },
  {
    name: 'a first mark covers its own duration and what is before it is startup',
    facts: [step(100, 1, { durationMs: 30_000 })],
    is: '0-70 startup, 70-100 productive, 100-300 unknown',
  },
  {
    name: 'a first mark without a duration has no mark before it to measure from',
    facts: [step(100, 1), step(120, 2)],
    is: '0-100 startup, 100-120 productive, 120-300 unknown',
  },
  {
    name: 'a mark with its own duration covers back from itself and leaves the rest unknown',
    facts: [step(10, 1), step(100, 3, { durationMs: 20_000 })],
    is: '0-10 startup, 10-60 unknown, 60-100 productive, 100-300 unknown',
  },
  {
    name: 'a mark never covers past the mark before it',
    facts: [step(10, 1), step(50, 2, { durationMs: 900_000 })],
    is: '0-10 startup, 10-50 productive, 50-300 unknown',
  },
  {
    name: 'what a phase covers does not count towards the cover of a mark',
    facts: [step(10, 1), begin(50, 'checkpoint'), end(90, 'checkpoint'), step(100, 2, { durationMs: 30_000 })],
    is: '0-10 startup, 10-30 unknown, 30-50 productive, 50-90 checkpoint, 90-100 productive, 100-300 unknown',
  },
  {
    name: 'a restore lies between its marks',
    facts: [begin(10, 'restore'), end(30, 'restore')],
    is: '0-10 startup, 10-30 restore, 30-300 startup',
  },
  {
    name: 'an evaluation lies between its marks',
    facts: [step(10, 1), begin(10, 'evaluate'), end(40, 'evaluate'), step(60, 2)],
    is: '0-10 startup, 10-40 evaluate, 40-60 productive, 60-300 unknown',
  },
  {
    name: 'a phase without an end lasts',
    facts: [step(10, 1), begin(20, 'checkpoint')],
    is: '0-10 startup, 10-20 unknown, 20-300 checkpoint',
  },
  {
    name: 'an end without a begin says nothing',
    facts: [step(10, 1), end(20, 'checkpoint'), step(30, 2)],
    is: '0-10 startup, 10-30 productive, 30-300 unknown',
  },
  {
    name: 'an end belongs to the begin of its own source',
    facts: [begin(10, 'checkpoint'), end(20, 'checkpoint', OTHER), end(30, 'checkpoint')],
    is: '0-10 startup, 10-30 checkpoint, 30-300 startup',
  },
  {
    name: 'where phases of two sources overlap the source that sorts first wins',
    facts: [begin(10, 'evaluate', OTHER), begin(20, 'restore'), end(40, 'restore'), end(60, 'evaluate', OTHER)],
    is: '0-10 startup, 10-20 evaluate, 20-40 restore, 40-60 evaluate, 60-300 startup',
  },
  {
    name: 'after five marks nothing is stalled yet',
    facts: every(10, 5),
    is: '0-10 startup, 10-50 productive, 50-300 unknown',
  },
  {
    name: 'from the sixth mark on silence of more than a minute is a stall',
    facts: every(10, 6),
    is: '0-10 startup, 10-60 productive, 60-120 unknown, 120-300 stalled',
  },
  {
    name: 'slow steps have three medians of time',
    facts: every(30, 6),
    is: '0-30 startup, 30-180 productive, 180-270 unknown, 270-300 stalled',
  },
  {
    name: 'a stall is a stall also when a mark ends it',
    facts: [...every(10, 6), step(200, 7)],
    is: '0-10 startup, 10-120 productive, 120-200 stalled, 200-260 unknown, 260-300 stalled',
  },
  {
    name: 'a checkpoint does not count towards a stall',
    facts: [...every(10, 6), begin(80, 'checkpoint'), end(180, 'checkpoint')],
    is: '0-10 startup, 10-60 productive, 60-80 unknown, 80-180 checkpoint, 180-220 unknown, 220-300 stalled',
  },
  {
    name: 'silence of a source that nobody observed is unknown',
    facts: every(10, 6),
    over: { observedTo: s(150) },
    is: '0-10 startup, 10-60 productive, 60-120 unknown, 120-150 stalled, 150-300 unknown',
  },
  {
    name: 'after the source is done it is idle and never stalled',
    facts: [...every(10, 6), done(70)],
    is: '0-10 startup, 10-60 productive, 60-70 unknown, 70-300 idle',
  },
  {
    name: 'the unfinished step of an attempt that ended without success is lost',
    facts: every(10, 3),
    over: { endedWithoutSuccess: true },
    is: '0-10 startup, 10-30 productive, 30-300 lost',
  },
  {
    name: 'a stall stays a stall when the attempt fails',
    facts: every(10, 6),
    over: { endedWithoutSuccess: true },
    is: '0-10 startup, 10-60 productive, 60-120 lost, 120-300 stalled',
  },
  {
    name: 'what is unknown between two marks is not the unfinished step',
    facts: [step(10, 1), step(100, 2, { durationMs: 10_000 })],
    over: { endedWithoutSuccess: true, to: s(100) },
    is: '0-10 startup, 10-90 unknown, 90-100 productive',
  },
  {
    name: 'a repeated step covers nothing',
    facts: [step(10, 1), step(20, 2), step(40, 2), step(50, 3)],
    is: '0-10 startup, 10-20 productive, 20-40 unknown, 40-50 productive, 50-300 unknown',
  },
  {
    name: 'a repeated step covers nothing even where its line names a count',
    facts: [step(10, 2, { steps: 2 }), step(30, 2, { steps: 2, durationMs: 5_000 })],
    is: '0-10 startup, 10-300 unknown',
  },
  {
    name: 'steps of another source cover nothing',
    facts: [step(10, 1), step(20, 2, {}, OTHER)],
    is: '0-10 startup, 10-300 unknown',
  },
  {
    name: 'a mark after the end of the stretch covers back into it',
    facts: [step(10, 1), step(400, 2)],
    is: '0-10 startup, 10-300 productive',
  },
]

for (const { name, facts, over, is } of ROWS) {
  void test(name, () => {
    assert.equal(told(facts, over), is)
  })
}

void test('a decrease begins a segment, an equal step does not', () => {
  const { carry } = timelineOf(inputOf([step(10, 5), step(20, 6), step(30, 6), step(40, 4), step(50, 5)]))
  assert.deepEqual(carry.segments, [
    { resume: 4, last: 6 },
    { resume: 3, last: 5 },
  ])
})

void test('a load marker says where a segment resumed, whichever worker printed it', () => {
  const facts = [step(10, 5), step(20, 9), resumed(30, 6, OTHER), step(40, 7)]
  assert.deepEqual(timelineOf(inputOf(facts)).carry.segments, [
    { resume: 4, last: 9 },
    { resume: 6, last: 7 },
  ])
})

void test('a load marker waits for the segment that begins from it, also across marks that begin none', () => {
  const facts = [step(10, 5), resumed(20, 2, OTHER), step(30, 6), step(40, 3)]
  assert.deepEqual(timelineOf(inputOf(facts)).carry.segments.at(-1), { resume: 2, last: 3 })
})

void test('the newest durable step and an open phase are carried', () => {
  const { carry } = timelineOf(inputOf([saved(10, 100), saved(20, 50), begin(30, 'checkpoint'), done(40)]))
  assert.equal(carry.durable, 100)
  assert.equal(carry.done, true)
  assert.deepEqual(carry.phases, [{ source: inputOf([]).source, phase: 'checkpoint', since: s(30) }])
})

void test('a roll-back begins anew what is durable, also in a later cell', () => {
  const facts = [step(10, 9), step(20, 10), saved(21, 10), resumed(30, 4), step(40, 5), step(50, 6), saved(51, 6)]
  assert.equal(timelineOf(inputOf(facts)).carry.durable, 6)
  assert.equal(timelineOf(inputOf(facts.slice(0, 5))).carry.durable, null)
  const before = timelineOf(inputOf(facts.slice(0, 3), { to: s(25) })).carry
  assert.equal(before.durable, 10)
  assert.equal(timelineOf(inputOf(facts.slice(3), { from: s(25), carry: before })).carry.durable, 6)
})

void test('a clock that goes back begins no segment: what counts is the order in which the source spoke', () => {
  const said = (seconds: number, number: number) => ({ ...step(seconds, number), sequence: number })
  const { carry, marks } = timelineOf(inputOf([said(10, 1), said(20, 2), said(19, 3), said(30, 4)]))
  assert.deepEqual(carry.segments, [{ resume: 0, last: 4 }])
  assert.deepEqual(
    marks.map((mark) => [mark.step, mark.steps]),
    [
      [1, 1],
      [3, 2],
      [2, 0],
      [4, 1],
    ],
  )
})

void test('a first mark of a first attempt stands for all steps up to it where they fit into the time, else for one', () => {
  const first = (over: Parameters<typeof told>[1], ...facts: ReturnType<typeof step>[]) =>
    timelineOf(inputOf(facts, over)).marks.map((mark) => mark.steps)
  const tenth = step(50, 10, { durationMs: 4_000 })
  assert.deepEqual(first({ firstAttempt: true }, tenth), [10])
  assert.deepEqual(first({ firstAttempt: true }, step(50, 10, { durationMs: 5_001 })), [1])
  assert.deepEqual(first({ firstAttempt: true }, step(50, 10)), [1])
  assert.deepEqual(first({ firstAttempt: false }, tenth), [1])
  assert.equal(told([tenth], { firstAttempt: true, to: s(50) }), '0-10 startup, 10-50 productive')
})

void test('tokens are samples times the length of a sequence, and null where nothing tells the samples', () => {
  const counted = timelineOf(inputOf([step(10, 3, { batch: 4 }), step(20, 5, { batch: 4 })], { sequenceLength: 10 }))
  assert.deepEqual(
    counted.marks.map((mark) => [mark.steps, mark.tokens]),
    [
      [1, 40],
      [2, 80],
    ],
  )
  const silent = timelineOf(inputOf([step(10, 3)], { sequenceLength: 10 }))
  assert.deepEqual(
    silent.marks.map((mark) => mark.tokens),
    [null],
  )
  const lies = [step(10, 3, { samples: 9 }), step(20, 5, { samples: 4 }), step(30, 6, { samples: 2 ** 53 - 1 })]
  assert.deepEqual(
    timelineOf(inputOf(lies, { sequenceLength: 10 })).marks.map((mark) => mark.tokens),
    [null, null, null],
  )
})

void test('a batch of an older process that comes late does not put its steps behind those of a newer one', () => {
  const rank = `rep:${ATTEMPT}:0`
  const said = (process: string, sentAt: number, at: number, number: number): Fact => ({
    ...step(at, number, { steps: 1 }, `${rank}:${process}`),
    sequence: number,
    sentAt: s(sentAt),
  })
  const facts = [
    said('00', 10, 10, 1),
    said('00', 20, 61, 2),
    said('01', 30, 40, 3),
    said('00', 25, 66, 3),
    said('01', 70, 80, 4),
  ]
  const { carry, marks } = timelineOf(inputOf(facts, { source: rank }))
  assert.deepEqual(carry.segments, [{ resume: 0, last: 4 }])
  assert.deepEqual(
    marks.map((mark) => [mark.step, mark.steps]),
    [
      [1, 1],
      [3, 1],
      [2, 0],
      [3, 0],
      [4, 1],
    ],
  )
  // A process that came later and says less has gone back to a checkpoint.
  const back = timelineOf(inputOf([...facts, said('02', 90, 90, 3)], { source: rank }))
  assert.equal(back.carry.segments.length, 2)
})

const SPAN = 4 * CELL_MS
const circumstances = fc.record({
  facts: factsArbitrary(SPAN + CELL_MS),
  startedAt: fc.option(fc.integer({ min: 0, max: 200_000 }).map(t)),
  failureAt: fc.option(fc.integer({ min: 0, max: SPAN }).map(t)),
  observedTo: fc.integer({ min: 0, max: SPAN }).map(t),
  progressExpected: fc.boolean(),
  endedWithoutSuccess: fc.boolean(),
  sequenceLength: fc.option(fc.constant(16)),
})

void test('safety: the pieces cover the stretch exactly once, whatever the facts say', () => {
  fc.assert(
    fc.property(circumstances, fc.integer({ min: 1, max: SPAN }), (given, length) => {
      const input = inputOf(given.facts, { ...given, from: t(0), to: t(length) })
      const { pieces } = timelineOf(input)
      let at: number = input.from
      for (const piece of pieces) {
        assert.equal(piece.from, at)
        assert.ok(piece.to > piece.from && Number.isSafeInteger(piece.to))
        at = piece.to
      }
      assert.equal(at, input.to)
    }),
    { numRuns: 400 },
  )
})

/** The same stretch in cells, each knowing the one before it by the carry alone. */
function inCells(input: TimelineInput, borders: readonly number[]): Timeline[] {
  const results: Timeline[] = []
  let { from, carry } = input
  for (const border of [...borders.filter((each) => each > from && each < input.to), input.to]) {
    const to = earlier(epochMs(border), input.to)
    const ahead = input.facts.filter((fact) => fact.at >= from)
    const next = ahead.find((fact) => fact.at >= to && fact.body.kind === 'step' && fact.source === input.source)
    const facts = next === undefined ? ahead : ahead.filter((fact) => fact.at <= next.at)
    const result = timelineOf({ ...input, from, to, carry: structuredClone(carry), facts })
    results.push(result)
    from = to
    carry = result.carry
  }
  return results
}

/** Account and mark of each millisecond, as runs: equal whichever way the pieces were cut. */
function rendered(timelines: readonly Timeline[]): string[] {
  const runs: { what: string; to: number }[] = []
  for (const { pieces, marks } of timelines) {
    for (const piece of pieces) {
      const mark = piece.mark === null ? undefined : marks[piece.mark]
      const what = `${piece.account} ${mark === undefined ? '' : `${mark.at}/${mark.segment}/${mark.step}/${mark.steps}`}`
      const last = runs.at(-1)
      if (last?.what === what) last.to = piece.to
      else runs.push({ what, to: piece.to })
    }
  }
  return runs.map((run) => `${run.what} until ${run.to}`)
}

void test('safety: cell by cell gives the same accounts, marks and carry as one long cell', () => {
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: SPAN / 10_000 - 1 }), { maxLength: 6 })
  fc.assert(
    fc.property(circumstances, cuts, (given, borders) => {
      const input = inputOf(given.facts, { ...given, from: t(0), to: t(SPAN), carry: EMPTY_CARRY })
      const whole = timelineOf(input)
      const parts = inCells(
        input,
        borders.toSorted((a, b) => a - b).map((border) => t(border * 10_000)),
      )
      assert.deepEqual(rendered(parts), rendered([whole]))
      assert.deepEqual(parts.at(-1)?.carry, whole.carry)
      const tokens = (timelines: readonly Timeline[]) =>
        timelines.flatMap((each) => each.marks.map((mark) => mark.tokens ?? 0)).reduce((sum, each) => sum + each, 0)
      assert.equal(tokens(parts), tokens([whole]))
    }),
    { numRuns: 400 },
  )
})
