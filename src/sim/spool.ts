// What a reporter of the other world leaves in the log of its worker when nobody takes what it has (docs/ingest-v1.md): packed batches in
// marked lines. A liar now and then writes the name of another attempt on them.
import type { ReporterOptions, SaidFact } from './reporter.ts'

/** Of one batch, so that some lie across the slices of a reader. */
const FACTS_MAX = 40
const PARTS_MAX = 32
/** Facts that have room in the log at the end. */
const ROOMS = [5, 200, 10_000]
const KEEP_EVERY_MS = 10_000
const PIECES = [60, 500, 3_900]
const LIE = 0.3

export class Spool {
  readonly #o: ReporterOptions
  readonly #source: string
  readonly #startedAt: number
  readonly #room: number
  readonly #pieceChars: number
  #batches = 0
  #keptTo = 0
  #keptAt = -Infinity

  constructor(options: ReporterOptions, source: string) {
    this.#o = options
    this.#source = source
    this.#startedAt = options.timeline.now() + options.clockMs
    this.#room = options.spooling?.pick(ROOMS) ?? 0
    this.#pieceChars = options.spooling?.pick(PIECES) ?? 0
  }

  /** While nothing gets through: marks and events, now and then. They are still to be sent. */
  keeps(facts: readonly SaidFact[], now: number): void {
    if (now < this.#keptAt + KEEP_EVERY_MS) return
    this.#keptAt = now
    const left = facts.filter((fact) => fact.kind !== 'experts' && fact.seq > this.#keptTo)
    for (let at = 0; at < left.length; at += FACTS_MAX) this.#write(left.slice(at, at + FACTS_MAX), now)
    this.#keptTo = Math.max(this.#keptTo, ...left.map(({ seq }) => seq))
  }

  /** At the end: the newest that have room, marks and events before frames. Gives back what has none. */
  leaves(facts: readonly SaidFact[], now: number): SaidFact[] {
    const isFrame = ({ kind }: SaidFact): boolean => kind === 'experts'
    const all = facts.filter((fact) => isFrame(fact) || fact.seq > this.#keptTo).toReversed()
    // A gap has always room: what it tells of would be lost in silence.
    const gaps = all.filter(({ kind }) => kind === 'gap')
    const ranked = [...all.filter((fact) => !isFrame(fact) && fact.kind !== 'gap'), ...all.filter(isFrame)]
    const lost = ranked.slice(this.#room)
    const left = [...gaps, ...ranked.slice(0, this.#room)]
    for (let at = 0; at < left.length; at += FACTS_MAX)
      if (!this.#write(left.slice(at, at + FACTS_MAX), now)) lost.push(...left.slice(at, at + FACTS_MAX))
    return lost
  }

  #write(facts: readonly SaidFact[], now: number): boolean {
    const { mail, attempt, rank, liar, print, spooling } = this.#o
    if (mail.pack === null || spooling === null) return false
    const text = JSON.stringify({
      version: 1,
      source: this.#source,
      startedAt: this.#startedAt,
      sentAt: now,
      rank,
      reporter: 'simulated/1',
      obeys: [],
      facts,
    })
    const packed = mail.pack(text)
    const pieceChars = Math.max(this.#pieceChars, Math.ceil(packed.length / PARTS_MAX))
    const parts = Math.ceil(packed.length / pieceChars)
    const other = liar !== null && spooling.happens(LIE) ? mail.another(attempt)?.attempt : undefined
    if (other === undefined) mail.left(attempt, text, liar === null)
    this.#batches += 1
    for (let part = 0; part < parts; part += 1) {
      const piece = packed.slice(part * pieceChars, (part + 1) * pieceChars)
      print(`plimsoll-spool/1 ${other ?? attempt} ${this.#source} ${this.#batches} ${part + 1}/${parts} ${piece}`)
    }
    return true
  }
}
