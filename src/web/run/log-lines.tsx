// Lines of a log, only those in view. A line is text: what it contains is shown, never obeyed.
import { Link } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { memo, type ReactNode, useEffect, useLayoutEffect, useRef } from 'react'
import { hmsMs, ms, utc } from '../format/times.ts'
import { useRunId } from './use-run.ts'
import { visible } from '../format/visible.ts'

export type LogRow = {
  readonly key: string
  readonly at: string
  readonly who: string
  readonly text: string
  readonly error: boolean
  /** The first error, or the place that was jumped to. */
  readonly first: boolean
  /** Where a click goes: the line among its neighbours. */
  readonly to: Readonly<Record<string, string>> | null
}

type Props = {
  readonly rows: readonly LogRow[]
  readonly q: string
  /** Shows its end, and goes on showing it while lines come, until one scrolls away. */
  readonly tail: boolean
  readonly onEnd: (() => void) | null
}

const AT_END_PX = 40

export function LogLines({ rows, q, tail, onEnd }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => 18,
    overscan: 20,
    getItemKey: (index) => rows[index]?.key ?? index,
    useFlushSync: false,
  })
  const follows = useRef(tail)
  useLayoutEffect(() => {
    if (follows.current && rows.length > 0) virtual.scrollToIndex(rows.length - 1, { align: 'end' })
  }, [virtual, rows.length])
  const onScroll = (): void => {
    const element = box.current
    if (element === null || !tail) return
    follows.current = element.scrollHeight - element.scrollTop - element.clientHeight < AT_END_PX
  }
  const items = virtual.getVirtualItems()
  const last = items.at(-1)?.index ?? 0
  useEffect(() => {
    if (onEnd !== null && last >= rows.length - 10) onEnd()
  }, [onEnd, last, rows.length])
  return (
    <div
      ref={box}
      className="log log-scroll"
      tabIndex={0}
      role="region"
      aria-label="Lines of the log"
      onScroll={onScroll}
    >
      <div className="log-in" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index]
          return row === undefined ? null : (
            <div
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              className={`log-line ${row.first ? 'first' : ''}`}
              style={{ transform: `translateY(${item.start}px)` }}
            >
              <Line row={row} q={q} />
            </div>
          )
        })}
      </div>
    </div>
  )
}

const Line = memo(function Line({ row, q }: { readonly row: LogRow; readonly q: string }) {
  const run = useRunId()
  const at = ms(row.at)
  const time = (
    <time dateTime={row.at} title={utc(at)}>
      {hmsMs(at)}
    </time>
  )
  return (
    <>
      <span className="t">
        {row.to === null ? (
          time
        ) : (
          <Link to="/runs/$run/logs" params={{ run }} search={{ ...row.to }} title="among its neighbours">
            {time}
          </Link>
        )}
      </span>
      <span className="w">{row.who}</span>
      <span>{marked(visible(row.text), q)}</span>
    </>
  )
})

/** The found words stand out. */
function marked(text: string, q: string): ReactNode {
  const at = q === '' ? -1 : text.toLowerCase().indexOf(q.toLowerCase())
  if (at < 0) return text
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, at + q.length)}</mark>
      {text.slice(at + q.length)}
    </>
  )
}
