// Chance from a seed: the same seed gives the same world, event by event. sfc32, whose state mixes well after a few rounds.
import type { Chance } from '../ports/chance.ts'

export class SeededChance implements Chance {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number) {
    this.#a = seed >>> 0
    this.#b = Math.floor(seed / 2 ** 32) >>> 0
    this.#c = 0x9e3779b9
    for (let round = 0; round < 16; round += 1) this.#next()
  }

  fraction(): number {
    return this.#next() / 2 ** 32
  }

  bits30(): number {
    return this.#next() >>> 2
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound)
  }

  /** An integer in [from, to]. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1)
  }

  happens(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<Value>(values: readonly Value[]): Value {
    const value = values[this.below(values.length)]
    if (value === undefined) throw new Error('bug: nothing to pick from')
    return value
  }

  /** Another stream of the same seed: what one part draws does not move what the others get. */
  fork(): SeededChance {
    return new SeededChance(this.#next() * 2 ** 20 + (this.#next() >>> 12))
  }

  #next(): number {
    const mixed = (this.#a + this.#b + this.#counter) >>> 0
    this.#counter = (this.#counter + 1) >>> 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) >>> 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + mixed) >>> 0
    return mixed
  }
}
