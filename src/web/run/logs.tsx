// The log of a run: a search over all its workers with a jump to the first error, and the lines of one worker from any place on. Where one
// is stands in the address.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useRef } from 'react'
import { ask } from '../api/ask.ts'
import type { Logs, LogHit, LogSearch, Show } from '../api/documents.ts'
import { logSearchQuery } from '../api/queries.ts'
import { counted } from '../../domain/words.ts'
import { bytes, int } from '../format/numbers.ts'
import { Empty, Panel, Reading, Refusal } from '../parts/bits.tsx'
import { useWords, whole } from '../parts/search.ts'
import { type LogRow, LogLines } from './log-lines.tsx'
import { useRunId, useShow } from './use-run.ts'

type Place = { readonly attempt: number; readonly worker: number; readonly offset: number }

/** How often the end of a living log is read again. */
const FOLLOW_MS = 3_000
const WORKERS_LISTED_MAX = 2_000
/** Who names no place sees the end: what is there is what one comes for, and a long log would take minutes to get there. */
const TAIL_BYTES = 64 * 1024

export function LogsTab() {
  const show = useShow()
  const search = useWords()
  const last = show.attempts.at(-1)
  const q = search.q ?? ''
  const all = search.attempt === 'all'
  const attempt = whole(search.attempt) ?? last?.number ?? null
  if (attempt === null) {
    return (
      <div className="grid">
        <Panel id="h-log" title="Log">
          <Empty title="No log yet">
            It begins with the first worker that starts. Each worker has a log of its own.
          </Empty>
        </Panel>
      </div>
    )
  }
  const place = { attempt, worker: whole(search.worker) ?? 0, offset: whole(search.offset) ?? -TAIL_BYTES }
  return (
    <div className="grid">
      <Panel
        id="h-log"
        title="Log"
        sub={
          q === ''
            ? `attempt ${attempt}, worker ${place.worker}`
            : `search over all workers of ${all ? 'all attempts' : `attempt ${attempt}`}`
        }
        to={<FirstError attempt={attempt} />}
      >
        <Controls show={show} place={place} q={q} all={all} />
        {q === '' ? (
          <WorkerLog key={`${attempt} ${place.worker} ${place.offset}`} place={place} />
        ) : (
          <Hits q={q} attempt={all ? null : attempt} />
        )}
      </Panel>
    </div>
  )
}

const placeSearch = (hit: Place): Record<string, string> => ({
  attempt: String(hit.attempt),
  worker: String(hit.worker),
  offset: String(hit.offset),
})

function FirstError({ attempt }: { readonly attempt: number }) {
  const run = useRunId()
  const found = useQuery(logSearchQuery(run, '', attempt))
  const hit = found.data?.firstError ?? null
  if (hit === null) {
    return (
      <span className="faint">{found.isPending ? 'looking for the first error…' : 'no line looks like an error'}</span>
    )
  }
  return (
    <Link className="btn low" to="/runs/$run/logs" params={{ run }} search={placeSearch(hit)}>
      ◂ First error
    </Link>
  )
}

type ControlsProps = { readonly show: Show; readonly place: Place; readonly q: string; readonly all: boolean }

function Controls({ show, place, q, all }: ControlsProps) {
  const field = useRef<HTMLInputElement>(null)
  const navigate = useNavigate()
  const go = (search: Record<string, string>): void =>
    void navigate({ to: '/runs/$run/logs', params: { run: show.id }, search })
  const workers = show.attempts.find((each) => each.number === place.attempt)?.workers ?? []
  const attempt = all ? 'all' : String(place.attempt)
  return (
    <div className="body log-controls">
      <form
        className="row grow"
        onSubmit={(event) => {
          event.preventDefault()
          const words = field.current?.value ?? ''
          go({ attempt, ...(words === '' ? {} : { q: words }) })
        }}
      >
        <label className="query">
          <span className="vh">Search the log</span>
          <input
            key={q}
            ref={field}
            type="search"
            className="mono"
            defaultValue={q}
            placeholder="search all workers"
            spellCheck={false}
          />
        </label>
        <button type="submit" className="btn">
          Search
        </button>
        {q === '' ? null : (
          <button type="button" className="btn quiet" onClick={() => go({ attempt: String(place.attempt) })}>
            Leave the search
          </button>
        )}
      </form>
      <label className="small">
        attempt{' '}
        <select
          className="field"
          value={attempt}
          onChange={(event) => go({ attempt: event.target.value, ...(q === '' ? {} : { q }) })}
        >
          {show.attempts.map((each) => (
            <option key={each.number} value={each.number}>
              {each.number}
            </option>
          ))}
          {q === '' ? null : <option value="all">all</option>}
        </select>
      </label>
      {q === '' ? (
        <label className="small">
          worker{' '}
          <select
            className="field"
            value={place.worker}
            onChange={(event) => go({ attempt: String(place.attempt), worker: event.target.value })}
          >
            {workers.slice(0, WORKERS_LISTED_MAX).map((worker, index) => (
              <option key={worker.id} value={index}>
                {index} on {worker.node}
                {worker.knownAs === null ? '' : `, pod ${worker.knownAs}`}
              </option>
            ))}
          </select>
        </label>
      ) : null}
    </div>
  )
}

