import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Fact } from '../../domain/fact.ts'
import { byTime } from '../../domain/fact.ts'
import { CELL_MS, cellOf } from '../../domain/units.ts'
import { factAt, OTHER, SOURCE, step, told } from './fixture.ts'
import { asSaid } from './order.ts'

const named = (facts: readonly Fact[]): (readonly [string, number, number])[] =>
  facts.map(({ source, sequence, at }) => [source, sequence, at])
const mark = (at: number, number: number, sequence: number, source = SOURCE): Fact => ({
  ...step(at / 1_000, number, { steps: 1 }, source),
  sequence,
})

void test('a batch that came late does not put its facts after what was said next', () => {
  // Seen: a step whose batch waited a third of a second, and the next one at once. The books had counted 399 of 400.
  const facts = [mark(10_000, 137, 187), mark(10_281, 138, 188), mark(10_147, 139, 190), mark(10_334, 140, 192)]
  const ordered = asSaid(facts)
  assert.deepEqual(
    ordered.map(({ body }) => body.kind === 'step' && body.step),
    [137, 138, 139, 140],
  )
  assert.equal(ordered[1]?.at, facts[2]?.at)
  const begin = { ...factAt(20_333, { kind: 'begin', phase: 'checkpoint' }), sequence: 1 }
  const end = { ...factAt(20_100, { kind: 'end', phase: 'checkpoint' }), sequence: 2 }
  // Without it the phase is never over.
  const next = mark(40_000, 1, 3)
  assert.doesNotMatch(told(asSaid([begin, end, next])), /checkpoint/)
  assert.match(told([begin, end, next]), /checkpoint/)
  assert.deepEqual(
    asSaid([begin, end]).map(({ body }) => body.kind),
    ['begin', 'end'],
  )
})

const facts = fc.array(
  fc.record({ at: fc.integer({ min: 0, max: 3 * CELL_MS }), sequence: fc.nat(60), other: fc.boolean() }),
  { maxLength: 40 },
)

void test('nothing is added, lost or dated later; a cell keeps its facts, and has each source in its order, whatever else is read', () => {
  fc.assert(
    fc.property(facts, (drawn) => {
      const given = drawn.map(({ at, sequence, other }) => mark(at, 1, sequence, other ? OTHER : SOURCE))
      const ordered = asSaid(given)
      assert.deepEqual(ordered, ordered.toSorted(byTime))
      assert.deepEqual(
        named(ordered)
          .map(([source, sequence]) => `${source} ${sequence}`)
          .toSorted(),
        named(given)
          .map(([source, sequence]) => `${source} ${sequence}`)
          .toSorted(),
      )
      for (const cell of new Set(given.map(({ at }) => cellOf(at)))) {
        const alone = asSaid(given.filter(({ at }) => cellOf(at) === cell))
        const among = ordered.filter(({ at }) => cellOf(at) === cell)
        assert.deepEqual(named(among), named(alone))
        for (const source of [SOURCE, OTHER]) {
          const said = among.filter((fact) => fact.source === source)
          for (const [index, fact] of said.entries()) {
            const before = said[index - 1]
            assert.ok(before === undefined || before.sequence <= fact.sequence)
          }
        }
      }
    }),
  )
})
