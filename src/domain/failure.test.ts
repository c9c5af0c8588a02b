import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AvoidedNode, FailureKind, Verdict } from './failure.ts'
import { avoidedAfter, avoidedAt, verdictText } from './failure.ts'
import { nodeId, runId, t } from './fixture.ts'
import { attemptIdOf, workerIdOf } from './ids.ts'
import { AVOIDED_NODES_MAX } from './limits.ts'

const WORKER = workerIdOf(attemptIdOf(runId(1), 1), 0)
const HOUR = 3_600_000
const verdict = (kind: FailureKind, name: string | null): Verdict => ({
  kind,
  culprit: name === null ? null : { worker: WORKER, node: nodeId(name), nodeName: name },
  evidence: [{ worker: WORKER, at: t(0), text: 'a line' }],
})
const names = (avoided: readonly AvoidedNode[]): string[] => avoided.map(({ nodeName }) => nodeName)

void test('a node is avoided for a day, or for an hour where the program is as likely', () => {
  const broken = avoidedAfter([], verdict('gpu-fault', 'a'), t(0))
  assert.deepEqual([names(avoidedAt(broken, t(24 * HOUR - 1))), names(avoidedAt(broken, t(24 * HOUR)))], [['a'], []])
  const doubted = avoidedAfter([], verdict('illegal-access', 'a'), t(0))
  assert.deepEqual([names(avoidedAt(doubted, t(HOUR - 1))), names(avoidedAt(doubted, t(HOUR)))], [['a'], []])
})

void test('only the culprit of a failure that is the node’s is avoided, and what has expired is forgotten', () => {
  assert.deepEqual(avoidedAfter(undefined, verdict('killed', 'a'), t(0)), [])
  assert.deepEqual(avoidedAfter(undefined, verdict('ecc', null), t(0)), [])
  const before = avoidedAfter([], verdict('illegal-access', 'a'), t(0))
  assert.deepEqual(names(avoidedAfter(before, verdict('ecc', 'b'), t(HOUR))), ['b'])
  assert.deepEqual(names(avoidedAfter(before, verdict('killed', 'b'), t(1))), ['a'])
})

void test('a node is in the list once, and of too many the oldest is left out', () => {
  let avoided: readonly AvoidedNode[] = []
  for (let index = 0; index <= AVOIDED_NODES_MAX; index += 1)
    avoided = avoidedAfter(avoided, verdict('ecc', `n${index}`), t(index))
  assert.deepEqual([avoided.length, names(avoided)[0]], [AVOIDED_NODES_MAX, 'n1'])
  const again = avoidedAfter(avoided, verdict('ecc', 'n1'), t(HOUR))
  assert.deepEqual([again.length, again.at(-1)?.until], [AVOIDED_NODES_MAX, t(25 * HOUR)])
})

void test('what is not identified is told by its line alone, and an exit by its kind', () => {
  assert.equal(verdictText(verdict('ecc', 'a')), 'ecc: a line')
  assert.equal(verdictText(verdict('not-identified', 'a')), 'a line')
  assert.equal(verdictText({ ...verdict('not-identified', 'a'), evidence: [] }), null)
  assert.equal(
    verdictText({ ...verdict('killed', 'a'), evidence: [{ worker: WORKER, at: null, text: '-9' }] }),
    'killed',
  )
})
