// Batches of a reporter, and what becomes of them on the way through a broken script, a broken disk and a hostile hand. From a seed, so
// that a batch that does harm can be had again.
import { readFileSync } from 'node:fs'
import { SeededChance } from '../../src/sim/chance.ts'

const page = readFileSync(new URL('../../docs/ingest-v1.md', import.meta.url), 'utf8')
const example = JSON.parse(/^\{"version":1,"source".*$/m.exec(page)?.[0] ?? '') as Batch
type Batch = { readonly facts: readonly object[]; readonly [key: string]: unknown }

const everyKind = [
  { seq: 1, at: 1_795_651_200_000, kind: 'resumed', step: 40 },
  {
    seq: 2,
    at: 1_795_651_200_001,
    kind: 'step',
    step: 41,
    steps: 1,
    durationMs: 1.5,
    loss: 2.25,
    tokens: 64,
    samples: 8,
  },
  { seq: 3, at: 1_795_651_200_002, kind: 'step', step: 42, steps: null, durationMs: null, loss: 'NaN', tokens: null },
  { seq: 4, at: 1_795_651_200_003, kind: 'phase', phase: 'checkpoint', edge: 'begin' },
  { seq: 5, at: 1_795_651_200_004, kind: 'phase', phase: 'checkpoint', edge: 'end' },
  { seq: 6, at: 1_795_651_200_005, kind: 'checkpoint', step: 42, state: 'durable', path: '/ckpt/42' },
  { seq: 7, at: 1_795_651_200_006, kind: 'directive', id: 'stop-7', version: 1, outcome: 'done', step: 42 },
  { seq: 8, at: 1_795_651_200_007, kind: 'gap', of: 'experts', from: 9, to: 12, facts: 3, why: 'overflow' },
  { seq: 13, at: 1_795_651_200_008, kind: 'done' },
]
const large = {
  ...example.facts[2],
  layers: Array.from({ length: 58 }, (_, layer) => `layers.${layer}.mlp`),
  experts: 64,
  counts: Buffer.alloc(58 * 64 * 4, 1).toString('base64'),
}
const BATCHES = [example, { ...example, facts: everyKind }, { ...example, facts: [] }] as const
const LARGE = JSON.stringify({ ...example, facts: [large] })
/** One of so many is a frame of a large model. */
const LARGE_EVERY = 200

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)
/** As JSON. */
const HOSTILE: readonly string[] = [
  'null',
  'true',
  '-1',
  '0',
  '0.5',
  '1e12',
  '1e300',
  '9007199254740991',
  '9007199254740993',
  '-0',
  '1e-300',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"NaN"',
  '"Infinity"',
  '[]',
  '{}',
  '[[]]',
  '{"__proto__":{"kind":"done"}}',
  deep(50),
  deep(20_000),
  `"${'x'.repeat(2_000)}"`,
  `[${'0,'.repeat(2_000)}0]`,
  '"é\\u2028\\n"',
  '[null,{},7]',
]
const BITS = [
  '',
  '"',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\\',
  '\u0000',
  '0',
  '9',
  '-',
  'e',
  '.',
  'null',
  '\u00ff',
  'A==',
  '/',
]

export class Mutations {
  readonly #chance: SeededChance
  #made = 0

  constructor(seed: number) {
    this.#chance = new SeededChance(seed)
  }

  next(): string {
    const chance = this.#chance
    this.#made += 1
    if (this.#made % LARGE_EVERY === 0) return this.#inText(LARGE)
    const batch = chance.pick(BATCHES)
    const text = chance.happens(0.5) ? this.#inValues(batch) : JSON.stringify(batch)
    return chance.happens(0.5) ? this.#inText(text) : text
  }

  chooses(probability: number): boolean {
    return this.#chance.happens(probability)
  }

  below(bound: number): number {
    return this.#chance.below(bound)
  }

  /** Characters that are others, gone, doubled, or moved; or everything from a place on is missing. */
  #inText(text: string): string {
    const chance = this.#chance
    let changed = text
    for (let times = chance.between(1, 4); times > 0; times -= 1) {
      const at = chance.below(changed.length + 1)
      const length = chance.pick([0, 1, 1, 2, 20])
      const cut = changed.slice(at, at + length)
      const instead = chance.pick([chance.pick(BITS), chance.pick(BITS), cut + cut, chance.pick(HOSTILE), ''])
      changed = changed.slice(0, at) + instead + changed.slice(at + length)
    }
    return chance.happens(0.05) ? changed.slice(0, chance.below(changed.length + 1)) : changed
  }

  /** Still JSON, and a value of it is another one, missing, or said twice. */
  #inValues(batch: Batch): string {
    const chance = this.#chance
    const marks: string[] = []
    const mutated = JSON.stringify(batch, (key, value: unknown) => {
      if (key === '' || !chance.happens(0.03)) return value
      if (chance.happens(0.2)) return undefined
      if (chance.happens(0.1) && Array.isArray(value)) return [...(value as unknown[]), ...(value as unknown[])]
      marks.push(chance.pick(HOSTILE))
      return `mark ${marks.length - 1}`
    })
    return mutated.replaceAll(/"mark (\d+)"/g, (_, index) => marks[Number(index)] ?? 'null')
  }
}
