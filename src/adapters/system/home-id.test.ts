import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { homeId } from './home-id.ts'

test('a home keeps its id, also where it is moved; two homes have two, and a spoilt one is made anew', () => {
  const root = mkdtempSync(join(tmpdir(), 'plimsoll-home-id-'))
  const [one, two] = [mkdtempSync(join(root, 'one-')), mkdtempSync(join(root, 'two-'))]
  try {
    const id = homeId(one)
    assert.match(id, /^[0-9a-f]{16}$/)
    assert.equal(homeId(one), id)
    assert.notEqual(homeId(two), id)
    renameSync(one, join(root, 'moved'))
    assert.equal(homeId(join(root, 'moved')), id)
    writeFileSync(join(two, 'id'), '')
    assert.match(homeId(two), /^[0-9a-f]{16}$/)
  } finally {
    rmSync(root, { recursive: true })
  }
})
