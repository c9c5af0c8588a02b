import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { runId } from '../../domain/fixture.ts'
import { attemptIdOf } from '../../domain/ids.ts'
import { SPOOL_OPEN_CHARS_MAX } from '../../domain/limits.ts'
import { linesOf } from './log.ts'
import { spooledIn, withoutSpool } from './spool.ts'

const ATTEMPT = attemptIdOf(runId(1), 1)
const STAMP = '2026-03-01T08:00:00.000000001Z'
const AT = Date.parse('2026-03-01T08:00:00Z')
const SOURCE = '4be1c07d92a3f5e8'

const part = (
  number: number,
  of: number,
  text: string,
  batch = 1,
  attempt: string = ATTEMPT,
  source = SOURCE,
): string => `plimsoll-spool/1 ${attempt} ${source} ${batch} ${number}/${of} ${text}`
const log = (...texts: string[]) =>
  linesOf(new TextEncoder().encode(texts.map((text) => `${STAMP} stderr F ${text}\n`).join('')), 0)
const packed = (...texts: string[]): string[] =>
  spooledIn(ATTEMPT, '', log(...texts)).batches.map((each) => each.packed)

void test('a batch is whole when its last part has come, and has the time of that', () => {
  assert.deepEqual(spooledIn(ATTEMPT, '', log(part(1, 2, 'abc'), 'a line', part(2, 2, 'def='))), {
    batches: [{ packed: 'abcdef=', at: AT }],
    open: '',
  })
  assert.deepEqual(packed(part(1, 2, 'abc')), [])
})

void test('parts of several processes and batches may be mixed', () => {
  const other = '0000000000000000'
  assert.deepEqual(
    packed(
      part(1, 2, 'a'),
      part(1, 2, 'x', 1, ATTEMPT, other),
      part(1, 1, 'n', 2),
      part(2, 2, 'b'),
      part(2, 2, 'y', 1, ATTEMPT, other),
    ),
    ['n', 'ab', 'xy'],
  )
})

void test('a launcher, a colour or an unfinished line may stand before a part', () => {
  for (const before of ['[default0]: ', '[rank3]:', '50%|####\r', '50% of '])
    assert.deepEqual(packed(`${before}${part(1, 1, 'abc')}`), ['abc'])
})

const NONE: readonly (readonly [string, string])[] = [
  ['of another attempt, as a job that prints its log would show', part(1, 1, 'a', 1, attemptIdOf(runId(1), 2))],
  ['with a number of parts that nobody writes', part(1, 33, 'a')],
  ['beyond its parts', part(2, 1, 'a')],
  ['without a number', part(0, 1, 'a')],
  ['that is no base64', part(1, 1, 'a b')],
  ['of a later version', part(1, 1, 'a').replace('/1', '/2')],
  ['of a strange source', part(1, 1, 'a', 1, ATTEMPT, 'ABCDEF0123456789')],
]
for (const [name, line] of NONE)
  void test(`a part ${name} is none`, () => assert.deepEqual(spooledIn(ATTEMPT, '', log(line)).batches, []))

void test('what is not whole yet is left open, and is whole with the lines that come', () => {
  const first = spooledIn(ATTEMPT, '', log(part(1, 3, 'a'), part(1, 2, 'x', 2), part(1, 1, 'n', 3)))
  const next = spooledIn(ATTEMPT, first.open, log(part(2, 3, 'b')))
  const last = spooledIn(ATTEMPT, next.open, log(part(3, 3, 'c'), part(2, 2, 'y', 2)))
  const taken = [first, next, last].map(({ batches }) => batches.map(({ packed: text }) => text))
  assert.deepEqual([taken, last.open], [[['n'], [], ['abc', 'xy']], ''])
})

void test('a batch whose beginning is missing is none, and of what stays open the oldest goes', () => {
  assert.deepEqual(spooledIn(ATTEMPT, '', log(part(2, 2, 'b'))), { batches: [], open: '' })
  const many = Array.from({ length: 400 }, (_, index) => part(1, 2, 'a'.repeat(4_000), index + 1))
  const { open } = spooledIn(ATTEMPT, '', log(...many))
  assert.ok(open.length <= SPOOL_OPEN_CHARS_MAX && open.length > SPOOL_OPEN_CHARS_MAX - 4_100)
  const ends = [1, 400].map((batch) => spooledIn(ATTEMPT, open, log(part(2, 2, 'z', batch))).batches.length)
  assert.deepEqual(ends, [0, 1])
})

void test('people do not see it, and see all else', () => {
  const shown = withoutSpool(
    log('one', part(1, 2, 'abc'), `[rank0]: ${part(2, 2, 'abc')}`, `50%${part(1, 1, 'a')}`, 'two'),
  )
  assert.deepEqual(
    shown.map(({ text }) => text),
    ['one', '50%', 'two'],
  )
  assert.equal(withoutSpool(log('plimsoll-spool/1 is a word like any other')).length, 1)
})

void test('safety: whatever is printed, nothing throws and nothing but whole batches comes', () => {
  const line = fc.oneof(
    fc.string(),
    fc
      .tuple(fc.nat(4), fc.nat(4), fc.stringMatching(/^[A-Za-z0-9+/=]{1,8}$/), fc.nat(2), fc.nat(80))
      .map(([number, of, text, batch, cut]) => part(number, of, text, batch).slice(0, 40 + cut)),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (texts) => {
      const lines = log(...texts.map((text) => text.replaceAll('\n', ' ')))
      for (const { packed: text } of spooledIn(ATTEMPT, '', lines).batches) assert.match(text, /^[A-Za-z0-9+/=]+$/)
      assert.ok(withoutSpool(lines).length <= lines.length)
    }),
  )
})
