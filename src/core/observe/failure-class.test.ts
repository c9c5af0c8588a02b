import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkerExitSeen } from '../../domain/exit.ts'
import { attemptOf, runOf } from '../../domain/fixture.ts'
import type { WorkerId } from '../../domain/ids.ts'
import type { FailureClass, Outcome } from '../../domain/reasons.ts'
import { classOfFailure } from './failure-class.ts'

const { claims } = attemptOf(runOf(1), 1, [
  { node: 'a', slots: [0] },
  { node: 'b', slots: [0] },
])
const code = (value: number): WorkerExitSeen => ({
  kind: 'code',
  code: value,
  signal: null,
  cause: 'itself',
  message: null,
})
const IN_USE = 'RuntimeError: [Errno 98] Address already in use'

const ROWS: readonly [why: string, outcome: Outcome, exit: WorkerExitSeen | null, tail: string, is: FailureClass][] = [
  ['a lost node', 'node-lost', null, '', 'infrastructure'],
  ['a gang that never started', 'never-started', code(127), '', 'infrastructure'],
  ['a port that was taken', 'failed', code(1), IN_USE, 'infrastructure'],
  ['a port that was taken, seen by a program that is not found later', 'failed', code(127), IN_USE, 'infrastructure'],
  ['a command that is not found', 'failed', code(127), '', 'user'],
  ['a command that cannot be executed', 'failed', code(126), '', 'user'],
  ['a worker that could not be started', 'failed', { ...code(1), cause: 'could-not-start' }, '', 'user'],
  ['a program that failed in its own way', 'failed', code(1), 'ValueError', 'unknown'],
  ['an end that nobody saw', 'unknown', { ...code(0), kind: 'gone', cause: 'unknown' }, '', 'unknown'],
]
for (const [why, outcome, exit, tail, is] of ROWS) {
  void test(`${why} is a failure of class ${is}`, () => {
    const seen = claims.map((claim, index) => ({ ...claim, exit: index === 1 ? exit : null }))
    const tails = new Map(seen.map((claim) => [claim.holder as WorkerId, tail]))
    assert.equal(classOfFailure(outcome, seen, tails), is)
  })
}
