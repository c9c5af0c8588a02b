// Dead and hot experts of the shown step, worst first, and how balanced its layers are.
import { memo } from 'react'
import { dec, int, ratio } from '../format/numbers.ts'
import { Panel } from '../parts/bits.tsx'
import { Mark } from '../parts/glyphs.tsx'
import { type Cell, type Frame, median, ratioAt, shortLayer } from './frame.ts'
import { useShownCalmly, type View } from './view.ts'

const SHOWN_MAX = 12

export function Dead({ view }: { readonly view: View }) {
  const frame = useShownCalmly(view, (shown) => shown.frame)
  const cells = frame === null ? [] : cellsOf(frame.dead)
  return (
    <Panel id="h-dead" title="Dead" sub={frame === null ? '' : `${int(cells.length)} at step ${int(frame.step)}`}>
      <List view={view} frame={frame} cells={cells} none="No expert is dead: each gets tokens." severity="crit" />
    </Panel>
  )
}

export function Hot({ view }: { readonly view: View }) {
  const frame = useShownCalmly(view, (shown) => shown.frame)
  const cells = frame === null ? [] : cellsOf(frame.hot).toSorted((a, b) => ratioAt(frame, b) - ratioAt(frame, a))
  return (
    <Panel id="h-hot" title="Hot" sub={frame === null ? '' : `${int(cells.length)}, most load first`}>
      <List
        view={view}
        frame={frame}
        cells={cells}
        none="No expert is hot: each carries about its share."
        severity="warn"
      />
    </Panel>
  )
}

const cellsOf = (lists: readonly (readonly number[])[]): Cell[] =>
  lists.flatMap((experts, layer) => experts.map((expert) => ({ layer, expert })))

type ListProps = {
  readonly view: View
  readonly frame: Frame | null
  readonly cells: readonly Cell[]
  readonly none: string
  readonly severity: 'crit' | 'warn'
}

function List({ view, frame, cells, none, severity }: ListProps) {
  if (frame === null) return null
  if (cells.length === 0) return <p className="body small dim">{none}</p>
  return (
    <>
      <table className="lst">
        <thead>
          <tr>
            <th>Layer · expert</th>
            <th className="r">Ratio</th>
          </tr>
        </thead>
        <tbody>
          {cells.slice(0, SHOWN_MAX).map((cell) => (
            <Row
              key={`${cell.layer} ${cell.expert}`}
              name={`${shortLayer(frame.layers[cell.layer], cell.layer)} · ${cell.expert}`}
              ratio={ratio(ratioAt(frame, cell))}
              severity={severity}
              layer={cell.layer}
              expert={cell.expert}
              view={view}
            />
          ))}
        </tbody>
      </table>
      {cells.length > SHOWN_MAX ? (
        <p className="body small faint">and {int(cells.length - SHOWN_MAX)} more: see the CSV</p>
      ) : null}
    </>
  )
}

type RowProps = {
  readonly name: string
  readonly ratio: string
  readonly severity: 'crit' | 'warn'
  readonly layer: number
  readonly expert: number
  readonly view: View
}

const Row = memo(function Row({ name, ratio: text, severity, layer, expert, view }: RowProps) {
  return (
    <tr>
      <td className="num">
        <Mark severity={severity} />{' '}
        <button type="button" className="as-link" onClick={() => view.change({ cell: { layer, expert } })}>
          {name}
        </button>
      </td>
      <td className="r">{text}</td>
    </tr>
  )
})

export function Measures({ view }: { readonly view: View }) {
  const frame = useShownCalmly(view, (shown) => shown.frame)
  const layer = useShownCalmly(view, (shown) => shown.cell.layer)
  if (frame === null) return null
  const rows: readonly (readonly [string, readonly number[], number])[] = [
    ['MaxVio', frame.maxVio, 2],
    ['CV', frame.cv, 2],
    [`Entropy ÷ ln ${frame.experts}`, frame.entropy, 3],
    ['Dead experts', frame.dead.map((list) => list.length), 0],
    ['Hot experts', frame.hot.map((list) => list.length), 0],
  ]
  return (
    <Panel id="h-measures" title="Balance" sub={`at step ${int(frame.step)}`}>
      <table className="lst">
        <thead>
          <tr>
            <th>Measure</th>
            <th className="r">Median</th>
            <th className="r" title={frame.layers[layer]}>
              Layer {shortLayer(frame.layers[layer], layer)}
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, values, digits]) => (
            <tr key={name}>
              <td>{name}</td>
              <td className="r">{dec(median(values), digits)}</td>
              <td className="r">{dec(values[layer] ?? 0, digits)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  )
}
