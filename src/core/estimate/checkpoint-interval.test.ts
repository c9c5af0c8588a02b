import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MS_PER_HOUR } from '../../domain/units.ts'
import { bestInterval, expectedEttr, meanMsToFailure } from './checkpoint-interval.ts'

const MS_PER_DAY = 24 * MS_PER_HOUR
const H100S = 16_384
const HELD = { gpuMs: 1_000 * MS_PER_HOUR, productiveGpuMs: 500 * MS_PER_HOUR }

void test('a failure is expected by the prior while nothing is held, and by what was seen once much is', () => {
  assert.equal((meanMsToFailure(H100S, 0, 0) / MS_PER_HOUR).toFixed(2), '2.93')
  // Llama 3: 419 failures of hardware in 54 days on 16,384 GPUs, one in 3.09 hours.
  assert.equal((meanMsToFailure(H100S, 419, H100S * 54 * MS_PER_DAY) / MS_PER_HOUR).toFixed(2), '3.09')
  assert.equal(meanMsToFailure(8, 1, 0), meanMsToFailure(8, 0, 0) / 2)
  assert.equal(meanMsToFailure(16, 0, 0), meanMsToFailure(8, 0, 0) / 2)
  assert.equal(meanMsToFailure(8, 0, 2_000 * MS_PER_DAY), 2 * meanMsToFailure(8, 0, 0))
})

const young = (saveMs: number, meanToFailureMs: number) => Math.sqrt(2 * saveMs * meanToFailureMs)

void test('the expected ETTR at the interval of Young is what is published', () => {
  const llama = 54 * 2_048 * (MS_PER_DAY / 419 / 2_048)
  const fleet = (failuresPerNodeDay: number) => MS_PER_DAY / (1_500 * failuresPerNodeDay)
  const cases: [number, number, number | null, string][] = [
    [llama, 5, 5.6, '0.944'],
    [llama, 20, 11.1, '0.916'],
    [llama, 60, 19.3, '0.876'],
    [fleet(6.5e-3), 300, null, '0.740'],
    [fleet(1e-3), 300, null, '0.898'],
    [fleet(6.5e-3), 10, null, '0.921'],
  ]
  for (const [meanToFailureMs, saveSeconds, minutes, ettr] of cases) {
    const saveMs = saveSeconds * 1_000
    const intervalMs = young(saveMs, meanToFailureMs)
    if (minutes !== null) assert.equal((intervalMs / 60_000).toFixed(1), minutes.toFixed(1))
    const saving = { meanToFailureMs, saveMs, restartMs: 300_000 }
    assert.equal(expectedEttr(intervalMs, saving).toFixed(3), ettr)
    const best = bestInterval(saving, intervalMs, HELD)
    assert.ok(best !== null && best.ettrBest >= best.ettrNow && best.ettrBest - best.ettrNow < 0.01)
  }
})

void test('with short saves it is the interval of Daly', () => {
  const saving = { meanToFailureMs: 10 * MS_PER_HOUR, saveMs: 1_000, restartMs: 0 }
  const daly = young(1_000, 10 * MS_PER_HOUR) - 1_000
  assert.ok(Math.abs((bestInterval(saving, 1, HELD)?.intervalMs ?? 0) / daly - 1) < 1e-3)
})

void test('it saves what the same work would have held less, too often as too seldom', () => {
  const saving = { meanToFailureMs: MS_PER_HOUR, saveMs: 10_000, restartMs: 60_000 }
  const cases: [number, string][] = [
    // Every ten seconds: half of the time goes into saves.
    [10_000, '470'],
    [60_000, '50'],
    [1_200_000, '69'],
    // An hour: half of it is lost each time.
    [MS_PER_HOUR, '489'],
    // Longer than it lives: all that was not productive.
    [2 * MS_PER_HOUR, '500'],
  ]
  for (const [intervalMs, hours] of cases)
    assert.equal(((bestInterval(saving, intervalMs, HELD)?.savedGpuMs ?? -1) / MS_PER_HOUR).toFixed(0), hours)
})

void test('where a restart takes as long as the next failure, no interval is good', () => {
  const saving = { meanToFailureMs: 60_000, saveMs: 10, restartMs: 60_000 }
  assert.equal(bestInterval(saving, 1_000, HELD), null)
  assert.ok(bestInterval({ ...saving, restartMs: 59_999 }, 1_000, HELD) !== null)
})

void test('safety: no interval has a better ETTR than the best, which saves nothing against itself', () => {
  const ms = fc.double({ min: 1, max: 1e9, noNaN: true })
  fc.assert(
    fc.property(ms, ms, fc.double({ min: 0, max: 0.99, noNaN: true }), ms, fc.nat(), fc.nat(), (...given) => {
      const [meanToFailureMs, saveMs, restartShare, intervalMs, productiveGpuMs, rest] = given
      const held = { gpuMs: productiveGpuMs + rest, productiveGpuMs }
      const saving = { meanToFailureMs, saveMs, restartMs: restartShare * meanToFailureMs }
      const best = bestInterval(saving, intervalMs, held)
      assert.ok(best !== null && best.intervalMs > 0 && best.ettrBest > 0 && best.ettrBest <= 1)
      assert.ok(best.ettrNow <= best.ettrBest * (1 + 1e-9))
      assert.ok(Number.isSafeInteger(best.savedGpuMs) && best.savedGpuMs >= 0 && best.savedGpuMs <= rest)
      assert.ok((bestInterval(saving, best.intervalMs, held)?.savedGpuMs ?? 1) === 0)
    }),
  )
})
