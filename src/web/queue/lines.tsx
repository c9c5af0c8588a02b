// The runs that wait, in their order. Only what is in view exists. Why a run waits is in the queue itself; what would start it, and when, the
// server finds out by deciding again and again, so it is asked for the first few and for those that a person asks about.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useRef, useState } from 'react'
import { whyQuery } from '../api/queries.ts'
import type { Waiting } from '../api/operate.ts'
import { countOf, durationShort, int } from '../format/numbers.ts'
import { ms } from '../format/times.ts'
import { visible } from '../format/visible.ts'
import { Estimate, Moment } from '../parts/bits.tsx'
import { REASONS } from './queue.ts'

/** Each answer is dozens of decisions over the whole queue. */
export const ASKED_AT_ONCE = 6
export const WHY_MS = 60_000

export const rowWhyQuery = (run: string) => ({ ...whyQuery(run, 'queued'), refetchInterval: WHY_MS, staleTime: WHY_MS })

type Props = { readonly waiting: readonly Waiting[]; readonly now: number }

export function QueueLines({ waiting, now }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const [asked, setAsked] = useState<ReadonlySet<string>>(new Set())
  const virtual = useVirtualizer({
    count: waiting.length,
    getScrollElement: () => box.current,
    estimateSize: () => 66,
    overscan: 4,
    useFlushSync: false,
  })
  useEffect(() => virtual.measure(), [virtual, waiting.length])
  return (
    <>
      <div className="q q-head micro" aria-hidden="true">
        <span />
        <span>Run</span>
        <span className="r">GPUs</span>
        <span>Reason</span>
        <span>Why, and what would start it</span>
        <span className="r">Expected start</span>
      </div>
      <div ref={box} className="q-scroll" tabIndex={0} role="region" aria-label="Runs that wait">
        <div role="list" className="cards" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const run = waiting[item.index]
            if (run === undefined) return null
            return (
              <div
                key={run.id}
                ref={virtual.measureElement}
                data-index={item.index}
                role="listitem"
                aria-setsize={waiting.length}
                aria-posinset={item.index + 1}
                className="q q-place"
                style={{ transform: `translateY(${item.start}px)` }}
              >
                <Line
                  run={run}
                  now={now}
                  asks={item.index < ASKED_AT_ONCE || asked.has(run.id)}
                  onAsk={() => setAsked((before) => new Set([...before, run.id]))}
                />
              </div>
            )
          })}
        </div>
      </div>
    </>
  )
}

type LineProps = {
  readonly run: Waiting
  readonly now: number
  readonly asks: boolean
  readonly onAsk: () => void
}

function Line({ run, now, asks, onAsk }: LineProps) {
  const why = useQuery({ ...rowWhyQuery(run.id), enabled: asks })
  const said = why.data
  const reason = said?.reason ?? run.reason
  const start = said?.expectedStart ?? null
  return (
    <>
      <span className="pos num">{run.position}</span>
      <div className="who">
        <Link className="run" to="/runs/$run" params={{ run: run.id }} title={`${run.project}/${run.name}`}>
          <span className="p">{run.project}/</span>
          <b>{run.name}</b>
        </Link>
        <div className="micro">
          {run.priority} · {run.user} · submitted{' '}
          <span title={run.createdAt}>{durationShort(now - ms(run.createdAt))} ago</span>
        </div>
      </div>
      <div className="r num">
        {int(run.gpus)}
        <span className="u only-narrow">GPUs</span>
        <div className="micro">
          {int(run.nodes)} × {int(run.gpusPerNode)}
        </div>
      </div>
      <div className="rea">
        {reason === null ? (
          <span className="faint">not looked at yet</span>
        ) : (
          <span className="chip reason" title={REASONS[reason]}>
            {reason}
          </span>
        )}
      </div>
      <div className="small why-line">
        <div>{visible(said?.message ?? run.message ?? '')}</div>
        {said === undefined ? (
          asks ? (
            <div className="faint">{why.error === null ? 'asks what would start it…' : why.error.message}</div>
          ) : (
            <button type="button" className="as-link dim" onClick={onAsk}>
              What would start it?
            </button>
          )
        ) : said.counterfactual === null ? (
          <div className="faint">no single change that was tried would start it now</div>
        ) : (
          <div className="cf">{visible(said.counterfactual)}</div>
        )}
      </div>
      <div className="go num">
        {start === null ? (
          <>
            <span className="dim">{said === undefined ? '' : 'no date'}</span>
            <div className="micro">{said === undefined ? '' : 'no known end would help'}</div>
          </>
        ) : (
          <>
            <Estimate>
              <Moment at={ms(start.p50)} now={now} />
            </Estimate>
            <div className="micro">
              90 % by <Moment at={ms(start.p90)} now={now} />
            </div>
          </>
        )}
      </div>
    </>
  )
}

export const sentenceOf = (waiting: readonly Waiting[], free: number | null): string => {
  if (waiting.length === 0) return 'Nothing waits.'
  const wanted = waiting.reduce((sum, { gpus }) => sum + gpus, 0)
  const wait = `${countOf(waiting.length, 'run')} ${waiting.length === 1 ? 'waits' : 'wait'} for ${countOf(wanted, 'GPU')}`
  return free === null ? `${wait}.` : `${wait}; ${int(free)} ${free === 1 ? 'is' : 'are'} free.`
}
