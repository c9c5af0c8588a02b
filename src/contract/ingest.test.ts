import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { EXPERTS_PER_LAYER_MAX } from '../domain/limits.ts'
import { parseReport } from './ingest.ts'

const page = readFileSync(new URL('../../docs/ingest-v1.md', import.meta.url), 'utf8')
const example = JSON.parse(/^\{"version":1,"source".*$/m.exec(page)?.[0] ?? '') as { facts: object[] }

function taken(facts: readonly unknown[]) {
  const parsed = parseReport({ ...example, facts })
  assert.ok(parsed.ok)
  return parsed.batch
}

test('the worked example of the protocol is read as it says', () => {
  const parsed = parseReport(example)
  assert.ok(parsed.ok)
  const { facts, frames, refused, source, rank, obeys, sent } = parsed.batch
  assert.deepEqual([source, rank, obeys, sent, refused], ['4be1c07d92a3f5e8', 0, ['checkpoint'], 3, []])
  assert.deepEqual(
    facts.map(({ seq, at, body }) => [seq, Number(at), body]),
    [
      [1, 1_795_651_200_123, { kind: 'resumed', step: 40 }],
      [
        2,
        1_795_651_201_456,
        {
          kind: 'step',
          step: 41,
          steps: 1,
          durationMs: 1206.5,
          loss: null,
          tokens: 1024,
          samples: 328,
          batch: null,
          total: null,
        },
      ],
    ],
  )
  assert.deepEqual(
    frames.map(({ step, layers, experts, counts, tokens, topK, flags }) => [
      step,
      layers,
      experts,
      [...counts],
      tokens,
      topK,
      flags,
    ]),
    [[41, ['layers.0.mlp', 'layers.1.mlp'], 2, [3, 1, 0, 4], 2, 2, ['local']]],
  )
})

test('keys and kinds of later versions are let be', () => {
  const batch = taken([
    { seq: 1, at: 1, kind: 'step', step: 1, colour: 'red' },
    { seq: 2, at: 1, kind: 'weather' },
    { seq: 3, at: 1, kind: 'checkpoint', step: 4, state: 'saved' },
    { seq: 4, at: 1, kind: 'gap', of: 'experts', from: 1, to: 9, facts: 3, why: 'overflow' },
  ])
  assert.deepEqual(batch.refused, [{ seq: 2, reason: 'unknown-kind' }])
  assert.deepEqual(
    batch.facts.map(({ body }) => body.kind),
    ['step', 'gap'],
  )
})

test('one fact that lies is refused alone', () => {
  const frame = { ...example.facts[2], seq: 9 }
  const lies: object[] = [
    { seq: 1, at: 1, kind: 'step', step: -1 },
    { seq: 2, at: 1, kind: 'step', step: 1, tokens: 1e300 },
    { seq: 3, at: 1, kind: 'step', step: 1, durationMs: -1 },
    { seq: 4, at: 1, kind: 'step', step: 1.5 },
    { seq: 5, at: -1, kind: 'done' },
    { seq: 6, at: 1, kind: 'phase', phase: 'nap', edge: 'begin' },
    { seq: 0, at: 1, kind: 'done' },
    { ...frame, counts: 'AwAAAAEAAAAAAAAABAAAAA=' },
    { ...frame, counts: 'AwAAAAEAAAAAAAAABAAAA A==' },
    { ...frame, experts: EXPERTS_PER_LAYER_MAX, layers: Array.from({ length: 40 }, (_, index) => `l${index}`) },
    { ...frame, layers: ['a', 'a'] },
    { ...frame, layers: ['a', 'b\0'] },
    { ...frame, layers: ['a', '\ud800'] },
    { seq: 10, at: 1, kind: 'gap', of: 'step', from: 1, to: 2, facts: 1, why: '\udfff' },
  ]
  const batch = taken([...lies, { seq: 30, at: 1, kind: 'done' }, null, 7])
  assert.equal(batch.refused.length, lies.length + 2)
  assert.ok(batch.refused.every(({ reason }) => reason === 'invalid'))
  assert.deepEqual(
    batch.facts.map(({ seq }) => seq),
    [30],
  )
})

test('a batch whose envelope lies is refused whole, with each place', () => {
  const parsed = parseReport({ ...example, source: 'me', rank: -1, facts: Array.from({ length: 1_001 }, () => ({})) })
  assert.ok(!parsed.ok)
  assert.deepEqual(
    parsed.problems.map(({ pointer }) => pointer),
    ['/source', '/rank', '/facts'],
  )
})

test('safety: whatever is changed in a batch, nothing throws and every fact is taken or refused', () => {
  const text = JSON.stringify(example)
  const change = fc.record({ at: fc.nat(text.length - 1), by: fc.string({ maxLength: 3 }) })
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      const mutated = changes.reduce((now, { at, by }) => now.slice(0, at) + by + now.slice(at + by.length), text)
      let value: unknown
      try {
        value = JSON.parse(mutated)
      } catch {
        return
      }
      const parsed = parseReport(value)
      if (!parsed.ok) return assert.ok(parsed.problems.length > 0)
      const { facts, frames, refused, sent } = parsed.batch
      assert.ok(facts.length + frames.length + refused.length <= sent)
      for (const frame of frames) assert.equal(frame.counts.length, frame.layers.length * frame.experts)
    }),
    { numRuns: 3_000 },
  )
})
