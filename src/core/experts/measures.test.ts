import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { measuresOf, outliersOf, unconserved } from './measures.ts'

void test('an even layer is even by every measure, and one expert always is', () => {
  const even = { maxVio: 0, cv: 0, entropy: 1, dead: 0, hot: 0 }
  const seen = measuresOf([5, 5, 5, 5])
  assert.deepEqual({ ...seen, entropy: Math.round((seen?.entropy ?? 0) * 1e9) / 1e9 }, even)
  assert.deepEqual(measuresOf([7]), even)
})

void test('all in one expert is as far from even as it can be', () => {
  assert.deepEqual(measuresOf([0, 8, 0, 0]), { maxVio: 3, cv: Math.sqrt(3), entropy: 0, dead: 3, hot: 1 })
  assert.deepEqual(outliersOf([0, 8, 0, 0]), { dead: [0, 2, 3], hot: [1] })
})

void test('a layer without a token has no measures', () => {
  assert.equal(measuresOf([0, 0]), null)
  assert.equal(measuresOf([]), null)
  assert.deepEqual(outliersOf([0, 0]), { dead: [], hot: [] })
})

void test('safety: the measures lie where they must, and do not depend on the order of the experts', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2 ** 32 - 1), { minLength: 1, maxLength: 64 }), (counts) => {
      const seen = measuresOf(counts)
      if (seen === null) return assert.ok(counts.every((count) => count === 0))
      assert.ok(seen.maxVio >= -1e-9 && seen.maxVio <= counts.length - 1 + 1e-9)
      assert.ok(seen.cv >= 0 && seen.entropy >= 0 && seen.entropy <= 1)
      assert.ok(seen.dead + seen.hot <= counts.length)
      const again = measuresOf(counts.toReversed())
      assert.ok(Math.abs((again?.cv ?? 0) - seen.cv) < 1e-6 && again?.maxVio === seen.maxVio)
    }),
  )
})

void test('counts that are not tokens x top-k name their layers, where nothing excuses them', () => {
  const counts = [3, 1, 0, 4, 2, 1]
  assert.deepEqual(unconserved(counts, 2, 2, 2, []), [2])
  assert.deepEqual(unconserved(counts, 2, 2, 2, ['after-drop']), [])
  assert.deepEqual(unconserved(counts, 2, null, 2, []), [])
})
