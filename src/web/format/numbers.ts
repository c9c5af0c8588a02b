// One function for each kind of number. Units are printed by the caller, smaller and lighter, once for each column or figure.
import { MS_PER_HOUR } from '../../domain/units.ts'

const formats = new Map<number, Intl.NumberFormat>()

export function dec(value: number, digits = 1): string {
  let format = formats.get(digits)
  if (format === undefined) {
    format = new Intl.NumberFormat('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
    formats.set(digits, format)
  }
  return format.format(value)
}

export const int = (value: number): string => dec(Math.round(value), 0)

/** `1 GPU`, `2,048 GPUs`. */
export const countOf = (count: number, noun: string): string => `${int(count)} ${noun}${count === 1 ? '' : 's'}`

/** GPU-milliseconds as GPU-hours, without the unit. */
export function gpuHours(gpuMs: number, digits?: number): string {
  const hours = gpuMs / MS_PER_HOUR
  // A little is not nothing.
  if (digits === undefined && hours > 0 && hours < 0.0005) return '<0.001'
  return dec(hours, digits ?? (hours >= 10_000 ? 0 : hours > 0 && hours < 1 ? 3 : 1))
}

/** For a headline figure, which has room for eight digits on a phone. */
export const gpuHoursShort = (gpuMs: number): string =>
  gpuMs < 1e6 * MS_PER_HOUR ? gpuHours(gpuMs) : `${dec(gpuMs / MS_PER_HOUR / 1e6, 2)} M`

const SIGNS: Readonly<Record<string, string>> = { USD: '$', EUR: '€', GBP: '£' }

/** Whole units from 100 on, cents below; as many places as a small amount needs not to look like nothing. A currency without a sign of its own follows the number. */
export function money({ micros, currency }: { readonly micros: number; readonly currency: string }): string {
  const value = micros / 1e6
  const amount = Math.abs(micros)
  const places = amount >= 100e6 ? 0 : amount >= 100_000 || amount === 0 ? 2 : amount >= 1_000 ? 4 : 6
  const number = dec(value, places)
  const sign = SIGNS[currency]
  return sign === undefined ? `${number} ${currency}` : `${sign}${number}`
}

const PREFIXES = [
  [1e12, 'T'],
  [1e9, 'B'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const

/** Three digits or so with a prefix: 1.53 M. */
export function si(value: number, digits = 2): string {
  for (const [size, prefix] of PREFIXES) {
    if (Math.abs(value) < size) continue
    const scaled = value / size
    const less = Math.abs(scaled) >= 100 ? 2 : Math.abs(scaled) >= 10 ? 1 : 0
    return `${dec(scaled, Math.max(0, digits - less))} ${prefix}`
  }
  return dec(value, Number.isInteger(value) ? 0 : digits)
}

export const percent = (share: number, digits = 1): string => `${dec(share * 100, digits)}\u202f%`

const two = (value: number): string => String(value).padStart(2, '0')

export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${ms < 10_000 ? dec(ms / 1000, 1) : seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${two(seconds % 60)} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours} h ${two(minutes % 60)} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

export function durationShort(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  if (minutes < 1) return '<1 min'
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours} h ${two(minutes % 60)}`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

export const ratio = (value: number): string => `${value === 0 ? '0' : dec(value, value < 0.1 ? 3 : 2)}×`

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`
  if (count < 1024 ** 2) return `${dec(count / 1024, 1)} KiB`
  if (count < 1024 ** 3) return `${dec(count / 1024 ** 2, 1)} MiB`
  return `${dec(count / 1024 ** 3, 1)} GiB`
}

/** Parts that are shown add up to the total that is shown: largest remainder at the last printed digit. */
export function addUp(values: readonly number[], total: number, digits: number): number[] {
  const factor = 10 ** digits
  const raw = values.map((value) => value * factor)
  const parts = raw.map(Math.floor)
  let missing = Math.round(total * factor) - parts.reduce((sum, value) => sum + value, 0)
  const byRemainder = raw.map((value, index) => ({ index, rest: value - Math.floor(value) }))
  for (const { index } of byRemainder.sort((a, b) => b.rest - a.rest)) {
    if (missing <= 0) break
    parts[index] = (parts[index] ?? 0) + 1
    missing -= 1
  }
  return parts.map((value) => value / factor)
}

/** In the unit of the budget, with its sign or its unit. */
export function budgetText(
  { unit, currency }: { readonly unit: string; readonly currency: string | null },
  amount: number,
): string {
  if (unit === 'micros') return money({ micros: amount, currency: currency ?? '' })
  const hours = amount / MS_PER_HOUR
  const text = Math.abs(hours) < 100 && !Number.isInteger(hours) ? gpuHours(Math.abs(amount)) : int(Math.abs(hours))
  return `${amount < 0 ? '−' : ''}${text} GPU-h`
}
