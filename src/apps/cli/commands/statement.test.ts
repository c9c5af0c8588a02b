import assert from 'node:assert/strict'
import { test } from 'node:test'
import { statement } from '../../../adapters/http/fakes.fixture.ts'
import { DOCUMENTS } from '../../../contract/documents.ts'
import { toWire } from '../../../contract/wire.ts'
import type { Efficiency } from '../../../domain/efficiency.ts'
import { words } from './statement.ts'

const { efficiency } = statement
const said = (over: Partial<Efficiency>) =>
  words(DOCUMENTS.statement.parse(toWire('statement', { ...statement, efficiency: { ...efficiency, ...over } })))

test('what is not known of its efficiency is unknown, and says why', () => {
  assert.match(
    said({ mfuProductive: null, mfuHeld: null, mfuUnknown: 'no-model' }),
    /^MFU unknown: the spec names no training.model$/m,
  )
  const checkpoints = {
    ...efficiency.checkpoints,
    saves: 1,
    saveMs: null,
    intervalMs: null,
    intervalSteps: null,
    best: null,
    bestUnknown: 'no-save-time',
  } as const
  const text = said({ checkpoints })
  assert.match(
    text,
    /^checkpoints 1, one every unknown steps \(unknown of training\), each stops training for unknown$/m,
  )
  assert.match(text, /^best checkpoint interval unknown: nothing says how long a save stops training$/m)
})

test('a save of milliseconds is not shown as none', () => {
  assert.match(said({ checkpoints: { ...efficiency.checkpoints, saveMs: 21 } }), /stops training for 0\.021s/)
})
