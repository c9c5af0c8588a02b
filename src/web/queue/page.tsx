// Why does my run wait, what would start it, and when will it?
import { useQueries, useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { useNow } from '../api/clock.ts'
import { mayDo } from '../api/may.ts'
import { holdingQuery, nodesQuery, policyQuery, type PolicyShown, type Queue, queueQuery } from '../api/operate.ts'
import { live, queries, sessionQuery } from '../api/queries.ts'
import type { TableRow } from '../api/documents.ts'
import { csv } from '../format/csv.ts'
import { countOf, int } from '../format/numbers.ts'
import { ms } from '../format/times.ts'
import { visible } from '../format/visible.ts'
import { sumsOf } from '../nodes/nodes.ts'
import { AsOf } from '../parts/as-of.tsx'
import { Empty, Panel, Reading, Refusal } from '../parts/bits.tsx'
import { Mark } from '../parts/glyphs.tsx'
import { type Deed, ReasonDialog } from '../parts/reason-dialog.tsx'
import { saveAs } from '../parts/save.ts'
import { Ends } from './ends.tsx'
import { ASKED_AT_ONCE, QueueLines, rowWhyQuery, sentenceOf } from './lines.tsx'
import { gpusOf, lanesOf, REASONS, sumsBy } from './queue.ts'

const LANES_MAX = 16

export function QueuePage() {
  const queue = useQuery(queueQuery)
  useEffect(() => live.follow(null), [])
  useEffect(() => {
    document.title = 'Queue · Plimsoll'
  }, [])
  if (queue.data === undefined) {
    return (
      <>
        <div className="head">
          <h1>Queue</h1>
        </div>
        {queue.error === null ? <Reading what="what waits" /> : <Refusal error={queue.error} />}
      </>
    )
  }
  return <Waits queue={queue.data} readAt={queue.dataUpdatedAt} />
}

const PAUSE: Deed = {
  title: 'Pause placing?',
  does: 'Nothing new is placed in any cluster; what runs goes on. Each run that waits says so, with your reason.',
  button: 'Pause',
  method: 'POST',
  path: '/queue/pause',
  reason: 'Reason, for those who wait',
}
const RESUME: Deed = {
  title: 'Resume placing?',
  does: 'Runs are placed again, in the order of the queue.',
  button: 'Resume',
  method: 'POST',
  path: '/queue/resume',
  reason: 'Reason, for the audit log',
}

function Waits({ queue, readAt }: { readonly queue: Queue; readonly readAt: number }) {
  const { paused, reason, waiting } = queue
  const now = useNow(5_000)
  const session = useQuery(sessionQuery)
  const nodes = useQuery(nodesQuery)
  const holding = useQuery(holdingQuery)
  const policy = useQuery(policyQuery(mayDo(session.data, 'policy.read')))
  const [deed, setDeed] = useState<Deed | null>(null)
  const asked = waiting.slice(0, ASKED_AT_ONCE)
  const whys = useQueries({ queries: asked.map(({ id }) => rowWhyQuery(id)) })
  const starts = asked.flatMap((run, index) => {
    const start = whys[index]?.data?.expectedStart
    return start === null || start === undefined ? [] : [{ run, p50: ms(start.p50), p90: ms(start.p90) }]
  })
  const rows = holding.data?.rows ?? []
  const plan = lanesOf(rows, starts, now, LANES_MAX)
  const free = useMemo(() => (nodes.data === undefined ? null : sumsOf(nodes.data).by.free), [nodes.data])
  const mayPause = mayDo(session.data, 'queue.pause')
  return (
    <>
      <div className="head">
        <h1>Queue</h1>
        <p className="dim">{sentenceOf(waiting, free)}</p>
        <AsOf at={readAt} />
        <div className="act">
          {mayPause ? (
            <button
              type="button"
              className={`btn ${paused ? 'first' : ''}`}
              onClick={() => setDeed(paused ? RESUME : PAUSE)}
            >
              {paused ? 'Resume…' : 'Pause…'}
            </button>
          ) : null}
          <button type="button" className="btn" onClick={() => saveAs('queue.csv', queueCsv(queue), 'text/csv')}>
            CSV
          </button>
        </div>
      </div>
      {paused ? (
        <p className="callout warn-edge paused" role="status">
          <Mark severity="warn" /> <b className="med">Placing is paused.</b>{' '}
          {reason === null || reason === '' ? 'No reason was given.' : visible(reason)}{' '}
          <span className="dim">What runs goes on. {mayPause ? 'Resume it here.' : 'An operator can resume it.'}</span>
        </p>
      ) : null}
      <ReasonDialog
        deed={deed}
        onClose={() => setDeed(null)}
        onDone={() => queries.invalidateQueries({ queryKey: queueQuery.queryKey })}
      />
      <section className="panel" aria-labelledby="h-order">
        <header>
          <h2 id="h-order">In this order</h2>
          <span className="sub">priority, then what restarts, then the oldest. Each run has one reason.</span>
        </header>
        {waiting.length === 0 ? (
          <Empty title="Nothing waits">
            Each run that was submitted has what it asked for, has ended, or is suspended. A run that cannot start at
            once stands here with its reason, and what would start it.
          </Empty>
        ) : (
          <QueueLines waiting={waiting} now={now} />
        )}
      </section>
      <div className="grid">
        {rows.length > 0 || starts.length > 0 ? <Ends plan={plan} now={now} /> : null}
        {waiting.length === 0 ? null : <Reasons queue={queue} />}
        <Shares
          queue={queue}
          holding={rows}
          unread={(holding.data?.total ?? 0) - rows.length}
          policy={policy.data ?? null}
        />
      </div>
    </>
  )
}

function Reasons({ queue: { waiting } }: { readonly queue: Queue }) {
  const sums = sumsBy(waiting, (run) => run.reason ?? 'not looked at yet')
  return (
    <Panel id="h-reasons" title="Why they wait" sub="each run once" wide="c5 own-height">
      <div className="scroll" tabIndex={0} role="region" aria-label="Reasons in numbers">
        <table>
          <thead>
            <tr>
              <th>Reason</th>
              <th className="wide-only">Means</th>
              <th className="r">Runs</th>
              <th className="r">GPUs</th>
            </tr>
          </thead>
          <tbody>
            {sums.map(({ key, runs, gpus }) => (
              <tr key={key}>
                <td className="mono">{key}</td>
                <td className="small dim wide-only">{REASONS[key] ?? ''}</td>
                <td className="r">{int(runs)}</td>
                <td className="r">{int(gpus)}</td>
              </tr>
            ))}
            <tr className="sum">
              <td>{int(sums.length)}</td>
              <td className="wide-only" />
              <td className="r">{int(waiting.length)}</td>
              <td className="r">{int(gpusOf(waiting))}</td>
            </tr>
          </tbody>
        </table>
      </div>
    </Panel>
  )
}

type SharesProps = {
  readonly queue: Queue
  readonly holding: readonly TableRow[]
  /** Runs that hold GPUs and were not read: the smallest. */
  readonly unread: number
  readonly policy: PolicyShown | null
}

function Shares({ queue: { waiting }, holding, unread, policy }: SharesProps) {
  const names = [...new Set([...waiting, ...holding].map(({ project }) => project))].toSorted()
  if (names.length === 0) return null
  const of = (runs: readonly { readonly project: string; readonly gpus: number }[], name: string): number =>
    gpusOf(runs.filter(({ project }) => project === name))
  const quotaOf = (name: string) => policy?.projects.find((each) => each.name === name)?.quotaGpus ?? null
  return (
    <Panel
      id="h-shares"
      title="Projects"
      sub="GPUs held, and waited for"
      wide={waiting.length === 0 ? '' : 'c7 own-height'}
      footer={
        unread > 0
          ? `Held is of the ${int(holding.length)} largest runs; ${countOf(unread, 'smaller one')} are not in it.`
          : policy === null
            ? 'Quotas stand in the policy, which you may not read.'
            : undefined
      }
    >
      <div className="scroll" tabIndex={0} role="region" aria-label="Projects in numbers">
        <table>
          <thead>
            <tr>
              <th>Project</th>
              <th className="wide-only">Held against quota</th>
              <th className="r">Held</th>
              <th className="r">Quota</th>
              <th className="r">Wait</th>
            </tr>
          </thead>
          <tbody>
            {names.map((name) => {
              const held = of(holding, name)
              const quota = quotaOf(name)
              return (
                <tr key={name}>
                  <td className="name" title={name}>
                    {name}
                  </td>
                  <td className="wide-only">{quota === null ? null : <Share held={held} quota={quota} />}</td>
                  <td className="r">{held === 0 ? <span className="faint">0</span> : int(held)}</td>
                  <td className="r">
                    {quota === null ? (
                      <span className="faint">{policy === null ? 'unknown' : 'none'}</span>
                    ) : (
                      int(quota)
                    )}
                  </td>
                  <td className="r">
                    {of(waiting, name) === 0 ? <span className="faint">0</span> : int(of(waiting, name))}
                  </td>
                </tr>
              )
            })}
            <tr className="sum">
              <td>{int(names.length)}</td>
              <td className="wide-only" />
              <td className="r">{int(gpusOf(holding))}</td>
              <td />
              <td className="r">{int(gpusOf(waiting))}</td>
            </tr>
          </tbody>
        </table>
      </div>
    </Panel>
  )
}

function Share({ held, quota }: { readonly held: number; readonly quota: number }) {
  const most = Math.max(held, quota, 1) * 1.06
  const at = (value: number): string => `${((100 * value) / most).toFixed(2)}%`
  return (
    <div className="gauge share" role="img" aria-label={`${countOf(held, 'GPU')} held, quota ${int(quota)}`}>
      <div className="tr">
        <i className="used" style={{ width: at(held) }} />
      </div>
      <i className="ll" style={{ left: at(quota) }} />
    </div>
  )
}

const queueCsv = ({ waiting }: Queue): string =>
  csv([
    ['position', 'run', 'project', 'name', 'user', 'priority', 'gpus', 'reason', 'message', 'created_at'],
    ...waiting.map((run) => [
      run.position,
      run.id,
      run.project,
      run.name,
      run.user,
      run.priority,
      run.gpus,
      run.reason,
      run.message,
      run.createdAt,
    ]),
  ])
