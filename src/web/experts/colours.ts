// The colour of a load ratio: log2 around 1, eleven stops from 1/8 to 8. The stops are tokens; between them colours are mixed. Blue gets too
// little, brown too much, and lightness falls away from 1 on both sides (in dark, rises), so that it reads without colour, too.

export type Rgb = readonly [red: number, green: number, blue: number]

/** Where each token stands, in doublings. */
export const STOPS = [
  [-3, '--load-8th'],
  [-2.32, '--load-5th'],
  [-1.58, '--load-third'],
  [-1, '--load-half'],
  [-0.3, '--load-low'],
  [0, '--load-one'],
  [0.3, '--load-up'],
  [0.585, '--load-x15'],
  [1, '--load-x2'],
  [2, '--load-x4'],
  [3, '--load-x8'],
] as const

const SIZE = 257
const SPAN = 3
/** Less than this share of its mean, an expert is dead: it is drawn as itself, not as a very low load. */
export const DEAD_BELOW = 0.01

export function parseHex(text: string): Rgb {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text.trim())
  if (match === null) throw new Error(`bug: the colour ${text} is not six hexadecimal digits`)
  return [Number.parseInt(match[1] ?? '', 16), Number.parseInt(match[2] ?? '', 16), Number.parseInt(match[3] ?? '', 16)]
}

/** Packed little-endian RGBA for each place of the scale, ready for ImageData. */
export function colourTable(stops: readonly (readonly [number, Rgb])[]): Uint32Array {
  const table = new Uint32Array(SIZE)
  for (let index = 0; index < SIZE; index += 1) {
    const at = -SPAN + (2 * SPAN * index) / (SIZE - 1)
    let upper = 1
    while (upper < stops.length - 1 && (stops[upper]?.[0] ?? 0) < at) upper += 1
    const low = stops[upper - 1]
    const high = stops[upper]
    if (low === undefined || high === undefined) throw new Error('bug: a scale of colours needs two stops')
    const share = Math.min(1, Math.max(0, (at - low[0]) / (high[0] - low[0])))
    const mix = (part: 0 | 1 | 2): number => Math.round(low[1][part] + share * (high[1][part] - low[1][part]))
    table[index] = pack([mix(0), mix(1), mix(2)])
  }
  return table
}

export const pack = ([red, green, blue]: Rgb): number => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0
export const unpack = (packed: number): Rgb => [packed & 255, (packed >>> 8) & 255, (packed >>> 16) & 255]
export const css = (packed: number): string => `rgb(${unpack(packed).join(',')})`

/** The place of a ratio in the table. */
export function placeOf(ratio: number): number {
  const doublings = Math.min(SPAN, Math.max(-SPAN, Math.log2(ratio)))
  return Math.round((SIZE - 1) / 2 + (doublings * (SIZE - 1)) / (2 * SPAN))
}

/**
 * The colour of a ratio by the upper 16 bits of it as a 32-bit float: sign, exponent and 7 bits of the rest, which is finer than two places of
 * the table. What is not a number has the colour of a gap.
 */
export function colourByBits(table: Uint32Array, gap: number): Uint32Array {
  const bits = new Uint32Array(1)
  const float = new Float32Array(bits.buffer)
  return Uint32Array.from({ length: 2 ** 16 }, (_, upper) => {
    // The middle of all that have these bits.
    bits[0] = ((upper << 16) | 0x8000) >>> 0
    const ratio = float[0] ?? Number.NaN
    return Number.isNaN(ratio) ? gap : (table[placeOf(Math.max(0, ratio))] ?? 0)
  })
}
