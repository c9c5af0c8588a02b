// What reporters said against what is stored, told from the bytes that they sent: only what was said with the attempt's own token is
// written, as it was said, once and for good; what was taken is there; what careful reporters say is never refused; and a trainer waits
// for none of it (promise 7).
import type { FactBody } from '../../domain/fact.ts'
import { reporterSource } from '../../domain/fact.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { ReportSave } from '../../ports/store.ts'
import type { Answered, Said } from '../mail.ts'
import { frameOf } from '../store/experts.ts'
import type { Tables } from '../store/tables.ts'

type Raw = Readonly<Record<string, unknown>>

/** How long after its end the token of an attempt is good. */
const TOKEN_OUTLIVES_MS = 3_600_000
const STATUSES: ReadonlySet<number> = new Set([200, 400, 401, 403, 410, 413, 422, 503])

export type Reported = { readonly said: readonly Said[]; readonly answered: readonly Answered[] }

export class Reports {
  readonly #tables: Tables
  readonly #mail: Reported
  /** What was said under each name with the token of the attempt. */
  readonly #said = new Map<string, Raw[]>()
  /** Rows that a repeat must leave as they are. */
  #frozen: { readonly attempt: AttemptId; readonly key: string; readonly row: object }[] = []
  readonly #batches = new Map<string, Raw>()
  #indexed = 0
  #heard = 0

  constructor(tables: Tables, mail: Reported) {
    this.#tables = tables
    this.#mail = mail
  }

  /** A batch that is about to be written. */
  save(report: ReportSave): string | null {
    this.#index()
    const { attempt, rank, process, receivedAt } = report
    const state = this.#tables.attempts.get(attempt)
    if (state === undefined) return `a report of ${attempt} was written, and nobody knows it`
    if (state.state.kind === 'ended' && receivedAt > (state.endedAt ?? receivedAt) + TOKEN_OUTLIVES_MS)
      return `a report of ${attempt} was written with a token that was dead`
    const source = reporterSource(attempt, rank, process)
    const named = (seq: number): Raw[] => this.#said.get(nameOf(source, seq)) ?? []
    if (report.facts.length === 0 && report.frames.length === 0 && named(0).length === 0)
      return `${source} was written, and nobody with the token of ${attempt} speaks so`
    for (const fact of report.facts) {
      const said = named(fact.sequence)
      if (said.length === 0 || fact.source !== source || fact.attempt !== attempt)
        return `fact ${fact.sequence} of ${fact.source} was written, and nobody with the token of ${attempt} said it`
      if (!said.some((raw) => raw.at === fact.sentAt && sameBody(bodyOf(raw), fact.body)))
        return `fact ${fact.sequence} of ${source} was written as ${JSON.stringify(fact.body)}, and not said so`
      if (fact.at > receivedAt) return `fact ${fact.sequence} of ${source} is dated after it came`
      const key = `${fact.source}|${fact.sequence}|${fact.sentAt}`
      const row = this.#tables.facts.get(attempt)?.get(key)
      if (row !== undefined) this.#frozen.push({ attempt, key, row })
    }
    for (const frame of report.frames) {
      if (!(this.#said.get(loadOf(source, frame.step)) ?? []).some((raw) => sameFrame(raw, frame)))
        return `the load of experts in step ${frame.step} of ${source} is not what was sent`
    }
    return null
  }

  /** After an event. */
  look(): string | null {
    for (const { attempt, key, row } of this.#frozen) {
      if (this.#tables.facts.get(attempt)?.get(key) !== row) return `fact ${key} changed after it had been received`
    }
    this.#frozen = []
    const { answered } = this.#mail
    for (; this.#heard < answered.length; this.#heard += 1) {
      const each = answered[this.#heard]
      const problem = each === undefined ? null : this.#answered(each)
      if (problem !== null) return problem
    }
    return null
  }

  #answered({ said, reply }: Answered): string | null {
    const { status, body } = reply
    const { owner, honest, post } = said
    const answer = (body ?? {}) as Raw
    if (!STATUSES.has(status)) return `a report of ${post.attempt} was answered with ${status}`
    if (status !== 200 && status !== 503 && (typeof answer.code !== 'string' || typeof answer.detail !== 'string'))
      return `a report of ${post.attempt} was refused with ${status}, without a code and words`
    if (owner === null) return status === 401 ? null : `a report with a wrong token was answered with ${status}`
    if (status === 410 && this.#tables.attempts.get(owner)?.state.kind !== 'ended')
      return `a report of ${owner} is told that its attempt is over, and it lives`
    if (honest && status !== 200 && status !== 410 && status !== 503)
      return `a careful report of ${owner} was refused with ${status}`
    if (status !== 200) return null
    return this.#taken(owner, said, answer)
  }

  /** Whatever was taken is stored now, or stands among what was refused. */
  #taken(owner: AttemptId, { post, honest }: Said, answer: Raw): string | null {
    const batch = this.#batches.get(post.text) ?? parsed(post.text)
    const facts = factsOf(batch)
    const refused = Array.isArray(answer.refused) ? (answer.refused as { readonly seq: number }[]) : []
    if (answer.accepted !== facts.length - refused.length)
      return `a report of ${owner} had ${facts.length} facts: ${String(answer.accepted)} were taken and ${refused.length} refused`
    const [first] = refused
    if (honest && first !== undefined) return `fact ${first.seq} of a careful report of ${owner} was refused`
    const not = new Set(refused.map(({ seq }) => seq))
    const rank = Number(batch?.rank)
    const source = reporterSource(owner, rank, String(batch?.source))
    for (const raw of facts) {
      const seq = seqOf(raw)
      if (not.has(seq) || (raw.kind === 'checkpoint' && raw.state === 'saved')) continue
      const there =
        raw.kind === 'experts'
          ? this.#hasFrame(owner, rank, raw, Number(batch?.startedAt), honest)
          : this.#tables.facts.get(owner)?.has(`${source}|${seq}|${String(raw.at)}`)
      if (there !== true) return `${String(raw.kind)} ${seq} of ${source} was taken, and is not stored`
    }
    return null
  }

  /** The later process of a rank counts. */
  #hasFrame(attempt: AttemptId, rank: number, raw: Raw, startedAt: number, honest: boolean): boolean {
    const { step, layers, experts } = raw as { step: number; layers: string[]; experts: number }
    const row = frameOf(this.#tables, attempt, rank, { step, layers, experts })
    if (row === undefined || row.startedAt < startedAt) return false
    return !honest || row.startedAt > startedAt || sameFrame(raw, row.frame)
  }

  #index(): void {
    const { said } = this.#mail
    for (; this.#indexed < said.length; this.#indexed += 1) {
      const each = said[this.#indexed]
      if (each === undefined || each.owner === null) continue
      const batch = parsed(each.post.text)
      if (batch === null) continue
      this.#batches.set(each.post.text, batch)
      const source = reporterSource(each.owner, Number(batch.rank), String(batch.source))
      // No fact that is taken has the number 0: it stands for the source itself.
      this.#put(nameOf(source, 0), batch)
      for (const raw of factsOf(batch)) {
        if (raw.kind === 'experts') this.#put(loadOf(source, Number(raw.step)), raw)
        else this.#put(nameOf(source, seqOf(raw)), raw)
      }
    }
  }

  #put(name: string, raw: Raw): void {
    const known = this.#said.get(name)
    if (known === undefined) this.#said.set(name, [raw])
    else if (!name.endsWith('#0')) known.push(raw)
  }
}

/** One that says no number of its own is refused as number 0. */
const seqOf = ({ seq }: Raw): number => (Number.isSafeInteger(seq) && Number(seq) > 0 ? Number(seq) : 0)
const nameOf = (source: string, seq: number): string => `${source}#${seq}`
const loadOf = (source: string, step: number): string => `${source}#load ${step}`

/** Each trainer makes its next step when it is due, whatever became of its reports. */
export function checkTraining(promises: ReadonlyMap<AttemptId, number>, now: number): string | null {
  for (const [attempt, at] of promises)
    if (at < now) return `training waits: ${attempt} was to make a step at ${at}, and has not`
  return null
}

function parsed(text: string): Raw | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Raw) : null
  } catch {
    return null
  }
}

