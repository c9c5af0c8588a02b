import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SPEC_BYTES_MAX } from '../domain/limits.ts'
import { parseYaml, parseYamlValue } from './yaml.ts'

/** Line, column and message of the first problem. */
function refusal(text: string): [number | null, number | null, string] {
  const parsed = parseYaml(text)
  if (parsed.ok) return [null, null, 'it was accepted']
  const [first] = parsed.problems
  return [first?.line ?? null, first?.column ?? null, first?.message ?? '']
}

test('what YAML would silently change or drop is refused where it stands', () => {
  const rows: [string, number, number, RegExp][] = [
    ['', 1, 1, /empty/],
    ['# nothing but this\n', 1, 1, /empty/],
    ['- a\n', 1, 1, /not a mapping/],
    ['just text', 1, 1, /not a mapping/],
    ['a: 1\n---\nb: 2\n', 2, 1, /second document/],
    ['a:\n\tb: 1\n', 2, 1, /tab/],
    ['a: 1\nb: 2\na: 3\n', 3, 1, /before, in line 1/],
    ['a: *nope\n', 1, 4, /nothing before it is named &nope/],
    ['a: *x\nb: &x 1\n', 1, 4, /nothing before it/],
    ['a: &x [1, *x]\n', 1, 11, /contains itself/],
    ['a: 12345678901234567890\n', 1, 4, /exactly/],
    ['a: 0.1234567890123456789\n', 1, 4, /exactly/],
    ['a: 1e400\n', 1, 4, /exactly/],
    ['a: 1e-400\n', 1, 4, /exactly/],
    ['a: 0x10\n', 1, 4, /unusual/],
    ['a: 010\n', 1, 4, /unusual/],
    ['a: .inf\n', 1, 4, /unusual/],
    ['a:\n  1: x\n', 2, 3, /not text/],
    ['a:\n  ? [b]\n  : c\n', 2, 5, /not text/],
    ['__proto__: 1\n', 1, 1, /__proto__/],
    ['a: !secret x\n', 1, 4, /tag/],
    ['a: [1, 2\nb: 3\n', 2, 1, /flow/],
  ]
  for (const [text, line, column, message] of rows) {
    const [atLine, atColumn, said] = refusal(text)
    assert.match(said, message, JSON.stringify(text))
    assert.deepEqual([atLine, atColumn], [line, column], `${JSON.stringify(text)}: ${said}`)
  }
})

test('hostile documents are refused in bounded time', () => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]']
  for (let level = 1; level < 9; level += 1) {
    const name = String.fromCharCode(97 + level)
    const before = String.fromCharCode(96 + level)
    bomb.push(`${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(', ')}]`)
  }
  assert.match(refusal(bomb.join('\n'))[2], /more than 20000 values/)
  assert.match(refusal(`a: ${'['.repeat(SPEC_BYTES_MAX - 10)}`)[2], /too deeply/)
  assert.match(refusal(`a: ${'['.repeat(60)}${']'.repeat(60)}`)[2], /too deeply/)
  assert.match(refusal('- '.repeat(SPEC_BYTES_MAX / 2))[2], /too deeply/)
  assert.match(refusal('x'.repeat(SPEC_BYTES_MAX + 1))[2], /larger than 256 KiB/)
  assert.ok(refusal(`a: ${'!'.repeat(SPEC_BYTES_MAX - 10)}`)[2].length < 500, 'a message is never as long as the file')
  assert.match(refusal(Array.from({ length: 30_000 }, (_, index) => `k${index}:`).join('\n'))[2], /more than 20000/)
})

test('aliases, byte order marks and JSON are read', () => {
  const parsed = parseYaml('\uFEFFa: &x { n: 1 }\nb: *x\n')
  assert.ok(parsed.ok)
  assert.deepEqual(parsed.value, { a: { n: 1 }, b: { n: 1 } })
  assert.deepEqual(parsed.locate('/a', 'key'), { line: 1, column: 1 })
  const json = parseYaml('{\n\t"a": [1, "\\u00e9", null, true],\r\n\t"b": {"c": -0.5}\n}')
  assert.ok(json.ok)
  assert.deepEqual(json.value, { a: [1, 'é', null, true], b: { c: -0.5 } })
  const words = parseYaml('a: no\nb: 14d\nc: 2T\nd: off\ne: 2026-11-25\n')
  assert.ok(words.ok)
  assert.deepEqual(words.value, { a: 'no', b: '14d', c: '2T', d: 'off', e: '2026-11-25' })
})

test('a scalar that is text by its place keeps every character', () => {
  const parsed = parseYaml('a: [1.0, 007, 0x10, true, 12345678901234567890, "x", ~]\n', (path) => path[0] === 'a')
  assert.ok(parsed.ok)
  assert.deepEqual(parsed.value, { a: ['1.0', '007', '0x10', 'true', '12345678901234567890', 'x', null] })
})

test('a place is found by its value, its key, or the nearest parent that exists', () => {
  const parsed = parseYaml('a:\n  b: [x, yy]\n  "c/d": 1\ne:\n')
  assert.ok(parsed.ok)
  const at = (pointer: string, part?: 'key' | 'value'): string => {
    const { line, column } = parsed.locate(pointer, part)
    return `${line}:${column}`
  }
  assert.equal(at('/a/b/1'), '2:10')
  assert.equal(at('/a/b', 'key'), '2:3')
  assert.equal(at('/a/b'), '2:6')
  assert.equal(at('/a/c~1d'), '3:10')
  assert.equal(at('/a/missing'), '1:1')
  assert.equal(at('/a/b/7'), '2:3')
  assert.equal(at('/e/x'), '4:1')
  assert.equal(at(''), '1:1')
})

const PIECES = [
  'a',
  'b: ',
  '- ',
  '[',
  ']',
  '{',
  '}',
  ': ',
  ', ',
  '\n',
  '  ',
  '&x ',
  '*x',
  '"',
  "'",
  '#',
  '|',
  '>',
  '!t ',
  '? ',
  '---',
  '\t',
  '1',
  '0x1',
  '\u0000',
  '\uFEFF',
  '%',
]

test('safety: no text makes it throw, and each problem has a place', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.constantFrom(...PIECES)).map((pieces) => pieces.join('')),
  )
  fc.assert(
    fc.property(text, (given) => {
      const parsed = parseYamlValue(given)
      if (parsed.ok) return
      assert.ok(parsed.problems.length > 0)
      for (const { line, column } of parsed.problems) assert.ok((line ?? 0) >= 1 && (column ?? 0) >= 1)
    }),
    { numRuns: 2_000 },
  )
})

test('safety: JSON without duplicate keys is read as JSON.parse reads it', () => {
  const value = fc.dictionary(
    fc.string().filter((key) => key !== '__proto__'),
    fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.string())),
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(value, fc.boolean(), (given, pretty) => {
      const text = JSON.stringify(given, null, pretty ? 2 : 0)
      const parsed = parseYaml(text)
      assert.ok(parsed.ok, text)
      assert.deepEqual(parsed.value, JSON.parse(text))
    }),
  )
})
