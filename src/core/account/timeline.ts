// The timeline of an attempt: for each stretch of a cell, which account it belongs to. The rules and their numbers are those of
// design: books, Layer 2; the first that applies wins.
//
// A gap is the time between two marks. Inside a gap, `u` counts the milliseconds that rules 1 to 3 leave over, from the mark
// before it: a stall begins where u passes S, and a mark covers the last `cover` milliseconds of u before itself.
import type { Carry, Segment } from '../../domain/books.ts'
import type { Fact, FactBody } from '../../domain/fact.ts'
import { streamOf } from '../../domain/fact.ts'
import type { AttemptAccount } from '../../domain/reasons.ts'
import type { EpochMs } from '../../domain/units.ts'
import { earlier, later } from '../../domain/units.ts'
import type { Stretch } from './stretches.ts'
import { freeStretches, lengthOf } from './stretches.ts'

type Step = Extract<FactBody, { kind: 'step' }>

/** A stretch of the timeline. `mark` is the index into `Timeline.marks` of the mark that covers a productive one. */
export type Piece = {
  readonly from: EpochMs
  readonly to: EpochMs
  readonly account: AttemptAccount
  readonly mark: number | null
}

export type Mark = {
  readonly at: EpochMs
  readonly segment: number
  readonly step: number
  readonly steps: number
  readonly tokens: number | null
}

export type Timeline = { readonly pieces: readonly Piece[]; readonly marks: readonly Mark[]; readonly carry: Carry }

export type TimelineInput = {
  readonly from: EpochMs
  readonly to: EpochMs
  readonly carry: Carry
  /** Facts from `from` on, sorted, at least up to the first mark at or after `to` where there is one. */
  readonly facts: readonly Fact[]
  readonly source: string | null
  /** Up to here the silence of the source is known to be silence. */
  readonly observedTo: EpochMs
  /** When the last worker started. */
  readonly startedAt: EpochMs | null
  readonly failureAt: EpochMs | null
  /** A source of progress is known, though it may not have spoken. */
  readonly progressExpected: boolean
  readonly endedWithoutSuccess: boolean
  readonly sequenceLength: number | null
  /** The run has no earlier attempt: training begins at step 0 unless a load marker says otherwise. */
  readonly firstAttempt: boolean
}

export const STALL_FACTOR = 3
export const STALL_MS_MIN = 60_000
const STALL_FROM_MARK = 6
const DISTANCES_MAX = 20

export const EMPTY_CARRY: Carry = {
  marks: 0,
  lastMarkAt: null,
  lastSamples: null,
  lastSequence: null,
  lastSource: null,
  lastSentAt: null,
  distances: [],
  uncovered: 0,
  phases: [],
  done: false,
  resumed: null,
  durable: null,
  segments: [],
}

/** Classifies `[from, to)`. Total: whatever the facts say, the pieces cover the stretch exactly once. */
export function timelineOf(input: TimelineInput): Timeline {
  const { from, to } = input
  const marksAhead = input.facts.filter((fact) => isMark(fact, input.source) && fact.at >= from)
  const inside = marksAhead.filter((fact) => fact.at < to)
  const next = marksAhead.find((fact) => fact.at >= to)
  const blocked = blockedStretches(input, next === undefined ? to : later(to, next.at))
  const doneAt = input.carry.done ? from : (input.facts.find((fact) => isDone(fact, input.source))?.at ?? null)

  const pieces: Piece[] = []
  for (const stretch of blocked) pushPiece(pieces, stretch.from, earlier(stretch.to, to), stretch.account, null)
  const marks: Mark[] = []
  const state = openState(input.carry)
  const resumes = input.facts.filter((fact) => fact.body.kind === 'resumed')
  let gapFrom = from
  for (const fact of next === undefined ? inside : [...inside, next]) {
    const gap = freeStretches(blocked, gapFrom, fact.at)
    const step = stepOf(fact)
    const total = state.uncovered + lengthOf(gap)
    const isInside = fact.at < to
    const resumed = newestResumed(resumes, from, state.lastMarkAt, fact.at) ?? state.resumed
    const mark = markOf(fact, step, state, { resumed, total, input })
    const cover = coverOf(step, mark, total, state.lastMarkAt)
    fillGap(pieces, gap, to, { input, state, doneAt, coveredFrom: total - cover, mark: marks.length })
    marks.push(isInside ? mark : { ...mark, tokens: mark.tokens === null ? null : 0 })
    if (!isInside) break
    advance(state, fact, mark, resumed, total)
    gapFrom = fact.at
  }
  if (next === undefined) {
    const tail = freeStretches(blocked, gapFrom, to)
    fillGap(pieces, tail, to, { input, state, doneAt, coveredFrom: null, mark: null })
  }
  state.uncovered += lengthOf(freeStretches(blocked, gapFrom, to))
  pieces.sort((a, b) => a.from - b.from)
  return { pieces, marks, carry: closeState(state, input, from, to) }
}

