// What a process of the other world makes of the directives that its answers name, as the reporter of production does: taken up once, over
// when a checkpoint answers it, its time has passed, or it is not named any more.

/** What the script does when it is asked: it saves at its next step, and is done at once or later; or it lets the time pass. */
export type Manner = 'saves' | 'saves slowly' | 'saves and exits' | 'lets it pass' | 'says nothing' | 'knows it not'

export type Obeys = {
  readonly manner: Manner
  /** The ranks that ask. */
  readonly who: 'first' | 'last' | 'all'
  /** The script asks for the first time after so many steps: before that nobody would obey. */
  readonly after: number
  /** How long a slow checkpoint takes to become durable. */
  readonly slowMs: number
}

/** What one rank says of a directive. */
export type Say = (outcome: string, id: string, version: number, step: number | null) => void

type Open = {
  readonly version: number
  readonly until: number
  /** The least step that answers it. */
  readonly fromStep: number
  saved: boolean
}

export class Obedience {
  readonly #manner: Manner
  readonly #say: Say
  readonly #open = new Map<string, Open>()
  readonly #over = new Map<string, number>()
  /** Whether the script has ever asked. */
  asked = false

  constructor(manner: Manner, say: Say) {
    this.#manner = manner
    this.#say = say
  }

  /** The whole list of an answer; without one nothing changes. */
  named(body: unknown, lastStep: number, now: number): void {
    const directives = (body as { readonly directives?: unknown } | null)?.directives
    if (!Array.isArray(directives)) return
    this.look(now)
    const named = new Map((directives as { id: string; version: number; withinMs: number }[]).map((d) => [d.id, d]))
    for (const id of this.#open.keys()) if (!named.has(id)) this.#end(id, 'withdrawn', null)
    for (const { id, version, withinMs } of named.values()) {
      if (version <= (this.#open.get(id)?.version ?? this.#over.get(id) ?? -1)) continue
      if (this.#manner === 'knows it not') {
        this.#over.set(id, version)
        this.#say('unsupported', id, version, null)
        continue
      }
      this.#open.set(id, { version, until: now + withinMs, fromStep: lastStep, saved: false })
      this.#tells('received', id, version, null)
    }
  }

  /** Ends what time has ended. */
  look(now: number): void {
    for (const [id, { until }] of this.#open) if (now >= until) this.#end(id, 'expired', null)
  }

  /** The script asks whether it is to save now. */
  isPending(now: number): boolean {
    this.asked = true
    if (this.#manner === 'lets it pass' || this.#manner === 'says nothing') return false
    return [...this.#open.values()].some(({ until, saved }) => !saved && now < until)
  }

  /** A checkpoint is being written: the next step need not begin another one. */
  saves(step: number): void {
    for (const open of this.#open.values()) open.saved ||= step >= open.fromStep
  }

  durable(step: number): void {
    for (const [id, { fromStep }] of this.#open) if (step >= fromStep) this.#end(id, 'done', step)
  }

  #end(id: string, outcome: string, step: number | null): void {
    const version = this.#open.get(id)?.version ?? 1
    this.#open.delete(id)
    this.#over.set(id, version)
    this.#tells(outcome, id, version, step)
  }

  #tells(outcome: string, id: string, version: number, step: number | null): void {
    if (this.#manner !== 'says nothing') this.#say(outcome, id, version, step)
  }
}
