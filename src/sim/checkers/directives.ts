// An ending that asks for a checkpoint first, seen from outside: only who obeys is asked, and who obeys is; the answers name what is asked
// for as long as it is; nobody's processes are told to end before the checkpoint is durable, its time is over, one of them has ended or
// somebody asked for an end at once; and from then on they are, as soon as a leader acts.
import type { Attempt } from '../../domain/attempt.ts'
import type { AttemptId, RunId } from '../../domain/ids.ts'
import { checkpointDirective } from '../../domain/report.ts'
import type { ReportSave } from '../../ports/store.ts'
import type { Answered } from '../mail.ts'
import type { Commit, Tables } from '../store/tables.ts'

type Reality = {
  /** When the processes of each attempt were first asked to end. */
  readonly signals: ReadonlyMap<AttemptId, number>
  hasCheckpoint(run: RunId, step: number): boolean
}

type Spoken = {
  readonly answered: readonly Answered[]
  /** Attempts whose script has asked for directives, and whether all that asked are careful. */
  readonly obeying: ReadonlyMap<AttemptId, boolean>
}

export type DirectiveOptions = {
  readonly blindAfterMs: number
  readonly now: () => number
  readonly clocksAreTrue: () => boolean
  /** Runs whose reporters cannot be trusted. */
  readonly lies: ReadonlySet<RunId>
}

type Asked = {
  readonly attempt: AttemptId
  readonly run: RunId
  readonly id: string
  readonly until: number
  readonly at: number
  /** When the wait was over, as it was committed. */
  closedAt: number | null
  done: { readonly step: number | null } | null
  /** Somebody inside said that there will be no checkpoint. */
  refused: boolean
  /** Since when there is nothing to wait for. */
  dueAt: number | null
  /** Turns of a leader that began after that. */
  turns: number
}

/** The clocks of two processes may differ by so much: an answer takes time. */
const UNSURE_MS = 2_000
/** An item may be refused and an effect put off, but not time and again. */
const TURNS_MAX = 3

export class Directives {
  readonly #tables: Tables
  readonly #reality: Reality
  readonly #spoken: Spoken
  readonly #options: DirectiveOptions
  readonly #asked = new Map<AttemptId, Asked>()
  /** Those whose processes have not been asked to end. */
  readonly #open = new Set<Asked>()
  readonly #heard = new Map<AttemptId, number[]>()
  #answers = 0
  #problem: string | null = null

  constructor(tables: Tables, reality: Reality, spoken: Spoken, options: DirectiveOptions) {
    this.#tables = tables
    this.#reality = reality
    this.#spoken = spoken
    this.#options = options
  }

  commit({ before, changes }: Commit): void {
    for (const attempt of changes.attempts.values()) {
      const old = before.attempts.get(attempt.id)
      const { state } = attempt
      const asked = this.#asked.get(attempt.id)
      if (state.kind === 'stopping' && state.checkpointUntil !== undefined) {
        if (asked === undefined) this.#begins(attempt, state.since, state.checkpointUntil)
        continue
      }
      if (asked !== undefined) asked.closedAt ??= this.#options.now()
      else if (old?.state.kind === 'running' && state.kind === 'stopping') this.#problem ??= this.#notAsked(attempt)
    }
  }

