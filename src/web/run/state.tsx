// The state of a run and why it is so, in sentences: what stopped it, what was first, what it cost, what comes next.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { Show, Statement } from '../api/documents.ts'
import { logSearchQuery, whyQuery } from '../api/queries.ts'
import { counted } from '../../domain/words.ts'
import { durationShort, gpuHours, int } from '../format/numbers.ts'
import { hmsMs, ms } from '../format/times.ts'
import { Estimate, Moment, Panel, Reading, UnknownSince } from '../parts/bits.tsx'
import { StateWord } from '../parts/glyphs.tsx'
import { blindSince } from '../runs/freshness.ts'
import { visible } from '../format/visible.ts'
import { standsStill } from './use-run.ts'
import { Verdict } from './verdict.tsx'
import { WhatRuns } from './what.tsx'

type Props = { readonly show: Show; readonly statement: Statement | null; readonly now: number }

export function StateAndWhy({ show, statement, now }: Props) {
  const last = show.attempts.at(-1)
  const failed = show.attempts.findLast((attempt) => attempt.failure !== null || attempt.outcome === 'failed')
  return (
    <Panel
      id="h-state"
      title="State and why"
      wide="c6 own-height"
      sub={last === undefined ? 'no attempt yet' : counted(show.attempts.length, 'attempt')}
      to={<StateWord state={show.state} />}
    >
      <div className="body why">
        <p className="sentence">{sentenceOf(show)}</p>
        <Waiting show={show} now={now} />
        {blindNote(show, now)}
        {failed === undefined ? null : <FirstError show={show} attempt={failed.number} />}
        <dl className="kv">
          <dt>Submitted</dt>
          <dd>
            <Moment at={ms(show.createdAt)} now={now} /> by {show.user}
            {show.startedAt === null ? null : (
              <>
                , started <Moment at={ms(show.startedAt)} now={now} /> after{' '}
                {durationShort(ms(show.startedAt) - ms(show.createdAt))}
              </>
            )}
          </dd>
          {last === undefined ? null : (
            <>
              <dt>Where</dt>
              <dd>{placesOf(show)}</dd>
            </>
          )}
          <WhatRuns spec={show.spec} />
          {statement === null ? null : <Cost statement={statement} />}
          {last?.deadlineAt === null || last?.deadlineAt === undefined || show.endedAt !== null ? null : (
            <>
              <dt>Reserve</dt>
              <dd>
                lasts to <Moment at={ms(last.deadlineAt)} now={now} />; it is extended before that, or the run stops at
                a checkpoint
              </dd>
            </>
          )}
        </dl>
      </div>
    </Panel>
  )
}

function sentenceOf(show: Show): ReactNode {
  if (show.message !== null && show.message !== '') return visible(show.message)
  const { progress } = show
  switch (show.state) {
    case 'queued':
      return 'Waits; no turn has looked at it yet.'
    case 'admitted':
      return 'Has a plan and waits to be launched.'
    case 'starting':
      return 'Its workers start.'
    case 'running':
      if (standsStill(show)) return 'Runs, and takes no steps.'
      return progress.step === null ? 'Runs; no step was seen yet.' : `Trains: step ${int(progress.step)} is done.`
    case 'stopping':
      return 'Is asked to end, at a checkpoint where it can.'
    case 'succeeded':
      return 'Ended as it should.'
    case 'failed':
      return 'Failed; why is not known.'
    case 'cancelled':
      return 'Was stopped by a person.'
    case 'suspended':
      return 'Is suspended until a person resumes it.'
    default:
      return show.state
  }
}

