// The books as files of others: CSV and Parquet. focus.ts has the third.
import { parquetWriteBuffer } from 'hyparquet-writer'
import type { Wire } from '../../contract/documents.ts'

type Ledger = Wire<'ledger'>
type Row = Ledger['rows'][number]

/** The value of a key that was asked for with `--by`. */
export function keyOf(row: Row, key: string): string | null {
  const value = row[key.startsWith('label:') ? 'label' : key]
  return typeof value === 'string' ? value : null
}

export function ledgerCsv(ledger: Ledger, keys: readonly string[]): string {
  const rows = ledger.rows.map((row) => [
    ...keys.map((key) => keyOf(row, key) ?? ''),
    row.gpuMs,
    row.money === null ? '' : row.money.micros,
    row.money?.currency ?? '',
  ])
  return csv([[...keys, 'gpu_ms', 'micros', 'currency'], ...rows])
}

/** One row group with a column for each key, `gpu_ms` and `micros` as INT64 and `currency`; what is not known is null. */
export function ledgerParquet(ledger: Ledger, keys: readonly string[]): Uint8Array {
  const { rows } = ledger
  const columns = [
    ...keys.map((key) => ({ name: key, data: rows.map((row) => keyOf(row, key)), type: 'STRING' as const })),
    { name: 'gpu_ms', data: rows.map((row) => BigInt(row.gpuMs)), type: 'INT64' as const, nullable: false },
    {
      name: 'micros',
      data: rows.map((row) => (row.money === null ? null : BigInt(row.money.micros))),
      type: 'INT64' as const,
    },
    { name: 'currency', data: rows.map((row) => row.money?.currency ?? null), type: 'STRING' as const },
  ]
  const from = { key: 'plimsoll.from', value: ledger.from }
  const to = { key: 'plimsoll.to', value: ledger.to }
  const capacity = { key: 'plimsoll.capacityGpuMs', value: String(ledger.capacityGpuMs) }
  return new Uint8Array(parquetWriteBuffer({ columnData: columns, kvMetadata: [from, to, capacity] }))
}

export const csv = (rows: readonly (readonly (string | number)[])[]): string =>
  rows.map((row) => row.map(csvCell).join(',')).join('\n')

/** Quoted where needed; a text with a leading = + - @ would be a formula in a spreadsheet. */
function csvCell(cell: string | number): string {
  const formula = typeof cell === 'string' && /^[=+\-@\t\r]/.test(cell) && !/^-?\d+(?:\.\d+)?$/.test(cell)
  const content = formula ? `'${cell}` : String(cell)
  return /[",\n\r]/.test(content) ? `"${content.replaceAll('"', '""')}"` : content
}
