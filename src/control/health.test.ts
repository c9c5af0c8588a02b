import assert from 'node:assert/strict'
import { test } from 'node:test'
import { durationMs, epochMs } from '../domain/units.ts'
import { healthOf } from './health.ts'

const BLIND = durationMs(60_000)
const T0 = epochMs(1_800_000_000_000)

test('what a leader told of a cluster holds until it is old, and nothing told is not healthy', () => {
  const seen = { health: { kind: 'reachable' }, observedAt: T0 } as const
  assert.deepEqual(healthOf(seen, epochMs(T0 + 60_000), BLIND), { kind: 'reachable' })
  assert.deepEqual(healthOf(seen, epochMs(T0 + 61_000), BLIND), {
    kind: 'unknown',
    message: 'no controller has looked at it for 61 s',
  })
  assert.equal(healthOf(undefined, T0, BLIND).kind, 'unknown')
})
