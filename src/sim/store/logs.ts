// Logs and facts in memory: the cursor is the compare-and-set, a fact that is there already changes nothing.
import type { Fact } from '../../domain/fact.ts'
import { streamOf } from '../../domain/fact.ts'
import type { AttemptId, RunId, WorkerId } from '../../domain/ids.ts'
import { runOfAttempt } from '../../domain/ids.ts'
import { keptOf, logCutEvent } from '../../domain/log-limit.ts'
import type { Run } from '../../domain/run.ts'
import { isEnded } from '../../domain/run.ts'
import type { EpochMs } from '../../domain/units.ts'
import { CELL_MS, cellOf } from '../../domain/units.ts'
import type { IngestStore, LogAppend, LogCursor } from '../../ports/store.ts'
import type { Tables } from './tables.ts'
import { pushTo, putCursor, writeEvent } from './tables.ts'

const FORGET_MAX = 100

export function ingestStore(tables: Tables): IngestStore {
  return {
    logCursors: async () => logCursors(tables),
    async appendLogs(appends, bytesMax) {
      if (appends.length > 0) tables.writes += 1
      const won = appends.filter((append) => {
        const before = tables.cursors.get(append.worker)?.observedTo ?? null
        const moved = moveCursor(tables, append)
        if (moved) reopenLooked(tables, append.attempt, before, append.observedTo)
        return moved
      })
      for (const [run, some] of Map.groupBy(won, (append) => runOfAttempt(append.attempt)))
        saveChunks(tables, run, some, bytesMax)
      saveFacts(
        tables,
        won.flatMap((append) => append.facts),
      )
    },
    async keepTail(attempt, worker, bytes) {
      tables.writes += 1
      if (tables.cursors.has(worker)) return
      const offset = bytes.length
      const cursor = {
        offset,
        mark: null,
        spool: '',
        lastLineAt: null,
        observedTo: null,
        storedTo: null,
        complete: true,
      }
      putCursor(tables, { worker, attempt, ...cursor })
      if (offset > 0) pushTo(tables.chunks, worker, { offset: 0, nextOffset: offset, bytes })
    },
    async attemptsToForget() {
      const open = new Set([...tables.openCursors].map((worker) => tables.cursors.get(worker)?.attempt))
      return [...tables.attempts.values()]
        .filter(({ id, state }) => state.kind === 'ended' && !tables.forgotten.has(id) && !open.has(id))
        .filter(({ run }) => !isWaitedFor(tables.runs.get(run)))
        .map(({ id, cluster }) => ({ attempt: id, cluster }))
        .toSorted((a, b) => (a.attempt < b.attempt ? -1 : 1))
        .slice(0, FORGET_MAX)
    },
    async forgotten(attempts) {
      for (const attempt of attempts) tables.forgotten.add(attempt)
    },
  }
}

/** Whether a fence waits for what is left of a run. */
const isWaitedFor = (run: Run | undefined): boolean => run?.fence !== undefined && !isEnded(run.state)

function logCursors(tables: Tables): LogCursor[] {
  return [...tables.openCursors]
    .flatMap((worker) => {
      const cursor = tables.cursors.get(worker)
      const attempt = cursor === undefined ? undefined : tables.attempts.get(cursor.attempt)
      if (cursor === undefined || attempt === undefined) return []
      const { id, run, cluster, state } = attempt
      const { worker: name, offset, mark, spool, observedTo } = cursor
      const living = state.kind !== 'ended'
      return [{ worker: name, attempt: id, run, cluster, offset, mark, spool, observedTo, living }]
    })
    .toSorted((a, b) => (a.worker < b.worker ? -1 : 1))
}

function moveCursor(tables: Tables, append: LogAppend): boolean {
  const cursor = tables.cursors.get(append.worker)
  if (cursor === undefined || cursor.complete || cursor.offset !== append.fromOffset) return false
  putCursor(tables, {
    ...cursor,
    offset: append.nextOffset,
    mark: append.mark,
    spool: append.spool ?? cursor.spool,
    lastLineAt: newer(cursor.lastLineAt, append.lastLineAt),
    observedTo: newer(cursor.observedTo, append.observedTo),
    complete: append.complete,
  })
  return true
}

/**
 * Silence that is now known to be silence changes what was posted before it was: those cells are due again. Told once a cell while the
 * attempt lives, since a living one's newest cell is not posted before its log was read that far.
 */
