// Documents go to stdout, words for people to stdout as text or to stderr where a document may follow. Unknown is never 0.
export function printDocument(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document)}\n`)
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Columns as wide as their widest cell; numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  const cells = [header, ...rows.map((row) => row.map((cell) => (cell === null ? '-' : String(cell))))]
  const widths = header.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const right = header.map(
    (_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number' || row[column] === null),
  )
  return cells
    .map((row) =>
      row
        .map((cell, column) => (right[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export type WireMoney = { readonly micros: number; readonly currency: string } | null

export const money = (value: WireMoney): string =>
  value === null ? 'unknown' : `${(value.micros / 1e6).toFixed(value.micros < 1e6 ? 6 : 2)} ${value.currency}`
export const gpuHours = (gpuMs: number): string => (gpuMs / 3_600_000).toFixed(4)

/** `2026-11-25 22:59:36` in the zone of the reader. */
export function localTime(iso: string | null): string {
  if (iso === null) return '-'
  const at = new Date(iso)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}
