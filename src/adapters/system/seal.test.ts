import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sealWith } from './seal.ts'

const OLD = new Uint8Array(32).fill(1)
const NEW = new Uint8Array(32).fill(2)

void test('what is sealed reads as nothing, and opens with the key it was sealed with, also when a newer one stands before it', () => {
  const sealed = sealWith([OLD]).seal('https://hooks.test/T0/secret')
  assert.doesNotMatch(sealed + Buffer.from(sealed, 'base64').toString('latin1'), /secret|hooks/)
  assert.equal(sealWith([NEW, OLD]).open(sealed), 'https://hooks.test/T0/secret')
  assert.equal(sealWith([NEW]).open(sealed), null)
  assert.notEqual(sealWith([OLD]).seal('same'), sealWith([OLD]).seal('same'))
})

void test('what was changed, cut or never sealed does not open', () => {
  const seal = sealWith([OLD])
  const bytes = Buffer.from(seal.seal('text'), 'base64')
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  for (const broken of [bytes.toString('base64'), bytes.subarray(0, 20).toString('base64'), '', 'plain'])
    assert.equal(seal.open(broken), null)
})
