import type { Command } from 'commander'
import { Option } from 'commander'
import type { Wire } from '../../../contract/documents.ts'
import { ask, download } from '../client.ts'
import { CliError, EXIT } from '../exit.ts'
import { gpuHours, integer, localTime, money, table } from '../format.ts'
import type { Output } from '../print.ts'
import { isJson, json, show } from '../print.ts'

type Options = Output & { by: string; from?: string; to?: string; format: 'table' | 'csv' | 'parquet' | 'focus' }
type Ledger = Wire<'ledger'>

export function ledgerCommand(program: Command): void {
  json(
    program
      .command('ledger')
      .description('the books: where every GPU-millisecond went')
      .option('--by <keys>', 'some of project,user,run,account,gpu,payer,label:KEY', 'account')
      .option('--from <time>', 'ISO 8601; 30 days ago by default')
      .option('--to <time>', 'ISO 8601; now by default')
      .addOption(
        new Option('--format <format>', 'focus: FinOps Open Cost and Usage Specification 1.2, as CSV')
          .choices(['table', 'csv', 'parquet', 'focus'])
          .default('table'),
      ),
  ).action(async (options: Options) => {
    const { by, format } = options
    const window = { from: utc(options.from), to: utc(options.to) }
    if (format === 'table' || isJson(options)) {
      const ledger: Ledger = await ask('ledger', 'GET', '/ledger', { query: { by, ...window } })
      return show(options, ledger, () => text(ledger, by.split(',')))
    }
    if (format === 'parquet' && process.stdout.isTTY)
      throw new CliError(EXIT.usage, 'parquet is not for a terminal: add > ledger.parquet')
    process.stdout.write(await download('/ledger/export', { by, ...window, format }))
    return undefined
  })
}

/** `2026-01-02` and times without a zone are the reader's; what cannot be read goes as it is, and the server says so. */
function utc(time: string | undefined): string | undefined {
  if (time === undefined) return undefined
  const at = new Date(/^\d{4}-\d\d-\d\d$/.test(time) ? `${time}T00:00:00` : time)
  return Number.isNaN(at.getTime()) ? time : at.toISOString()
}

function text(ledger: Ledger, keys: readonly string[]): string {
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

/** The value of a key that was asked for with `--by`. */
function keyOf(row: Ledger['rows'][number], key: string): string | null {
  const value = row[key.startsWith('label:') ? 'label' : key]
  return typeof value === 'string' ? value : null
}
