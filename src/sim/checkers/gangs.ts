// Promises 2 and 3, seen from outside: whole gangs, one gang to a slot, each process started once.
import type { AttemptId, RunId, WorkerId } from '../../domain/ids.ts'
import { attemptNumberOf, attemptOfWorker, runOfAttempt } from '../../domain/ids.ts'
import type { Tables } from '../store/tables.ts'

/** A slot belongs to one gang at a time, and a gang that holds anything holds all of it, where its plan says. */
export function checkGangs(tables: Tables): string | null {
  const holders = new Map<string, string>()
  const held = new Map<AttemptId, number>()
  for (const claim of tables.livingClaims.values()) {
    for (const slot of claim.slots) {
      const key = `${claim.node}#${slot}`
      const other = holders.get(key)
      if (other !== undefined) return `slot ${key} is held by ${other} and ${claim.holder}`
      holders.set(key, claim.holder)
    }
    if (claim.attempt === null) continue
    held.set(claim.attempt, (held.get(claim.attempt) ?? 0) + 1)
    const attempt = tables.liveAttempts.get(claim.attempt)
    if (attempt === undefined) return `${claim.holder} holds slots of ${claim.node}, and its attempt has ended`
    const planned = attempt.placement.workers.find((worker) => worker.id === claim.holder)
    if (planned?.node !== claim.node || planned.slots.length !== claim.slots.length)
      return `${claim.holder} holds slots of ${claim.node} that its plan does not name`
  }
  for (const attempt of tables.liveAttempts.values()) {
    const wanted = tables.runs.get(attempt.run)?.resources
    const { workers } = attempt.placement
    if (workers.length !== wanted?.nodes || workers.some((worker) => worker.slots.length !== wanted.gpusPerNode))
      return `attempt ${attempt.id} has ${workers.length} workers, and its run asked for ${wanted?.nodes} of ${wanted?.gpusPerNode} GPUs`
    // On a lost node a worker is released before the rest of its gang, which is being ended.
    if (attempt.state.kind === 'stopping') continue
    if (held.get(attempt.id) !== workers.length)
      return `attempt ${attempt.id} holds ${held.get(attempt.id) ?? 0} of its ${workers.length} workers' slots`
  }
  return null
}

/** Each worker of each attempt starts a process at most once. */
export class Launches {
  readonly #starts: readonly WorkerId[]
  readonly #known = new Set<WorkerId>()
  #seen = 0

  constructor(starts: readonly WorkerId[]) {
    this.#starts = starts
  }

  look(): string | null {
    for (; this.#seen < this.#starts.length; this.#seen += 1) {
      const start = this.#starts[this.#seen]
      if (start === undefined) continue
      if (this.#known.has(start)) return `worker ${start} was started twice`
      this.#known.add(start)
    }
    return null
  }
}

/** What really runs: no slot is used by processes of two attempts, whatever the books believe. */
export function checkProcesses(tables: Tables, running: Iterable<WorkerId>): string | null {
  const users = new Map<string, WorkerId>()
  for (const id of running) {
    const attempt = attemptOfWorker(id)
    const worker = tables.attempts.get(attempt)?.placement.workers.find((each) => each.id === id)
    for (const slot of worker?.slots ?? []) {
      const key = `${worker?.node}#${slot}`
      const other = users.get(key)
      if (other !== undefined && attemptOfWorker(other) !== attempt) return `slot ${key} is used by ${other} and ${id}`
      users.set(key, id)
    }
  }
  return null
}

/** By so much the clocks of two processes differ: an answer takes time. */
const UNSURE_MS = 2_000

/** No attempt of a run trains beside an older one that may write the same checkpoints, until that must have noticed that it is alone. */
export function checkFences(
  tables: Tables,
  running: Iterable<WorkerId>,
  now: number,
  fenceAfterMs: number,
): string | null {
  const attempts = new Map<RunId, Map<AttemptId, WorkerId>>()
  for (const id of running) {
    const attempt = attemptOfWorker(id)
    const run = runOfAttempt(attempt)
    attempts.set(run, (attempts.get(run) ?? new Map<AttemptId, WorkerId>()).set(attempt, id))
  }
  for (const [run, workers] of attempts) {
    const newest = Math.max(...[...workers.keys()].map(attemptNumberOf))
    for (const [id, worker] of workers) {
      const attempt = tables.attempts.get(id)
      if (attempt?.state.kind !== 'ended' || attempt.number === newest) continue
      if (now + UNSURE_MS < (attempt.endedAt ?? 0) + fenceAfterMs)
        return `${worker} still runs beside a newer attempt of ${run}, and its fence has not passed`
    }
  }
  return null
}
