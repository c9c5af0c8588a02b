import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { REFUSAL_CODES } from '../domain/refusal.ts'
import { ERRORS, errorsMarkdown } from './errors.ts'

test('every refusal has a status that is a no, a meaning and something to do', () => {
  for (const code of REFUSAL_CODES) assert.ok(ERRORS[code], code)
  for (const [code, entry] of Object.entries(ERRORS)) {
    assert.ok(entry.status >= 400 && entry.status < 600, code)
    assert.ok(entry.meaning.length > 10 && entry.whatToDo.length > 5, code)
  }
})

test('docs/errors.md is the table', () => {
  const written = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  assert.equal(written, errorsMarkdown(), 'docs/errors.md is stale: write errorsMarkdown() into it')
})
