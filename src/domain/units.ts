// Quantities carry their unit in the type, so that milliseconds of a clock are never added to GPU-milliseconds. All are safe
// integers: 2^53 GPU-milliseconds are 2.5 billion GPU-hours.

declare const unit: unique symbol
type Unit<Name extends string> = number & { readonly [unit]: Name }

/** A moment: integer milliseconds since 1970-01-01 UTC, by the leader's clock (design: books, Time). */
export type EpochMs = Unit<'EpochMs'>
/** A distance between two moments, in milliseconds. */
export type DurationMs = Unit<'DurationMs'>
/** GPU slots multiplied by milliseconds. */
export type GpuMs = Unit<'GpuMs'>
/** A millionth of a currency unit. */
export type Micros = Unit<'Micros'>

export type Money = { readonly micros: Micros; readonly currency: string }

/** What one slot of a GPU model costs an hour. */
export type Price = { readonly microsPerGpuHour: Micros; readonly currency: string }

/** A number that must be a safe integer: anything else is a bug of ours, and loud. */
export function integer(value: number, what: string): number {
  if (!Number.isSafeInteger(value)) throw new Error(`bug: ${what} is ${value}, not a safe integer`)
  return value
}

/** Of what others say: null where one is not known, or where the sum is more than can be counted exactly. */
export function addKnown(a: number | null, b: number | null): number | null {
  return a === null || b === null || !Number.isSafeInteger(a + b) ? null : a + b
}

export const epochMs = (value: number): EpochMs => integer(value, 'EpochMs') as EpochMs
export const durationMs = (value: number): DurationMs => integer(value, 'DurationMs') as DurationMs
export const gpuMs = (value: number): GpuMs => integer(value, 'GpuMs') as GpuMs
export const micros = (value: number): Micros => integer(value, 'Micros') as Micros

export const plusMs = (at: EpochMs, distance: number): EpochMs => epochMs(at + distance)
export const earlier = (a: EpochMs, b: EpochMs): EpochMs => (a <= b ? a : b)
export const later = (a: EpochMs, b: EpochMs): EpochMs => (a >= b ? a : b)

export const MS_PER_HOUR = 3_600_000
export const DAY_MS = 86_400_000
/** The first millisecond of its day, in UTC. */
export const dayOf = (at: EpochMs): EpochMs => epochMs(Math.floor(at / DAY_MS) * DAY_MS)

/** A cell of the books: five minutes of UTC, named by its first millisecond (design: books, Layer 1). */
export const CELL_MS = 300_000
export type Cell = Unit<'Cell'>
export const cellOf = (at: EpochMs): Cell => (Math.floor(at / CELL_MS) * CELL_MS) as Cell
export const cellStart = (cell: Cell): EpochMs => epochMs(cell)
export const cellEnd = (cell: Cell): EpochMs => epochMs(cell + CELL_MS)
export const nextCell = (cell: Cell): Cell => (cell + CELL_MS) as Cell
