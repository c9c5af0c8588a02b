import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TableRow } from '../api/documents.ts'
import type { Budget, PolicyShown, Waiting } from '../api/operate.ts'
import { projectsOf } from './projects.ts'

const policyOf = (parents: Readonly<Record<string, string | null>>): PolicyShown => ({
  version: 1,
  currency: 'EUR',
  prices: [],
  projects: Object.entries(parents).map(([name, parent]) => ({ name, parent, quotaGpus: 8, maxPriority: null })),
})
const NOTHING = { policy: null, holding: [], waiting: [], budgets: [], rows: [] }
const places = (policy: PolicyShown) => projectsOf({ ...NOTHING, policy }).map(({ name, depth }) => [name, depth])

test('children stand below their parents, and what is no tree is still shown, once', () => {
  assert.deepEqual(places(policyOf({ z: null, a: 'z', b: null })), [
    ['b', 0],
    ['z', 0],
    ['a', 1],
  ])
  assert.deepEqual(places(policyOf({ a: 'gone' })), [['a', 0]])
  const cycle = places(policyOf({ a: 'b', b: 'a' }))
  assert.deepEqual(new Set(cycle.map(([name]) => name)), new Set(['a', 'b']))
  assert.equal(cycle.length, 2)
})

test('without the policy a project is known by what it holds, waits for, spent or may spend', () => {
  const shown = projectsOf({
    ...NOTHING,
    holding: [{ project: 'a', gpus: 8 } as TableRow, { project: 'a', gpus: 4 } as TableRow],
    waiting: [{ project: 'b', gpus: 2 } as Waiting],
    budgets: [{ project: 'c' } as Budget],
    rows: [{ project: 'd', account: 'productive', gpuMs: 5, money: null }],
  })
  assert.deepEqual(
    shown.map(({ name, held, waits, budgets, spent }) => [name, held, waits, budgets, spent?.heldGpuMs ?? null]),
    [
      ['a', 12, 0, 0, null],
      ['b', 0, 2, 0, null],
      ['c', 0, 0, 1, null],
      ['d', 0, 0, 0, 5],
    ],
  )
})