const factsOf = (batch: Raw | null): Raw[] =>
  Array.isArray(batch?.facts)
    ? batch.facts.map((each: unknown) => (typeof each === 'object' && each !== null ? (each as Raw) : {}))
    : []

/** What of a fact is kept, as the protocol has it. */
function bodyOf(raw: Raw): Raw {
  const { seq: _seq, at: _at, ...rest } = raw
  switch (raw.kind) {
    case 'step': {
      const { step, steps, durationMs, tokens, samples, loss } = raw
      const number = typeof loss === 'number' ? loss : null
      return { kind: 'step', step, steps, durationMs, tokens, samples, loss: number, batch: null, total: null }
    }
    case 'phase':
      return { kind: raw.edge, phase: raw.phase }
    case 'checkpoint':
      return raw.state === 'durable' ? { kind: 'saved', step: raw.step } : {}
    case 'resumed':
      return { kind: 'resumed', step: raw.step }
    case 'done':
      return { kind: 'done' }
    default:
      return rest
  }
}

/** What is not said is null. Keys of later versions are not kept. */
const sameBody = (said: Raw, stored: FactBody): boolean =>
  Object.entries(stored).every(([key, value]) => (said[key] ?? null) === value)

type Frame = ReportSave['frames'][number]

function sameFrame(raw: Raw, { step, layers, experts, counts, tokens, topK, flags }: Frame): boolean {
  return (
    raw.step === step &&
    raw.experts === experts &&
    (raw.tokens ?? null) === tokens &&
    (raw.topK ?? null) === topK &&
    JSON.stringify(raw.layers) === JSON.stringify(layers) &&
    JSON.stringify(raw.flags ?? []) === JSON.stringify(flags) &&
    sameCounts(String(raw.counts), counts)
  )
}

function sameCounts(base64: string, counts: Uint32Array): boolean {
  const bytes = bytesOf(base64)
  if (bytes?.length !== counts.length * 4) return false
  for (const [index, count] of counts.entries()) {
    let said = 0
    for (let byte = 3; byte >= 0; byte -= 1) said = said * 256 + bytes.charCodeAt(index * 4 + byte)
    if (said !== count) return false
  }
  return true
}

/** Null for what is no base64. */
function bytesOf(base64: string): string | null {
  try {
    return atob(base64)
  } catch {
    return null
  }
}
