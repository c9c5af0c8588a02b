// The observe step for workers: what a look at a cluster means for the attempts that should be there. A worker that the look does
// not show counts as gone only when it was seen before and its node was seen now: a stale or partial list ends nothing.
import type { Attempt, AttemptState } from '../../domain/attempt.ts'
import type { Claim } from '../../domain/claim.ts'
import type { WorkerExitSeen } from '../../domain/exit.ts'
import type { Classify } from '../../domain/failure.ts'
import type { NodeId, WorkerId } from '../../domain/ids.ts'
import type { Item, Write } from '../../domain/item.ts'
import type { Run } from '../../domain/run.ts'
import type { Durations } from '../../domain/settings.ts'
import type { EpochMs } from '../../domain/units.ts'
import { MESSAGE_CHARS_MAX } from '../../domain/limits.ts'
import { durationMs, earlier, later } from '../../domain/units.ts'
import { counted } from '../../domain/words.ts'
import type { World } from '../../domain/world.ts'
import { claimsOf } from '../../domain/world.ts'
import type { Ending } from './ending.ts'
import { endAttempt } from './ending.ts'

/** A worker as a cluster showed it (the port's `WorkerSeen`, in nouns of the domain). */
export type WorkerFact = {
  readonly worker: WorkerId
  readonly bound: boolean
  /** What keeps it from starting, in the cluster's words: a word, a colon and the rest. */
  readonly waits: string | null
  /** Its node makes it ready: an image is pulled, volumes are mounted. */
  readonly preparing?: boolean
  /** The cluster's own name of it. */
  readonly name?: string
  readonly startedAt: EpochMs | null
  readonly end: { readonly at: EpochMs | null; readonly exit: WorkerExitSeen } | null
}

export type LookAtWorkers = {
  readonly observedAt: EpochMs
  readonly workers: ReadonlyMap<WorkerId, WorkerFact>
  /** Names of the nodes that this look saw. */
  readonly nodes: ReadonlySet<string>
  /** Why the attempt could not be launched, as the last try said. */
  readonly trouble?: string | null
}

/** A large image takes as long as it takes: so many times the usual deadline in all. */
const PATIENCE = 3

export function decideWorkers(
  world: World,
  attempt: Attempt,
  look: LookAtWorkers,
  classify: Classify,
  durations: Durations,
): Item | null {
  const run = world.runs.get(attempt.run)
  if (run === undefined) return null
  const before = claimsOf(world, attempt.id)
  const claims = before.map((claim) => learn(world, attempt, claim, look))
  const writes: Write[] = []
  for (const [index, claim] of claims.entries()) {
    const old = before[index]
    if (claim === old) continue
    writes.push({ kind: 'claim', claim })
    if (claim.exit !== null && old?.exit === null) writes.push(exitEvent(run, claim, look.observedAt))
  }
  const preparing = claims.some(({ holder }) => look.workers.get(holder as WorkerId)?.preparing === true)
  const patient = preparing
    ? { ...durations, startDeadlineMs: durationMs(durations.startDeadlineMs * PATIENCE) }
    : durations
  const next = advance(attempt, claims, waitsOf(attempt, claims, look), look.observedAt, patient)
  const waits = next.state.kind === 'launching' ? next.state.waits : undefined
  if (waits !== undefined && (attempt.state.kind !== 'launching' || attempt.state.waits !== waits))
    writes.push(event(run, look.observedAt, 'waits', `attempt ${attempt.number}: ${waits}`))
  // Also for an attempt that has ended by now: what it was has an order.
  if (next.startedAt !== null && attempt.startedAt === null) {
    const all = counted(claims.length, 'worker')
    writes.push(event(run, next.startedAt, 'started', `attempt ${attempt.number}: ${all} started`))
  }
  if (claims.every((claim) => claim.endedAt !== null)) {
    const ending: Ending = { run, attempt: next, claims, at: look.observedAt, lostNodes: lostOf(world) }
    writes.push(...endAttempt(ending, classify, durations))
  } else {
    if (next !== attempt) writes.push({ kind: 'attempt', attempt: next })
    const image = runOf(run, next)
    if (image !== run) writes.push({ kind: 'run', run: image })
  }
  if (writes.length === 0) return null
  return { about: `observe ${attempt.id}`, expects: [{ kind: 'run', id: run.id, version: run.version }], writes }
}

