// What a reporter says, written: facts and expert load of one attempt, whichever way they came. It needs no leader, changes no state of
// a run, and a repeat changes nothing.
import { unconservedMessage } from '../core/experts/finding.ts'
import type { RunEvent } from '../domain/event.ts'
import type { Fact } from '../domain/fact.ts'
import { reporterSource } from '../domain/fact.ts'
import type { AttemptId } from '../domain/ids.ts'
import { attemptNumberOf, runOfAttempt } from '../domain/ids.ts'
import type { Answer } from '../domain/refusal.ts'
import { accepted, refused } from '../domain/refusal.ts'
import type { Directive, RefusedFact, ReportAnswer, ReportBatch, ReportFrame } from '../domain/report.ts'
import { checkpointDirective } from '../domain/report.ts'
import type { EpochMs } from '../domain/units.ts'
import { epochMs } from '../domain/units.ts'
import type { Control } from './control.ts'

/** A reporter has what it still has to say said within this after the end of its attempt; then its token is dead. */
const TOKEN_OUTLIVES_MS = 3_600_000

/** `receivedAt`: when it was posted, or when it was written to the log. */
export async function takeReport(
  control: Control,
  attempt: AttemptId,
  batch: ReportBatch,
  receivedAt: EpochMs,
): Promise<Answer<ReportAnswer>> {
  const { store, doorbell } = control
  const known = await store.reportable(attempt)
  if (known === null || (known.endedAt !== null && receivedAt > known.endedAt + TOKEN_OUTLIVES_MS))
    return refused('attempt-over', `attempt ${attempt} is over: its reports are closed`)
  // The source's clock may be off, but not the difference of two of its moments. Nothing is later than now.
  const shift = receivedAt - batch.sentAt
  const corrected = (at: EpochMs): EpochMs => epochMs(Math.max(0, Math.min(receivedAt, Math.round(at + shift))))
  const source = reporterSource(attempt, batch.rank, batch.source)
  const facts = batch.facts.map(({ seq, at, body }): Fact => ({
    source,
    sequence: seq,
    attempt,
    at: corrected(at),
    // As the source said it, which is the same in every repeat.
    sentAt: at,
    body,
  }))
  const tooMany = await store.saveReport({
    attempt,
    rank: batch.rank,
    process: batch.source,
    startedAt: batch.startedAt,
    reporter: batch.reporter,
    obeys: batch.obeys,
    receivedAt,
    facts,
    frames: batch.frames.map((frame) => ({
      ...frame,
      at: corrected(frame.at),
      finding: findingOf(attempt, frame, receivedAt),
    })),
  })
  if (facts.length > 0) doorbell.ring('account')
  const { checkpoint } = known
  if (checkpoint !== null && facts.some(({ body }) => body.kind === 'directive')) doorbell.ring('launch')
  const beyond = tooMany.flatMap((place): RefusedFact[] => {
    const frame = batch.frames[place]
    return frame === undefined ? [] : [{ seq: frame.seq, reason: 'too-many' }]
  })
  const refusedAll = [...batch.refused, ...beyond]
  return accepted({
    accepted: batch.sent - refusedAll.length,
    refused: refusedAll,
    directives: checkpoint === null ? [] : [directiveOf(checkpoint, receivedAt)],
  })
}

function directiveOf({ since, until }: { since: EpochMs; until: EpochMs }, now: EpochMs): Directive {
  return { id: checkpointDirective(since), version: 1, kind: 'checkpoint', withinMs: Math.max(0, until - now) }
}

/** Counts of one rank must add up as those of all together: what is wrong in one is wrong in the sum. */
function findingOf(attempt: AttemptId, frame: ReportFrame, at: EpochMs): RunEvent | null {
  const message = unconservedMessage(frame)
  if (message === null) return null
  return {
    run: runOfAttempt(attempt),
    at,
    kind: 'experts-unconserved',
    message: `attempt ${attemptNumberOf(attempt)}, ${message}`,
  }
}
