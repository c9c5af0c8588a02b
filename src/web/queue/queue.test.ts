import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WAIT_REASONS } from '../../domain/reasons.ts'
import type { TableRow } from '../api/documents.ts'
import { policyOf, type Waiting } from '../api/operate.ts'
import { lanesOf, REASONS, sumsBy } from './queue.ts'

const NOW = Date.parse('2026-11-24T02:00:00Z')
const iso = (at: number) => new Date(at).toISOString()
const waiting = (id: string, over: Partial<Waiting> = {}): Waiting =>
  ({ id, name: id, project: 'p', gpus: 8, reason: 'capacity', ...over }) as Waiting
const running = (id: string, etaMs: number | null, seenMsAgo = 1_000): TableRow =>
  ({
    id,
    name: id,
    project: 'p',
    gpus: 4,
    state: 'running',
    observedAt: iso(NOW - seenMsAgo),
    step: 1,
    totalSteps: 10,
    etaMs,
  }) as TableRow

test('each reason to wait has words', () => {
  assert.deepEqual(Object.keys(REASONS).toSorted(), [...WAIT_REASONS].toSorted())
})

test('sums by reason are those of the runs, the largest first', () => {
  const runs = [waiting('a'), waiting('b', { reason: 'quota', gpus: 64 }), waiting('c')]
  assert.deepEqual(
    sumsBy(runs, (run) => run.reason ?? 'none'),
    [
      { key: 'quota', runs: 1, gpus: 64 },
      { key: 'capacity', runs: 2, gpus: 16 },
    ],
  )
})

test('what ends and what starts stand in the order of their times; what is not known is counted, not drawn', () => {
  const holding = [
    running('late', 7_200_000),
    running('soon', 600_000),
    running('unknown', null),
    running('blind', 1, 900_000),
  ]
  const starts = [{ run: waiting('w'), p50: NOW + 1_000_000, p90: NOW + 9_000_000 }]
  const { lanes, to, left, undated } = lanesOf(holding, starts, NOW, 2)
  assert.deepEqual(
    lanes.map(({ id, kind }) => [id, kind]),
    [
      ['soon', 'runs'],
      ['w', 'waits'],
    ],
  )
  assert.deepEqual([to - NOW, left, undated], [9_000_000, 1, 2])
})

test('a policy is shown as far as it can be read', () => {
  const document = {
    currency: 'EUR',
    projects: { a: { quotaGpus: 8 }, 'a/b': { parent: 'a' }, c: null },
    prices: { h100: '2.00' },
  }
  assert.deepEqual(policyOf({ version: 3, document }), {
    version: 3,
    projects: [
      { name: 'a', parent: null, quotaGpus: 8, maxPriority: null },
      { name: 'a/b', parent: 'a', quotaGpus: null, maxPriority: null },
      { name: 'c', parent: null, quotaGpus: null, maxPriority: null },
    ],
    prices: [{ gpu: 'h100', since: null, price: '2.00' }],
    currency: 'EUR',
  })
  assert.deepEqual(policyOf({ version: 1, document: 'what' }).projects, [])
})
