// The books as FOCUS 1.2, held to the validator of the FOCUS project: what it says MUST or SHOULD be so, is so, in books that have everything:
// prices and none, runs and nobody, labels that need quoting, two months.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ledgerFocus } from '../../src/adapters/http/focus.ts'
import type { Wire } from '../../src/contract/documents.ts'
import { focusValidator } from '../parts/focus-validator.ts'

type Ledger = Wire<'ledger'>
type Row = Ledger['rows'][number]

/**
 * What of FOCUS's conditions is so of us: projects are sub accounts, runs are resources of a type, labels are tags, GPU-hours are measured. Not so:
 * price lists and unit prices (a row may be of two prices, before and after a change), commitments, regions, invoices.
 */
const CRITERIA = [
  'ACCOUNT_NAMING_SUPPORTED',
  'BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED',
  'RESOURCE_TYPE_ASSIGNMENT_SUPPORTED',
  'SUB_ACCOUNT_SUPPORTED',
  'TAGGING_SUPPORTED',
  'USAGE_MEASUREMENT_SUPPORTED',
]
/**
 * `InvoiceId` is null where there is no invoice (rule 004), or is not null where there is one (005): the rule above both, 003, wants one of them,
 * and the validator names the other one as broken.
 */
const OF_AN_OR = new Set(['InvoiceId-C-005-C'])

const found = focusValidator()
const options = found.kind === 'found' ? { timeout: 120_000 } : { skip: found.why }
let folder: string
before(() => (folder = mkdtempSync(join(tmpdir(), 'plimsoll-focus-'))))
after(() => rmSync(folder, { recursive: true, force: true }))

const eur = (micros: number) => ({ micros, currency: 'EUR' })
const ROWS: readonly Row[] = [
  row({ account: 'productive', gpuMs: 2 ** 52, money: eur(9_007_199_254_740_991), label: 'a"b,\n=1' }),
  row({ account: 'lost', gpuMs: 1, money: eur(1), label: null }),
  row({ account: 'idle', gpuMs: 3_600_001, money: null, gpu: 'unheard-of', label: 'x' }),
  row({ account: 'teardown', gpuMs: 5, money: null, payer: 'platform' }),
  row({ account: 'stalled', gpuMs: 7, money: eur(-3), project: 'vision', user: 'li', run: 'r-2', runName: null }),
  row({ account: 'free', gpuMs: 77, money: null, payer: 'platform', project: null, user: null, run: null }),
]

function row(of: Partial<Row>): Row {
  return {
    project: 'core',
    user: 'ada',
    run: 'r-1',
    runName: 'moe-16b',
    gpu: 'h100-sxm',
    payer: 'run',
    account: 'productive',
    gpuMs: 0,
    money: null,
    ...of,
  }
}

const books = (from: string, to: string, rows: readonly Row[]): Ledger => ({
  schema: 'plimsoll.ledger/v1',
  from,
  to,
  capacityGpuMs: rows.reduce((sum, { gpuMs }) => sum + gpuMs, 0),
  rows: [...rows],
})

async function verdictOf(text: string, name: string) {
  assert.ok(found.kind === 'found')
  const file = join(folder, `${name}.csv`)
  writeFileSync(file, text)
  const { passed, broken, text: said } = await found.validate(file, CRITERIA)
  return { passed, broken: broken.filter((rule) => !OF_AN_OR.has(rule)), said }
}

const WHOLE = ledgerFocus(
  [
    books('2026-10-31T22:00:00.000Z', '2026-11-01T00:00:00.000Z', ROWS),
    books('2026-11-01T00:00:00.000Z', '2026-11-01T02:03:04.567Z', ROWS),
  ],
  'team',
)

test('the validator finds nothing to mend in an export', options, async () => {
  const { passed, broken, said } = await verdictOf(WHOLE, 'whole')
  assert.deepEqual(broken, [], said.slice(-4_000))
  assert.ok(passed > 150, `only ${passed} rules were looked at:\n${said.slice(-2_000)}`)
})

test('nor in one without any price or label, nor in one of what nobody held', options, async () => {
  const unpriced = ROWS.map((each) => ({ ...each, money: null, label: null }))
  for (const [name, rows] of [
    ['unpriced', unpriced],
    ['free', ROWS.slice(-1)],
  ] as const) {
    const text = ledgerFocus([books('2026-11-01T00:00:00.000Z', '2026-11-02T00:00:00.000Z', rows)], null)
    const { broken, said } = await verdictOf(text, name)
    assert.deepEqual(broken, [], said.slice(-4_000))
  }
})

test('it would: a column that is not there, a cost that is not, a word that is none of its', options, async () => {
  const without = WHOLE.replace('BillingCurrency', 'x_BillingCurrency')
  assert.ok((await verdictOf(without, 'without')).broken.includes('CostAndUsage-D-035-M'))
  const unknown = WHOLE.replace(/^0.000001,/m, ',')
  assert.notEqual(unknown, WHOLE)
  assert.ok((await verdictOf(unknown, 'unknown')).broken.includes('BilledCost-C-003-M'))
  const word = WHOLE.replaceAll('Machine Learning', 'Machines')
  assert.ok((await verdictOf(word, 'word')).broken.some((rule) => rule.startsWith('ServiceSubcategory')))
})