  #begins(attempt: Attempt, since: number, until: number): void {
    const { id, run } = attempt
    const { now, clocksAreTrue, blindAfterMs } = this.#options
    const asked = { attempt: id, run, id: checkpointDirective(since as never), until, at: now() }
    const entry: Asked = { ...asked, closedAt: null, done: null, refused: false, dueAt: null, turns: 0 }
    this.#asked.set(id, entry)
    this.#open.add(entry)
    if (!this.#spoken.obeying.has(id)) this.#problem ??= `${id} is waited for, and nobody in it obeys`
    const heard = (this.#heard.get(id) ?? []).some((at) => at >= since - blindAfterMs - UNSURE_MS)
    if (clocksAreTrue() && !heard) this.#problem ??= `${id} is waited for, and nobody in it was heard for long`
    if (this.#tables.runs.get(run)?.wish === 'stop-now' && this.#causeOf(id) === 'stop')
      this.#problem ??= `${id} is waited for, and somebody asked to stop it now`
  }

  #causeOf(id: AttemptId): string | null {
    const state = this.#tables.attempts.get(id)?.state
    return state?.kind === 'stopping' ? state.cause : null
  }

  /** Who obeys is asked, wherever somebody or a rule ends it and gives it time. */
  #notAsked({ id, state }: Attempt): string | null {
    if (state.kind !== 'stopping' || state.graceMs === 0 || !this.#options.clocksAreTrue()) return null
    if (state.cause !== 'stop' && state.cause !== 'suspend' && state.cause !== 'budget') return null
    const from = state.since - this.#options.blindAfterMs + UNSURE_MS
    const heard = (this.#heard.get(id) ?? []).some((at) => at >= from && at <= state.since - UNSURE_MS)
    return heard ? `${id} obeys, and is ended without being asked for a checkpoint` : null
  }

  /** A batch of a reporter that is about to be written. */
  report({ attempt, obeys, facts, receivedAt }: ReportSave): void {
    if (obeys.includes('checkpoint')) {
      const heard = this.#heard.get(attempt) ?? []
      // What was left in a log was said when it was left.
      heard.push(Math.min(this.#options.now(), receivedAt))
      this.#heard.set(attempt, heard)
    }
    const asked = this.#asked.get(attempt)
    if (asked === undefined) return
    for (const { body } of facts) {
      if (body.kind !== 'directive' || body.id !== asked.id) continue
      if (body.outcome === 'done') asked.done ??= { step: body.step }
      if (body.outcome === 'unsupported' || body.outcome === 'expired') asked.refused = true
    }
  }

  /** A launch turn of a process that led from its begin to its end. */
  turn(begin: number): void {
    for (const asked of this.#open) {
      // Who gives one name to two things said the first: a liar's word that it saved may be nobody's.
      if (asked.dueAt === null || begin <= asked.dueAt || this.#options.lies.has(asked.run)) continue
      asked.turns += 1
      if (asked.turns >= TURNS_MAX)
        this.#problem ??= `${asked.attempt} has nothing to wait for since ${asked.dueAt}, and is not asked to end`
    }
  }

  /** After an event. */
  look(): string | null {
    for (const asked of this.#open) this.#lookAt(asked)
    const { answered } = this.#spoken
    for (; this.#answers < answered.length; this.#answers += 1) {
      const each = answered[this.#answers]
      if (each !== undefined) this.#problem ??= this.#answered(each)
    }
    return this.#problem
  }

  #lookAt(asked: Asked): void {
    const signalledAt = this.#reality.signals.get(asked.attempt)
    const hasEnded = this.#tables.attempts.get(asked.attempt)?.state.kind === 'ended'
    if (hasEnded || signalledAt !== undefined) this.#open.delete(asked)
    if (!hasEnded && signalledAt !== undefined) this.#problem ??= this.#signalled(asked, signalledAt)
    const { now, clocksAreTrue } = this.#options
    const isOver = clocksAreTrue() && now() >= asked.until + UNSURE_MS
    if (isOver || asked.done !== null || this.#isBroken(asked) || this.#isUrgent(asked)) asked.dueAt ??= now()
  }

  #signalled(asked: Asked, at: number): string | null {
    const { attempt, run, until, done, refused } = asked
    const { clocksAreTrue, lies } = this.#options
    if (refused || this.#isUrgent(asked) || this.#isBroken(asked)) return null
    if (done === null)
      return !clocksAreTrue() || at >= until - UNSURE_MS
        ? null
        : `${attempt} is asked to end at ${at}: it has until ${until} to save, and has not said that it did`
    if (lies.has(run) || this.#reality.hasCheckpoint(run, done.step ?? -1)) return null
    return `${attempt} is asked to end, and its checkpoint of step ${done.step} is not durable`
  }

  #isUrgent({ run }: Asked): boolean {
    return this.#tables.runs.get(run)?.wish === 'stop-now'
  }

  /** One of its workers has ended, or its node was lost: it will save nothing any more. */
  #isBroken({ attempt }: Asked): boolean {
    return (this.#tables.claimsOf.get(attempt) ?? []).some((index) => this.#tables.claims[index]?.endedAt !== null)
  }

  /** While it is asked each answer says so, and none before or after. */
  #answered({ said: { owner }, reply, arrivedAt, at }: Answered): string | null {
    if (owner === null || reply.status !== 200) return null
    const asked = this.#asked.get(owner)
    const named = (reply.body as { readonly directives: readonly { readonly id: string }[] }).directives
    const ids = named.map(({ id }) => id).join(', ')
    const isOpen = asked !== undefined && asked.at < arrivedAt && (asked.closedAt === null || asked.closedAt > at)
    const isClosed = asked === undefined || asked.at > at || (asked.closedAt !== null && asked.closedAt < arrivedAt)
    if (isOpen && ids !== asked.id) return `${owner} is asked for ${asked.id}, and an answer named "${ids}"`
    return isClosed && ids !== '' ? `${owner} is asked for nothing, and an answer named "${ids}"` : null
  }
}