const isMark = (fact: Fact, source: string | null): boolean =>
  fact.body.kind === 'step' && source !== null && streamOf(fact.source) === source
const isDone = (fact: Fact, source: string | null): boolean => fact.body.kind === 'done' && source !== null

function stepOf(fact: Fact): Step {
  if (fact.body.kind !== 'step') throw new Error('bug: a mark is a step')
  return fact.body
}

type Blocked = Stretch & { readonly account: AttemptAccount }

/** What rules 1 to 3 cover between `input.from` and `to`, sorted and without overlaps. */
function blockedStretches(input: TimelineInput, to: EpochMs): Blocked[] {
  const claims: Blocked[] = []
  if (input.failureAt !== null) claims.push({ from: input.failureAt, to, account: 'recovery' })
  claims.push({ from: input.from, to: input.startedAt ?? to, account: 'provision' })
  claims.push(...phaseStretches(input, to))
  const taken: Blocked[] = []
  // In the order of the rules: a later claim gets what the earlier ones left.
  for (const claim of claims) {
    const clamped = { from: later(claim.from, input.from), to: earlier(claim.to, to) }
    for (const rest of freeStretches(taken, clamped.from, clamped.to)) taken.push({ ...rest, account: claim.account })
    taken.sort((a, b) => a.from - b.from)
  }
  return taken
}

