// The columns of the list. A row is a sentence: state, who, what it says, how much, since when, what next. The unit stands once, in the
// head.
import type { ReactNode } from 'react'
import type { TableRow } from '../api/documents.ts'
import { dec, durationShort, gpuHours, int, money, percent, si } from '../format/numbers.ts'
import { day, hm, ms, shortWhen, utc, when } from '../format/times.ts'
import { visible } from '../format/visible.ts'
import { Estimate, Progress, UnknownSince } from '../parts/bits.tsx'
import { Mark, StateWord } from '../parts/glyphs.tsx'
import type { Sort } from './filters.ts'
import { blindSince, endOf } from './freshness.ts'

export type Column = {
  readonly key: string
  readonly head: string
  readonly unit?: string
  readonly sort?: Sort
  /** `r`: numbers, to the right; `cut`: may be longer than its column. */
  readonly kind?: 'r' | 'cut'
  /** The least width, and its share of what is left. */
  readonly px: number
  readonly grow?: number
  readonly usual: boolean
  readonly cell: (row: TableRow, now: number) => ReactNode
}

const none = (why: string): ReactNode => <span className="faint">{why}</span>
const waits = (row: TableRow): boolean => row.state === 'queued' || row.state === 'suspended'
const dash = <span className="na">–</span>

/**
 * A plain link: a list draws dozens of them in a frame, and what the router's own does for each costs more than the rest of a row. The
 * list hears its clicks and stays in the page.
 */
export function RunName({ row, inGrid = false }: { readonly row: TableRow; readonly inGrid?: boolean }) {
  return (
    <a
      className="run"
      tabIndex={inGrid ? -1 : undefined}
      href={`/runs/${encodeURIComponent(row.id)}`}
      data-run={row.id}
      title={`${row.project}/${row.name} ${row.id}`}
    >
      <span className="p">{row.project}/</span>
      <b>{row.name}</b>
    </a>
  )
}

export function Says({ row }: { readonly row: TableRow }) {
  if (row.state === 'queued' && row.reason !== null) {
    return (
      <span className="chip reason" title={row.message ?? undefined}>
        {row.reason}
      </span>
    )
  }
  if (row.finding !== null) {
    const { severity, text } = row.finding
    return (
      <span className="says-text" title={visible(text)}>
        <Mark severity={severity === 'critical' ? 'crit' : 'warn'} /> {visible(text)}
      </span>
    )
  }
  const text = visible(row.message ?? row.reason ?? '')
  if (text === '') return null
  return (
    <span className={`says-text ${row.state === 'failed' ? 'bad' : 'dim'}`} title={text}>
      {text}
    </span>
  )
}

function lasted(row: TableRow, now: number): ReactNode {
  const from = row.startedAt ?? (waits(row) ? row.createdAt : null)
  if (from === null) return dash
  return durationShort((row.endedAt === null ? now : ms(row.endedAt)) - ms(from))
}

function progress(row: TableRow, now: number): ReactNode {
  if (row.state === 'queued') return none(row.position === null ? 'not looked at yet' : `#${row.position} in the queue`)
  if (row.step === null) return none('no steps')
  if (blindSince(row, now) !== null) return <span className="stale">step {int(row.step)}</span>
  if (row.totalSteps === null) return <span className="dim num">step {int(row.step)}</span>
  return (
    <>
      <Progress share={row.step / row.totalSteps} />{' '}
      <span className="dim num" title={`step ${int(row.step)} of ${int(row.totalSteps)}`}>
        {percent(row.step / row.totalSteps)}
      </span>
    </>
  )
}

function ends(row: TableRow, now: number): ReactNode {
  if (row.endedAt !== null) return <span className="faint">ended {shortWhen(ms(row.endedAt), now)}</span>
  if (row.state === 'suspended') return none('no date: a person decides')
  if (row.state === 'queued') return none('no date')
  const blind = blindSince(row, now)
  if (blind !== null) return <UnknownSince at={blind} now={now} />
  const end = endOf(row)
  if (end === null) return none('unknown')
  return (
    <Estimate>
      <time dateTime={utc(end)} title={utc(end)}>
        {end - now > 86_400_000 ? day(end) : hm(end)}
      </time>
    </Estimate>
  )
}

