// The table of runs: a page of rows with what a list says of each, from a handful of reads whatever the number of rows.
import { candidatesOf } from '../../core/admit/admit.ts'
import { moneyOf } from '../../core/account/money.ts'
import type { Claim } from '../../domain/claim.ts'
import type { TableDocument, TableRow } from '../../domain/documents.ts'
import type { Fact } from '../../domain/fact.ts'
import type { Finding } from '../../domain/finding.ts'
import { SEVERITIES } from '../../domain/finding.ts'
import type { AttemptId, RunId } from '../../domain/ids.ts'
import { attemptIdOf } from '../../domain/ids.ts'
import type { Run } from '../../domain/run.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { RunsQuery } from '../../ports/store.ts'
import type { Control } from '../control.ts'
import { progressFrom } from './progress.ts'
import { documentOf } from './run-document.ts'
import { troubleOf, troubles } from './trouble.ts'

export async function tableOf(control: Control, query: RunsQuery, seen: (run: Run) => Run): Promise<TableDocument> {
  const { store } = control
  const { runs, total, counts } = await store.runsTable(query)
  return {
    rows: await rowsOf(control, runs.map(seen)),
    total,
    offset: query.offset,
    counts,
    observedAt: control.clock.now(),
  }
}

export async function rowsOf(control: Control, runs: readonly Run[]): Promise<TableRow[]> {
  const { store } = control
  const attempts = runs.flatMap((run) => (run.attempts > 0 ? [attemptIdOf(run.id, run.attempts)] : []))
  const steps = await store.newestSteps(attempts)
  const all = await store.claimsOf(runs.map((run) => run.id))
  // Only what runs has any.
  const open = runs.some((run) => run.state.kind === 'running') ? await store.openFindings() : []
  const trouble = await troubles(control)
  const claims = Map.groupBy(all, (claim) => claim.run)
  const findings = Map.groupBy(open, ({ subject }) => subject.run)
  const waits = runs.some((run) => run.state.kind === 'queued')
  const queue = waits ? candidatesOf(await store.world(control.health)).map(({ run }) => run) : []
  const position = new Map(queue.map((run, index) => [run, index + 1]))
  const now = control.clock.now()
  return runs.map((run) => ({
    ...rowOf(run, claims.get(run.id) ?? [], steps, position, now),
    ...(troubleOf(run, trouble) === null ? {} : { message: troubleOf(run, trouble) }),
    finding: worstOf(findings.get(run.id) ?? []),
  }))
}

function worstOf(findings: readonly Finding[]): TableRow['finding'] {
  const [worst] = findings.toSorted(
    (a, b) => SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity) || b.since - a.since,
  )
  return worst === undefined ? null : { kind: worst.rule, severity: worst.severity, text: worst.message }
}

function rowOf(
  run: Run,
  claims: readonly Claim[],
  steps: ReadonlyMap<AttemptId, readonly Fact[]>,
  position: ReadonlyMap<RunId, number>,
  now: EpochMs,
): Omit<TableRow, 'finding'> {
  const newest = steps.get(attemptIdOf(run.id, run.attempts)) ?? []
  const progress = progressFrom(newest, run.sequenceLength)
  const paid = claims.map(({ slots, placedAt, paidUntil, releasedAt, price }) => ({
    gpuMs: slots.length * Math.max(0, (paidUntil ?? releasedAt ?? now) - placedAt),
    price,
  }))
  return {
    ...documentOf(run),
    position: position.get(run.id) ?? null,
    step: progress.step,
    totalSteps: progress.totalSteps,
    loss: progress.loss,
    tokensPerSecond: progress.tokensPerSecond,
    etaMs: progress.etaMs,
    observedAt: progress.observedAt,
    heldGpuMs: claims.reduce(
      (sum, { attempt, slots, placedAt, releasedAt }) =>
        attempt === null ? sum : sum + slots.length * Math.max(0, (releasedAt ?? now) - placedAt),
      0,
    ),
    paidGpuMs: paid.reduce((sum, { gpuMs }) => sum + gpuMs, 0),
    money: moneyOf(paid),
    restarts: Math.max(0, run.attempts - 1),
  }
}
