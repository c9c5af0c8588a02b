import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Finished } from '../measure.ts'
import { spreadOf } from '../measure.ts'
import { span } from '../span.ts'
import { distribution, ticksTo } from './chart.ts'
import { escaped, Html, html } from './html.ts'
import { heldOver, STRETCHES, waitedOver } from './series.ts'

test('safety: no text becomes a tag, an attribute or a hidden mark', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.doesNotMatch(escaped(text), /[<>"'\u0000-\u001f\u202e\u200b]/u) // oxlint-disable-line no-control-regex
      assert.doesNotMatch(escaped(text), /&(?!(amp|lt|gt|quot|#39);)/)
    }),
  )
  assert.equal(html`<b>${'<i>'}</b>${[html`<u>${1}</u>`, new Html('&')]}`.text, '<b>&lt;i&gt;</b><u>1</u>&')
  assert.equal(escaped('a\u202eb'), 'a\\u202eb')
})

const jobs = fc.array(
  fc.record({ gpus: fc.integer({ min: 1, max: 64 }), startMs: fc.nat(100_000), endMs: fc.nat(100_000) }),
  { maxLength: 20 },
)

test('safety: what is drawn as held is what was held', () => {
  fc.assert(
    fc.property(jobs, (drawn) => {
      const finished = drawn.map((each) => ({ ...each, endMs: Math.max(each.startMs, each.endMs) }))
      const sum = finished.reduce((all, { gpus, startMs, endMs }) => all + gpus * (endMs - startMs), 0)
      const series = heldOver(finished as unknown as Finished[], 100_000)
      const seen = series.reduce((all, value) => all + (value * 100_000) / STRETCHES, 0)
      assert.ok(Math.abs(seen - sum) <= 1e-6 * Math.max(1, sum), `${seen} is drawn of ${sum}`)
    }),
  )
})

test('the most that waited in a stretch is drawn, and stays until it changes', () => {
  const queue = [
    { at: 0, runs: 2 },
    { at: 1, runs: 5 },
    { at: 2, runs: 1 },
    { at: STRETCHES * 5 + 1, runs: 0 },
  ]
  const waited = waitedOver(queue, STRETCHES * 10)
  assert.deepEqual([waited[0], waited[1], waited[STRETCHES / 2], waited[STRETCHES / 2 + 1]], [5, 1, 1, 0])
})

test('percentiles are values that occurred; of nothing they are 0', () => {
  assert.deepEqual(spreadOf([4, 1, 3, 2]), { mean: 2.5, p50: 2, p90: 4, p99: 4, max: 4 })
  assert.deepEqual(spreadOf([]), { mean: 0, p50: 0, p90: 0, p99: 0, max: 0 })
})

test('a distribution goes from none to all, and never back', () => {
  const { points } = distribution([0, 0, 60, 90_000])
  assert.deepEqual(points[0], [0, 0])
  assert.deepEqual(points.at(-1), [1, 1])
  for (const [index, [x, y]] of points.entries()) {
    const [before, below] = points[index - 1] ?? [0, 0]
    assert.ok(x >= before && y >= below && x <= 1 && y <= 1)
  }
})

test('steps of an axis are round', () => {
  assert.deepEqual(
    ticksTo(23, String).ticks.map(({ label }) => label),
    ['0', '10', '20', '30'],
  )
  assert.equal(ticksTo(0, String).top, 1)
})

const SPANS: readonly (readonly [number, string])[] = [
  [0, '0s'],
  [0.25, '0.3s'],
  [59.96, '60s'],
  [61, '1m 1s'],
  [3_600, '1h'],
  [100_000, '1d 3h'],
]
for (const [seconds, text] of SPANS) test(`${seconds} s are ${text}`, () => assert.equal(span(seconds), text))
