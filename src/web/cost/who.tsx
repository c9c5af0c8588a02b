// Who spent it: each row adds up to what it held, each column to the sum below it.
import { useState } from 'react'
import { MS_PER_HOUR } from '../../domain/units.ts'
import { addUp, dec, int, percent } from '../format/numbers.ts'
import { Stack } from '../parts/accounts.tsx'
import { RunLink } from '../parts/go.tsx'
import { overheadOf, paidText, type Spent, together } from './books.ts'

const AT_FIRST = 20
const AT_MOST = 500
/** More of what was held than this is worth a look. */
const WASTE_SHARE = 0.1

const COLUMNS = [
  ['Productive', (spent: Spent) => spent.by.productive ?? 0],
  ['Evaluate', (spent: Spent) => spent.by.evaluate ?? 0],
  ['Overhead', overheadOf],
  ['Lost', (spent: Spent) => spent.by.lost ?? 0],
  ['Stalled', (spent: Spent) => spent.by.stalled ?? 0],
  ['Idle', (spent: Spent) => spent.by.idle ?? 0],
  ['Recovery', (spent: Spent) => spent.by.recovery ?? 0],
  ['Unknown', (spent: Spent) => spent.by.unknown ?? 0],
] as const

type Props = {
  readonly list: readonly Spent[]
  readonly head: string
  readonly ofRuns: boolean
  readonly none: string
}

export function WhoTable({ list, head, ofRuns, none }: Props) {
  const [all, setAll] = useState(false)
  const whole = together(list)
  const most = all ? AT_MOST : AT_FIRST
  const single = list.length <= most ? list : list.slice(0, most - 1)
  const rest = list.slice(single.length)
  const rows = rest.length === 0 ? single : [...single, together(rest)]
  const digits = whole.heldGpuMs < 10 * MS_PER_HOUR ? 3 : whole.heldGpuMs < 1_000 * MS_PER_HOUR ? 1 : 0
  const column = (of: (spent: Spent) => number): readonly number[] =>
    addUp(
      rows.map((row) => of(row) / MS_PER_HOUR),
      of(whole) / MS_PER_HOUR,
      digits,
    )
  const held = column(({ heldGpuMs }) => heldGpuMs)
  const columns = COLUMNS.map(([, of]) => column(of))
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={`By ${head.toLowerCase()} in numbers`}>
      <table className="who-table">
        <thead>
          <tr>
            <th>{head}</th>
            <th className="r">
              Held<span className="u">GPU-h</span>
            </th>
            <th className="r">Paid</th>
            <th>Of held</th>
            {COLUMNS.map(([name]) => (
              <th key={name} className="r">
                {name}
              </th>
            ))}
            <th className="r">Waste</th>
            <th className="r">Goodput</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index < single.length ? (row.key ?? '') : 'rest'}>
              <td className="name">
                {index >= single.length ? (
                  <button type="button" className="as-link dim" onClick={() => setAll(true)} disabled={all}>
                    {int(rest.length)} more
                  </button>
                ) : (
                  <Name row={row} ofRuns={ofRuns} none={none} />
                )}
              </td>
              <td className="r">{dec(held[index] ?? 0, digits)}</td>
              <td className="r">{paidText(row) ?? <span className="faint">no price</span>}</td>
              <td>
                <Stack by={row.by} total={row.heldGpuMs} label="accounts of it, in numbers in the next columns" />
              </td>
              {columns.map((values, at) => (
                <Amount key={COLUMNS[at]?.[0]} value={values[index] ?? 0} digits={digits} />
              ))}
              <Shares row={row} />
            </tr>
          ))}
          <tr className="sum">
            <td>{int(list.length)}</td>
            <td className="r">{dec(whole.heldGpuMs / MS_PER_HOUR, digits)}</td>
            <td className="r">{paidText(whole) ?? 'no price'}</td>
            <td>
              <Stack by={whole.by} total={whole.heldGpuMs} label="all together" />
            </td>
            {COLUMNS.map(([name, of]) => (
              <Amount key={name} value={of(whole) / MS_PER_HOUR} digits={digits} />
            ))}
            <Shares row={whole} />
          </tr>
        </tbody>
      </table>
    </div>
  )
}

function Name({ row, ofRuns, none }: { readonly row: Spent; readonly ofRuns: boolean; readonly none: string }) {
  if (row.key === null) return <span className="dim">{none}</span>
  return ofRuns ? (
    <RunLink id={row.key} project={row.project ?? ''} name={row.name ?? row.key} />
  ) : (
    <span title={row.key}>{row.key}</span>
  )
}

const Amount = ({ value, digits }: { readonly value: number; readonly digits: number }) => (
  <td className={`r ${value === 0 ? 'na' : ''}`}>{value === 0 ? '0' : dec(value, digits)}</td>
)

function Shares({ row }: { readonly row: Spent }) {
  const { heldGpuMs, wasteGpuMs, by } = row
  if (heldGpuMs === 0)
    return (
      <>
        <td className="r na">–</td>
        <td className="r na">–</td>
      </>
    )
  const waste = wasteGpuMs / heldGpuMs
  const much = waste > WASTE_SHARE
  return (
    <>
      <td className={`r ${much ? 'warn strong' : ''}`}>
        {much ? <span aria-hidden="true">▲ </span> : null}
        {percent(waste)}
      </td>
      <td className="r">{percent((by.productive ?? 0) / heldGpuMs)}</td>
    </>
  )
}