const lostOf = (world: World): ReadonlySet<NodeId> =>
  new Set([...world.nodes.values()].filter((node) => node.condition.kind === 'lost').map((node) => node.id))

/** What the look says of one claim. Times are clamped to the holding; nothing learnt before is taken back. */
function learn(world: World, attempt: Attempt, claim: Claim, look: LookAtWorkers): Claim {
  if (claim.endedAt !== null) return claim
  const seen = look.workers.get(claim.holder as WorkerId)
  if (seen === undefined) {
    const nodeName = attempt.placement.workers.find((worker) => worker.id === claim.holder)?.nodeName ?? ''
    if (!look.nodes.has(nodeName)) return claim
    // An older list than the one that showed it says nothing about its end.
    if (claim.boundAt !== null && look.observedAt <= claim.boundAt) return claim
    if (claim.boundAt === null)
      return neverStarts(attempt, look) ? { ...claim, endedAt: look.observedAt, exit: NEVER_STARTED } : claim
    return { ...claim, endedAt: lastKnown(world, claim, claim.startedAt, look), exit: GONE }
  }
  const boundAt = claim.boundAt ?? (seen.bound ? look.observedAt : null)
  const inside = (at: EpochMs): EpochMs => earlier(later(at, claim.placedAt), later(look.observedAt, claim.placedAt))
  const startedAt = claim.startedAt ?? (seen.startedAt === null ? null : inside(seen.startedAt))
  const { end } = seen
  const endedAt =
    end === null
      ? null
      : end.at === null
        ? lastKnown(world, claim, startedAt, look)
        : later(inside(end.at), startedAt ?? claim.placedAt)
  const knownAs = seen.name ?? claim.knownAs
  if (boundAt === claim.boundAt && startedAt === claim.startedAt && endedAt === null && knownAs === claim.knownAs)
    return claim
  return {
    ...claim,
    boundAt,
    startedAt,
    endedAt,
    exit: end?.exit ?? null,
    ...(knownAs === undefined ? {} : { knownAs }),
  }
}

/** An end that nobody saw was when its node was last observed: after a power cut the run does not pay for the hours without power. */
function lastKnown(world: World, claim: Claim, startedAt: EpochMs | null, look: LookAtWorkers): EpochMs {
  const lastObserved = world.nodes.get(claim.node)?.lastObserved ?? look.observedAt
  return later(startedAt ?? claim.placedAt, earlier(lastObserved, look.observedAt))
}

/** What was asked to end before anything of it existed: no launch of it can be under way any more. */
const NEVER_STARTS_MS = 15_000

function neverStarts(attempt: Attempt, look: LookAtWorkers): boolean {
  return attempt.state.kind === 'stopping' && look.observedAt > attempt.state.since + NEVER_STARTS_MS
}

const NEVER_STARTED: WorkerExitSeen = {
  kind: 'gone',
  code: 0,
  signal: null,
  cause: 'stop',
  message: 'it was asked to end before it started',
}

const GONE: WorkerExitSeen = {
  kind: 'gone',
  code: 0,
  signal: null,
  cause: 'unknown',
  message: 'nothing is left of it, and nobody saw how it ended',
}

export const failed = (claim: Claim): boolean =>
  claim.exit !== null && !(claim.exit.kind === 'code' && claim.exit.code === 0)

/** The first worker that does not start, and why; null: nothing is said about any. */
function waitsOf(attempt: Attempt, claims: readonly Claim[], look: LookAtWorkers): string | null {
  if (look.trouble != null && claims.some(({ boundAt }) => boundAt === null))
    return look.trouble.slice(0, MESSAGE_CHARS_MAX)
  const waitingFor = new Set<string>(claims.filter(({ startedAt }) => startedAt === null).map(({ holder }) => holder))
  for (const { id, index, nodeName } of attempt.placement.workers) {
    const waits = look.workers.get(id)?.waits ?? null
    if (waits === null || !waitingFor.has(id)) continue
    return `worker ${index} on ${nodeName}: ${waits}`.slice(0, MESSAGE_CHARS_MAX)
  }
  return null
}

