import assert from 'node:assert/strict'
import { test } from 'node:test'
import { csv } from './csv.ts'

test('cells with commas and quotes are quoted, formulas are not run, null is empty', () => {
  assert.equal(csv([['a,b', 'c"d', null, 1.5, '=SUM(A1)']]), '"a,b","c""d",,1.5,\'=SUM(A1)\r\n')
})
