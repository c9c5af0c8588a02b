// Which runs are there, what do they hold, cost and say, and when do they end?
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { type MouseEvent, useCallback, useEffect, useMemo, useState } from 'react'
import type { TableRow } from '../api/documents.ts'
import { live, sessionQuery } from '../api/queries.ts'
import { gpuHours, int, money } from '../format/numbers.ts'
import { Empty, Refusal } from '../parts/bits.tsx'
import { useNarrow } from '../parts/narrow.ts'
import { useWords } from '../parts/search.ts'
import { type Filters, readFilters, type Sort, sortedBy, writeFilters } from './filters.ts'
import { NarrowList, WideList } from './list.tsx'
import { sameSummary, type Summary } from './rows.ts'
import { Toolbar } from './toolbar.tsx'
import { Views } from './views-bar.tsx'

const CHOSEN_MAX = 2

export function RunsPage() {
  const search = useWords()
  const address = JSON.stringify(search)
  const filters = useMemo(() => readFilters(JSON.parse(address) as Record<string, string>), [address])
  const navigate = useNavigate()
  const session = useQuery(sessionQuery)
  const narrow = useNarrow()
  const [summary, setSummary] = useState<Summary | null>(null)
  const [chosen, setChosen] = useState<ReadonlyMap<string, TableRow>>(new Map())

  useEffect(() => live.follow(null), [])
  useEffect(() => {
    document.title = 'Runs · Plimsoll'
  }, [])

  const show = useCallback(
    (next: Filters, replace = false) => void navigate({ to: '/runs', search: writeFilters(next), replace }),
    [navigate],
  )
  const onSort = useCallback((sort: Sort) => show(sortedBy(filters, sort)), [filters, show])
  const onChoose = useCallback((row: TableRow) => setChosen((before) => choose(before, row)), [])

  const onSummary = useCallback(
    (next: Summary) => setSummary((before) => (before !== null && sameSummary(before, next) ? before : next)),
    [],
  )
  const own = useMemo(() => writeFilters(filters), [filters])
  const counts = summary?.counts ?? null
  const nothing = summary !== null && !summary.pending && summary.total === 0
  const list = { filters, chosen, onChoose, onSort, onSummary }
  return (
    <div className="runs">
      <div className="head">
        <h1>Runs</h1>
        <p className="dim">{counts === null ? 'reading…' : sentence(counts)}</p>
      </div>
      <Views search={own} user={session.data?.user ?? ''} counts={counts} />
      <Toolbar filters={filters} counts={counts} onShow={show} />
      {summary?.error ? <Refusal error={summary.error} /> : null}
      <section
        className={`panel list-panel ${nothing ? 'nothing' : ''}`}
        aria-label="List of runs"
        onClick={(event) => {
          const run = clickedRun(event)
          if (run === null) return
          event.preventDefault()
          void navigate({ to: '/runs/$run', params: { run } })
        }}
      >
        {narrow ? <NarrowList {...list} /> : <WideList {...list} />}
        {nothing ? <NoRuns filters={filters} counts={counts ?? {}} /> : null}
        <footer className="eq">
          <Sums summary={summary} />
        </footer>
      </section>
      {chosen.size > 0 ? <Compare chosen={[...chosen.values()]} onClear={() => setChosen(new Map())} /> : null}
    </div>
  )
}

/** The run whose link was clicked, unless the click asks for another tab or window. */
function clickedRun(event: MouseEvent): string | null {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return null
  const link = event.target instanceof Element ? event.target.closest<HTMLElement>('a[data-run]') : null
  return link?.dataset.run ?? null
}

function choose(before: ReadonlyMap<string, TableRow>, row: TableRow): ReadonlyMap<string, TableRow> {
  const after = new Map(before)
  if (!after.delete(row.id)) after.set(row.id, row)
  return new Map([...after].slice(-CHOSEN_MAX))
}

function sentence(counts: Readonly<Record<string, number>>): string {
  const of = (...states: string[]): number => states.reduce((sum, state) => sum + (counts[state] ?? 0), 0)
  const hold = of('starting', 'running', 'stopping')
  const admitted = of('admitted')
  const wait = of('queued')
  const ended = of('succeeded', 'failed', 'cancelled')
  const verb = (count: number, one: string, many: string): string => `${int(count)} ${count === 1 ? one : many}`
  return [
    verb(hold, 'holds GPUs', 'hold GPUs'),
    ...(admitted > 0 ? [verb(admitted, 'is admitted', 'are admitted')] : []),
    verb(wait, 'waits', 'wait'),
    ...(of('suspended') > 0 ? [verb(of('suspended'), 'is suspended', 'are suspended')] : []),
    `${int(ended)} ended`,
  ].join(', ')
}

/** Sums are printed when every row that they are of has been read; else the footer says how many there are. */
function Sums({ summary }: { readonly summary: Summary | null }) {
  if (summary === null) return <>Reading…</>
  const { total, sums } = summary
  if (sums === null) return <>{int(total)} runs. The list reads on as you scroll.</>
  return (
    <>
      {int(total)} {total === 1 ? 'run' : 'runs'}: <b>{int(sums.gpus)} GPUs</b> in use ·{' '}
      <b>{gpuHours(sums.heldGpuMs)} GPU-h</b> held so far
      {sums.costs.map((cost) => (
        <span key={cost.currency}>
          {' '}
          · <b>{money(cost)}</b>
        </span>
      ))}
    </>
  )
}

function NoRuns({ filters, counts }: { readonly filters: Filters; readonly counts: Readonly<Record<string, number>> }) {
  const any = Object.values(counts).some((count) => count > 0)
  const filtered = filters.q !== '' || filters.states.length > 0 || filters.project !== '' || filters.user !== ''
  if (any || filtered) {
    return (
      <Empty title="No run matches">
        The words are looked for in project, name, user and id. <Link to="/runs">Show all runs</Link>
      </Empty>
    )
  }
  return (
    <Empty title="There are no runs yet">
      <p>A run is a command with the GPUs that it needs, in a file of a few lines:</p>
      <pre className="mono">
        {'version: 1\nname: hello\ncommand: [python3, train.py]\nresources: { nodes: 1, gpusPerNode: 1 }'}
      </pre>
      <p>
        Submit it with <code className="mono">plimsoll submit hello.yaml</code>. It shows what it will cost before it
        asks. It then appears here by itself.
      </p>
    </Empty>
  )
}

function Compare({ chosen, onClear }: { readonly chosen: readonly TableRow[]; readonly onClear: () => void }) {
  const [a, b] = chosen
  return (
    <div className="compare" role="status">
      <span className="small">
        {chosen.length} {chosen.length === 1 ? 'run' : 'runs'} chosen: {chosen.map((row) => row.name).join(', ')}
      </span>
      {a !== undefined && b !== undefined ? (
        <Link className="btn" to="/runs/$run/config" params={{ run: a.id }} search={{ with: b.id }}>
          Compare
        </Link>
      ) : (
        <span className="small">choose one more to compare</span>
      )}
      <button type="button" className="btn" onClick={onClear}>
        Clear
      </button>
    </div>
  )
}
