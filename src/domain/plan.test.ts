import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { attemptOf, CLUSTER, runOf } from './fixture.ts'
import type { ProjectName } from './ids.ts'
import type { AttemptPlan } from './plan.ts'
import { substitute, workerVariables } from './plan.ts'
import { durationMs } from './units.ts'

const { attempt } = attemptOf(runOf(1), 1, [
  { node: 'a', slots: [0, 1] },
  { node: 'b', slots: [4, 5] },
])
const PLAN: AttemptPlan = {
  attempt: attempt.id,
  run: attempt.run,
  project: 'default' as ProjectName,
  name: 'a-run',
  cluster: CLUSTER,
  image: null,
  kubernetes: null,
  command: ['python', 'train.py'],
  env: {},
  secrets: [],
  workdir: null,
  folder: null,
  checkpointDir: '/checkpoints',
  masterAddress: '10.0.0.1',
  masterPort: 20_001,
  gpusPerNode: 2,
  workers: attempt.placement.workers,
  graceMs: durationMs(60_000),
}

const VARIABLES = { PLIMSOLL_RUN: 'r1', MASTER_PORT: '20000', HOME: '/root' }
const ROWS: readonly [text: string, is: string][] = [
  ['--run=$PLIMSOLL_RUN', '--run=r1'],
  ['$MASTER_PORT$MASTER_PORT', '2000020000'],
  ['$$PLIMSOLL_RUN', '$PLIMSOLL_RUN'],
  ['$$$PLIMSOLL_RUN', '$r1'],
  ['$HOME ${PLIMSOLL_RUN} $', '$HOME ${PLIMSOLL_RUN} $'],
  ['$PLIMSOLL_NOTHING', '$PLIMSOLL_NOTHING'],
  ['$PLIMSOLL_RUNx', 'r1x'],
]
for (const [text, is] of ROWS) void test(`${text} becomes ${is}`, () => assert.equal(substitute(text, VARIABLES), is))

void test('safety: a text without a dollar stays as it is, and a doubled dollar is one', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const plain = text.replaceAll('$', '')
      assert.equal(substitute(plain, VARIABLES), plain)
      assert.equal(substitute(text.replaceAll('$', '$$$$'), VARIABLES), text)
    }),
  )
})

void test('each worker sees its own rank and the same master', () => {
  const first = workerVariables(PLAN, 0, null)
  const second = workerVariables(PLAN, 1, { url: 'http://127.0.0.1:7420', token: 'secret' })
  assert.equal(first.PLIMSOLL_NODE_RANK, '0')
  assert.equal(second.PLIMSOLL_NODE_RANK, '1')
  assert.equal(second.PLIMSOLL_WORKER, `${attempt.id}-1`)
  assert.deepEqual([second.PLIMSOLL_NODES, second.PLIMSOLL_GPUS_PER_NODE], ['2', '2'])
  assert.deepEqual([first.MASTER_ADDR, first.MASTER_PORT], [second.MASTER_ADDR, second.MASTER_PORT])
  assert.equal(first.PLIMSOLL_INGEST_URL, undefined)
  assert.equal(second.PLIMSOLL_INGEST_TOKEN, 'secret')
  assert.equal(first.PLIMSOLL_CHECKPOINT_DIR, '/checkpoints')
})
