import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { attemptTokens, homeKeys } from './attempt-token.ts'

const [OLD, NEW] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]

test('a token is of one attempt and one key, and old keys are still accepted', () => {
  const token = attemptTokens([OLD]).tokenOf('r1-1')
  const changed = attemptTokens([NEW, OLD])
  assert.equal(changed.matches('r1-1', token), true)
  assert.notEqual(changed.tokenOf('r1-1'), token)
  assert.equal(attemptTokens([NEW]).matches('r1-1', token), false)
  for (const [attempt, given] of [
    ['r1-2', token],
    ['r1-1', `${token}x`],
    ['r1-1', ''],
    ['r1-1', '\u00e9'.repeat(43)],
  ] as const)
    assert.equal(changed.matches(attempt, given), false)
})

test('the key of a home is made once, readable to its owner alone, and a spoilt file is not taken for one', () => {
  const home = mkdtempSync(join(tmpdir(), 'plimsoll-key-'))
  try {
    const [first] = homeKeys(home)
    assert.deepEqual(homeKeys(home), [first])
    assert.equal(statSync(join(home, 'deployment.key')).mode & 0o777, 0o600)
    writeFileSync(
      join(home, 'deployment.key'),
      `${'a'.repeat(64)}\n${readFileSync(join(home, 'deployment.key'), 'utf8')}`,
    )
    assert.equal(homeKeys(home).length, 2)
    writeFileSync(join(home, 'deployment.key'), '')
    assert.equal(homeKeys(home).length, 1)
  } finally {
    rmSync(home, { recursive: true })
  }
})
