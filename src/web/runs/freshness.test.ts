import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blindSince, endOf } from './freshness.ts'

const seen = '2026-11-24T02:00:00.000Z'
const at = Date.parse(seen)
const run = { state: 'running', observedAt: seen, step: 100, totalSteps: 200, etaMs: 100_000 }

test('safety: a run that is silent for a minute is not shown as healthy', () => {
  assert.equal(blindSince(run, at + 59_000), null)
  assert.equal(blindSince(run, at + 61_000), at)
})

test('a slow step is no silence', () => {
  const slow = { ...run, etaMs: 100 * 90_000 }
  assert.equal(blindSince(slow, at + 200_000), null)
  assert.equal(blindSince(slow, at + 300_000), at)
  assert.equal(blindSince(run, at + 200_000, 120_000), null)
})

test('what does not run has nothing to tell', () => {
  assert.equal(blindSince({ ...run, state: 'queued' }, at + 1e9), null)
  assert.equal(blindSince({ ...run, observedAt: null }, at + 1e9), null)
})

test('an end is estimated from what was seen, not from now', () => {
  assert.equal(endOf(run), at + 100_000)
  assert.equal(endOf({ ...run, etaMs: null }), null)
})
