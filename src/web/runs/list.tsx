// The list itself: only the rows in view exist, so that 10,000 runs scroll as ten do. Rows are compared by identity: the stream replaces
// those that changed and no other is drawn again.
import { useNavigate } from '@tanstack/react-router'
import { useWindowVirtualizer } from '@tanstack/react-virtual'
import {
  type CSSProperties,
  type KeyboardEvent,
  memo,
  type ReactNode,
  type RefObject,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react'
import { useNow } from '../api/clock.ts'
import type { TableRow } from '../api/documents.ts'
import { useBudget } from './budget.ts'
import { Card } from './card.tsx'
import { type Column, leastWidth, type Place, placesOf, shownColumns } from './columns.tsx'
import { type Filters, type Sort, sectionsOf } from './filters.ts'
import { scrolledTo, useInView } from './in-view.ts'
import { layOut, lineAt, type Part, pagesIn, type Wanted } from './lines.ts'
import { Head, headingOf, RowLine } from './row-line.tsx'
import { type Rows, rowOf, type Summary, summaryOf, useRows } from './rows.ts'

/** What is drawn with the clock in the list is this old at most. */
const CLOCK_MS = 30_000

export type Chosen = ReadonlyMap<string, TableRow>

const OVERSCAN = 3
/** How long pages that came into view may wait for a moment without other work. */
const VIEW_MS_MAX = 100

type ListProps = {
  readonly filters: Filters
  readonly chosen: Chosen
  readonly onChoose: (row: TableRow) => void
  readonly onSort: (sort: Sort) => void
  readonly onSummary: (summary: Summary) => void
}

function useLines(filters: Filters, onSummary: ListProps['onSummary']) {
  const sections = useMemo(() => sectionsOf(filters), [filters])
  const [view, show] = useState<readonly [from: number, to: number]>([0, 60])
  const setView = useCallback(
    (next: readonly [number, number]) => show((old) => (old[0] === next[0] && old[1] === next[1] ? old : next)),
    [],
  )
  const [known, setKnown] = useState<readonly Part[]>([])
  const wanted: Wanted = useMemo(() => pagesIn(sections, known, view[0], view[1]), [sections, known, view])
  const rows = useRows(filters, wanted)
  const totals = rows.totals.join()
  const { parts, lines } = useMemo(() => layOut(sections, totals.split(',').map(Number)), [sections, totals])
  useLayoutEffect(() => setKnown(parts), [parts])
  useEffect(() => onSummary(summaryOf(rows)), [rows, onSummary])
  return { rows, parts, lines, setView }
}

/** Pages of rows change less often than rows: the view is told in steps, so that scrolling alone asks for nothing. */
const STEP = 40
const stepped = (from: number, to: number): readonly [number, number] => [
  Math.max(0, Math.floor(from / STEP) * STEP - STEP),
  Math.ceil(to / STEP) * STEP + STEP,
]

export const WideList = memo(function WideList({ filters, chosen, onChoose, onSort, onSummary }: ListProps) {
  const { rows, parts, lines, setView } = useLines(filters, onSummary)
  const box = useRef<HTMLDivElement>(null)
  const columns = useMemo(() => shownColumns(filters.columns), [filters.columns])
  const width = useBoxWidth(box)
  const places = useMemo(() => placesOf(columns, width), [columns, width])
  return (
    <Grid
      box={box}
      rows={rows}
      parts={parts}
      lines={lines}
      columns={columns}
      places={places}
      chosen={chosen}
      onChoose={onChoose}
      onView={setView}
      head={<Head columns={columns} filters={filters} onSort={onSort} />}
    />
  )
})

type GridProps = {
  readonly box: RefObject<HTMLDivElement | null>
  readonly rows: Rows
  readonly parts: readonly Part[]
  readonly lines: number
  readonly columns: readonly Column[]
  readonly places: readonly Place[]
  readonly chosen: Chosen
  readonly onChoose: (row: TableRow) => void
  readonly onView: (view: readonly [number, number]) => void
  readonly head: ReactNode
}

/** What is drawn again while the list scrolls: nothing above it is. */
function Grid({ box, rows, parts, lines, columns, places, chosen, onChoose, onView, head }: GridProps) {
  const navigate = useNavigate()
  const now = useNow(CLOCK_MS)
  const height = useRowHeight()
  const [active, setActive] = useState(-1)
  const [viewed, end] = useInView(box, height, lines, OVERSCAN)
  // Elements of rows that left are used again for those that came, and stay where they are in the document: an element that is moved is laid
  // out as if it were new. There are always as many. The order for readers is in aria-rowindex; the keys go from line to line, not from
  // link to link.
  const slots = useRef(0)
  slots.current = Math.max(slots.current, end - viewed)
  const first = Math.max(0, Math.min(viewed, lines - slots.current))
  const items = inSlots(first, Math.min(lines, first + slots.current), slots.current).flatMap((index) => {
    const line = lineAt(parts, index)
    if (line === null) return []
    return [{ index, line, row: line.kind === 'row' ? rowOf(rows, line.part.section, line.index) : undefined }]
  })
  // A line that is still being read costs nothing yet.
  const isLight = useBudget(
    items.filter(({ line, row }) => line.kind === 'head' || row !== undefined).map(({ index }) => index),
  )
  const [from, to] = stepped(first, end === 0 ? 60 : end)
  // Once the frame is drawn: what is only passed on the way is not read at all.
  useEffect(() => {
    const idle = requestIdleCallback(() => onView([from, to]), { timeout: VIEW_MS_MAX })
    return () => cancelIdleCallback(idle)
  }, [from, to, onView])

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.target !== box.current) return
    const line = lineAt(parts, active)
    const row = line?.kind === 'row' ? rowOf(rows, line.part.section, line.index) : undefined
    if (event.key === 'Enter' && row !== undefined) void navigate({ to: '/runs/$run', params: { run: row.id } })
    if (event.key === ' ' && row !== undefined) onChoose(row)
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 300) / height) - 2)
    const next = moved(parts, lines, active, event.key, page)
    if (next !== null) {
      setActive(next)
      if (box.current !== null) bringIntoView(box.current, next, height)
    }
    if (next !== null || event.key === ' ') event.preventDefault()
  }

  const tracks = places.map(({ width }) => `${width}px`).join(' ')
  return (
    <div
      ref={box}
      className="grid-scroll"
      role="grid"
      aria-label="Runs"
      aria-rowcount={lines + 1}
      aria-activedescendant={active >= 0 && items.some(({ index }) => index === active) ? `line-${active}` : undefined}
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      <div className="grid-in" style={{ minWidth: leastWidth(columns), '--columns': tracks } as CSSProperties}>
        {head}
        <div className="grid-lines" role="rowgroup" style={{ height: lines * height }}>
          {items.map(({ index, line, row }) => (
            <RowLine
              key={index % slots.current}
              at={index * height}
              index={index}
              height={height}
              heading={headingOf(line)}
              row={row}
              columns={columns}
              now={now}
              light={isLight(index)}
              chosen={row !== undefined && chosen.has(row.id)}
              active={index === active}
              onChoose={onChoose}
            />
          ))}
        </div>
      </div>
    </div>
  )
}

