// The launch step: what should run against what was seen. It writes intents first; the effects repeat them until they are true, and
// every effect is harmless when it is repeated.
import type { Attempt } from '../../domain/attempt.ts'
import { attemptIdOf, nodeIdOf, workerIdOf } from '../../domain/ids.ts'
import type { Item, Write } from '../../domain/item.ts'
import type { AttemptPlan, EndRequest } from '../../domain/plan.ts'
import type { EndCause } from '../../domain/reasons.ts'
import type { Run } from '../../domain/run.ts'
import { livingAttempt } from '../../domain/run.ts'
import type { Durations } from '../../domain/settings.ts'
import type { RunSpec } from '../../domain/spec.ts'
import type { DurationMs } from '../../domain/units.ts'
import { durationMs, epochMs } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'

/** Attempts whose end a person asked for, and that are not ending yet. */
export function decideEndings(world: World, durations: Durations): Item[] {
  const items: Item[] = []
  for (const run of world.runs.values()) {
    const id = livingAttempt(run.state)
    const attempt = id === null ? undefined : world.attempts.get(id)
    const cause = causeOf(run)
    if (attempt === undefined || cause === null) continue
    const now = run.wish === 'stop-now'
    const { state } = attempt
    // `stop --now` after `stop` only shortens the grace.
    if (state.kind === 'stopping' && (!now || state.graceMs === 0)) continue
    items.push(endItem(world, run, attempt, cause, now ? { ...durations, graceMs: durationMs(0) } : durations))
  }
  return items
}

function causeOf(run: Run): EndCause | null {
  if (run.wish === 'run') return null
  return run.wish === 'suspend' ? 'suspend' : 'stop'
}

type EndDurations = Pick<Durations, 'graceMs' | 'checkpointMs' | 'blindAfterMs'>

/**
 * Ends an attempt for a cause: from here on `launch` asks its workers to end, again and again. Where somebody inside obeys, a checkpoint is
 * asked for first, unless there is no grace.
 */
export function endItem(world: World, run: Run, attempt: Attempt, cause: EndCause, durations: EndDurations): Item {
  const { graceMs, checkpointMs } = durations
  const asks = graceMs > 0 && attempt.state.kind === 'running' && obeys(world, attempt, durations)
  const wait = asks ? { checkpointUntil: epochMs(world.now + checkpointMs) } : {}
  const writes: Write[] = [
    {
      kind: 'attempt',
      attempt: { ...attempt, state: { kind: 'stopping', cause, since: world.now, graceMs, ...wait } },
    },
    { kind: 'run', run: { ...run, state: { kind: 'stopping', attempt: attempt.id, cause } } },
    {
      kind: 'event',
      event: {
        run: run.id,
        at: world.now,
        kind: 'stopping',
        message: `attempt ${attempt.number} is asked ${asks ? 'for a checkpoint, then to end' : 'to end'}: ${cause}`,
      },
    },
  ]
  // What a person asked for stands in the log already; here a rule acts.
  if (cause === 'budget')
    writes.push({
      kind: 'audit',
      entry: {
        at: world.now,
        actor: 'rule:budget',
        verb: 'run.stop',
        target: run.id,
        detail: { attempt: attempt.number },
      },
    })
  return { about: `end ${attempt.id} ${cause}`, expects: [{ kind: 'run', id: run.id, version: run.version }], writes }
}

/** A script that has asked for directives, and was heard since it could have gone blind. */
function obeys(world: World, attempt: Attempt, { blindAfterMs }: EndDurations): boolean {
  const heardAt = world.reports.get(attempt.id)?.obeysAt ?? null
  return heardAt !== null && world.now - heardAt <= blindAfterMs
}

/** Endings that waited for a checkpoint and wait no more: it is durable, its time is over, or the gang is broken and will save none. */
export function decideSignals(world: World): Item[] {
  const living = Map.groupBy(
    world.claims.filter((claim) => claim.endedAt === null),
    (claim) => claim.attempt,
  )
  // What of it was on a lost node has given up its slots before the rest.
  const isBroken = ({ id, placement }: Attempt): boolean => (living.get(id)?.length ?? 0) < placement.workers.length
  return [...world.attempts.values()].flatMap((attempt) => {
    const run = world.runs.get(attempt.run)
    if (run === undefined || attempt.state.kind !== 'stopping' || attempt.state.checkpointUntil === undefined) return []
    const { checkpointUntil, ...state } = attempt.state
    const reports = world.reports.get(attempt.id)
    const why = isBroken(attempt)
      ? 'a worker of it has ended'
      : reports?.saved === true
        ? `the checkpoint${reports.savedStep === null ? '' : ` of step ${reports.savedStep}`} is durable`
        : world.now >= checkpointUntil
          ? 'no checkpoint came in time'
          : null
    if (why === null) return []
    const message = `attempt ${attempt.number} is asked to end: ${why}`
    return {
      about: `signal ${attempt.id}`,
      expects: [{ kind: 'run', id: run.id, version: run.version }],
      writes: [
        { kind: 'attempt', attempt: { ...attempt, state: { ...state, since: world.now } } },
        // Its version moves with the attempt.
        { kind: 'run', run },
        { kind: 'event', event: { run: run.id, at: world.now, kind: 'stopping', message } },
      ],
    } satisfies Item
  })
}

