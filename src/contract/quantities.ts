// Quantities as people write them, by exact decimal arithmetic. Null: it is none.
const SUFFIX: ReadonlyMap<string, bigint> = new Map([
  ['', 1n],
  ['K', 1_000n],
  ['M', 1_000_000n],
  ['B', 1_000_000_000n],
  ['T', 1_000_000_000_000n],
])

/** `2T`, `1.5B`, `4096`. */
export function countOf(value: number | string): number | null {
  const match = /^(\d{1,16}(?:\.\d{1,12})?)\s?([KMBT]?)$/.exec(String(value))
  const scale = SUFFIX.get(match?.[2] ?? '')
  return match === null || scale === undefined ? null : scaled(match[1] ?? '', scale)
}

const UNIT_MS: ReadonlyMap<string, bigint> = new Map([
  ['d', 86_400_000n],
  ['h', 3_600_000n],
  ['m', 60_000n],
  ['s', 1_000n],
  ['ms', 1n],
])
const PART = /(\d{1,15}(?:\.\d{1,6})?)(ms|s|m|h|d)/y

/** `90s`, `1h 30m`, `1.5h`, `14d`: milliseconds, at least 1, each unit once. A number without a unit is none. */
export function durationOf(value: number | string): number | null {
  if (typeof value === 'number') return null
  const seen = new Set<string>()
  let sum = 0
  for (let at = 0; at < value.length;) {
    PART.lastIndex = at
    const [whole = '', amount = '', unit = ''] = PART.exec(value) ?? []
    const part = seen.has(unit) || whole === '' ? null : scaled(amount, UNIT_MS.get(unit) ?? 0n)
    if (part === null) return null
    seen.add(unit)
    sum += part
    at += whole.length
    if (at < value.length && value[at] === ' ') at += 1
  }
  return sum >= 1 && Number.isSafeInteger(sum) && !value.endsWith(' ') ? sum : null
}

/** `600000` is `10m`: for messages. */
export function durationText(ms: number): string {
  const parts: string[] = []
  let rest = BigInt(ms)
  for (const [unit, size] of UNIT_MS) {
    if (rest >= size) parts.push(`${rest / size}${unit}`)
    rest %= size
  }
  return parts.length === 0 ? '0s' : parts.join(' ')
}

const BYTES: ReadonlyMap<string, bigint> = new Map([
  ['KiB', 1_024n],
  ['MiB', 1_024n ** 2n],
  ['GiB', 1_024n ** 3n],
  ['TiB', 1_024n ** 4n],
])

/** `512MiB`, `4GiB`. A number without a unit is none. */
export function bytesOf(value: string): number | null {
  const [, amount = '', unit = ''] = /^(\d{1,15}(?:\.\d{1,6})?)\s?([KMGT]iB)$/.exec(value) ?? []
  const scale = BYTES.get(unit)
  return scale === undefined ? null : scaled(amount, scale)
}

/** A decimal amount (of money, of GPU-hours) to its millionths. */
export function microsOf(value: number | string): number | null {
  const match = /^\d{1,10}(?:\.\d{1,6})?$/.exec(String(value))
  return match === null ? null : scaled(match[0], 1_000_000n)
}

/** Digits with or without a point, times an integer; null where that is no safe integer. */
function scaled(decimal: string, scale: bigint): number | null {
  const [whole = '', decimals = ''] = decimal.split('.')
  const divisor = 10n ** BigInt(decimals.length)
  const product = BigInt(`${whole}${decimals}`) * scale
  const result = Number(product / divisor)
  return product % divisor === 0n && Number.isSafeInteger(result) ? result : null
}