/** A phase lasts from its begin mark to the end mark of the same source; one without an end lasts as far as we look. */
function phaseStretches(input: TimelineInput, to: EpochMs): Blocked[] {
  const open = new Map(input.carry.phases.map((phase) => [`${phase.source}|${phase.phase}`, phase.since]))
  const stretches: (Blocked & { readonly source: string })[] = []
  for (const fact of input.facts) {
    if (fact.at >= to) break
    if (fact.body.kind === 'begin') {
      const key = `${fact.source}|${fact.body.phase}`
      if (!open.has(key)) open.set(key, fact.at)
    } else if (fact.body.kind === 'end') {
      const key = `${fact.source}|${fact.body.phase}`
      const since = open.get(key)
      if (since !== undefined)
        stretches.push({ from: since, to: fact.at, account: fact.body.phase, source: fact.source })
      open.delete(key)
    }
  }
  for (const [key, since] of open) {
    const bar = key.lastIndexOf('|')
    stretches.push({ from: since, to, account: key.slice(bar + 1) as AttemptAccount, source: key.slice(0, bar) })
  }
  // Where two overlap: by source, then by time. Never by what lies ahead, so that each cell sees the same order.
  return stretches.toSorted((a, b) => compare(a.source, b.source) || a.from - b.from || compare(a.account, b.account))
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

type State = {
  marks: number
  lastMarkAt: EpochMs | null
  lastSamples: number | null
  lastSequence: number | null
  lastSource: string | null
  lastSentAt: EpochMs | null
  distances: number[]
  uncovered: number
  resumed: number | null
  segments: Segment[]
  /** When the newest segment began, where it began by a decrease in this cell: what was saved before is not its. */
  rolledBackAt: EpochMs | null
}

function openState(carry: Carry): State {
  return {
    marks: carry.marks,
    lastMarkAt: carry.lastMarkAt,
    lastSamples: carry.lastSamples,
    lastSequence: carry.lastSequence,
    lastSource: carry.lastSource,
    // What was stored before there was one has none.
    lastSentAt: carry.lastSentAt ?? null,
    distances: [...carry.distances],
    uncovered: carry.uncovered,
    resumed: carry.resumed,
    segments: [...carry.segments],
    rolledBackAt: null,
  }
}

/** The newest load marker of `[from, to]` after the last mark. It may come from another worker than the steps do. */
function newestResumed(
  resumes: readonly Fact[],
  from: EpochMs,
  lastMarkAt: EpochMs | null,
  to: EpochMs,
): number | null {
  const newest = resumes.findLast(
    (fact) => fact.at >= from && fact.at <= to && (lastMarkAt === null || fact.at > lastMarkAt),
  )
  return newest?.body.kind === 'resumed' ? newest.body.step : null
}

/** Milliseconds of u that a mark covers. A repeated step covers nothing, nor does a first one that says no duration of its own. */
function coverOf(step: Step, mark: Mark, total: number, lastMarkAt: EpochMs | null): number {
  if (mark.steps === 0) return 0
  if (step.durationMs === null) return lastMarkAt === null ? 0 : total
  return Math.min(total, Math.round(step.durationMs * mark.steps))
}

type Before = { readonly resumed: number | null; readonly total: number; readonly input: TimelineInput }

/**
 * Which steps a mark stands for. One that goes down, in the order in which its source said it, begins a segment; one that is equal, or
 * that a clock which went back has put behind a later one, is a repeat.
 */
function markOf(fact: Fact, step: Step, state: State, { resumed, total, input }: Before): Mark {
  const current = state.segments.at(-1)
  const isLater = isSaidLater(fact, state)
  const begins = current === undefined || (step.step < current.last && isLater)
  const before = begins
    ? (resumed ?? step.step - (step.steps ?? stepsOfFirst(step, state, total, input)))
    : current.last
  const isRepeat = !begins && step.step <= before && (step.step === before || !isLater)
  const steps = isRepeat ? 0 : Math.max(0, step.steps ?? step.step - Math.min(before, step.step))
  const samples =
    step.batch !== null
      ? step.batch * steps
      : step.samples !== null && state.lastSamples !== null && !begins
        ? step.samples - state.lastSamples
        : null
  return {
    at: fact.at,
    segment: begins ? state.segments.length : state.segments.length - 1,
    step: step.step,
    steps,
    tokens: tokensOf(step, steps, samples, input.sequenceLength),
  }
}

/**
 * Each process of a rank counts its own sequence; between two of them their own clock tells, which is of one machine. When their batches
 * came says nothing: the last one of an older process may come after the first ones of a newer.
 */
function isSaidLater(fact: Fact, { lastSequence, lastSource, lastSentAt }: State): boolean {
  if (lastSequence === null) return true
  return fact.source === lastSource ? fact.sequence > lastSequence : lastSentAt === null || fact.sentAt >= lastSentAt
}

/** What the source counted itself, else samples times the length of a sequence. A repeat trained nothing. */
function tokensOf(step: Step, steps: number, samples: number | null, sequenceLength: number | null): number | null {
  if (step.tokens !== null) return steps === 0 ? 0 : step.tokens
  if (samples === null || sequenceLength === null) return null
  // A source whose samples go back, or are more than can be counted, has not said how many there were.
  const tokens = samples * sequenceLength
  return tokens >= 0 && Number.isSafeInteger(tokens) ? tokens : null
}

/**
 * How many steps a first mark without a load marker stands for. A line that is printed every 10 steps stands for 10, but one of a
 * training that went on from a checkpoint without a word of it must not stand for all that was before: so it is all steps up to it only in
 * the first attempt of a run, and only where they fit, each as long as the mark says, into the time that there was. Else it is one.
 */
function stepsOfFirst(step: Step, state: State, total: number, input: TimelineInput): number {
  const fits = step.durationMs !== null && step.step * step.durationMs <= total
  return input.firstAttempt && state.marks === 0 && fits ? Math.max(1, step.step) : 1
}

function advance(state: State, fact: Fact, mark: Mark, resumed: number | null, distance: number): void {
  const current = state.segments.at(-1)
  if (mark.segment === state.segments.length || current === undefined) {
    if (current !== undefined) state.rolledBackAt = mark.at
    state.segments.push({ resume: resumed ?? mark.step - mark.steps, last: mark.step })
    state.resumed = null
  } else {
    if (mark.step > current.last) state.segments[state.segments.length - 1] = { ...current, last: mark.step }
    // No segment began from it yet: the next one may, in whichever cell that is.
    state.resumed = resumed
  }
  if (state.lastMarkAt !== null) state.distances = [...state.distances, distance].slice(-DISTANCES_MAX)
  state.marks += 1
  state.lastMarkAt = mark.at
  state.lastSamples = stepOf(fact).samples ?? state.lastSamples
  if (isSaidLater(fact, state)) {
    state.lastSequence = fact.sequence
    state.lastSource = fact.source
    state.lastSentAt = fact.sentAt
  }
  state.uncovered = 0
}

type GapRules = {
  readonly input: TimelineInput
  readonly state: State
  readonly doneAt: EpochMs | null
  /** In u: from here on the mark at the gap's end covers; null where no mark ends it. */
  readonly coveredFrom: number | null
  readonly mark: number | null
}

/** Rules 4 to 8 over the free stretches of one gap, cut at `to`. */
function fillGap(pieces: Piece[], gap: readonly Stretch[], to: EpochMs, rules: GapRules): void {
  const { input, state, doneAt } = rules
  const stallAfter = state.marks >= STALL_FROM_MARK ? stallMs(state.distances) : Infinity
  const startup = state.marks === 0 && (input.progressExpected || input.source !== null)
  const unfinished = input.endedWithoutSuccess && rules.coveredFrom === null && state.marks > 0
  let u = state.uncovered
  for (const stretch of gap) {
    const end = earlier(stretch.to, to)
    for (let at = stretch.from; at < end;) {
      const until = Math.min(
        end,
        nextBorder(at, u, stallAfter),
        nextBorder(at, u, rules.coveredFrom ?? Infinity),
        doneAt !== null && doneAt > at ? doneAt : Infinity,
        input.observedTo > at ? input.observedTo : Infinity,
      ) as EpochMs
      const done = doneAt !== null && at >= doneAt
      const covered = rules.coveredFrom !== null && u >= rules.coveredFrom
      if (u >= stallAfter && !done && at < input.observedTo) pushPiece(pieces, at, until, 'stalled', null)
      else if (covered) pushPiece(pieces, at, until, 'productive', rules.mark)
      else if (startup) pushPiece(pieces, at, until, 'startup', null)
      else if (done) pushPiece(pieces, at, until, 'idle', null)
      else pushPiece(pieces, at, until, unfinished ? 'lost' : 'unknown', null)
      u += until - at
      at = until
    }
  }
}

/** Where u reaches `border`, as a moment; Infinity when it lies behind. */
function nextBorder(at: EpochMs, u: number, border: number): number {
  return border > u ? at + (border - u) : Infinity
}

/** S of rule 4. */
function stallMs(distances: readonly number[]): number {
  const sorted = distances.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? 0
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
  return Math.max(Math.round(STALL_FACTOR * median), STALL_MS_MIN)
}

function pushPiece(pieces: Piece[], from: EpochMs, to: EpochMs, account: AttemptAccount, mark: number | null): void {
  if (from < to) pieces.push({ from, to, account, mark })
}

function closeState(state: State, input: TimelineInput, from: EpochMs, to: EpochMs): Carry {
  const inside = input.facts.filter((fact) => fact.at >= from && fact.at < to)
  const phases = new Map(input.carry.phases.map((phase) => [`${phase.source}|${phase.phase}`, phase]))
  let durable = state.rolledBackAt === null ? input.carry.durable : null
  let { done } = input.carry
  let { resumed } = state
  for (const fact of inside) {
    const { body } = fact
    if (body.kind === 'begin') {
      const key = `${fact.source}|${body.phase}`
      if (!phases.has(key)) phases.set(key, { source: fact.source, phase: body.phase, since: fact.at })
    } else if (body.kind === 'end') phases.delete(`${fact.source}|${body.phase}`)
    else if (body.kind === 'saved') {
      if (state.rolledBackAt === null || fact.at > state.rolledBackAt)
        durable = Math.max(durable ?? body.step, body.step)
    } else if (body.kind === 'done') done ||= input.source !== null
    else if (body.kind === 'resumed' && (state.lastMarkAt === null || fact.at > state.lastMarkAt)) resumed = body.step
  }
  return {
    marks: state.marks,
    lastMarkAt: state.lastMarkAt,
    lastSamples: state.lastSamples,
    lastSequence: state.lastSequence,
    lastSource: state.lastSource,
    lastSentAt: state.lastSentAt,
    distances: state.distances,
    uncovered: state.uncovered,
    phases: [...phases.values()],
    done,
    resumed,
    durable,
    segments: state.segments,
  }
}
