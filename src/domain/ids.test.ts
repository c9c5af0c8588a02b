import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { runId } from './fixture.ts'
import {
  attemptIdOf,
  attemptNumberOf,
  attemptOfWorker,
  isRunId,
  runIdFrom,
  runOfAttempt,
  workerIdOf,
  workerIndexOf,
} from './ids.ts'
import { epochMs } from './units.ts'

const moment = fc.integer({ min: 0, max: 2 ** 50 - 1 })
const chance = fc.integer({ min: 0, max: 2 ** 30 - 1 })

void test('safety: the names of attempts and workers give back what they were made of, and are DNS labels', () => {
  fc.assert(
    fc.property(moment, chance, fc.integer({ min: 1, max: 1_000 }), fc.nat(8_192), (now, random, number, index) => {
      const run = runIdFrom(epochMs(now), random)
      const attempt = attemptIdOf(run, number)
      const worker = workerIdOf(attempt, index)
      assert.ok(isRunId(run))
      assert.equal(runOfAttempt(attempt), run)
      assert.equal(attemptNumberOf(attempt), number)
      assert.equal(attemptOfWorker(worker), attempt)
      assert.equal(workerIndexOf(worker), index)
      assert.match(worker, /^[a-z]([-a-z0-9]{0,61}[a-z0-9])$/)
    }),
  )
})

void test('safety: runs are ordered by their time, whatever the chance', () => {
  fc.assert(
    fc.property(moment, moment, chance, chance, (a, b, one, two) => {
      if (a === b) return
      assert.equal(runIdFrom(epochMs(a), one) < runIdFrom(epochMs(b), two), a < b)
    }),
  )
})

void test('only r and sixteen letters of Crockford are the name of a run', () => {
  assert.ok(isRunId(runId(1)))
  for (const text of ['', 'r', `${runId(1)}0`, runId(1).toUpperCase(), 'r000000000000000l', 'x0000000000000000'])
    assert.equal(isRunId(text), false, text)
})