function bringIntoView(box: HTMLElement, index: number, height: number): void {
  const head = box.querySelector<HTMLElement>('.grid-head')?.offsetHeight ?? 0
  const top = scrolledTo(index, { top: box.scrollTop, room: box.clientHeight, height, head })
  if (top !== null) box.scrollTop = top
}

/** The lines from `first` up to `end`, in the order of their slots: those from the next multiple of `slots` on come first. */
function inSlots(first: number, end: number, slots: number): readonly number[] {
  const length = Math.max(0, end - first)
  const turn = slots === 0 ? 0 : Math.min(length, (slots - (first % slots)) % slots)
  return Array.from({ length }, (_, at) => first + ((at + turn) % length))
}

/** Where a key goes from a line; null: nowhere. Headings are passed over. */
function moved(parts: readonly Part[], lines: number, from: number, key: string, page: number): number | null {
  const moves: Readonly<Record<string, number>> = {
    ArrowDown: 1,
    j: 1,
    ArrowUp: -1,
    k: -1,
    PageDown: page,
    PageUp: -page,
    Home: -lines,
    End: lines,
  }
  const move = moves[key]
  if (move === undefined) return null
  const next = Math.min(lines - 1, Math.max(0, from + move))
  if (lineAt(parts, next)?.kind !== 'head') return next
  return Math.min(lines - 1, Math.max(1, next + (move < 0 ? -1 : 1)))
}

/** A phone gets the same runs as cards, in the page's own scroll. */
export function NarrowList({ filters, onSummary }: ListProps) {
  const { rows, parts, lines, setView } = useLines(filters, onSummary)
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
  useEffect(() => setView([from, to]), [from, to, setView])
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

/** The room inside, without the bar at its side. */
function useBoxWidth(box: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0)
  useLayoutEffect(() => {
    const element = box.current
    if (element === null) return undefined
    const measure = (): void => setWidth(element.clientWidth)
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    return () => observer.disconnect()
  }, [box])
  return width
}

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