function WorkerLog({ place }: { readonly place: Place }) {
  const run = useRunId()
  const log = useInfiniteQuery({
    queryKey: ['log', run, place.attempt, place.worker, place.offset],
    queryFn: ({ pageParam, signal }) =>
      ask<Logs>(
        `/runs/${encodeURIComponent(run)}/logs`,
        { attempt: place.attempt, worker: place.worker, offset: pageParam },
        signal,
      ),
    initialPageParam: place.offset,
    getNextPageParam: (page: Logs) => (page.complete ? undefined : page.nextOffset),
    staleTime: Number.POSITIVE_INFINITY,
  })
  // Only the last page of a living log can grow; pages before it never change.
  const pages = log.data?.pages ?? []
  const atEnd = pages.at(-1)?.lines.length === 0
  useQuery({
    queryKey: ['follow', run, place.attempt, place.worker, place.offset],
    queryFn: async () => {
      await log.fetchNextPage()
      return Date.now()
    },
    enabled: log.hasNextPage && atEnd && !log.isFetchingNextPage,
    refetchInterval: FOLLOW_MS,
    staleTime: 0,
  })
  if (log.data === undefined) return log.isPending ? <Reading what="the log" /> : <Refusal error={log.error} />
  const rows: LogRow[] = pages.flatMap((page) =>
    page.lines.map((line) => ({
      key: `${line.offset}`,
      at: line.at,
      who: whoOf(line.stream, String(place.worker)),
      text: line.partial ? `${line.text} …` : line.text,
      error: false,
      first: line.offset === place.offset && place.offset > 0,
      to: null,
    })),
  )
  const from = pages[0]?.lines[0]?.offset ?? 0
  return (
    <>
      {from === 0 ? null : (
        <p className="body small dim">
          {place.offset < 0 ? 'Its end' : 'A part of it'}, byte {int(from)} and on.{' '}
          <Link to="/runs/$run/logs" params={{ run }} search={placeSearch({ ...place, offset: 0 })}>
            Read it from its beginning
          </Link>
        </p>
      )}
      {rows.length === 0 ? (
        <Empty title="No lines yet">
          This worker has printed nothing{pages.at(-1)?.complete === true ? '' : ' so far'}.
        </Empty>
      ) : (
        <LogLines
          rows={rows}
          q=""
          tail={place.offset < 0}
          onEnd={log.hasNextPage && !log.isFetching ? () => void log.fetchNextPage() : null}
        />
      )}
      <p className="body small faint">
        {endOf(log.hasNextPage && !atEnd, log.hasNextPage, pages.at(-1)?.cut === true)}
      </p>
    </>
  )
}

function endOf(goesOn: boolean, grows: boolean, cut: boolean): string {
  if (goesOn) return 'It goes on below.'
  if (cut) return 'What it printed after this is not stored: its run is at the limit of stored logs.'
  return grows ? 'This is the end so far; what comes is added.' : 'This is the end of its log.'
}

/** A line that is ours and no worker's has a stream of its own. */
const whoOf = (stream: string, worker: string): string =>
  stream === 'plimsoll' ? stream : stream === 'stderr' ? `${worker} · err` : worker

function Hits({ q, attempt }: { readonly q: string; readonly attempt: number | null }) {
  const run = useRunId()
  const found = useQuery(logSearchQuery(run, q, attempt))
  if (found.data === undefined) return found.isPending ? <Reading what="all logs" /> : <Refusal error={found.error} />
  const { hits, firstError, searchedBytes, more } = found.data
  if (hits.length === 0) {
    return <Empty title="No line has these words">{bytes(searchedBytes)} of all workers were searched.</Empty>
  }
  return (
    <>
      <LogLines rows={hits.map((hit) => rowOf(hit, firstError, attempt === null))} q={q} tail={false} onEnd={null} />
      <p className="body small faint">
        {counted(hits.length, 'line')}
        {more ? ' and more: narrow the search' : ''}; {bytes(searchedBytes)} were searched.
      </p>
    </>
  )
}

const rowOf = (hit: LogHit, first: LogSearch['firstError'], withAttempt: boolean): LogRow => ({
  key: `${hit.attempt} ${hit.worker} ${hit.offset}`,
  at: hit.at,
  who: whoOf(hit.stream, `${withAttempt ? `${hit.attempt} · ` : ''}${hit.worker}`),
  text: hit.text,
  error: false,
  first: first !== null && hit.attempt === first.attempt && hit.worker === first.worker && hit.offset === first.offset,
  to: placeSearch(hit),
})
