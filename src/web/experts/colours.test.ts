import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { colourByBits, colourTable, pack, parseHex, placeOf, type Rgb, STOPS, unpack } from './colours.ts'

const tokens = readFileSync(new URL('../style/tokens.css', import.meta.url), 'utf8')

/** The stops of a theme, as they stand in its part of the tokens. */
function stopsIn(part: string): (readonly [number, Rgb])[] {
  return STOPS.map(([at, name]) => {
    const value = new RegExp(`${name}:\\s*(#[0-9a-f]{6})`).exec(part)?.[1]
    assert.ok(value !== undefined, `${name} is a token`)
    return [at, parseHex(value)] as const
  })
}
const dark = tokens.indexOf('@media (prefers-color-scheme: dark)')
const themes = { light: tokens.slice(0, dark), dark: tokens.slice(dark) }
const lightness = ([red, green, blue]: Rgb): number => 0.2126 * red + 0.7152 * green + 0.0722 * blue

for (const [theme, part] of Object.entries(themes)) {
  test(`${theme}: each stop has its own colour, and 1 the middle one`, () => {
    const stops = stopsIn(part)
    const table = colourTable(stops)
    assert.equal(table[placeOf(1)], pack(stops[5]?.[1] ?? [0, 0, 0]))
    assert.equal(table[placeOf(1 / 8)], pack(stops[0]?.[1] ?? [0, 0, 0]))
    assert.equal(table[placeOf(8)], pack(stops.at(-1)?.[1] ?? [0, 0, 0]))
  })

  test(`${theme}: lightness alone tells how far a load is from 1`, () => {
    const table = [...colourTable(stopsIn(part))].map((packed) => lightness(unpack(packed)))
    const away = theme === 'light' ? -1 : 1
    for (let index = 129; index < 256; index += 1) {
      assert.ok(away * ((table[index + 1] ?? 0) - (table[index] ?? 0)) >= -1, `above 1 at ${index}`)
      assert.ok(away * ((table[255 - index] ?? 0) - (table[256 - index] ?? 0)) >= -1, `below 1 at ${256 - index}`)
    }
  })
}

test('what is beyond the scale has the colour of its end', () => {
  assert.equal(placeOf(1000), 256)
  assert.equal(placeOf(0.0001), 0)
  assert.equal(placeOf(0), 0)
  assert.equal(placeOf(1), 128)
})

test('the colour by bits is that by the logarithm, or its neighbour', () => {
  const table = Uint32Array.from({ length: 257 }, (_, place) => place + 1)
  const quick = colourByBits(table, 999)
  const bits = new Uint32Array(1)
  const float = new Float32Array(bits.buffer)
  const by = (ratio: number): number => {
    float[0] = ratio
    return quick[(bits[0] ?? 0) >>> 16] ?? 0
  }
  for (let ratio = 0; ratio < 12; ratio += 0.00137) {
    assert.ok(Math.abs(by(ratio) - 1 - placeOf(ratio)) <= 1, `${ratio}: ${by(ratio) - 1} and ${placeOf(ratio)}`)
  }
  assert.equal(by(Number.NaN), 999)
  assert.equal(by(1), 129)
})
