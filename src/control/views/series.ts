import type { LogHit, LogSearchDocument, SeriesDocument } from '../../domain/documents.ts'
import { linesOf } from '../../core/observe/log.ts'
import { withoutSpool } from '../../core/observe/spool.ts'
import { attemptIdOf, attemptNumberOf, workerIdOf } from '../../domain/ids.ts'
import { LOG_CHUNK_BYTES_MAX } from '../../domain/limits.ts'
import type { Run } from '../../domain/run.ts'
import type { Store } from '../../ports/store.ts'
import type { LogSearch } from '../../ports/views.ts'

/** Loss and step time over steps, attempt by attempt, with checkpoints. */
export async function seriesOf(store: Store, run: Run, points: number): Promise<SeriesDocument> {
  const { steps, marks, thinned } = await store.seriesOf(run.id, points)
  const byAttempt = Map.groupBy(steps, (fact) => fact.attempt)
  return {
    run: run.id,
    attempts: [...byAttempt].map(([attempt, facts]) => {
      const rows = facts
        .flatMap(({ at, body }) => (body.kind === 'step' ? [{ at, body }] : []))
        .toSorted((a, b) => a.body.step - b.body.step)
      return {
        number: attemptNumberOf(attempt),
        step: rows.map(({ body }) => body.step),
        at: rows.map(({ at }) => at),
        loss: rows.map(({ body }) => body.loss),
        stepMs: rows.map(({ body }) => body.durationMs),
      }
    }),
    marks: marks.flatMap(({ attempt, at, body }) =>
      body.kind === 'saved' || body.kind === 'resumed'
        ? [{ kind: body.kind, attempt: attemptNumberOf(attempt), step: body.step, at }]
        : [],
    ),
    thinned,
  }
}

/** Bytes that one search reads at most: a log of a gang may be gigabytes. */
const SEARCHED_BYTES_MAX = 32 * 1024 * 1024
const ERROR = /\b(?:[A-Za-z_.]*(?:Error|Exception)\b|Traceback|FATAL|Segmentation fault|CUDA error|NCCL WARN)/
const TEXT_CHARS_MAX = 500

/** Over the logs of all workers of an attempt, in the order of their indices. */
export async function searchLogs(store: Store, run: Run, asked: LogSearch): Promise<LogSearchDocument> {
  const number = asked.attempt ?? run.attempts
  const needle = asked.text?.toLowerCase() ?? null
  const hits: LogHit[] = []
  let firstError: LogHit | null = null
  let searchedBytes = 0
  let more = false
  const workers = number >= 1 ? run.resources.nodes : 0
  for (let worker = 0; worker < workers; worker += 1) {
    const id = workerIdOf(attemptIdOf(run.id, number), worker)
    for (let offset = 0; ;) {
      if (searchedBytes >= SEARCHED_BYTES_MAX) {
        more = true
        break
      }
      const log = await store.log(id, offset, LOG_CHUNK_BYTES_MAX)
      searchedBytes += log.bytes.length
      for (const line of withoutSpool(linesOf(log.bytes, log.offset))) {
        const hit = (): LogHit => ({
          attempt: number,
          worker,
          offset: line.offset,
          at: line.at,
          stream: line.stream,
          text: line.text.slice(0, TEXT_CHARS_MAX),
        })
        if ((firstError === null || line.at < firstError.at) && ERROR.test(line.text.slice(0, 4_096)))
          firstError = hit()
        if (needle === null || !line.text.toLowerCase().includes(needle)) continue
        if (hits.length < asked.limit) hits.push(hit())
        else more = true
      }
      if (log.nextOffset <= offset) break
      offset = log.nextOffset
    }
  }
  return { hits, firstError, searchedBytes, more }
}
