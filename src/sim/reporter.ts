// A reporter of the other world: one process of one rank, as docs/ingest-v1.md has it. It never blocks whoever speaks to it: what has no
// room is dropped, and said to be dropped.
import type { AttemptId } from '../domain/ids.ts'
import type { SeededChance } from './chance.ts'
import type { Liar } from './liar.ts'
import type { Mail, Reply } from './mail.ts'
import type { Manner } from './obedience.ts'
import { Obedience } from './obedience.ts'
import { Spool } from './spool.ts'
import type { Timeline } from './timeline.ts'

/** A fact as it is sent; `seq` and `at` are its name. */
export type SaidFact = {
  readonly seq: number
  readonly at: number
  readonly kind: string
  readonly [key: string]: unknown
}

export type ReporterOptions = {
  readonly timeline: Timeline
  readonly chance: SeededChance
  readonly mail: Mail
  /** What spools draw from; null where none are written. */
  readonly spooling: SeededChance | null
  readonly attempt: AttemptId
  readonly token: string
  readonly rank: number
  /** What its machine takes for the time, less the true time. */
  readonly clockMs: number
  /** How often it looks whether there is something to send. */
  readonly paceMs: number
  /** Facts that it keeps; what comes when it is full is dropped. */
  readonly room: number
  /** Null: it says what is so. */
  readonly liar: Liar | null
  /** Null: its script never asks for directives. */
  readonly manner: Manner | null
  readonly lives: () => boolean
  readonly reachable: () => boolean
  /** Writes a line to the log of its worker. */
  readonly print: (text: string) => void
  readonly tell: (text: string) => void
}

type Gap = { of: string; from: number; to: number; facts: number; why: string }

const ALIVE_EVERY_MS = 15_000
const BATCH_FACTS_MAX = 100
const BACKOFF_MS_MAX = 15_000
/** A process that ends itself waits so often for what is left. */
const LAST_TRIES = 2

export class SimulatedReporter {
  readonly #o: ReporterOptions
  readonly #source: string
  readonly #startedAt: number
  #facts: SaidFact[] = []
  #gaps: Gap[] = []
  #seq = 0
  #inFlight: readonly SaidFact[] | null = null
  #notBefore = 0
  #backoffMs = 500
  #sentAt = -Infinity
  #stopped = false
  #lastTries: number | null = null
  #forked = false
  #lastStep = 0
  #failing = false
  readonly #posted = new Set<number>()
  #unsure = 0
  #settled: (() => void) | null = null
  readonly #spool: Spool | null
  readonly #obedience: Obedience | null
  readonly #told = new Set<string>()

