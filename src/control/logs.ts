// Follows the logs of workers: bytes are stored as they came, up to the limit of a run, and what they say becomes facts in any case. What a
// reporter left there, since nobody took it, is taken as if it had been posted then. Needs no leader; the cursor in the store makes a second
// reader's work a repeat.
import { dialectsFor } from '../core/observe/dialects/dialect.ts'
import type { LogLine } from '../core/observe/log.ts'
import { factsOf, linesOf } from '../core/observe/log.ts'
import { spooledIn } from '../core/observe/spool.ts'
import type { ClusterName, WorkerId } from '../domain/ids.ts'
import { LOG_CHUNK_BYTES_MAX } from '../domain/limits.ts'
import type { RunSpec } from '../domain/spec.ts'
import type { EpochMs } from '../domain/units.ts'
import { earlier } from '../domain/units.ts'
import { atOnce } from '../ports/at-once.ts'
import type { LogAppend, LogCursor } from '../ports/store.ts'
import type { Control } from './control.ts'
import { takeReport } from './report.ts'

/** One whose node does not answer must not keep the others waiting. */
const READS_AT_ONCE = 32
/** A turn begins no further reading after so long; the next one goes on from there. */
const TURN_MS = 500
const READS_BETWEEN_LOOKS_AT_THE_CLOCK = 128
/** The log that was read last. Thrown away with the process. */
const reached = new WeakMap<Control, WorkerId>()
/** That a log says nothing is written so often: its cells are posted once it was read beyond them. */
const SILENCE_MS = 5_000

export async function followLogs(control: Control): Promise<void> {
  const cursors = await control.store.logCursors()
  const specs = await control.store.specs([...new Set(cursors.map((cursor) => cursor.run))])
  const asked = control.clock.now()
  const last = reached.get(control) ?? ''
  const inTurn = [...cursors.filter(({ worker }) => worker > last), ...cursors.filter(({ worker }) => worker <= last)]
  const appends: LogAppend[] = []
  const unread: Unread[] = []
  let from = 0
  do {
    const some = inTurn.slice(from, from + READS_BETWEEN_LOOKS_AT_THE_CLOCK)
    const read = await atOnce(some, READS_AT_ONCE, (cursor) =>
      readOn(control, cursor, specs.get(cursor.run) ?? null, asked, unread),
    )
    appends.push(...read.filter((append) => append !== null))
    from += some.length
  } while (from < inTurn.length && control.clock.now() < asked + TURN_MS)
  // A cluster that cannot be asked has a line, not one for each of its workers.
  for (const [cluster, logs] of Map.groupBy(unread, (each) => each.cluster))
    control.log.warn({ ...logs[0], cluster, logs: logs.length }, 'logs could not be read and will be read again')
  const at = inTurn[from - 1]
  if (at !== undefined) reached.set(control, at.worker)
  if (from < inTurn.length) control.doorbell.ring('observe')
  await control.store.appendLogs(appends, control.settings.logBytesMax)
  if (appends.some((append) => append.facts.length > 0)) control.doorbell.ring('account')
  // A full slice: there is more to read at once.
  if (appends.some((append) => append.bytes.length > LOG_CHUNK_BYTES_MAX / 2)) control.doorbell.ring('observe')
  await forget(control)
}

type Unread = { readonly cluster: ClusterName; readonly worker: WorkerId; readonly error: string }

/** Null where nothing is to be written. `asked` is no later than the reading. */
async function readOn(
  control: Control,
  cursor: LogCursor,
  spec: RunSpec | null,
  asked: EpochMs,
  unread: Unread[],
): Promise<LogAppend | null> {
  const cluster = control.clusters.get(cursor.cluster)
  if (cluster === undefined) return null
  try {
    const slice = await cluster.readLog(cursor.worker, cursor.offset, LOG_CHUNK_BYTES_MAX, cursor.mark)
    if (slice.skipped === true) return null
    const atEnd = slice.bytes.length === 0
    // The process of an attempt that has ended may live on, on a node that was lost and came back.
    const complete = atEnd && !cursor.living && !slice.open
    if (atEnd && !complete && cursor.observedTo !== null && asked < cursor.observedTo + SILENCE_MS) return null
    // The answer may have taken long, and what was written meanwhile is no later than now.
    const answered = control.clock.now()
    const lines = linesOf(slice.bytes, slice.offset)
    // Before the cursor moves on: whoever dies in between has said it twice, which is the same as once.
    const spool = await takeSpool(control, cursor, lines, answered)
    const facts = factsOf(cursor.worker, cursor.attempt, lines, dialectsFor(spec?.training.framework ?? 'auto'))
    const last = lines.at(-1)?.at ?? null
    return {
      worker: cursor.worker,
      attempt: cursor.attempt,
      fromOffset: cursor.offset,
      nextOffset: slice.nextOffset,
      mark: slice.mark ?? cursor.mark,
      spool,
      bytes: slice.bytes,
      readAt: answered,
      lastLineAt: last === null ? null : earlier(last, answered),
      observedTo: slice.bytes.length < LOG_CHUNK_BYTES_MAX / 2 ? asked : last,
      complete,
      // A clock that is ahead of ours says nothing about the future.
      facts: facts.map((fact) => ({ ...fact, at: earlier(fact.at, answered) })),
    }
  } catch (error) {
    unread.push({ cluster: cursor.cluster, worker: cursor.worker, error: String(error) })
    return null
  }
}

/** Takes the batches that are whole now. Returns what is left of others, null where nothing changed. */
async function takeSpool(
  control: Control,
  { attempt, spool }: LogCursor,
  lines: readonly LogLine[],
  now: EpochMs,
): Promise<string | null> {
  const { batches, open } = spooledIn(attempt, spool, lines)
  for (const { packed, at } of batches) {
    const batch = control.readSpool(packed)
    if (batch !== null) await takeReport(control, attempt, batch, earlier(at, now))
  }
  return open === spool ? null : open
}

/** What is stored needs no place on the cluster any more. */
async function forget(control: Control): Promise<void> {
  const done = []
  for (const { attempt, cluster } of await control.store.attemptsToForget()) {
    try {
      await control.clusters.get(cluster)?.forget(attempt)
      done.push(attempt)
    } catch (error) {
      control.log.warn({ attempt, error: String(error) }, 'the remains of an attempt could not be removed yet')
    }
  }
  if (done.length > 0) await control.store.forgotten(done)
}
