import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runOf, t } from '../../domain/fixture.ts'
import type { Finding, Rule } from '../../domain/finding.ts'
import type { Run } from '../../domain/run.ts'
import type { FindingsQuery } from '../../ports/detect-store.ts'
import type { Control } from '../control.ts'
import { findingsOf } from './findings.ts'

const found = (rule: Rule, resolvedAt: number | null): Finding =>
  ({
    rule,
    severity: 'critical',
    since: t(1_000),
    resolvedAt: resolvedAt === null ? null : t(resolvedAt),
    message: rule,
    whatToTry: 'look',
    gpuMs: null,
    money: null,
    subject: { attempt: null },
  }) as Finding

const ALL = [
  found('loss-not-finite', 61_000),
  found('loss-diverged', 20_000),
  found('no-progress', 61_000),
  found('experts-dead', null),
]

async function shownOf(run: Run): Promise<string[]> {
  const findings = ({ open }: FindingsQuery) =>
    Promise.resolve(ALL.filter(({ resolvedAt }) => open === null || (resolvedAt === null) === open))
  const store = { findings, logCut: () => Promise.resolve(null) }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is asked of it
  const shown = await findingsOf({ store: store as unknown as Control['store'] }, run)
  return shown.map(({ kind }) => kind)
}

void test('of a run that goes on only what is open is shown', async () => {
  assert.deepEqual(await shownOf(runOf(1)), ['experts-dead'])
})

void test('of one that has ended also what its result has: a loss that was no number to its end', async () => {
  const ended = runOf(1, { state: { kind: 'succeeded' }, endedAt: t(60_000) })
  assert.deepEqual(await shownOf(ended), ['loss-not-finite', 'experts-dead'])
})
