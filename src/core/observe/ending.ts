// The end of an attempt: its outcome, its slots, and what becomes of the run. Called in the turn that sees its last worker gone.
import type { Attempt } from '../../domain/attempt.ts'
import type { Claim } from '../../domain/claim.ts'
import { restartHolder } from '../../domain/claim.ts'
import type { Classify, EndedWorker, Verdict } from '../../domain/failure.ts'
import { avoidedAfter, FAILURES, nodeToAvoid, verdictText } from '../../domain/failure.ts'
import type { FencedWorker } from '../../domain/fence.ts'
import type { NodeId } from '../../domain/ids.ts'
import { MESSAGE_CHARS_MAX } from '../../domain/limits.ts'
import type { Write } from '../../domain/item.ts'
import type { Outcome } from '../../domain/reasons.ts'
import { assertNever } from '../../domain/reasons.ts'
import type { Run, RunState } from '../../domain/run.ts'
import { avoiding, isEnded, withoutFence } from '../../domain/run.ts'
import type { Durations } from '../../domain/settings.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { EpochMs } from '../../domain/units.ts'
import { earlier, gpuMs, plusMs } from '../../domain/units.ts'
import { fencedWorkers } from './fence.ts'

export type Ending = {
  readonly run: Run
  readonly attempt: Attempt
  readonly claims: readonly Claim[]
  readonly at: EpochMs
  /** Nodes that are lost: nothing on them is kept. */
  readonly lostNodes: ReadonlySet<NodeId>
}

export function endAttempt(ending: Ending, classify: Classify, durations: Durations): Write[] {
  const { run, attempt, claims, at } = ending
  const outcome = outcomeOf(attempt, claims)
  const verdict = isFailure(outcome) ? classify(outcome, endedWorkers(ending)) : null
  const failure = verdict === null ? null : FAILURES[verdict.kind].fault
  const message = messageOf(ending, outcome, verdict)
  const paid = paidGpuMs(claims, at, durations)
  const fenced = fencedWorkers(attempt, claims, ending.lostNodes)
  const after = afterAttempt(ending, outcome, verdict, message, fenced.length > 0, durations)
  const writes: Write[] = claims.map((claim) => ({
    kind: 'release',
    node: claim.node,
    holder: claim.holder,
    paidUntil: paidUntil(claim, at, durations),
  }))
  const avoided = verdict === null ? (run.avoided ?? []) : avoidedAfter(run.avoided, verdict, at)
  const holds = after.keepSlots ? restartHolds(ending, verdict === null ? null : nodeToAvoid(verdict), durations) : []
  writes.push(...holds)
  // On lost nodes nothing is kept: what holds nothing has nothing reserved either.
  if (holds.length === 0) writes.push({ kind: 'give-back', run: run.id, budgets: run.budgets })
  const ended: Attempt = {
    ...attempt,
    state: { kind: 'ended', outcome, failure, message, ...(verdict === null ? {} : { verdict }) },
    endedAt: at,
    deadlineAt: null,
  }
  writes.push({ kind: 'attempt', attempt: ended })
  writes.push({
    kind: 'run',
    run: {
      ...withFence(avoiding(run, avoided), isEnded(after.state) ? [] : fenced, at, durations),
      state: after.state,
      startedAt: run.startedAt ?? attempt.startedAt,
      restartsLeft: after.restartsLeft,
      failuresInRow: failure === null ? 0 : run.failuresInRow + 1,
      paidGpuMs: gpuMs(run.paidGpuMs + paid),
      endedAt: isEnded(after.state) ? at : null,
      wish: after.state.kind === 'suspended' ? 'run' : run.wish,
    },
  })
  const text = `attempt ${attempt.number} ended: ${outcome}${failure === null ? '' : ` (${failure})`}${message === null ? '' : `, ${message}`}`
  writes.push({ kind: 'event', event: { run: run.id, at, kind: 'attempt-ended', message: text } })
  if (verdict !== null && verdict.kind !== 'not-identified')
    writes.push({ kind: 'event', event: { run: run.id, at, kind: 'failure', message: failureText(verdict) } })
  if (after.state.kind === 'queued')
    writes.push({
      kind: 'audit',
      entry: {
        at,
        actor: 'rule:restart',
        verb: 'run.restart',
        target: run.id,
        detail: { attempt: attempt.number, outcome, failure, kind: verdict?.kind ?? null },
      },
    })
  if (after.note !== null)
    writes.push({ kind: 'event', event: { run: run.id, at, kind: after.state.kind, message: after.note } })
  return writes
}

