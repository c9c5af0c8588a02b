import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Attempt, Series, Statement } from '../api/documents.ts'
import { attemptLines } from './timeline.ts'

const at = (minute: number): string => new Date(Date.UTC(2026, 10, 24, 0, minute)).toISOString()
const ms = (minute: number): number => Date.UTC(2026, 10, 24, 0, minute)

const attempt = (number: number, more: Partial<Attempt>): Attempt => ({
  id: `r-${number}`,
  number,
  state: 'ended',
  outcome: 'failed',
  failure: 'unknown',
  message: null,
  verdict: null,
  plannedAt: at(0),
  startedAt: at(1),
  endedAt: at(20),
  deadlineAt: null,
  resumedFromStep: null,
  lastStep: 3,
  workers: [],
  ...more,
})

const series: Series = {
  run: 'r',
  attempts: [{ number: 1, step: [1, 2, 3], at: [at(5), at(10), at(15)], loss: [3, 2, 1], stepMs: [null, 1, 1] }],
  marks: [{ kind: 'saved', attempt: 1, step: 2, at: at(11) }],
  thinned: false,
}

test('an attempt is drawn from what was seen of it, without a gap', () => {
  const [line] = attemptLines([attempt(1, { outcome: 'succeeded' })], series, ms(30))
  assert.deepEqual(
    line?.spans.map((span) => [span.account, span.from, span.to]),
    [
      ['provision', ms(0), ms(1)],
      ['startup', ms(1), ms(5)],
      ['productive', ms(5), ms(15)],
      ['teardown', ms(15), ms(20)],
    ],
  )
  assert.deepEqual(line?.saves, [ms(11)])
})

test('after its last step an ended attempt is drawn as the books have it: who waits for nothing is idle, not torn down', () => {
  const statement = { attempts: [{ id: 'r-1', byAccount: { productive: 9, idle: 3, unknown: 2, teardown: 1 } }] }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only this part is read
  const [line] = attemptLines([attempt(1, {})], series, ms(30), statement as unknown as Statement)
  assert.deepEqual(line?.spans.at(-1), { account: 'idle', from: ms(15), to: ms(20) })
})

test('steps after the checkpoint that the next attempt began from are lost', () => {
  const next = attempt(2, { plannedAt: at(21), startedAt: null, endedAt: null, resumedFromStep: 2 })
  const [line, second] = attemptLines([attempt(1, {}), next], series, ms(30))
  assert.deepEqual(
    line?.spans.filter((span) => span.account === 'lost'),
    [{ account: 'lost', from: ms(10), to: ms(15) }],
  )
  assert.deepEqual(second?.spans, [{ account: 'provision', from: ms(21), to: ms(30) }])
})

test('of the last attempt, which failed, steps after its own checkpoint are lost, and all where it saved nothing', () => {
  const lost = (more: Partial<Attempt>, marks: Series['marks']) =>
    attemptLines([attempt(1, more)], { ...series, marks }, ms(30))[0]?.spans.filter(({ account }) => account === 'lost')
  assert.deepEqual(lost({}, series.marks), [{ account: 'lost', from: ms(10), to: ms(15) }])
  assert.deepEqual(lost({ resumedFromStep: 0 }, []), [{ account: 'lost', from: ms(5), to: ms(15) }])
  assert.deepEqual(lost({ outcome: null, state: 'running', endedAt: null }, series.marks), [])
})