/** Texts with counts and times in them change with every look; what is told anew is another worker or another reason. */
const gist = (waits: string): string => waits.split(':', 2).join(':')

function advance(
  attempt: Attempt,
  claims: readonly Claim[],
  waits: string | null,
  now: EpochMs,
  durations: Durations,
): Attempt {
  const starts = claims.map((claim) => claim.startedAt)
  const startedAt =
    attempt.startedAt ?? (starts.every((at) => at !== null) ? (Math.max(...starts.map(Number)) as EpochMs) : null)
  const failure = claims.some(failed)
  // A worker that fails while we end the attempt fails because of us.
  const failureAt = attempt.failureAt ?? (failure && attempt.state.kind !== 'stopping' ? now : null)
  const state = stateOf(attempt, claims, startedAt, failure, waits, now, durations)
  if (state === attempt.state && startedAt === attempt.startedAt && failureAt === attempt.failureAt) return attempt
  return { ...attempt, state, startedAt, failureAt }
}

function stateOf(
  attempt: Attempt,
  claims: readonly Claim[],
  startedAt: EpochMs | null,
  failure: boolean,
  waits: string | null,
  now: EpochMs,
  durations: Durations,
): AttemptState {
  const { state } = attempt
  if (state.kind === 'stopping' || state.kind === 'ended') return state
  if (failure) return { kind: 'stopping', cause: 'failure', since: now, graceMs: durations.graceMs }
  if (startedAt !== null) return state.kind === 'running' ? state : { kind: 'running' }
  if (now > attempt.plannedAt + durations.startDeadlineMs) {
    return { kind: 'stopping', cause: 'never-started', since: now, graceMs: durations.graceMs }
  }
  const before = state.kind === 'launching' ? (state.waits ?? null) : null
  const same = waits === before || (waits !== null && before !== null && gist(waits) === gist(before))
  if (state.kind === 'launching' ? same : waits === null && claims.every((claim) => claim.boundAt === null))
    return state
  return { kind: 'launching', ...(waits === null ? {} : { waits }) }
}

/** The run follows its attempt. */
function runOf(run: Run, attempt: Attempt): Run {
  const { state } = attempt
  if (state.kind === 'launching' && run.state.kind === 'admitted')
    return { ...run, state: { kind: 'starting', attempt: attempt.id } }
  if (state.kind === 'running' && (run.state.kind === 'admitted' || run.state.kind === 'starting')) {
    return { ...run, state: { kind: 'running', attempt: attempt.id }, startedAt: run.startedAt ?? attempt.startedAt }
  }
  if (state.kind === 'stopping' && run.state.kind !== 'stopping') {
    const startedAt = run.startedAt ?? attempt.startedAt
    return { ...run, startedAt, state: { kind: 'stopping', attempt: attempt.id, cause: state.cause } }
  }
  return run
}

export function event(run: Run, at: EpochMs, kind: string, message: string): Write {
  return { kind: 'event', event: { run: run.id, at, kind, message } }
}

function exitEvent(run: Run, claim: Claim, at: EpochMs): Write {
  return event(run, claim.endedAt ?? at, 'worker-exited', `${claim.holder} ${describeExit(claim.exit)}`)
}

export function describeExit(exit: WorkerExitSeen | null): string {
  if (exit === null) return 'still runs'
  const why = exit.cause === 'itself' || exit.cause === 'unknown' ? '' : ` (${exit.cause})`
  const said = exit.message === null ? '' : `: ${exit.message}`
  if (exit.kind === 'gone') return `is gone${said}`
  return exit.kind === 'code'
    ? `exited with code ${exit.code}${why}${said}`
    : `was ended by ${exit.signal ?? 'a signal'}${why}${said}`
}