/** Of an earlier attempt there is none: this one was not placed before it had ended. */
function withFence(run: Run, workers: readonly FencedWorker[], at: EpochMs, durations: Durations): Run {
  const free = withoutFence(run)
  return workers.length === 0 ? free : { ...free, fence: { until: plusMs(at, durations.fenceAfterMs), workers } }
}

/** Its worker's end plus grace, at most the release; the store clamps to the moment of the commit. */
function paidUntil(claim: Claim, at: EpochMs, durations: Durations): EpochMs {
  return earlier(at, plusMs(claim.endedAt ?? at, durations.graceMs))
}

/** What the run pays for claims that are released at `at`. */
export function paidGpuMs(claims: readonly Claim[], at: EpochMs, durations: Durations): number {
  return claims.reduce(
    (sum, claim) => sum + claim.slots.length * Math.max(0, paidUntil(claim, at, durations) - claim.placedAt),
    0,
  )
}

function endedWorkers({ attempt, claims, lostNodes }: Ending): readonly EndedWorker[] {
  const byHolder = new Map<string, Claim>(claims.map((claim) => [claim.holder, claim]))
  return attempt.placement.workers.map(({ id, node, nodeName }) => {
    const claim = byHolder.get(id)
    const { exit = null, startedAt = null, endedAt = null } = claim ?? {}
    return { worker: id, node, nodeName, isLost: lostNodes.has(node), exit, startedAt, endedAt }
  })
}

/** How the culprit ended, or who went wrong first; then what it was. */
function messageOf(ending: Ending, outcome: Outcome, verdict: Verdict | null): string | null {
  const ended = (outcome === 'node-lost' ? lostMessage(ending) : null) ?? exitMessage(ending.claims, verdict)
  const what = verdict === null || verdict.kind === outcome ? null : verdictText(verdict)
  const text = [ended, what].filter((part) => part !== null).join('; ')
  return text === '' ? null : text.slice(0, MESSAGE_CHARS_MAX).toWellFormed()
}

const failureText = (verdict: Verdict): string => {
  const { kind, culprit } = verdict
  const where = culprit === null ? '' : ` (worker ${culprit.worker} on ${culprit.nodeName})`
  return `${verdictText(verdict) ?? kind}${where}; what to try: ${FAILURES[kind].whatToTry}`
}

/** The workers of a lost node gave their slots up before the rest ended: what is left fell because of it. */
function lostMessage({ attempt, lostNodes }: Ending): string | null {
  const lost = attempt.placement.workers.find((worker) => lostNodes.has(worker.node))
  return lost === undefined ? null : `worker ${lost.id}: node ${lost.nodeName} is lost`
}

/** The culprit, else the first worker that went wrong by itself; the others mostly fell because of it, or were asked to end. */
function exitMessage(claims: readonly Claim[], verdict: Verdict | null): string | null {
  const culprit = verdict?.culprit?.worker
  const rank = ({ holder, exit, endedAt }: Claim): number =>
    holder === culprit ? -1 : (exit?.cause === 'stop' ? 1e15 : 0) + (endedAt ?? 0)
  const bad = claims
    .filter((claim) => claim.exit !== null && !(claim.exit.kind === 'code' && claim.exit.code === 0))
    .toSorted((a, b) => rank(a) - rank(b))[0]
  if (bad?.exit == null) return null
  const { exit } = bad
  const what =
    exit.kind === 'code' ? `exit code ${exit.code}` : exit.kind === 'signal' ? `signal ${exit.signal ?? '?'}` : 'gone'
  return `worker ${bad.holder}: ${what}${exit.message === null ? '' : `, ${exit.message}`}`
}

function outcomeOf(attempt: Attempt, claims: readonly Claim[]): Outcome {
  const clean = claims.every((claim) => claim.exit?.kind === 'code' && claim.exit.code === 0)
  const { state } = attempt
  // Many scripts end once they have saved what they were asked to save: that is how they stop, and not the end of their training.
  const asked = state.kind === 'stopping' && state.checkpointUntil !== undefined
  if (clean && !asked && claims.every((claim) => claim.exit?.cause === 'itself')) return 'succeeded'
  if (claims.some((claim) => claim.exit?.cause === 'deadline')) return 'deadline'
  if (state.kind !== 'stopping') return claims.every((claim) => claim.exit?.kind === 'gone') ? 'unknown' : 'failed'
  switch (state.cause) {
    case 'stop':
      return 'stopped'
    case 'suspend':
    case 'budget':
      return 'suspended'
    case 'limit':
      return 'deadline'
    case 'failure':
      return claims.every((claim) => claim.exit === null || claim.exit.kind === 'gone') ? 'unknown' : 'failed'
    case 'node-lost':
      return 'node-lost'
    case 'never-started':
      return 'never-started'
    default:
      return assertNever(state.cause)
  }
}

