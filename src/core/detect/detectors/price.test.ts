import assert from 'node:assert/strict'
import { test } from 'node:test'
import { budgetOf, nodeOf } from '../../../domain/fixture.ts'
import type { Budget } from '../../../domain/budget.ts'
import type { Price } from '../../../domain/units.ts'
import { micros } from '../../../domain/units.ts'
import { detect } from '../detectors.ts'
import { lookOf } from '../fixture.ts'

const EUR: Price = { microsPerGpuHour: micros(1), currency: 'EUR' }
const MONEY = budgetOf('core', { unit: { kind: 'money', currency: 'EUR' } })

const nodes = [nodeOf('n1', { gpuModel: 'h20' }), nodeOf('n2', { gpuModel: 'h20' }), nodeOf('n3', { gpuModel: 'h100' })]
const parts = (prices: ReadonlyMap<string, Price>, budgets: readonly Budget[] = []): unknown =>
  detect(
    lookOf(10_000, [], { nodes, prices, budgets: budgets.map((budget) => ({ budget, burnPerHour: null, runs: 0 })) }),
  ).map(({ rule, subject, evidence: [first] }) => [rule, subject.part, first?.value])

test('a GPU model without a price is told once, where money is counted', () => {
  assert.deepEqual(parts(new Map([['h100', EUR]])), [['gpu-unpriced', 'h20', '16 GPUs on 2 nodes']])
  assert.deepEqual(
    parts(
      new Map([
        ['h100', EUR],
        ['h20', EUR],
      ]),
    ),
    [],
  )
  assert.deepEqual(parts(new Map()), [])
  assert.deepEqual(parts(new Map(), [MONEY]), [
    ['gpu-unpriced', 'h20', '16 GPUs on 2 nodes'],
    ['gpu-unpriced', 'h100', '8 GPUs on 1 node'],
  ])
})
