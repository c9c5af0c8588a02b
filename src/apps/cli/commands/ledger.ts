import type { Command } from 'commander'
import { Option } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { ask } from '../client.ts'
import { gpuHours, integer, localTime, money, table } from '../format.ts'
import type { Output } from '../print.ts'
import { json, show } from '../print.ts'

type Options = Output & { by: string; from?: string; to?: string; format: 'table' | 'csv' }
type Row = Wire<'ledger'>['rows'][number]

export function ledgerCommand(program: Command): void {
  json(
    program
      .command('ledger')
      .description('the books: where every GPU-millisecond went')
      .option('--by <keys>', 'some of project,user,run,account,gpu,label:KEY', 'account')
      .option('--from <time>', 'ISO 8601; 30 days ago by default')
      .option('--to <time>', 'ISO 8601; now by default')
      .addOption(new Option('--format <format>').choices(['table', 'csv']).default('table')),
  ).action(async (options: Options) => {
    const { by, from, to } = options
    const document = await ask('ledger', 'GET', '/ledger', { query: { by, from: utc(from), to: utc(to) } })
    const keys = by.split(',')
    show(options, document, (ledger) => (options.format === 'csv' ? csv(ledger, keys) : text(ledger, keys)))
  })
}

/** `2026-01-02` and times without a zone are the reader's; what cannot be read goes as it is, and the server says so. */
function utc(time: string | undefined): string | undefined {
  if (time === undefined) return undefined
  const at = new Date(/^\d{4}-\d\d-\d\d$/.test(time) ? `${time}T00:00:00` : time)
  return Number.isNaN(at.getTime()) ? time : at.toISOString()
}

function keyOf(row: Row, key: string): string | null {
  const value = row[key.startsWith('label:') ? 'label' : key]
  return typeof value === 'string' ? value : null
}

function text(ledger: Wire<'ledger'>, keys: readonly string[]): string {
  const rows = ledger.rows.map((row) => [
    ...keys.map((key) => keyOf(row, key)),
    integer(row.gpuMs),
    gpuHours(row.gpuMs),
    row.money === null ? null : money(row.money),
  ])
  return [
    `${localTime(ledger.from)} to ${localTime(ledger.to)}, capacity ${gpuHours(ledger.capacityGpuMs)}`,
    table([...keys.map((key) => key.toUpperCase()), 'GPU-MS', 'HELD', 'MONEY'], rows),
  ].join('\n')
}

function csv(ledger: Wire<'ledger'>, keys: readonly string[]): string {
  const rows = ledger.rows.map((row) => [
    ...keys.map((key) => keyOf(row, key) ?? ''),
    row.gpuMs,
    row.money === null ? '' : row.money.micros,
    row.money?.currency ?? '',
  ])
  return [[...keys, 'gpu_ms', 'micros', 'currency'], ...rows].map((row) => row.map(csvCell).join(',')).join('\n')
}

/** Quoted where needed; a leading = + - @ would be a formula in a spreadsheet. */
function csvCell(cell: string | number): string {
  const content = typeof cell === 'string' && /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : String(cell)
  return /[",\n\r]/.test(content) ? `"${content.replaceAll('"', '""')}"` : content
}
