// The list itself: only the rows in view exist, so that 10,000 runs scroll as ten do. Rows are compared by identity: the stream replaces
// those that changed and no other is drawn again.
import { useNavigate } from '@tanstack/react-router'
import { useVirtualizer, useWindowVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, memo, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { useNow } from '../api/clock.ts'
import type { TableRow } from '../api/documents.ts'
import { int } from '../format/numbers.ts'
import { Card } from './card.tsx'
import { type Column, shownColumns } from './columns.tsx'
import { type Filters, type Sort, sectionsOf } from './filters.ts'
import { layOut, type Line, lineAt, type Part, pagesIn, type Wanted } from './lines.ts'
import { type Rows, rowOf, useRows } from './rows.ts'

/** What is drawn with the clock in the list is this old at most. */
const CLOCK_MS = 30_000

export type Chosen = ReadonlyMap<string, TableRow>

type ListProps = {
  readonly filters: Filters
  readonly chosen: Chosen
  readonly onChoose: (row: TableRow) => void
  readonly onSort: (sort: Sort) => void
  readonly onRows: (rows: Rows) => void
}

function useLines(filters: Filters, onRows: ListProps['onRows']) {
  const sections = useMemo(() => sectionsOf(filters), [filters])
  const [view, setView] = useState<readonly [from: number, to: number]>([0, 60])
  const known = useRef<readonly Part[]>([])
  const wanted: Wanted = pagesIn(sections, known.current, view[0], view[1])
  const rows = useRows(filters, wanted)
  const { parts, lines } = layOut(sections, rows.totals)
  useLayoutEffect(() => {
    known.current = parts
  })
  useEffect(() => onRows(rows), [rows, onRows])
  return { rows, parts, lines, view, setView }
}

/** Pages of rows change less often than rows: the view is told in steps, so that scrolling alone asks for nothing. */
const STEP = 20
const stepped = (from: number, to: number): readonly [number, number] => [
  Math.max(0, Math.floor(from / STEP) * STEP - STEP),
  Math.ceil(to / STEP) * STEP + STEP,
]

export function WideList({ filters, chosen, onChoose, onSort, onRows }: ListProps) {
  const { rows, parts, lines, view, setView } = useLines(filters, onRows)
  const box = useRef<HTMLDivElement>(null)
  const navigate = useNavigate()
  const now = useNow(CLOCK_MS)
  const columns = useMemo(() => shownColumns(filters.columns), [filters.columns])
  const template = useMemo(() => `34px ${columns.map((column) => column.width).join(' ')}`, [columns])
  const height = useRowHeight()
  const [active, setActive] = useState(-1)
  const virtual = useVirtualizer({
    count: lines,
    getScrollElement: () => box.current,
    estimateSize: () => height,
    overscan: 6,
    useFlushSync: false,
  })
  useEffect(() => virtual.measure(), [virtual, height])
  const items = virtual.getVirtualItems()
  const [from, to] = stepped(items[0]?.index ?? 0, items.at(-1)?.index ?? 60)
  useEffect(() => {
    if (from !== view[0] || to !== view[1]) setView([from, to])
  }, [from, to, view, setView])

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.target !== box.current) return
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 300) / height) - 2)
    const moves: Record<string, number> = {
      ArrowDown: 1,
      j: 1,
      ArrowUp: -1,
      k: -1,
      PageDown: page,
      PageUp: -page,
      Home: -lines,
      End: lines,
    }
    const line = lineAt(parts, active)
    const row = line?.kind === 'row' ? rowOf(rows, line.part.section, line.index) : undefined
    if (event.key === 'Enter' && row !== undefined) void navigate({ to: '/runs/$run', params: { run: row.id } })
    if (event.key === ' ' && row !== undefined) onChoose(row)
    const move = moves[event.key]
    if (move !== undefined) {
      let next = Math.min(lines - 1, Math.max(0, active + move))
      if (lineAt(parts, next)?.kind === 'head') next = Math.min(lines - 1, Math.max(1, next + (move < 0 ? -1 : 1)))
      setActive(next)
      virtual.scrollToIndex(next)
    }
    if (move !== undefined || event.key === ' ') event.preventDefault()
  }

  return (
    <div
      ref={box}
      className="grid-scroll"
      role="grid"
      aria-label="Runs"
      aria-rowcount={lines + 1}
      aria-activedescendant={active >= 0 && items.some((item) => item.index === active) ? `line-${active}` : undefined}
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      <div className="grid-in" style={{ minWidth: minimum(columns) }}>
        <Head columns={columns} template={template} filters={filters} onSort={onSort} />
        <div className="grid-lines" role="rowgroup" style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const line = lineAt(parts, item.index)
            if (line === null) return null
            const row = line.kind === 'row' ? rowOf(rows, line.part.section, line.index) : undefined
            return (
              <RowLine
                key={item.index}
                at={item.start}
                index={item.index}
                height={height}
                heading={headingOf(line)}
                row={row}
                columns={columns}
                template={template}
                now={now}
                chosen={row !== undefined && chosen.has(row.id)}
                active={item.index === active}
                onChoose={onChoose}
              />
            )
          })}
        </div>
      </div>
    </div>
  )
}

const headingOf = (line: Line): string | null =>
  line.kind === 'head'
    ? `${line.part.section.title}\n${int(line.part.total)} ${line.part.total === 1 ? 'run' : 'runs'}`
    : null

