// The books in the formats of others: CSV, Parquet, and FOCUS 1.2, the FinOps Open Cost and Usage Specification.
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

/** What a FOCUS row is made from; a label that was asked for becomes its tag. */
export const FOCUS_KEYS = ['project', 'user', 'run', 'account', 'gpu', 'payer'] as const

/** The calendar months of UTC that a window touches: a charge lies in one billing period. `from` and `to` are ISO 8601. */
export function monthsOf(from: string, to: string): readonly { readonly from: string; readonly to: string }[] {
  const months = []
  for (let begin = new Date(from); begin < new Date(to);) {
    const border = nextMonth(begin)
    const end = border < new Date(to) ? border : new Date(to)
    months.push({ from: begin.toISOString(), to: end.toISOString() })
    begin = end
  }
  return months
}

const nextMonth = (at: Date): Date => new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1))

/**
 * FOCUS 1.2: its mandatory columns, those about use, and ours with the prefix that it asks for. GPU-hours and money are exact
 * decimals. A cost that is not known, since the GPU model has no price, is empty: it is not 0. What no run pays is billed to nobody: 0.
 */
export function ledgerFocus(ledgers: readonly Ledger[], label: string | null): string {
  const rows = ledgers.flatMap((ledger) => {
    const month = new Date(ledger.from)
    const period = {
      BillingPeriodStart: new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth())).toISOString(),
      BillingPeriodEnd: nextMonth(month).toISOString(),
      ChargePeriodStart: ledger.from,
      ChargePeriodEnd: ledger.to,
    }
    return ledger.rows.map((row) => ({ ...period, ...focusOf(row, label) }))
  })
  const currency = ledgers.flatMap(({ rows: all }) => all).find((row) => row.money !== null)?.money?.currency ?? ''
  const named = rows.map((row) => ({ ...row, BillingCurrency: row.BillingCurrency || currency }))
  return csv([FOCUS_COLUMNS, ...named.map((row) => FOCUS_COLUMNS.map((column) => row[column]))])
}

const FOCUS_COLUMNS = [
  'BilledCost',
  'BillingAccountId',
  'BillingAccountName',
  'BillingCurrency',
  'BillingPeriodStart',
  'BillingPeriodEnd',
  'ChargeCategory',
  'ChargeClass',
  'ChargeDescription',
  'ChargePeriodStart',
  'ChargePeriodEnd',
  'ConsumedQuantity',
  'ConsumedUnit',
  'ContractedCost',
  'EffectiveCost',
  'InvoiceIssuerName',
  'ListCost',
  'PricingQuantity',
  'PricingUnit',
  'ProviderName',
  'PublisherName',
  'ResourceId',
  'ResourceType',
  'ServiceCategory',
  'ServiceName',
  'SkuId',
  'SubAccountId',
  'SubAccountName',
  'Tags',
  'x_Account',
  'x_GpuMs',
  'x_Payer',
  'x_User',
] as const

function focusOf(row: Row, label: string | null) {
  const cost = row.money === null ? (row.payer === 'platform' ? '0' : '') : decimal(BigInt(row.money.micros), 6)
  // A GPU-hour is 3,600,000 GPU-ms: nine places of it are under a hundredth of a GPU-ms.
  const hours = decimal((BigInt(row.gpuMs) * 1_000_000_000n) / 3_600_000n, 9)
  const project = row.project ?? ''
  const tag = label === null || row.label == null ? '' : JSON.stringify({ [label]: row.label })
  return {
    BilledCost: cost,
    BillingAccountId: 'plimsoll',
    BillingAccountName: 'plimsoll',
    BillingCurrency: row.money?.currency ?? '',
    ChargeCategory: 'Usage',
    ChargeClass: '',
    ChargeDescription: `${row.gpu ?? 'GPU'}: ${row.account ?? 'all accounts'}`,
    ConsumedQuantity: hours,
    ConsumedUnit: 'GPU-Hours',
    ContractedCost: cost,
    EffectiveCost: cost,
    InvoiceIssuerName: 'Plimsoll',
    ListCost: cost,
    PricingQuantity: hours,
    PricingUnit: 'GPU-Hours',
    ProviderName: 'Plimsoll',
    PublisherName: 'Plimsoll',
    ResourceId: row.run ?? '',
    ResourceType: row.run == null ? '' : 'Training run',
    ServiceCategory: 'AI and Machine Learning',
    ServiceName: 'Plimsoll',
    SkuId: row.gpu ?? '',
    SubAccountId: project,
    SubAccountName: project,
    Tags: tag,
    x_Account: row.account ?? '',
    x_GpuMs: row.gpuMs,
    x_Payer: row.payer ?? '',
    x_User: row.user ?? '',
  }
}

/** `amount` in units of 10^-places, as a decimal number without trailing zeros. */
function decimal(amount: bigint, places: number): string {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(places + 1, '0')
  const fraction = digits.slice(-places).replace(/0+$/, '')
  return `${amount < 0n ? '-' : ''}${digits.slice(0, -places)}${fraction === '' ? '' : `.${fraction}`}`
}

const csv = (rows: readonly (readonly (string | number)[])[]): string =>
  rows.map((row) => row.map(csvCell).join(',')).join('\n')

/** Quoted where needed; a text with a leading = + - @ would be a formula in a spreadsheet. */
function csvCell(cell: string | number): string {
  const formula = typeof cell === 'string' && /^[=+\-@\t\r]/.test(cell) && !/^-?\d+(?:\.\d+)?$/.test(cell)
  const content = formula ? `'${cell}` : String(cell)
  return /[",\n\r]/.test(content) ? `"${content.replaceAll('"', '""')}"` : content
}
