import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { runId } from '../../domain/fixture.ts'
import { attemptIdOf, workerIdOf } from '../../domain/ids.ts'
import { megatron } from './dialects/megatron.ts'
import { factsOf, linesOf } from './log.ts'

const ATTEMPT = attemptIdOf(runId(1), 1)
const WORKER = workerIdOf(ATTEMPT, 0)
const STAMP = '2026-03-01T08:00:00.000000001Z'
const AT = Date.parse('2026-03-01T08:00:00Z')
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const facts = (text: string) => factsOf(WORKER, ATTEMPT, linesOf(bytes(text), 0), [megatron])

void test('lines keep their time, their stream and the byte they begin at', () => {
  const first = `${STAMP} stdout F hällo\n`
  assert.deepEqual(linesOf(bytes(`${first}${STAMP} stderr F \n`), 100), [
    { offset: 100, at: AT, stream: 'stdout', text: 'hällo', partial: false },
    { offset: 100 + bytes(first).length, at: AT, stream: 'stderr', text: '', partial: false },
  ])
})

void test('partial lines are one line that begins where the first does', () => {
  const text = `${STAMP} stdout P one \n${STAMP} stdout P two \n${STAMP} stdout F three\n`
  assert.deepEqual(
    linesOf(bytes(text), 7).map((line) => [line.offset, line.text]),
    [[7, 'one two three']],
  )
})

void test('a line of ours stands by itself, also where it cuts off what a worker had begun', () => {
  const text = `${STAMP} stdout P one \n${STAMP} plimsoll F ours\n`
  assert.deepEqual(
    linesOf(bytes(text), 0).map((line) => [line.stream, line.text, line.partial]),
    [
      ['stdout', 'one ', false],
      ['plimsoll', 'ours', false],
    ],
  )
})

void test('a line that is longer than a slice comes whole, in pieces that say that they go on', () => {
  const long = 'x'.repeat(100_000)
  const [piece] = linesOf(bytes(`${STAMP} stdout P ${long}\n${STAMP} stdout P ${long}\n`), 0)
  assert.deepEqual([piece?.text.length, piece?.partial], [200_000, true])
  assert.equal(facts(`${STAMP} stdout F ${long} iteration 1/ 2 |\n`).length, 0)
})

void test('what is no line of a log is passed over', () => {
  assert.deepEqual(linesOf(bytes(`junk\n\n${STAMP} stdin F x\nnever stdout F x\n`), 0), [])
})

void test('colours, prefixes of launchers and progress bars do not hide a step', () => {
  const step = 'iteration        3/      10 | lm loss: 1.000000E+00 |'
  for (const text of [
    step,
    `[default0]: ${step}`,
    `[rank3]:${step}`,
    `\u001b[32m ${step}\u001b[0m`,
    `50%|#####\r${step}`,
  ])
    assert.deepEqual(
      facts(`${STAMP} stdout F ${text}\n`).map((fact) => fact.body.kind),
      ['step'],
      text,
    )
})

void test('several facts of one line have names of their own', () => {
  const found = facts(`${STAMP} stdout F successfully saved checkpoint from iteration 5 to x\n`)
  assert.deepEqual(
    found.map((fact) => [fact.sequence, fact.body.kind]),
    [
      [0, 'end'],
      [1, 'saved'],
    ],
  )
  const many = facts(`${STAMP} stdout F ${Array(20).fill('iteration 1/ 2 |').join('\r')}\n`)
  assert.equal(new Set(many.map((fact) => fact.sequence)).size, 8)
})

void test('safety: junk never throws, and reading a log twice gives the same facts', () => {
  const line = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.string({ maxLength: 40 }).map((text) => bytes(`${STAMP} stdout ${text}`)),
    fc
      .constantFrom('P iteration 1/ 9 |', 'F iteration 2/ 9 |', 'F', '')
      .map((text) => bytes(`${STAMP} stderr ${text}`)),
    fc.string({ maxLength: 20 }).map((text) => bytes(`${text} stdout F x`)),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), fc.nat(2 ** 40), (parts, offset) => {
      const log = Uint8Array.from(parts.flatMap((part) => [...part, 10]))
      const lines = linesOf(log, offset)
      for (const each of lines)
        assert.ok(each.offset >= offset && each.offset < offset + log.length && Number.isSafeInteger(each.at))
      const once = factsOf(WORKER, ATTEMPT, lines, [megatron])
      assert.deepEqual(factsOf(WORKER, ATTEMPT, linesOf(log, offset), [megatron]), once)
      assert.equal(new Set(once.map((fact) => fact.sequence)).size, once.length)
    }),
    { numRuns: 300 },
  )
})
