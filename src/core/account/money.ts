// GPU-time times a price. Products go beyond 2^53, so that sums are exact BigInts, rounded once at the end.
import type { Money, Price } from '../../domain/units.ts'
import { micros } from '../../domain/units.ts'

const MS_PER_HOUR_BIG = 3_600_000n

export type Priced = { readonly gpuMs: number; readonly price: Price | null }

const chargeOf = ({ gpuMs, price }: Priced): bigint => BigInt(gpuMs) * BigInt(price?.microsPerGpuHour ?? 0)

/** One rounding of the exact sum. Null as soon as a part has no price or another currency: unknown is never 0. */
export function moneyOf(parts: readonly Priced[]): Money | null {
  const currency = currencyOf(parts)
  if (currency === null) return null
  const charge = parts.reduce((sum, part) => sum + chargeOf(part), 0n)
  return { micros: micros(Number(charge / MS_PER_HOUR_BIG)), currency }
}

/**
 * The money of each part, so that they add up to what all together cost: rounded down, and what is left over goes to the largest
 * remainders. All parts are of one currency.
 */
export function moneyOfEach(parts: readonly Priced[]): bigint[] {
  const charges = parts.map(chargeOf)
  const each = charges.map((charge) => floor(charge))
  const whole = floor(charges.reduce((sum, charge) => sum + charge, 0n))
  const left = Number(whole - each.reduce((sum, one) => sum + one, 0n))
  const byRemainder = charges
    .map((charge, index) => ({ index, remainder: charge - floor(charge) * MS_PER_HOUR_BIG }))
    .toSorted((a, b) => (a.remainder === b.remainder ? a.index - b.index : a.remainder > b.remainder ? -1 : 1))
  for (const { index } of byRemainder.slice(0, left)) each[index] = (each[index] ?? 0n) + 1n
  return each
}

/** A correction is negative, and BigInt division rounds towards zero. */
function floor(charge: bigint): bigint {
  const quotient = charge / MS_PER_HOUR_BIG
  return charge < 0n && quotient * MS_PER_HOUR_BIG !== charge ? quotient - 1n : quotient
}

export function currencyOf(parts: readonly Priced[]): string | null {
  let currency: string | null = null
  for (const { gpuMs, price } of parts) {
    if (gpuMs === 0) continue
    if (price === null || (currency !== null && currency !== price.currency)) return null
    currency = price.currency
  }
  return currency
}
