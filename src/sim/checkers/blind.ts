// Promise 6, a blind watcher never looks healthy: of a node that said nothing for longer than `blindAfter`, layer 1 calls nothing
// free, foreign or in maintenance. The truth comes from the cluster, which knows when each node was silent.
import type { Tables } from '../store/tables.ts'

export type Silence = { readonly node: string; readonly from: number; to: number }

const NEEDS_EYES: ReadonlySet<string> = new Set(['free', 'foreign', 'maintenance'])

/** By so much the clock of a process may differ from the truth: an answer takes time. */
const UNSURE_MS = 1_000

export class Blindness {
  readonly #tables: Tables
  readonly #silences: readonly Silence[]
  readonly #blindAfterMs: number
  #seen = 0

  constructor(tables: Tables, silences: readonly Silence[], blindAfterMs: number) {
    this.#tables = tables
    this.#silences = silences
    this.#blindAfterMs = blindAfterMs
  }

  look(): string | null {
    const { rows } = this.#tables.held
    for (; this.#seen < rows.length; this.#seen += 1) {
      const row = rows[this.#seen]
      if (row === undefined || !NEEDS_EYES.has(row.holder)) continue
      const name = this.#tables.nodes.get(row.node)?.name
      for (const silence of this.#silences) {
        const blindFrom = silence.from + this.#blindAfterMs + UNSURE_MS
        if (silence.node !== name || row.to <= blindFrom || Math.max(row.from, blindFrom) >= silence.to - UNSURE_MS)
          continue
        return `${row.slots} slots of ${row.node} are called ${row.holder} at ${Math.max(row.from, blindFrom)}, when nobody had seen it since ${silence.from}`
      }
    }
    return null
  }
}
