import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RolledBlock } from '../../domain/expert-blocks.ts'
import { firstStepOf, lastStepOf, loadRatio } from '../../domain/expert-blocks.ts'
import { measureFrame, MEASURES_PER_LAYER } from './measures.ts'
import { BlockBuilder, mergedBlock, sourcesOf } from './rollup.ts'

const LAYERS = 2
const EXPERTS = 3
type Step = { readonly step: number; readonly counts: Uint32Array; readonly measures: Float32Array }

const stepOf = (step: number, counts: readonly number[]): Step => {
  const frame = { counts: new Uint32Array(counts), experts: EXPERTS, tokens: null, topK: null, flags: [] }
  return { step, counts: frame.counts, measures: measureFrame(frame).values }
}

/** Steps of a stretch, some missing, some without a token in a layer, a few with a spike. */
const stretch = fc
  .uniqueArray(
    fc.record({
      step: fc.nat(4 * 256 - 1),
      counts: fc.array(
        fc.oneof({ arbitrary: fc.nat(1_000), weight: 9 }, { arbitrary: fc.nat(2 ** 31), weight: 1 }, fc.constant(0)),
        { minLength: LAYERS * EXPERTS, maxLength: LAYERS * EXPERTS },
      ),
    }),
    { selector: ({ step }) => step, minLength: 1, maxLength: 400, size: 'max' },
  )
  .map((all) => all.map(({ step, counts }) => stepOf(step, counts)))

function blocksOf(steps: readonly Step[]): RolledBlock[] {
  const built = [...Map.groupBy(steps, ({ step }) => Math.floor(step / 256)).values()].flatMap((some) => {
    const builder = new BlockBuilder(LAYERS, EXPERTS)
    for (const { step, counts, measures } of some) builder.add(step, counts, measures)
    return builder.rolled()
  })
  const whole = mergedBlock(
    10,
    0,
    built.filter(({ level }) => level === 8),
  )
  return whole === null ? built : [...built, whole]
}

const ratiosOf = (steps: readonly Step[], index: number): number[] =>
  steps.flatMap(({ counts }) => {
    const layer = Math.floor(index / EXPERTS)
    const total = counts.subarray(layer * EXPERTS, (layer + 1) * EXPERTS).reduce((sum, each) => sum + each, 0)
    return total === 0 ? [] : [loadRatio(counts[index] ?? 0, EXPERTS, total)]
  })
const measuresAt = (steps: readonly Step[], index: number): number[] =>
  steps.map(({ measures }) => measures[index] ?? 0).filter((value) => !Number.isNaN(value))

function checkSpread(block: RolledBlock, values: readonly number[], index: number, of: 'measures' | 'loads'): void {
  const spread = block[of]
  assert.ok(spread !== null)
  const [min, max, mean, p99] = [spread.min[index], spread.max[index], spread.mean[index] ?? 0, spread.p99[index] ?? 0]
  if (values.length === 0) return assert.ok([min, max, mean, p99].every(Number.isNaN))
  const sorted = values.toSorted((a, b) => a - b)
  assert.equal(min, sorted[0])
  assert.equal(max, sorted.at(-1))
  const truth = sorted.reduce((sum, each) => sum + each, 0) / sorted.length
  assert.ok(Math.abs(mean - truth) <= 1e-6 * Math.max(1, Math.abs(truth)), `${mean} is not ${truth}`)
  const exact = sorted[Math.ceil(0.99 * sorted.length) - 1] ?? 0
  if (block.level <= 8) assert.equal(p99, exact)
  else assert.ok(p99 >= exact && p99 <= (max ?? 0))
}

void test('safety: whatever is reported, a block has the least, the greatest, the mean and the p99 of its steps', () => {
  fc.assert(
    fc.property(stretch, (steps) => {
      for (const block of blocksOf(steps)) {
        const own = steps.filter(({ step }) => Math.floor(step / 2 ** block.level) === block.block)
        assert.equal(block.frames, own.length)
        for (let index = 0; index < LAYERS * MEASURES_PER_LAYER; index += 1)
          checkSpread(block, measuresAt(own, index), index, 'measures')
        assert.equal(block.loads === null, block.level < 6)
        if (block.loads === null) continue
        for (let index = 0; index < LAYERS * EXPERTS; index += 1)
          checkSpread(block, ratiosOf(own, index), index, 'loads')
      }
    }),
    { numRuns: 40 },
  )
})

void test('the p99 of a full block is its third greatest, and one spike is not in it', () => {
  const steps = Array.from({ length: 256 }, (_, step) => stepOf(step, [1, 1, 1, step === 77 ? 4 : 1, 1, 1]))
  const whole = blocksOf(steps).find(({ level }) => level === 8)
  assert.equal(whole?.loads?.max[3], 2)
  assert.equal(whole?.loads?.p99[3], 1)
})

void test('safety: every step is read once, and nothing from a block that waits or lies above one that does', () => {
  const levels = [4, 6, 8, 10, 12] as const
  const pending = fc.array(fc.record({ level: fc.constantFrom(8, 10, 12), block: fc.nat(6) }), { maxLength: 6 })
  fc.assert(
    fc.property(fc.constantFrom(...levels), fc.nat(9_000), fc.nat(9_000), pending, (level, a, b, waits) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)]
      const sources = sourcesOf(level, from, to, waits)
      let next: number | null = null
      for (const source of sources) {
        const at = source.level ?? 0
        const [first, last] = [firstStepOf(source.first, at), lastStepOf(source.last, at)]
        assert.ok(next === null ? first <= from : first === next, 'nothing twice, nothing left out')
        next = last + 1
        for (const each of waits) {
          if (source.level === null) continue
          const overlaps = firstStepOf(each.block, each.level) <= last && lastStepOf(each.block, each.level) >= first
          assert.ok(!overlaps || source.level < each.level, 'a block that waits is not read')
          if (each.level === 8) assert.ok(!overlaps, 'nor its parts, nor what lies above')
        }
      }
      assert.ok((next ?? 0) > to)
    }),
  )
})
