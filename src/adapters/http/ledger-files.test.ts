import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import type { Wire } from '../../contract/documents.ts'
import { ledgerFocus, monthsOf } from './focus.ts'
import { ledgerCsv, ledgerParquet } from './ledger-files.ts'

type Ledger = Wire<'ledger'>
const eur = (micros: number) => ({ micros, currency: 'EUR' })
const ledger: Ledger = {
  schema: 'plimsoll.ledger/v1',
  from: '2026-01-02T03:00:00.000Z',
  to: '2026-01-02T04:00:00.000Z',
  capacityGpuMs: 2 ** 50 + 3_600_001 + 5,
  rows: [
    { project: '=cmd()', payer: 'run', account: 'productive', gpuMs: 2 ** 50, money: eur(1_500_000), label: 'a"b' },
    { project: null, payer: 'platform', account: 'free', gpuMs: 3_600_001, money: null },
    { project: 'p', payer: 'run', account: 'idle', gpuMs: 5, money: null },
  ],
}

test('csv quotes what needs it and never begins a formula', () => {
  assert.equal(
    ledgerCsv(ledger, ['project', 'label:team', 'account']),
    [
      'project,label:team,account,gpu_ms,micros,currency',
      `'=cmd(),"a""b",productive,${2 ** 50},1500000,EUR`,
      ',,free,3600001,,',
      'p,,idle,5,,',
    ].join('\n'),
  )
})

test('parquet gives back every integer and every null, and names its window', async () => {
  const bytes = ledgerParquet(ledger, ['project', 'account'])
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  assert.deepEqual(await parquetReadObjects({ file }), [
    { project: '=cmd()', account: 'productive', gpu_ms: 2n ** 50n, micros: 1_500_000n, currency: 'EUR' },
    { project: null, account: 'free', gpu_ms: 3_600_001n, micros: null, currency: null },
    { project: 'p', account: 'idle', gpu_ms: 5n, micros: null, currency: null },
  ])
  const { key_value_metadata: named } = parquetMetadata(file)
  assert.deepEqual(named?.find(({ key }) => key === 'plimsoll.from')?.value, ledger.from)
})

test('parquet of empty books is a table without rows', async () => {
  const bytes = ledgerParquet({ ...ledger, rows: [] }, ['account'])
  assert.deepEqual(await parquetReadObjects({ file: bytes.buffer as ArrayBuffer }), [])
})

test('focus: costs are exact decimals, an unknown price is 0 and said to be unknown, what no run pays is billed to nobody', () => {
  const [head = '', ...rows] = ledgerFocus([ledger], 'team').split('\n')
  const columns = head.split(',')
  const cell = (row: number, column: string) => rows[row]?.split(',')[columns.indexOf(column)]
  assert.deepEqual(
    [0, 1, 2].map((row) => [
      cell(row, 'BilledCost'),
      cell(row, 'BillingCurrency'),
      cell(row, 'x_CostKnown'),
      cell(row, 'x_GpuMs'),
    ]),
    [
      ['1.5', 'EUR', 'true', String(2 ** 50)],
      ['0.0', 'EUR', 'true', '3600001'],
      ['0.0', 'EUR', 'false', '5'],
    ],
  )
  assert.equal(cell(1, 'ConsumedQuantity'), '1.000000277')
  assert.equal(cell(1, 'BillingPeriodEnd'), '2026-02-01T00:00:00Z')
  assert.match(rows[0] ?? '', /"{""team"":""a\\""b""}"/)
})

test('focus: what is billed adds up to the money of the ledger, to the minor unit', () => {
  const amounts = [1, 999_999, 2 ** 53 - 1, -1_000_001, 0]
  const rows = amounts.map((micros) => ({
    payer: 'run' as const,
    account: 'idle' as const,
    gpuMs: 1,
    money: eur(micros),
  }))
  const [, ...lines] = ledgerFocus([{ ...ledger, rows }], null).split('\n')
  const micros = lines.map((line) => {
    const [, sign, whole = '', fraction = ''] = /^(-?)(\d+)\.(\d+),/.exec(line) ?? []
    return BigInt(`${sign}${whole}${fraction.padEnd(6, '0')}`)
  })
  assert.deepEqual(micros, amounts.map(BigInt))
})

test('a window is cut at the months of UTC', () => {
  assert.deepEqual(monthsOf('2025-12-30T00:00:00.000Z', '2026-02-01T00:05:00.000Z'), [
    { from: '2025-12-30T00:00:00.000Z', to: '2026-01-01T00:00:00.000Z' },
    { from: '2026-01-01T00:00:00.000Z', to: '2026-02-01T00:00:00.000Z' },
    { from: '2026-02-01T00:00:00.000Z', to: '2026-02-01T00:05:00.000Z' },
  ])
})
