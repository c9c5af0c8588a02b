// How values look to a person: units always, unknown as `unknown` and never as 0, what strangers wrote made harmless.

export type Cell = string | number | null

/** Columns as wide as their widest cell, numbers to the right; `-` where there is nothing to say. */
export function table(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cells = [header, ...rows.map((row) => row.map((cell, column) => shown(cell, header[column] ?? '')))]
  const widths = header.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const right = header.map((_, column) => rows.length > 0 && rows.every((row) => isAmount(row[column] ?? null)))
  return cells
    .map((row) =>
      row
        .map((cell, column) => (right[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A column without a header holds remarks: where there is none, there is nothing. */
function shown(cell: Cell, header: string): string {
  if (cell === null) return header === '' ? '' : '-'
  return visible(String(cell))
}

/** A number, with or without its unit; a column of these is aligned to the right. */
const isAmount = (cell: Cell): boolean =>
  cell === null || typeof cell === 'number' || /^(?:unknown|-|-?\d[\d.,]*(?: (?:[A-Z]{3}|GPU-h|%))?)$/.test(cell)

// oxlint-disable-next-line no-control-regex -- these are what it is about
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

/** One line of text from a stranger, without the power to move a cursor or to turn the rest of a terminal around. */
export const visible = (text: string): string =>
  text.replace(CONTROL, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`)

export type Money = { readonly micros: number; readonly currency: string } | null

/** `9.72 EUR`, `0.0412 EUR`: two places, or as many as a small amount needs so that it is not shown as nothing. */
export function money(value: Money): string {
  if (value === null) return 'unknown'
  const amount = Math.abs(value.micros)
  const places = amount === 0 || amount >= 100_000 ? 2 : amount >= 1_000 ? 4 : 6
  return `${(value.micros / 1e6).toFixed(places)} ${value.currency}`
}

const MS_PER_HOUR = 3_600_000

export function gpuHours(gpuMs: number): string {
  const hours = gpuMs / MS_PER_HOUR
  const places = hours === 0 || hours >= 1 ? 2 : hours >= 0.001 ? 4 : 6
  return `${hours.toFixed(places)} GPU-h`
}

/** `1h 04m`, `3m 20s`, `45s`, `2d 03h`. */
export function duration(ms: number): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const seconds = Math.max(0, Math.round(ms / 1_000))
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  if (minutes === 0) return `${seconds}s`
  if (hours === 0) return `${minutes}m ${two(seconds % 60)}s`
  return hours < 24 ? `${hours}h ${two(minutes % 60)}m` : `${Math.floor(hours / 24)}d ${two(hours % 24)}h`
}

/** `2026-11-25 22:59:36` in the zone of the reader. */
export function localTime(iso: string | null): string {
  if (iso === null) return '-'
  const at = new Date(iso)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/** `2026-11-25 22:59:36 (3m 20s ago)`, or `(in 3m 20s)`. */
export function when(iso: string | null, now = Date.now()): string {
  if (iso === null) return '-'
  const away = Date.parse(iso) - now
  return `${localTime(iso)} (${away > 0 ? `in ${duration(away)}` : `${duration(-away)} ago`})`
}

export const percent = (ratio: number | null): string => (ratio === null ? 'unknown' : `${(100 * ratio).toFixed(1)} %`)

export const integer = (value: number | null): string => (value === null ? 'unknown' : value.toLocaleString('en-US'))

export type Budget = { readonly unit: string; readonly currency: string | null }

export const budgetAmount = (budget: Pick<Budget, 'unit' | 'currency'>, value: number): string =>
  budget.unit === 'gpu-ms' ? gpuHours(value) : money({ micros: value, currency: budget.currency ?? '' })