function Waiting({ show, now }: { readonly show: Show; readonly now: number }) {
  const why = useQuery(whyQuery(show.id, show.state))
  if (show.state !== 'queued' && show.state !== 'suspended' && show.state !== 'admitted') return null
  if (why.data === undefined) return why.isPending ? <Reading what="why it waits" /> : null
  const { reason, message, position, counterfactual, expectedStart } = why.data
  return (
    <dl className="kv waiting">
      <dt>Reason</dt>
      <dd>
        {reason === null ? <span className="faint">none yet</span> : <span className="chip reason">{reason}</span>}{' '}
        {message === show.message ? '' : message}
      </dd>
      {position === null ? null : (
        <>
          <dt>Place</dt>
          <dd>#{position} in the queue</dd>
        </>
      )}
      {counterfactual === null ? null : (
        <>
          <dt>What helps</dt>
          <dd>{counterfactual}</dd>
        </>
      )}
      <dt>Expected</dt>
      <dd>
        {expectedStart === null ? (
          <span className="faint">no date: nothing that runs has a known end that would help</span>
        ) : (
          <>
            <Estimate>
              <Moment at={ms(expectedStart.p50)} now={now} />
            </Estimate>
            , nine times in ten by <Moment at={ms(expectedStart.p90)} now={now} />
          </>
        )}
      </dd>
    </dl>
  )
}

function blindNote(show: Show, now: number): ReactNode {
  const blind = blindSince({ ...show.progress, state: show.state }, now, show.progress.stepMs)
  if (blind === null) return null
  return (
    <p className="callout warn-edge">
      <UnknownSince at={blind} now={now} /> Nothing was printed for {durationShort(now - blind)}. It may train on: look
      at its log.
    </p>
  )
}

function FirstError({ show, attempt }: { readonly show: Show; readonly attempt: number }) {
  const search = useQuery(logSearchQuery(show.id, '', attempt))
  const first = search.data?.firstError ?? null
  const failed = show.attempts.find((each) => each.number === attempt)
  // The first line that looks like an error may be a victim's.
  const told = (failed?.verdict?.evidence.length ?? 0) > 0
  return (
    <div className="first-error">
      <p className="small dim">
        Attempt {attempt} {failed?.outcome ?? 'ended'}
        {failed?.failure === null || failed === undefined ? '' : ', class '}
        {failed?.failure === null || failed === undefined ? null : <span className="chip">{failed.failure}</span>}
        {failed?.message === null || failed?.message === show.message || failed === undefined
          ? ''
          : `: ${visible(failed.message)}`}
      </p>
      {failed?.verdict == null ? null : <Verdict verdict={failed.verdict} />}
      {told ? null : first === null ? (
        <p className="small faint">
          {search.isPending ? 'Looking for the first error…' : 'No line of its log looks like an error.'}
        </p>
      ) : (
        <div className="log framed">
          <div className="first">
            <span className="t">{hmsMs(ms(first.at))}</span>
            <span className="w">worker {first.worker}</span>
            <span>
              <mark>{visible(first.text)}</mark>
            </span>
          </div>
        </div>
      )}
      {first === null ? null : (
        <Link
          className="btn"
          to="/runs/$run/logs"
          params={{ run: show.id }}
          search={{ attempt: String(first.attempt), worker: String(first.worker), offset: String(first.offset) }}
        >
          Open the log at the first error
        </Link>
      )}
    </div>
  )
}

function Cost({ statement }: { readonly statement: Statement }) {
  const { byAccount } = statement
  const wasted = (byAccount.lost ?? 0) + (byAccount.stalled ?? 0) + (byAccount.idle ?? 0) + (byAccount.recovery ?? 0)
  if (wasted === 0) return null
  const parts = (['lost', 'stalled', 'idle', 'recovery'] as const).flatMap((account) => {
    const amount = byAccount[account] ?? 0
    return amount > 0 ? [`${gpuHours(amount)} ${account}`] : []
  })
  return (
    <>
      <dt>Wasted</dt>
      <dd>
        <b className="med">{gpuHours(wasted)} GPU-h</b> <span className="dim">= {parts.join(' + ')}</span>
      </dd>
    </>
  )
}

const PLACES_MAX = 6

function placesOf(show: Show): string {
  const workers = show.attempts.at(-1)?.workers ?? []
  const nodes = [...new Set(workers.map((worker) => worker.node))]
  const more = nodes.length > PLACES_MAX ? ` and ${int(nodes.length - PLACES_MAX)} more` : ''
  return `${nodes.slice(0, PLACES_MAX).join(', ')}${more}, cluster ${show.cluster}`
}
