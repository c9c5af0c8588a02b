import { describeExit } from '../../core/observe/workers.ts'
import type { Attempt } from '../../domain/attempt.ts'
import { waitsOf } from '../../domain/attempt.ts'
import type { CellRecord } from '../../domain/books.ts'
import type { Claim } from '../../domain/claim.ts'
import type { AttemptDocument, ShowDocument, VerdictDocument } from '../../domain/documents.ts'
import type { Verdict } from '../../domain/failure.ts'
import { FAILURES } from '../../domain/failure.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { Run } from '../../domain/run.ts'
import type { Control } from '../control.ts'
import { findingsOf } from './findings.ts'
import { progressOf } from './progress.ts'
import { documentOf } from './run-document.ts'
import { troubleOf, troubles } from './trouble.ts'
import { liveCondition } from './why.ts'
import type { Reader } from './without-lines.ts'

export async function showOf(control: Control, unread: Run, reader: Reader): Promise<ShowDocument> {
  const run = reader.run(unread)
  const { newest, ...read } = await control.store.attemptsOf(run.id)
  const attempts = read.attempts.map(reader.attempt)
  const claims = read.claims.map(reader.claim)
  const specs = await control.store.specs([run.id])
  const progress = await progressOf(control, run)
  const documents = attempts.map((attempt) => attemptDocument(attempt, claims, newest))
  // The books of the living attempt may not have a posted cell yet; its newest step is known all the same.
  const living = documents.at(-1)
  const last =
    living === undefined || living.state === 'ended'
      ? []
      : [
          {
            ...living,
            lastStep: progress.step ?? living.lastStep,
            resumedFromStep: living.resumedFromStep ?? (await unposted(control, newest, living.id)),
          },
        ]
  const document = documentOf(run)
  const preparing = document.reason === 'preparing-environment' ? await liveCondition(control, run) : null
  return {
    ...document,
    message:
      troubleOf(run, await troubles(control)) ??
      preparing ??
      savingMessage(attempts.at(-1)) ??
      waitsOf(attempts.at(-1)) ??
      document.message,
    attempts: [...documents.slice(0, documents.length - last.length), ...last],
    progress,
    findings: await findingsOf(control, run),
    spec: specs.get(run.id) ?? null,
  }
}

/** An ending that waits for a checkpoint looks like one that hangs. */
function savingMessage(attempt: Attempt | undefined): string | null {
  if (attempt?.state.kind !== 'stopping' || attempt.state.checkpointUntil === undefined) return null
  const seconds = Math.round((attempt.state.checkpointUntil - attempt.state.since) / 1_000)
  return `it is asked for a checkpoint and has ${seconds} s for it; stop --now waits for nothing`
}

/** Before its first cell is posted nothing but its facts says where it went on. */
async function unposted(control: Control, newest: readonly CellRecord[], id: string): Promise<number | null> {
  if (newest.some(({ attempt }) => attempt === id)) return null
  return control.store.resumedStep(id as AttemptId)
}

function attemptDocument(attempt: Attempt, claims: readonly Claim[], newest: readonly CellRecord[]): AttemptDocument {
  const { state } = attempt
  const carry = newest.find((record) => record.attempt === attempt.id)?.summary.carry
  const byHolder = new Map(claims.map((claim) => [claim.holder as string, claim]))
  return {
    id: attempt.id,
    number: attempt.number,
    state: state.kind,
    outcome: state.kind === 'ended' ? state.outcome : null,
    failure: state.kind === 'ended' ? state.failure : null,
    message: state.kind === 'ended' ? state.message : null,
    verdict: state.kind === 'ended' && state.verdict !== undefined ? verdictDocument(state.verdict) : null,
    plannedAt: attempt.plannedAt,
    startedAt: attempt.startedAt,
    endedAt: attempt.endedAt,
    deadlineAt: attempt.deadlineAt,
    resumedFromStep: carry?.segments[0]?.resume ?? carry?.resumed ?? null,
    lastStep: carry?.segments.at(-1)?.last ?? null,
    workers: attempt.placement.workers.map((worker) => {
      const claim = byHolder.get(worker.id)
      return {
        id: worker.id,
        node: worker.nodeName,
        knownAs: claim?.knownAs ?? null,
        slots: worker.slots,
        state: stateOf(claim),
        startedAt: claim?.startedAt ?? null,
        endedAt: claim?.endedAt ?? null,
        exit: claim?.exit == null ? null : describeExit(claim.exit),
      }
    }),
  }
}

function verdictDocument({ kind, culprit, evidence }: Verdict): VerdictDocument {
  const { decision, meaning, whatToTry } = FAILURES[kind]
  return {
    kind,
    decision,
    meaning,
    whatToTry,
    worker: culprit?.worker ?? null,
    node: culprit?.nodeName ?? null,
    evidence: evidence.map(({ worker, at, text }) => ({ worker, printedAt: at, text })),
  }
}

function stateOf(claim: Claim | undefined): 'placed' | 'bound' | 'running' | 'ended' {
  if (claim === undefined || claim.endedAt !== null) return 'ended'
  if (claim.startedAt !== null) return 'running'
  return claim.boundAt === null ? 'placed' : 'bound'
}
