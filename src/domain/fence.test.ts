import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fenceAt, fenceText } from './fence.ts'
import { attemptIdOf, workerIdOf } from './ids.ts'
import { runId, runOf, t } from './fixture.ts'

const worker = (index: number) => workerIdOf(attemptIdOf(runId(1), 1), index)

void test('a fence holds a run back until its moment, and no run without one', () => {
  const fence = { until: t(10), workers: [{ worker: worker(0), nodeName: 'a' }] }
  assert.deepEqual(
    [fenceAt(runOf(1), t(0)), fenceAt(runOf(1, { fence }), t(9)), fenceAt(runOf(1, { fence }), t(10))],
    [null, fence, null],
  )
})

void test('what is waited for is named: the worker where there is one, the nodes where there are few', () => {
  const text = (...nodes: string[]) =>
    fenceText({ until: t(0), workers: nodes.map((nodeName, index) => ({ worker: worker(index), nodeName })) })
  assert.match(text('a'), /^node a is lost, and worker r0000000000000001-1-0 may still write checkpoints there: waits/)
  assert.match(text('a', 'a'), /^node a is lost, and 2 workers may still write/)
  assert.match(text('a', 'b'), /^nodes a, b are lost, and 2 workers may still write/)
  assert.match(text('a', 'b', 'c', 'd', 'e', 'f'), /^nodes a, b, c, d, e, \.\.\. are lost/)
})
