import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FAILURES } from '../domain/failure.ts'

test('every failure has a meaning and something to try, in one sentence that fits a row', () => {
  for (const [kind, { meaning, whatToTry }] of Object.entries(FAILURES)) {
    assert.ok(meaning.length > 10 && meaning.length < 160, kind)
    assert.ok(whatToTry.length > 10 && whatToTry.length < 200 && !whatToTry.includes('|'), kind)
  }
})
