import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { packedCounts, unpackedCounts, unpackLayer } from './expert-codec.ts'

const cells = fc.oneof(
  fc.nat(300),
  fc.integer({ min: 1_900_000, max: 2_100_000 }),
  fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1),
)

void test('counts come back as they were, whole and layer by layer', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 40 }),
      fc.infiniteStream(cells),
      (layers, experts, some) => {
        const counts = Uint32Array.from(some.take(layers * experts))
        const { bytes, ends } = packedCounts(counts, experts)
        assert.equal(ends.at(-1), bytes.length)
        assert.deepEqual(unpackedCounts(bytes, ends, layers, experts), counts)
        const one = new Uint32Array(experts)
        const begin = layers === 1 ? 0 : (ends[layers - 2] ?? 0)
        unpackLayer(bytes.subarray(begin), 0, one, 0, experts)
        assert.deepEqual(one, counts.subarray((layers - 1) * experts))
      },
    ),
  )
})

void test('a router that sends everything to one expert takes little more room than an even one', () => {
  const counts = new Uint32Array(256)
  counts[7] = 2 ** 32 - 1
  assert.ok(packedCounts(counts, 256).bytes.length < 1_200)
})

void test('frames of before are read', () => {
  const counts = [5, 70_000, 2 ** 32 - 1, 0]
  const planes = Buffer.from([0, 8, 16, 24].flatMap((shift) => counts.map((count) => (count >>> shift) & 0xff)))
  assert.deepEqual([...unpackedCounts(deflateRawSync(planes), null, 2, 2)], counts)
})
