// Tells one seed step by step in plain words: what happened in the world, and what the loops and people wrote about it.
import type { ItemResult } from '../domain/item.ts'
import type { Commit, Tables } from './store/tables.ts'

export class Story {
  readonly #tables: Tables
  readonly #now: () => number
  readonly #write: (line: string) => void
  #epoch = 0
  #postings = 0
  #audit = 0

  constructor(tables: Tables, now: () => number, write: (line: string) => void) {
    this.#tables = tables
    this.#now = now
    this.#write = write
  }

  /** Something of the world outside Plimsoll, or of its processes. */
  world(text: string): void {
    this.#line('world', text)
  }

  commit({ epoch, items, results, changes }: Commit): void {
    this.#leads()
    const who = epoch === null ? 'request' : `leader ${epoch}`
    for (const [index, item] of items.entries()) {
      const result = results[index]
      // Heartbeats are told only where they are refused.
      if (item.about.startsWith('heartbeat ') && result?.kind === 'applied') continue
      this.#line(who, `${item.about}${ending(result)}`)
    }
    for (const event of changes.events) this.#line('', `  ${event.run} ${event.kind}: ${event.message}`)
    for (const run of changes.runs.values())
      if (run.state.kind === 'queued') this.#line('', `  ${run.id} waits for ${run.state.reason}: ${run.state.message}`)
  }

  /** After an event: what was written otherwise than by a commit. */
  look(): void {
    this.#leads()
    const { postings, audit } = this.#tables
    const cells = new Map<string, string[]>()
    for (; this.#postings < postings.rows.length; this.#postings += 1) {
      const row = postings.rows[this.#postings]
      if (row === undefined) continue
      const key = `revision ${row.revision} of cell ${clock(row.cell)} of ${row.attempt}`
      cells.set(key, [...(cells.get(key) ?? []), `${row.account} ${row.gpuMs > 0 ? '+' : ''}${row.gpuMs}`])
    }
    for (const [cell, lines] of cells) this.#line('books', `${cell}: ${lines.join(', ')} GPU-ms`)
    for (; this.#audit < audit.rows.length; this.#audit += 1) {
      const entry = audit.rows[this.#audit]
      if (entry !== undefined) this.#line('audit', `${entry.actor} ${entry.verb} ${entry.target}`)
    }
  }

  #leads(): void {
    const { epoch, holder } = this.#tables.leader
    if (epoch === this.#epoch) return
    this.#epoch = epoch
    this.#line('lease', `process ${holder} leads, epoch ${epoch}`)
  }

  #line(who: string, text: string): void {
    this.#write(`${clock(this.#now())}  ${who.padEnd(9)}  ${this.#named(text)}`)
  }

  /** A run is called by its name: its id says nothing to a reader. */
  #named(text: string): string {
    return text.replaceAll(/r[0-9a-hjkmnp-tv-z]{16}/g, (id) => this.#tables.runs.get(id as never)?.name ?? id)
  }
}

function ending(result: ItemResult | undefined): string {
  if (result === undefined || result.kind === 'applied') return ''
  if (result.kind === 'stale') return `: refused, ${result.what}`
  return `: refused, budget ${result.budget} is ${result.short} short`
}

/** Time of day of the virtual clock. */
const clock = (at: number): string => new Date(at).toISOString().slice(11, 23)
