// The books as FOCUS 1.2, the FinOps Open Cost and Usage Specification, as CSV: its mandatory columns, those about use, resources, sub accounts
// and tags, and ours with the prefix that it asks for. test/integration/focus.test.ts asks the validator of the FOCUS project.
import type { Wire } from '../../contract/documents.ts'
import { csv } from './ledger-files.ts'

type Ledger = Wire<'ledger'>
type Row = Ledger['rows'][number]

/** What a FOCUS row is made from; a label that was asked for becomes its tag. */
export const FOCUS_KEYS = ['project', 'user', 'run', 'account', 'gpu', 'payer'] as const

/** What ISO 4217 has for "no currency is involved": nothing of the export has a price. */
const NO_CURRENCY = 'XXX'

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
 * GPU-hours and money are exact decimals. FOCUS has no cost that is not known: a charge of a GPU model without a price is 0 there, and its
 * `x_CostKnown` is `false`. What no run pays is billed to nobody: 0, and known.
 */
export function ledgerFocus(ledgers: readonly Ledger[], label: string | null): string {
  const currency = ledgers.flatMap(({ rows }) => rows).find((row) => row.money !== null)?.money?.currency
  const rows = ledgers.flatMap((ledger) => {
    const month = new Date(ledger.from)
    const period = {
      BillingPeriodStart: instant(new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth()))),
      BillingPeriodEnd: instant(nextMonth(month)),
      ChargePeriodStart: instant(month),
      ChargePeriodEnd: instant(new Date(ledger.to)),
    }
    return ledger.rows.map((row) => ({ ...period, ...focusOf(row, label, currency ?? NO_CURRENCY) }))
  })
  return csv([FOCUS_COLUMNS, ...rows.map((row) => FOCUS_COLUMNS.map((column) => row[column]))])
}

/** Date and time of FOCUS have whole seconds; a window ends with a cell, or now. */
const instant = (at: Date): string => `${at.toISOString().slice(0, 19)}Z`

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
  'ChargeFrequency',
  'ChargePeriodStart',
  'ChargePeriodEnd',
  'CommitmentDiscountStatus',
  'ConsumedQuantity',
  'ConsumedUnit',
  'ContractedCost',
  'EffectiveCost',
  'InvoiceId',
  'InvoiceIssuerName',
  'ListCost',
  'PricingQuantity',
  'PricingUnit',
  'ProviderName',
  'PublisherName',
  'ResourceId',
  'ResourceName',
  'ResourceType',
  'ServiceCategory',
  'ServiceName',
  'ServiceSubcategory',
  'SubAccountId',
  'SubAccountName',
  'Tags',
  'x_Account',
  'x_CostKnown',
  'x_GpuModel',
  'x_GpuMs',
  'x_Payer',
  'x_User',
] as const

function focusOf(row: Row, label: string | null, currency: string) {
  const cost = decimal(BigInt(row.money?.micros ?? 0), 6)
  // A GPU-hour is 3,600,000 GPU-ms: nine places of it are under a hundredth of a GPU-ms.
  const hours = decimal((BigInt(row.gpuMs) * 1_000_000_000n) / 3_600_000n, 9)
  const project = row.project ?? ''
  const tag = label === null || row.label == null ? '' : JSON.stringify({ [label]: row.label })
  return {
    BilledCost: cost,
    BillingAccountId: 'plimsoll',
    BillingAccountName: 'plimsoll',
    BillingCurrency: row.money?.currency ?? currency,
    ChargeCategory: 'Usage',
    ChargeClass: '',
    ChargeDescription: `${row.gpu ?? 'GPU'}: ${row.account ?? 'all accounts'}`,
    ChargeFrequency: 'Usage-Based',
    // No commitments are sold; what is said of a consumed quantity is said by way of this column.
    CommitmentDiscountStatus: '',
    ConsumedQuantity: hours,
    ConsumedUnit: 'GPU-Hours',
    ContractedCost: cost,
    EffectiveCost: cost,
    // The books are no invoice.
    InvoiceId: '',
    InvoiceIssuerName: 'Plimsoll',
    ListCost: cost,
    PricingQuantity: hours,
    PricingUnit: 'GPU-Hours',
    ProviderName: 'Plimsoll',
    PublisherName: 'Plimsoll',
    ResourceId: row.run ?? '',
    ResourceName: row.run == null ? '' : (row.runName ?? ''),
    ResourceType: row.run == null ? '' : 'Training run',
    ServiceCategory: 'AI and Machine Learning',
    ServiceName: 'Plimsoll',
    ServiceSubcategory: 'Machine Learning',
    SubAccountId: project,
    SubAccountName: project,
    Tags: tag,
    x_Account: row.account ?? '',
    x_CostKnown: String(row.money !== null || row.payer === 'platform'),
    x_GpuModel: row.gpu ?? '',
    x_GpuMs: row.gpuMs,
    x_Payer: row.payer ?? '',
    x_User: row.user ?? '',
  }
}

/**
 * `amount` in units of 10^-places, as a decimal number without zeros at its end but for the first place: who guesses the type of a column that
 * has whole numbers only takes it for one of integers, which FOCUS refuses.
 */
function decimal(amount: bigint, places: number): string {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(places + 1, '0')
  const fraction = digits.slice(-places).replace(/0+$/, '').padEnd(1, '0')
  return `${amount < 0n ? '-' : ''}${digits.slice(0, -places)}.${fraction}`
}
