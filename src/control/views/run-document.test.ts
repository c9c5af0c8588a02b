import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runId, runOf, t } from '../../domain/fixture.ts'
import { attemptIdOf, workerIdOf } from '../../domain/ids.ts'
import { documentOf } from './run-document.ts'

const workers = [{ worker: workerIdOf(attemptIdOf(runId(1), 1), 0), nodeName: 'a' }]
const state = (reason: 'fence' | 'capacity') =>
  ({ kind: 'queued', reason, message: 'after worker 0: gone', notBefore: null }) as const

test('a run behind a fence is shown with what it waits for, and with its own reason otherwise', () => {
  const fence = { until: t(0), workers }
  assert.match(
    documentOf(runOf(1, { state: state('fence'), fence })).message ?? '',
    /^node a is lost, and worker .* waits/,
  )
  assert.equal(documentOf(runOf(1, { state: state('fence') })).message, 'after worker 0: gone')
  assert.equal(documentOf(runOf(1, { state: state('capacity'), fence })).message, 'after worker 0: gone')
})