export function reopenLooked(
  tables: Tables,
  attempt: AttemptId,
  before: EpochMs | null,
  observedTo: EpochMs | null,
): void {
  const known = tables.books.get(attempt)
  if (known === undefined || observedTo === null || (before !== null && observedTo <= before)) return
  const cell = before === null ? null : cellOf(before)
  if (cell !== null && cell === cellOf(observedTo) && tables.liveAttempts.has(attempt)) return
  const from = cell ?? [...(tables.cells.get(attempt)?.keys() ?? [])].toSorted((a, b) => a - b)[0]
  const heard = known.heard + 1
  if (from === undefined || known.postedTo === null || from > known.postedTo) {
    tables.books.set(attempt, { ...known, heard })
    return
  }
  const dirtyFrom = known.dirtyFrom === null || from < known.dirtyFrom ? from : known.dirtyFrom
  tables.books.set(attempt, { ...known, heard, closed: false, dirtyFrom })
}

const newer = (a: EpochMs | null, b: EpochMs | null): EpochMs | null => (a === null || (b !== null && b > a) ? b : a)

function saveChunks(tables: Tables, run: RunId, appends: readonly LogAppend[], bytesMax: number): void {
  const { printed, cut } = tables.runLogs.get(run) ?? { printed: 0, cut: null }
  const storedTo = (worker: WorkerId): number | null => tables.cursors.get(worker)?.storedTo ?? null
  const slices = appends.map((append) => ({ ...append, isCut: storedTo(append.worker) !== null }))
  let firstCut = cut
  for (const { slice, bytes, cuts } of keptOf(slices, printed, bytesMax)) {
    const offset = slice.nextOffset - slice.bytes.length
    const nextOffset = offset + bytes.length
    pushTo(tables.chunks, slice.worker, { offset, nextOffset, bytes })
    const cursor = tables.cursors.get(slice.worker)
    if (!cuts || cursor === undefined) continue
    putCursor(tables, { ...cursor, storedTo: nextOffset })
    if (firstCut !== null) continue
    firstCut = { at: slice.readAt, worker: slice.worker, bytesMax }
    writeEvent(tables, logCutEvent(slice.attempt, firstCut))
  }
  const all = appends.reduce((sum, { bytes }) => sum + bytes.length, printed)
  if (all > printed) tables.runLogs.set(run, { printed: all, cut: firstCut })
}

export function saveFacts(tables: Tables, facts: readonly Fact[]): void {
  const earliest = new Map<AttemptId, EpochMs>()
  const heard = new Set(facts.map((fact) => fact.attempt))
  const before = new Map([...heard].map((attempt) => [attempt, [...(tables.facts.get(attempt)?.values() ?? [])]]))
  for (const fact of facts) {
    const known = tables.facts.get(fact.attempt) ?? new Map<string, Fact>()
    const key = `${fact.source}|${fact.sequence}|${fact.sentAt}`
    if (!known.has(key)) known.set(key, fact)
    tables.facts.set(fact.attempt, known)
    const old = earliest.get(fact.attempt)
    if (old === undefined || fact.at < old) earliest.set(fact.attempt, fact.at)
  }
  for (const [attempt, at] of earliest) reopen(tables, attempt, at, before.get(attempt) ?? [])
}

/**
 * A fact reopens from the newest earlier cell that has a mark of its own and no open phase on. The first mark after the posted cells
 * covers back into them however late it comes, and so does one that comes before it in time; after it, what is not posted needs no reopening.
 */
function reopen(tables: Tables, attempt: AttemptId, at: EpochMs, before: readonly Fact[]): void {
  const cell = cellOf(at)
  const known = tables.books.get(attempt)
  if (known === undefined) return
  const books = { ...known, heard: known.heard + 1 }
  tables.books.set(attempt, books)
  if (books.postedTo === null) return
  const end = books.postedTo + CELL_MS
  const spoken = before.some(
    (fact) => fact.body.kind === 'step' && fact.at >= end && fact.at <= at && streamOf(fact.source) === books.source,
  )
  // Of closed books nothing is still to be posted: whatever comes after them opens them.
  if (cell >= end && spoken && !books.closed) return
  const posted = [...(tables.cells.get(attempt) ?? [])].toSorted(([a], [b]) => a - b)
  const marked = posted.findLast(
    ([each, stored]) =>
      each < cell && (stored.summary.carry.lastMarkAt ?? -1) >= each && stored.summary.carry.phases.length === 0,
  )
  const from = marked?.[0] ?? posted[0]?.[0] ?? cell
  const dirtyFrom = books.dirtyFrom === null || from < books.dirtyFrom ? from : books.dirtyFrom
  tables.books.set(attempt, { ...books, closed: false, dirtyFrom })
}
