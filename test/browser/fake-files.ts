// The books as files, for the fake server.
import type { ServerResponse } from 'node:http'
import { FOCUS_KEYS, ledgerFocus } from '../../src/adapters/http/focus.ts'
import { ledgerCsv, ledgerParquet } from '../../src/adapters/http/ledger-files.ts'
import type { TableRow } from '../../src/web/api/documents.ts'
import type { Ledger } from '../../src/web/api/operate.ts'
import { operateAnswer } from './fake-operate.ts'

type World = Parameters<typeof operateAnswer>[1]

/** The books as a file; the real formats, since only their bytes matter. */
export function books(
  query: URLSearchParams,
  world: World,
  rows: readonly TableRow[],
  now: number,
  response: ServerResponse,
): void {
  const format = query.get('format') ?? 'csv'
  if (format === 'focus') query.set('by', FOCUS_KEYS.join(','))
  const made = operateAnswer('/api/v1/ledger', world, rows, query, now)
  const ledger = { schema: 'plimsoll.ledger/v1' as const, ...(made?.fields as Ledger) }
  const keys = (query.get('by') ?? 'account').split(',')
  response.writeHead(200, {
    'content-type': format === 'parquet' ? 'application/vnd.apache.parquet' : 'text/csv; charset=utf-8',
    'content-disposition': `attachment; filename="ledger.${format === 'focus' ? 'focus.csv' : format}"`,
  })
  const bytes =
    format === 'parquet'
      ? ledgerParquet(ledger, keys)
      : format === 'focus'
        ? ledgerFocus([ledger], null)
        : ledgerCsv(ledger, keys)
  response.end(bytes)
}