  constructor(options: ReporterOptions) {
    this.#o = options
    const { chance } = options
    this.#source = Array.from({ length: 16 }, () => chance.below(16).toString(16)).join('')
    this.#startedAt = this.#clock()
    const { manner } = options
    this.#spool = options.mail.pack === null ? null : new Spool(options, this.#source)
    this.#obedience =
      manner === null
        ? null
        : new Obedience(manner, (outcome, id, version, step) => {
            this.#tell(`says that directive ${id} is ${outcome}`)
            this.say('directive', { id, version, outcome, step })
            if (outcome === 'done') this.#hurries()
          })
    options.timeline.after(chance.between(1, options.paceMs), () => this.#pump())
  }

  /** Takes a fact, or says that there was no room for it. Returns at once, whatever the network does. */
  say(kind: string, fields: Readonly<Record<string, unknown>>): boolean {
    if (this.#stopped || this.#forked) return false
    this.#seq += 1
    if (kind === 'step') this.#lastStep = Number(fields.step)
    const said = { seq: this.#seq, at: this.#clock(), kind, ...fields }
    if (this.#facts.length >= this.#o.room) {
      this.#drop(said, 'overflow')
      return false
    }
    this.#facts.push(this.#o.liar === null ? said : this.#o.liar.changed(said))
    return true
  }

  /** The script asks whether it is to save a checkpoint now. */
  isToSave(): boolean {
    const { mail, attempt, liar, timeline } = this.#o
    if (this.#obedience === null || this.#stopped || this.#forked) return false
    if (!this.#obedience.asked) mail.obeying.set(attempt, (mail.obeying.get(attempt) ?? true) && liar === null)
    return this.#obedience.isPending(timeline.now())
  }

  saves(step: number): void {
    this.#obedience?.saves(step)
  }

  durable(step: number): void {
    this.#obedience?.durable(step)
  }

  /** Another process goes on in its place: it sends what it has, and says nothing more. */
  fork(): void {
    this.#forked = true
    this.ends()
  }

  /** What is left is sent, for a moment; what nobody took by then is left in the log. */
  ends(settled: (() => void) | null = null): void {
    this.#settled = settled
    this.#lastTries ??= LAST_TRIES
    if (this.#stopped) this.#settles()
  }

  /** As at its end, with no time for anything. */
  terminated(): void {
    if (!this.#stopped) this.#leaves()
  }

  #settles(): void {
    this.#settled?.()
    this.#settled = null
  }

  #leaves(): void {
    if (this.#spool === null || !this.#o.lives()) return
    for (const fact of this.#spool.leaves(this.#facts, this.#clock())) {
      this.#drop(fact, 'overflow')
      if (this.#posted.has(fact.seq)) this.#unsure += 1
    }
    if (this.#gaps.length > 0) this.#spool.leaves(this.#gapFacts(), this.#clock())
    this.#flushed()
  }

  #clock(): number {
    return this.#o.timeline.now() + this.#o.clockMs
  }

  #drop(fact: SaidFact, why: string): void {
    const of = fact.kind === 'experts' || fact.kind === 'step' ? fact.kind : 'event'
    const open = this.#gaps.find((gap) => gap.of === of && gap.why === why)
    if (open === undefined) {
      this.#gaps.push({ of, from: fact.seq, to: fact.seq, facts: 1, why })
      this.#tell(`drops facts of kind ${of}: ${why}`)
      return
    }
    open.from = Math.min(open.from, fact.seq)
    open.to = Math.max(open.to, fact.seq)
    open.facts += 1
  }

  /** Each thing once: a reader of the story need not hear it every second. */
  #tell(text: string): void {
    if (this.#told.has(text)) return
    this.#told.add(text)
    this.#o.tell(`the reporter of rank ${this.#o.rank} of ${this.#o.attempt} ${text}`)
  }

  #pump(): void {
    const { timeline, lives, paceMs } = this.#o
    if (this.#stopped) return
    // Whatever a killed process still had is lost with it.
    if (this.#lastTries === null && !lives()) return
    if (this.#lastTries !== null && this.#inFlight === null) {
      if (this.#facts.length === 0 && this.#gaps.length === 0) return this.#flushed()
      if (this.#lastTries === 0) {
        this.#leaves()
        return this.#settles()
      }
      this.#lastTries -= 1
    }
    const now = timeline.now()
    if (this.#failing && this.#inFlight === null) this.#spool?.keeps(this.#facts, this.#clock())
    this.#obedience?.look(now)
    if (this.#inFlight === null && now >= this.#notBefore && this.#hasNews(now)) this.#send(now)
    timeline.after(this.#lastTries === null ? paceMs : Math.min(paceMs, 1_000), () => this.#pump())
  }

  /** What is awaited is not kept until the next turn. */
  #hurries(): void {
    const { timeline, lives } = this.#o
    timeline.after(1, () => {
      if (this.#stopped || this.#lastTries !== null || this.#inFlight !== null || !lives()) return
      if (timeline.now() >= this.#notBefore) this.#send(timeline.now())
    })
  }

  #flushed(): void {
    const { mail, attempt, rank, liar } = this.#o
    this.#stopped = true
    if (liar === null)
      mail.flushed.push({ attempt, rank, process: this.#source, numbers: this.#seq, unsure: this.#unsure })
    this.#settles()
  }

  #hasNews(now: number): boolean {
    return this.#facts.length > 0 || this.#gaps.length > 0 || now >= this.#sentAt + ALIVE_EVERY_MS
  }

  #send(now: number): void {
    const { mail, attempt, token, rank, reachable, liar } = this.#o
    this.#facts.push(...this.#gapFacts())
    const batch = this.#facts.slice(0, BATCH_FACTS_MAX)
    this.#inFlight = batch
    for (const { seq } of batch) this.#posted.add(seq)
    this.#sentAt = now
    const document = {
      version: 1,
      source: this.#source,
      startedAt: this.#startedAt,
      sentAt: this.#clock(),
      rank,
      reporter: 'simulated/1',
      obeys: this.#obedience?.asked === true ? ['checkpoint'] : [],
      facts: batch,
    }
    const post = { attempt, token, text: JSON.stringify(document) }
    const changed = liar === null ? post : liar.posted(post, document)
    mail.send(changed, liar === null, reachable(), (reply) => this.#heard(reply))
  }

  #gapFacts(): SaidFact[] {
    const facts = this.#gaps.map((gap): SaidFact => {
      this.#seq += 1
      return { seq: this.#seq, at: this.#clock(), kind: 'gap', ...gap }
    })
    this.#gaps = []
    return facts
  }

  #heard(reply: Reply | null): void {
    const { chance, timeline } = this.#o
    const batch = this.#inFlight ?? []
    this.#inFlight = null
    const status = reply?.status ?? 0
    this.#failing = status === 0 || status === 503
    if (status >= 400 && status < 500) this.#tell(`is told ${status}`)
    if (status === 200) this.#obedience?.named(reply?.body, this.#lastStep, timeline.now())
    if (status === 200 || status === 400 || status === 422) {
      const sent = new Set(batch)
      this.#facts = this.#facts.filter((fact) => !sent.has(fact))
      if (status !== 200) for (const fact of batch) this.#drop(fact, 'refused')
      this.#backoffMs = 500
    } else if (status === 401 || status === 403 || status === 410) {
      // A liar comes back with another token.
      this.#stopped = this.#o.liar === null || status === 410
      if (this.#stopped) this.#settles()
    } else {
      this.#notBefore = timeline.now() + chance.between(this.#backoffMs / 2, this.#backoffMs)
      this.#backoffMs = Math.min(BACKOFF_MS_MAX, this.#backoffMs * 2)
    }
  }
}