/** Attempts to start: everything planned whose workers have not all been seen. */
export function attemptsToLaunch(world: World): Attempt[] {
  const unbound = new Set(
    world.claims.filter((claim) => claim.boundAt === null && claim.endedAt === null).map((claim) => claim.attempt),
  )
  return [...world.attempts.values()].filter(
    (attempt) => (attempt.state.kind === 'planned' || attempt.state.kind === 'launching') && unbound.has(attempt.id),
  )
}

export function attemptsToEnd(world: World): { readonly attempt: Attempt; readonly request: EndRequest }[] {
  return [...world.attempts.values()].flatMap((attempt) =>
    attempt.state.kind === 'stopping' && attempt.state.checkpointUntil === undefined
      ? [{ attempt, request: { attempt: attempt.id, graceMs: attempt.state.graceMs, askedAt: attempt.state.since } }]
      : [],
  )
}

/** Restart holds whose time is over, or whose run does not wait for its slots any more: all of a run together, as one reserve pays them. */
export function decideHolds(world: World): Item[] {
  const items: Item[] = []
  const holds = Map.groupBy(
    world.claims.filter((claim) => claim.until !== null),
    (claim) => claim.run,
  )
  for (const [id, claims] of holds) {
    const run = world.runs.get(id)
    const waits = run?.state.kind === 'queued'
    const over = claims.filter((claim) => !waits || world.now >= (claim.until ?? world.now))
    if (over.length === 0) continue
    const writes = over.map((claim): Write => {
      return { kind: 'release', node: claim.node, holder: claim.holder, paidUntil: claim.until ?? world.now }
    })
    if (run !== undefined && waits && over.length === claims.length) {
      const message = 'its slots are given back: it waited too long to restart'
      writes.push({ kind: 'give-back', run: id, budgets: run.budgets })
      writes.push({ kind: 'event', event: { run: id, at: world.now, kind: 'hold-ended', message } })
    }
    // A run that was placed meanwhile has its slots and its reserve by another right: nothing of them is given back.
    const expects: Item['expects'] = run === undefined ? [] : [{ kind: 'run', id, version: run.version }]
    items.push({ about: `hold of ${id}`, expects, writes })
  }
  return items
}

/** The plan that a cluster carries out: the placement and the frozen spec, nothing else. */
export function planOf(
  attempt: Pick<Attempt, 'id' | 'run' | 'cluster' | 'placement'>,
  spec: RunSpec,
  checkpointRoot: string,
  graceMs: DurationMs,
): AttemptPlan {
  return {
    attempt: attempt.id,
    run: attempt.run,
    project: spec.project,
    name: spec.name,
    cluster: attempt.cluster,
    image: spec.image,
    kubernetes: spec.kubernetes ?? null,
    command: spec.command,
    env: spec.env,
    secrets: spec.secrets,
    workdir: spec.workdir,
    folder: spec.folder ?? null,
    checkpointDir: spec.checkpoints.path ?? `${checkpointRoot}/${attempt.run}`,
    masterAddress: attempt.placement.masterAddress,
    masterPort: attempt.placement.masterPort,
    gpusPerNode: spec.resources.gpusPerNode,
    workers: attempt.placement.workers,
    graceMs,
  }
}

/** The plan of a run that nobody has placed: as it will be, on nodes that are not named. */
export function rehearsalOf(run: Run, spec: RunSpec, checkpointRoot: string, graceMs: DurationMs): AttemptPlan {
  const id = attemptIdOf(run.id, 1)
  const nowhere = nodeIdOf(run.cluster, '', 1)
  const workers = Array.from({ length: spec.resources.nodes }, (_, index) => {
    return { id: workerIdOf(id, index), index, node: nowhere, nodeName: '', slots: [] }
  })
  const placement = { workers, masterAddress: '', masterPort: 1 }
  const attempt = { id, run: run.id, cluster: run.cluster, placement }
  return planOf(attempt, spec, checkpointRoot, graceMs)
}
