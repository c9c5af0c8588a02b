// What tells why an attempt failed, given to the decision that ends it: the classifier with the ends of the logs, read beforehand.
import { classify } from '../core/detect/failures/classify.ts'
import type { TailLine } from '../core/detect/failures/hits.ts'
import { dialectsFor } from '../core/observe/dialects/dialect.ts'
import { linesOf, withoutEscapes } from '../core/observe/log.ts'
import type { LookAtWorkers } from '../core/observe/workers.ts'
import type { Attempt } from '../domain/attempt.ts'
import type { FactBody } from '../domain/fact.ts'
import type { Classify } from '../domain/failure.ts'
import type { WorkerId } from '../domain/ids.ts'
import { LOG_LINE_CHARS_PARSED_MAX, TAIL_BYTES_MAX, WORKERS_FOLLOWED_MAX } from '../domain/limits.ts'
import type { World } from '../domain/world.ts'
import { claimsOf } from '../domain/world.ts'
import { atOnce } from '../ports/at-once.ts'
import type { Cluster } from '../ports/cluster.ts'
import type { Control } from './control.ts'

const DIALECTS = dialectsFor('auto')
const isStep = ({ kind }: FactBody): boolean => kind === 'step'

/** Where no log can be read: an exit alone says what it says. */
export const withoutLogs: Classify = (outcome, workers) =>
  classify({ outcome, workers, tails: new Map(), hasStepped: true, progressExpected: false })

/** Logs of one gang that are asked for at once. */
const TAILS_AT_ONCE = 16

/** What tells why an attempt failed: of a gang of which all have ended, with the ends of their logs. */
export async function classifierOf(
  control: Control,
  cluster: Cluster,
  world: World,
  attempt: Attempt,
  looked: LookAtWorkers,
): Promise<Classify> {
  const tails = await tailsOf(control, cluster, world, attempt, looked)
  if (tails.size === 0) return withoutLogs
  const steps = await control.store.newestSteps([attempt.id])
  return (outcome, workers) =>
    classify({
      outcome,
      workers,
      tails,
      hasStepped: (steps.get(attempt.id) ?? []).length > 0,
      progressExpected: world.runs.get(attempt.run)?.progressExpected === true,
    })
}

/**
 * The ends of the logs of a gang that failed, read when the last worker has ended: its cluster keeps what has ended by itself until it is
 * forgotten. Of logs that are not followed they are stored, before anything of the gang is removed; those of workers that failed say why.
 */
async function tailsOf(
  control: Control,
  cluster: Cluster,
  world: World,
  attempt: Attempt,
  looked: LookAtWorkers,
): Promise<ReadonlyMap<WorkerId, readonly TailLine[]>> {
  const tails = new Map<WorkerId, readonly TailLine[]>()
  const living = new Set<string>(
    claimsOf(world, attempt.id).flatMap(({ holder, endedAt }) => (endedAt === null ? [holder] : [])),
  )
  const { workers } = attempt.placement
  if (workers.some(({ id }) => living.has(id) && looked.workers.get(id)?.end == null)) return tails
  const failed = new Set(
    workers.flatMap(({ id }) => {
      const exit = looked.workers.get(id)?.end?.exit
      return exit === undefined || (exit.kind === 'code' && exit.code === 0) ? [] : [id]
    }),
  )
  if (failed.size === 0) return tails
  const toStore = new Set(workers.slice(WORKERS_FOLLOWED_MAX).map(({ id }) => id))
  const toRead = workers.filter(({ id }) => failed.has(id) || toStore.has(id))
  await atOnce(toRead, TAILS_AT_ONCE, async ({ id }) => {
    const slice = await cluster.readLog(id, -TAIL_BYTES_MAX, TAIL_BYTES_MAX).catch(() => null)
    if (slice === null) return
    if (toStore.has(id)) await control.store.keepTail(attempt.id, id, slice.bytes)
    if (failed.has(id)) tails.set(id, tailOf(slice.bytes))
  })
  return tails
}

function tailOf(bytes: Uint8Array): readonly TailLine[] {
  const lines = linesOf(bytes, 0).filter(({ stream }) => stream !== 'plimsoll')
  return lines.flatMap(({ at, text }) =>
    // A progress bar writes many lines into one.
    text
      .slice(0, LOG_LINE_CHARS_PARSED_MAX)
      .split('\r')
      .map((part) => {
        const plain = withoutEscapes(part)
        return { at, text: plain, isStep: DIALECTS.some(({ read }) => read(plain).some(isStep)) }
      }),
  )
}
