import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { FAILURES } from '../domain/failure.ts'
import { failuresMarkdown } from './failures.ts'

test('every failure has a meaning and something to try, in one sentence that fits a row', () => {
  for (const [kind, { meaning, whatToTry }] of Object.entries(FAILURES)) {
    assert.ok(meaning.length > 10 && meaning.length < 160, kind)
    assert.ok(whatToTry.length > 10 && whatToTry.length < 200 && !whatToTry.includes('|'), kind)
  }
})

test('docs/failures.md is the table', () => {
  const written = readFileSync(new URL('../../docs/failures.md', import.meta.url), 'utf8')
  assert.equal(written, failuresMarkdown(), 'docs/failures.md is stale: write failuresMarkdown() into it')
})
