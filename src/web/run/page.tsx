// One run: its name and state, what can be done with it, and the tabs.
import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useNavigate } from '@tanstack/react-router'
import { useEffect } from 'react'
import type { Show } from '../api/documents.ts'
import { live, showQuery } from '../api/queries.ts'
import { int } from '../format/numbers.ts'
import { Empty, Reading, Refusal } from '../parts/bits.tsx'
import { StateWord } from '../parts/glyphs.tsx'
import { Actions } from './actions.tsx'
import { useRunId } from './use-run.ts'

const TABS = [
  ['/runs/$run', 'Overview'],
  ['/runs/$run/experts', 'Experts'],
  ['/runs/$run/logs', 'Log'],
  ['/runs/$run/config', 'Config'],
  ['/runs/$run/statement', 'Statement'],
  ['/runs/$run/events', 'Events'],
  ['/runs/$run/json', 'JSON'],
] as const

export function RunPage() {
  const id = useRunId()
  const show = useQuery(showQuery(id))
  const found = show.data?.id
  useEffect(() => {
    if (found !== undefined) live.follow(found)
  }, [found])
  const navigate = useNavigate()
  // An address may name a run as project/name; the stream, and everyone whom the address is sent to, wants the run itself.
  useEffect(() => {
    if (found !== undefined && found !== id) void navigate({ to: '.', params: { run: found }, replace: true })
  }, [found, id, navigate])
  const name = show.data?.name
  useEffect(() => {
    document.title = name === undefined ? 'Plimsoll' : `${name} · Plimsoll`
  }, [name])
  if (show.data === undefined) {
    if (show.isPending) return <Reading what="the run" />
    return (
      <>
        <div className="head">
          <h1>Run {id}</h1>
        </div>
        <Refusal error={show.error} />
        <Empty title="Where to look">
          <Link to="/runs">All runs</Link>
        </Empty>
      </>
    )
  }
  return (
    <>
      <Head show={show.data} />
      <Tabs run={id} />
      <Outlet />
    </>
  )
}

function Head({ show }: { readonly show: Show }) {
  const { progress } = show
  const attempt = show.attempts.at(-1)
  const line = [
    attempt === undefined ? 'no attempt yet' : `attempt ${attempt.number}`,
    `${int(show.gpus)} ${show.gpus === 1 ? 'GPU' : 'GPUs'} on ${int(show.nodes)} ${show.nodes === 1 ? 'worker' : 'workers'}`,
    ...(progress.step === null
      ? []
      : [`step ${int(progress.step)}${progress.totalSteps === null ? '' : ` of ${int(progress.totalSteps)}`}`]),
    show.user,
    show.priority,
  ].join(' · ')
  return (
    <div className="head run-head">
      <h1 title={`${show.project}/${show.name}`}>
        <span className="p">{show.project}/</span>
        {show.name}
      </h1>
      <StateWord state={show.state} />
      <span className="dim small">{line}</span>
      <Actions show={show} />
    </div>
  )
}

function Tabs({ run }: { readonly run: string }) {
  return (
    <nav className="tabs" aria-label="Parts of the run">
      {TABS.map(([to, name]) => (
        <Link key={to} to={to} params={{ run }} activeOptions={{ exact: true, includeSearch: false }}>
          {name}
        </Link>
      ))}
    </nav>
  )
}
