// Promise 1, conservation, seen from outside: layer 1 of each node sums to inventory x what is booked of it, without a gap and cut at
// cells; layer 2 divides it. Rows are only ever added, so each is looked at once, when it is new.
import type { Held } from '../../domain/holdings.ts'
import type { NodeId } from '../../domain/ids.ts'
import type { Node } from '../../domain/node.ts'
import { CELL_MS } from '../../domain/units.ts'
import type { Tables } from '../store/tables.ts'

/** `holders` are those of the newest stretch, which is the only one that can still get a row. */
type Past = { sum: number; from: number; to: number; holders: Set<string> }

const textOf = (row: Held): string => `${row.node}|${row.from}|${row.holder}`

export class LayerOne {
  readonly #tables: Tables
  readonly #pasts = new Map<NodeId, Past>()
  /** GPU-ms of attempts by cell, for whoever divides them. */
  readonly held = new Map<string, number>()
  /** Keys of `held` that grew in the last look. */
  readonly grown = new Set<string>()
  #seen = 0

  constructor(tables: Tables) {
    this.#tables = tables
  }

  look(): string | null {
    this.grown.clear()
    const { rows } = this.#tables.held
    const touched = new Set<NodeId>()
    for (; this.#seen < rows.length; this.#seen += 1) {
      const row = rows[this.#seen]
      const problem = row === undefined ? null : this.#add(row)
      if (problem !== null) return problem
      if (row !== undefined) touched.add(row.node)
    }
    for (const node of this.#tables.nodes.values()) {
      const problem = this.#booked(node)
      if (problem !== null) return problem
    }
    return null
  }

  #add(row: Held): string | null {
    const cell = Math.floor(row.from / CELL_MS) * CELL_MS
    if (row.to > cell + CELL_MS) return `layer 1 has ${textOf(row)} across the end of a cell`
    const past = this.#pasts.get(row.node) ?? { sum: 0, from: row.from, to: row.from, holders: new Set() }
    const next = row.from === past.to
    if (!next && (row.from !== past.from || row.to !== past.to)) {
      return `layer 1 of ${row.node} goes on at ${row.from}, and it stood at ${past.to}`
    }
    const holders = next ? new Set<string>() : past.holders
    if (holders.has(row.holder)) return `layer 1 has ${textOf(row)} twice`
    holders.add(row.holder)
    const gpuMs = row.slots * (row.to - row.from)
    this.#pasts.set(row.node, { sum: past.sum + gpuMs, from: row.from, to: row.to, holders })
    const attempt = row.holder.slice(0, row.holder.lastIndexOf('-'))
    if (attempt !== '') {
      const cellKey = `${attempt}|${cell}`
      this.held.set(cellKey, (this.held.get(cellKey) ?? 0) + gpuMs)
      this.grown.add(cellKey)
    }
    return null
  }

  #booked(node: Node): string | null {
    const list = this.#tables.inventory.get(node.id) ?? []
    // An inventory only grows while a node lives; what was booked before had the one of then.
    let should = 0
    for (const [index, { since, slots }] of list.entries()) {
      const until = Math.min(list[index + 1]?.since ?? node.bookedTo, node.bookedTo)
      should += slots * Math.max(0, until - since)
    }
    const sum = this.#pasts.get(node.id)?.sum ?? 0
    if (sum !== should) return `node ${node.id} has ${sum} GPU-ms in its books and ${should} in its past`
    return null
  }
}

export class LayerTwo {
  readonly #tables: Tables
  readonly #layerOne: LayerOne
  readonly #first = new Map<string, number>()
  readonly #later = new Map<string, number>()
  readonly #balances = new Map<string, number>()
  #seen = 0

  constructor(tables: Tables, layerOne: LayerOne) {
    this.#tables = tables
    this.#layerOne = layerOne
  }

  /** Per attempt and cell, revision 1 sums to layer 1, later ones to 0, and no balance is negative. After the look of layer 1. */
  look(): string | null {
    const { rows } = this.#tables.postings
    const firsts = new Set<string>()
    const laters = new Set<string>()
    const balances = new Set<string>()
    for (; this.#seen < rows.length; this.#seen += 1) {
      const row = rows[this.#seen]
      if (row === undefined) continue
      const cell = `${row.attempt}|${row.cell}`
      const [sums, changed, key] =
        row.revision === 1
          ? ([this.#first, firsts, cell] as const)
          : ([this.#later, laters, `${cell}|${row.revision}`] as const)
      sums.set(key, (sums.get(key) ?? 0) + row.gpuMs)
      changed.add(key)
      const balance = `${cell}|${row.account}`
      this.#balances.set(balance, (this.#balances.get(balance) ?? 0) + row.gpuMs)
      balances.add(balance)
    }
    for (const key of balances) {
      const balance = this.#balances.get(key) ?? 0
      if (balance < 0) return `the balance of ${key} is ${balance}`
    }
    for (const key of this.#layerOne.grown) if (this.#first.has(key)) firsts.add(key)
    for (const key of firsts) {
      const [sum, should] = [this.#first.get(key) ?? 0, this.#layerOne.held.get(key) ?? 0]
      if (sum !== should) return `revision 1 of ${key} sums to ${sum}, not ${should}`
    }
    for (const key of laters) {
      const sum = this.#later.get(key) ?? 0
      if (sum !== 0) return `revision ${key} sums to ${sum}, not 0`
    }
    return null
  }
}