const fresh = (row: TableRow, now: number): boolean => row.state === 'running' && blindSince(row, now) === null

export const COLUMNS: readonly Column[] = [
  {
    key: 'state',
    head: 'State',
    sort: 'state',
    px: 98,
    usual: true,
    cell: (row) => <StateWord state={row.state} />,
  },
  {
    key: 'run',
    kind: 'cut',
    head: 'Run',
    sort: 'name',
    px: 184,
    grow: 2,
    usual: true,
    cell: (row) => <RunName row={row} inGrid />,
  },
  {
    key: 'says',
    head: 'Says',
    px: 120,
    grow: 1.3,
    usual: true,
    cell: (row) => <Says row={row} />,
  },
  { key: 'gpus', head: 'GPUs', sort: 'gpus', kind: 'r', px: 60, usual: true, cell: (row) => int(row.gpus) },
  {
    key: 'held',
    head: 'Held',
    unit: 'GPU-h',
    sort: 'held',
    kind: 'r',
    px: 82,
    usual: true,
    cell: (row) => (row.heldGpuMs === 0 ? '0' : gpuHours(row.heldGpuMs)),
  },
  {
    key: 'paid',
    head: 'Cost',
    sort: 'paid',
    kind: 'r',
    px: 74,
    usual: true,
    cell: (row) => (row.money === null ? none('no price') : money(row.money)),
  },
  {
    key: 'for',
    head: 'For',
    kind: 'r',
    px: 72,
    usual: true,
    cell: lasted,
  },
  { key: 'progress', head: 'Progress', px: 128, usual: true, cell: progress },
  { key: 'ends', kind: 'cut', head: 'Ends', sort: 'ended', px: 160, usual: true, cell: ends },
  {
    key: 'rate',
    head: 'Rate',
    unit: 'tokens/s',
    kind: 'r',
    px: 88,
    usual: false,
    cell: (row, now) => (row.tokensPerSecond === null || !fresh(row, now) ? dash : si(row.tokensPerSecond)),
  },
  {
    key: 'loss',
    head: 'Loss',
    kind: 'r',
    px: 68,
    usual: false,
    cell: (row) => (row.loss === null ? dash : dec(row.loss, 3)),
  },
  { key: 'restarts', head: 'Restarts', kind: 'r', px: 76, usual: false, cell: (row) => int(row.restarts) },
  {
    key: 'user',
    kind: 'cut',
    head: 'User',
    px: 74,
    usual: true,
    cell: (row) => row.user,
  },
  {
    key: 'created',
    head: 'Submitted',
    sort: 'created',
    px: 112,
    usual: true,
    cell: (row, now) => (
      <time className="dim" dateTime={row.createdAt} title={utc(ms(row.createdAt))}>
        {when(ms(row.createdAt), now)}
      </time>
    ),
  },
  { key: 'priority', head: 'Priority', px: 80, usual: false, cell: (row) => row.priority },
  { key: 'nodes', head: 'Nodes', kind: 'r', px: 68, usual: false, cell: (row) => int(row.nodes) },
  {
    key: 'id',
    kind: 'cut',
    head: 'Id',
    px: 150,
    usual: false,
    cell: (row) => <span className="mono dim">{row.id}</span>,
  },
]

/** The name of a run is always there: a list of nothing tells nothing. */
export const shownColumns = (keys: readonly string[] | null): readonly Column[] =>
  COLUMNS.filter((column) => column.key === 'run' || (keys === null ? column.usual : keys.includes(column.key)))

export type Place = { readonly width: number }

const CHOOSE_PX = 34

/** How wide each column is in a list of a width; the first is that of the box to choose a run with. */
export function placesOf(columns: readonly Column[], width: number): readonly Place[] {
  const least = leastWidth(columns)
  const shares = columns.reduce((sum, { grow = 0 }) => sum + grow, 0)
  const share = shares === 0 ? 0 : Math.max(0, width - least) / shares
  return [{ width: CHOOSE_PX }, ...columns.map(({ px, grow = 0 }) => ({ width: Math.floor(px + grow * share) }))]
}

export const leastWidth = (columns: readonly Column[]): number => columns.reduce((sum, { px }) => sum + px, CHOOSE_PX)