const isFailure = (outcome: Outcome): boolean =>
  outcome === 'failed' || outcome === 'node-lost' || outcome === 'never-started' || outcome === 'unknown'

type After = {
  readonly state: RunState
  readonly keepSlots: boolean
  readonly restartsLeft: Run['restartsLeft']
  readonly note: string | null
}

function afterAttempt(
  ending: Ending,
  outcome: Outcome,
  verdict: Verdict | null,
  message: string | null,
  isFenced: boolean,
  durations: Durations,
): After {
  const { run, attempt, at } = ending
  const stay = (state: RunState, note: string | null): After => ({
    state,
    keepSlots: false,
    restartsLeft: run.restartsLeft,
    note,
  })
  if (outcome === 'succeeded') return stay({ kind: 'succeeded' }, null)
  // What a person asked for counts for more than how the attempt took it.
  if (run.wish === 'stop' || run.wish === 'stop-now') return stay({ kind: 'cancelled' }, null)
  if (run.wish === 'suspend') return stay({ kind: 'suspended', by: 'person', message: 'suspended by request' }, null)
  const cause = attempt.state.kind === 'stopping' ? attempt.state.cause : null
  if (cause === 'budget')
    return stay({ kind: 'suspended', by: 'budget', message: 'its budget could not be extended' }, null)
  if (outcome === 'deadline') return afterDeadline(run, attempt, at, stay)
  if (verdict === null) return stay({ kind: 'failed', message: message ?? outcome }, null)
  const { fault: failure, decision, whatToTry } = FAILURES[verdict.kind]
  const restarts = run.restartsLeft[failure]
  // Who asks for restarts after failures of the script's own (restart.user) gets them; by default there are none.
  const isPointless = decision === 'no-restart' && (failure !== 'user' || restarts <= 0)
  if (restarts <= 0 || isPointless) {
    const no = isPointless
      ? `not restarted after ${verdict.kind}, which would come back`
      : `no restart left for failures of class ${failure}`
    const advice = verdict.kind === 'not-identified' ? '' : `; what to try: ${whatToTry}`
    const why = `${message ?? outcome}; ${no}${advice}`
    return stay({ kind: 'failed', message: why }, why)
  }
  const backoff = Math.min(durations.backoffMaxMs, durations.backoffMinMs * 2 ** Math.min(run.failuresInRow, 30))
  return {
    state: {
      kind: 'queued',
      reason: isFenced ? 'fence' : 'restarting',
      message: `after ${message ?? outcome}; ${restarts - 1} restarts left for class ${failure}`,
      notBefore: plusMs(at, backoff),
    },
    keepSlots: true,
    restartsLeft: { ...run.restartsLeft, [failure]: restarts - 1 },
    note: `restarts from its newest checkpoint; ${restarts - 1} left for class ${failure}`,
  }
}

function afterDeadline(
  run: Run,
  attempt: Attempt,
  at: EpochMs,
  stay: (state: RunState, note: string | null) => After,
): After {
  const byTime = run.limits.timeMs !== null && run.startedAt !== null && at >= run.startedAt + run.limits.timeMs - 1_000
  const byGpuMs =
    run.limits.gpuMs !== null &&
    at >= attempt.plannedAt + (run.limits.gpuMs - run.paidGpuMs) / gpusOf(run.resources) - 1_000
  if (byTime || byGpuMs) {
    const why = byTime ? 'limits.time is used up' : 'limits.gpuHours are used up'
    return stay({ kind: 'failed', message: why }, why)
  }
  return stay({ kind: 'suspended', by: 'budget', message: 'its reserve was used up' }, null)
}

/**
 * The surviving slots stay with the run for a while, in a claim of their own, so that only missing workers are placed anew. Of the node
 * that it is to avoid it keeps none: nobody would use them.
 */
function restartHolds(ending: Ending, avoided: NodeId | null, durations: Durations): Write[] {
  const byNode = Map.groupBy(
    ending.claims.filter((claim) => !ending.lostNodes.has(claim.node) && claim.node !== avoided),
    (claim) => claim.node,
  )
  return [...byNode].map(([node, claims]) => ({
    kind: 'claim',
    claim: {
      holder: restartHolder(ending.run.id),
      node,
      run: ending.run.id,
      attempt: null,
      slots: claims.flatMap((claim) => claim.slots).toSorted((a, b) => a - b),
      price: claims[0]?.price ?? null,
      placedAt: ending.at,
      boundAt: null,
      startedAt: null,
      endedAt: null,
      exit: null,
      releasedAt: null,
      paidUntil: null,
      until: plusMs(ending.at, durations.restartHoldMs),
    },
  }))
}
