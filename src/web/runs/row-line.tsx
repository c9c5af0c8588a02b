// One line of the list, and its head.
import { memo } from 'react'
import type { TableRow } from '../api/documents.ts'
import { int } from '../format/numbers.ts'
import type { Column } from './columns.tsx'
import type { Filters, Sort } from './filters.ts'
import type { Line } from './lines.ts'

export const headingOf = (line: Line): string | null =>
  line.kind === 'head'
    ? `${line.part.section.title}\n${int(line.part.total)} ${line.part.total === 1 ? 'run' : 'runs'}`
    : null

export const Head = memo(function Head(props: {
  readonly columns: readonly Column[]
  readonly filters: Filters
  readonly onSort: (sort: Sort) => void
}) {
  const { sort, order } = props.filters
  return (
    <div role="rowgroup" className="grid-head">
      <div role="row" aria-rowindex={1} className="gr">
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

              className={column.kind}
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
})

type RowLineProps = {
  readonly at: number
  readonly index: number
  readonly height: number
  readonly heading: string | null
  readonly row: TableRow | undefined
  readonly columns: readonly Column[]
  readonly now: number
  /** Only its name is drawn as yet, as text: what else there is comes in one of the next frames. */
  readonly light: boolean
  readonly chosen: boolean
  readonly active: boolean
  readonly onChoose: (row: TableRow) => void
}

export const RowLine = memo(function RowLine(props: RowLineProps) {
  const { row, heading, columns, now } = props
  const place = { top: props.at, height: props.height }
  // A name for the line that the keys are on alone: each attribute is set anew for each line that comes.
  const common = {
    role: 'row',
    id: props.active ? `line-${props.index}` : undefined,
    'aria-rowindex': props.index + 2,
  }
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
  if (row === undefined || props.light) {
    return (
      <div key="light" {...common} aria-busy="true" className="gr light" style={place}>
        <div role="gridcell">{row === undefined ? 'reading…' : `${row.project}/${row.name}`}</div>
      </div>
    )
  }
  const state = `${props.chosen ? ' sel' : ''}${props.active ? ' active' : ''}`
  return (
    <div key="whole" {...common} className={`gr line${state}`} style={place}>
      <div role="gridcell">
        <span
          className="box"
          role="checkbox"
          aria-checked={props.chosen}
          aria-label={`choose ${row.name}`}
          onClick={() => props.onChoose(row)}
        />
      </div>
      {columns.map((column) => (
        <div key={column.key} role="gridcell" className={column.kind}>
          {column.cell(row, now)}
        </div>
      ))}
    </div>
  )
})
