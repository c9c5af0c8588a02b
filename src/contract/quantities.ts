// Quantities as people write them. Null: it is none.
const SUFFIX: Readonly<Record<string, bigint>> = {
  '': 1n,
  K: 1_000n,
  M: 1_000_000n,
  B: 1_000_000_000n,
  T: 1_000_000_000_000n,
}

/** `2T`, `1.5B`, `4096`: exact, by decimal arithmetic. */
export function countOf(value: number | string): number | null {
  const match = /^(\d{1,16})(?:\.(\d{1,12}))?\s?([KMBT]?)$/.exec(String(value))
  const scale = SUFFIX[match?.[3] ?? '']
  if (match === null || scale === undefined) return null
  const decimals = match[2] ?? ''
  const scaled = BigInt(`${match[1]}${decimals}`) * scale
  const divisor = 10n ** BigInt(decimals.length)
  return scaled % divisor === 0n && scaled / divisor <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(scaled / divisor)
    : null
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `90s`, `1h 30m`, `14d`; milliseconds, at least 1. A number without a unit is none. */
export function durationOf(value: number | string): number | null {
  if (typeof value === 'number' || !/^(?:\d{1,9}(?:ms|s|m|h|d)\s*)+$/.test(value)) return null
  let sum = 0
  for (const [, amount, unit] of value.matchAll(/(\d+)(ms|s|m|h|d)/g))
    sum += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0)
  return sum >= 1 && Number.isSafeInteger(sum) ? sum : null
}

/** A decimal amount of money to micros, exactly. */
export function microsOf(value: number | string): number | null {
  const match = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(String(value))
  return match === null ? null : Number(`${match[1]}${(match[2] ?? '').padEnd(6, '0')}`)
}