function Head(props: {
  readonly columns: readonly Column[]
  readonly template: string
  readonly filters: Filters
  readonly onSort: (sort: Sort) => void
}) {
  const { sort, order } = props.filters
  return (
    <div role="rowgroup" className="grid-head">
      <div role="row" aria-rowindex={1} className="gr" style={{ gridTemplateColumns: props.template }}>
        <div role="columnheader">
          <span className="vh">Choose</span>
        </div>
        {props.columns.map((column) => {
          const { sort: by } = column
          const sorted = by !== undefined && by === sort
          const text = (
            <>
              {column.head}
              {column.unit === undefined ? null : <span className="u">{column.unit}</span>}
            </>
          )
          return (
            <div
              key={column.key}
              role="columnheader"
              className={column.right === true ? 'r' : ''}
              {...(by === undefined
                ? {}
                : { 'aria-sort': sorted ? (order === 'asc' ? 'ascending' : 'descending') : 'none' })}
            >
              {by === undefined ? (
                text
              ) : (
                <button type="button" onClick={() => props.onSort(by)}>
                  {text}
                  {sorted ? <span aria-hidden="true">{order === 'asc' ? ' ↑' : ' ↓'}</span> : null}
                </button>
              )}
            </div>
          )
        })}
      </div>
    </div>
  )
}

type RowLineProps = {
  readonly at: number
  readonly index: number
  readonly height: number
  readonly heading: string | null
  readonly row: TableRow | undefined
  readonly columns: readonly Column[]
  readonly template: string
  readonly now: number
  readonly chosen: boolean
  readonly active: boolean
  readonly onChoose: (row: TableRow) => void
}

const RowLine = memo(function RowLine(props: RowLineProps) {
  const { row, heading, columns } = props
  const place = { transform: `translateY(${props.at}px)`, height: props.height }
  const common = { role: 'row', id: `line-${props.index}`, 'aria-rowindex': props.index + 2 }
  if (heading !== null) {
    const [title = '', count = ''] = heading.split('\n')
    return (
      <div {...common} className="gr group" style={place}>
        <div role="gridcell" aria-colspan={columns.length + 1}>
          <b className="med">{title}</b> {count}
        </div>
      </div>
    )
  }
  const state = `${props.chosen ? ' sel' : ''}${props.active ? ' active' : ''}`
  return (
    <div {...common} className={`gr line${state}`} style={{ ...place, gridTemplateColumns: props.template }}>
      {row === undefined ? (
        <div role="gridcell" className="faint small span">
          reading…
        </div>
      ) : (
        <>
          <div role="gridcell">
            <input
              type="checkbox"
              tabIndex={-1}
              aria-label={`choose ${row.name}`}
              checked={props.chosen}
              onChange={() => props.onChoose(row)}
            />
          </div>
          {columns.map((column) => (
            <div key={column.key} role="gridcell" className={column.right === true ? 'r' : ''}>
              {column.cell(row, props.now)}
            </div>
          ))}
        </>
      )}
    </div>
  )
})

/** A phone gets the same runs as cards, in the page's own scroll. */
export function NarrowList({ filters, onRows }: ListProps) {
  const { rows, parts, lines, view, setView } = useLines(filters, onRows)
  const box = useRef<HTMLDivElement>(null)
  const now = useNow(CLOCK_MS)
  const virtual = useWindowVirtualizer({
    count: lines,
    estimateSize: (index) => (lineAt(parts, index)?.kind === 'head' ? 30 : 62),
    overscan: 4,
    scrollMargin: box.current?.offsetTop ?? 0,
    useFlushSync: false,
  })
  useEffect(() => virtual.measure(), [virtual, lines])
  const items = virtual.getVirtualItems()
  const [from, to] = stepped(items[0]?.index ?? 0, items.at(-1)?.index ?? 20)
  useEffect(() => {
    if (from !== view[0] || to !== view[1]) setView([from, to])
  }, [from, to, view, setView])
  return (
    <div ref={box} className="cards" role="list" aria-label="Runs" style={{ height: virtual.getTotalSize() }}>
      {items.map((item) => {
        const line = lineAt(parts, item.index)
        if (line === null) return null
        const row = line.kind === 'row' ? rowOf(rows, line.part.section, line.index) : undefined
        return (
          <div
            key={item.index}
            ref={virtual.measureElement}
            data-index={item.index}
            role="listitem"
            className="card-place"
            style={{ transform: `translateY(${item.start - virtual.options.scrollMargin}px)` }}
          >
            {line.kind === 'head' ? (
              <div className="card-head small">{headingOf(line)?.replace('\n', ' ')}</div>
            ) : (
              <Card row={row} now={now} />
            )}
          </div>
        )
      })}
    </div>
  )
}

const minimum = (columns: readonly Column[]): number =>
  34 + columns.reduce((sum, { width }) => sum + Number(/\d+/.exec(width)?.[0] ?? 100), 0)

/** The height of a row is a token: larger for a finger, and on a very wide screen. */
function useRowHeight(): number {
  const [height, setHeight] = useState(rowHeight)
  useEffect(() => {
    const onResize = (): void => setHeight(rowHeight())
    addEventListener('resize', onResize)
    return () => removeEventListener('resize', onResize)
  }, [])
  return height
}

const rowHeight = (): number =>
  Number.parseInt(getComputedStyle(document.documentElement).getPropertyValue('--row'), 10) || 28
