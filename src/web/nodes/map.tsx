// Every machine as a cell: whose its slots are, and an outline where it is out of service. One path for each kind of slot, so that five
// thousand nodes are a dozen elements. The same is in words in the list below.
import { useMemo, useState } from 'react'
import type { MachineNode } from '../api/operate.ts'
import { countOf } from '../format/numbers.ts'
import { fillOf } from '../parts/accounts.tsx'
import { useWidth } from '../parts/width.ts'
import { type Holder, HOLDERS, isOut, slotsOf } from './nodes.ts'

const HEIGHT_MAX = 440
const CELLS = [
  { width: 68, height: 20 },
  { width: 44, height: 18 },
  { width: 28, height: 16 },
  { width: 18, height: 13 },
  { width: 11, height: 10 },
  { width: 7, height: 8 },
] as const
const LABELLED_MAX = 48
const LABEL = 72

type Cell = { readonly node: MachineNode; readonly x: number; readonly y: number }
type Layout = {
  readonly cells: readonly Cell[]
  readonly labels: readonly { readonly text: string; readonly y: number }[]
  readonly width: number
  readonly height: number
  readonly total: number
}

export function NodeMap(props: {
  readonly nodes: readonly MachineNode[]
  readonly chosen: string | null
  readonly onChoose: (id: string) => void
}) {
  const { nodes, chosen, onChoose } = props
  const [box, width] = useWidth<HTMLDivElement>()
  const [under, setUnder] = useState<MachineNode | null>(null)
  const layout = useMemo(() => (width === 0 ? null : layOut(nodes, width)), [nodes, width])
  return (
    <div className="body" ref={box}>
      {layout === null ? null : (
        <svg
          className="chart map"
          viewBox={`0 0 ${width} ${layout.total}`}
          height={layout.total}
          role="img"
          aria-label={`${countOf(nodes.length, 'node')} by who holds their slots; the same is in the list below`}
          onMouseMove={(event) => setUnder(cellAt(layout, event)?.node ?? null)}
          onMouseLeave={() => setUnder(null)}
          onClick={(event) => {
            const cell = cellAt(layout, event)
            if (cell !== null) onChoose(cell.node.id)
          }}
        >
          {layout.labels.map(({ text, y }) => (
            <text key={`${text}${y}`} className="lab" x="0" y={y}>
              {text}
            </text>
          ))}
          <Slots layout={layout} />
          <Outlines layout={layout} chosen={chosen} />
        </svg>
      )}
      <p className="micro readout" aria-hidden="true">
        {under === null ? 'Point at a node to read it, click to open it.' : wordsOf(under)}
      </p>
    </div>
  )
}

const wordsOf = ({ name, state, gpus, held, holders }: MachineNode): string =>
  `${name}: ${state}, ${held} of ${countOf(gpus, 'GPU')} held${
    holders.length === 0 ? '' : ` by ${holders.map((each) => `${each.project}/${each.name}`).join(', ')}`
  }`

function Slots({ layout }: { readonly layout: Layout }) {
  const paths = useMemo(() => slotPaths(layout), [layout])
  return HOLDERS.map((holder) => {
    const d = paths.get(holder)
    if (d === undefined) return null
    return holder === 'held' ? (
      <path key={holder} d={d} fill="var(--ink-2)" />
    ) : (
      <path
        key={holder}
        d={d}
        fill={fillOf(holder)}
        stroke={holder === 'free' ? 'var(--line-2)' : 'none'}
        strokeWidth=".6"
      />
    )
  })
}

function slotPaths({ cells, width, height }: Layout): ReadonlyMap<Holder, string> {
  const paths = new Map<Holder, string[]>()
  for (const { node, x, y } of cells) {
    const slots = slotsOf(node)
    const each = (width - 2) / Math.max(1, slots.length)
    for (let from = 0; from < slots.length;) {
      const holder = slots[from] ?? 'unknown'
      let to = from + 1
      while (slots[to] === holder) to += 1
      const list = paths.get(holder) ?? []
      list.push(rect(x + from * each, y, (to - from) * each, height - 3))
      paths.set(holder, list)
      from = to
    }
  }
  return new Map([...paths].map(([holder, list]) => [holder, list.join('')]))
}

const rect = (x: number, y: number, width: number, height: number): string =>
  `M${x.toFixed(1)} ${y}h${width.toFixed(1)}v${height}h${(-width).toFixed(1)}z`

const OUTLINES = [
  { states: ['suspect'], stroke: 'var(--warn)', dash: undefined },
  { states: ['cordoned'], stroke: 'var(--ink)', dash: undefined },
  { states: ['draining'], stroke: 'var(--ink)', dash: '1.6 1.6' },
  { states: ['not-ready'], stroke: 'var(--warn)', dash: '3 2' },
  { states: ['lost'], stroke: 'var(--bad)', dash: '3 2' },
] as const

function Outlines({ layout, chosen }: { readonly layout: Layout; readonly chosen: string | null }) {
  const { cells, width, height } = layout
  const around = ({ x, y }: Cell): string => rect(x - 1.5, y - 1.5, width + 1, height)
  const out = cells.filter(({ node }) => isOut(node))
  const one = cells.find(({ node }) => node.id === chosen)
  return (
    <>
      {OUTLINES.map(({ states, stroke, dash }) => (
        <path
          key={states[0]}
          d={out
            .filter(({ node }) => (states as readonly string[]).includes(node.state))
            .map(around)
            .join('')}
          fill="none"
          stroke={stroke}
          strokeWidth="1.5"
          strokeDasharray={dash}
        />
      ))}
      {one === undefined ? null : <path d={around(one)} fill="none" stroke="var(--focus)" strokeWidth="2.4" />}
    </>
  )
}

function layOut(nodes: readonly MachineNode[], room: number): Layout {
  const collator = new Intl.Collator('en', { numeric: true })
  const groups = [...Map.groupBy(nodes, ({ rack, cluster }) => rack ?? cluster)].toSorted(([a], [b]) =>
    collator.compare(a, b),
  )
  const labelled = groups.length <= LABELLED_MAX && room >= 400
  const rows = labelled ? groups : ([['', nodes.toSorted((a, b) => collator.compare(a.name, b.name))]] as const)
  const left = labelled ? LABEL : 1.5
  const perRow = (width: number): number => Math.max(1, Math.floor((room - left - 3) / width))
  const heightWith = ({ width, height }: (typeof CELLS)[number]): number =>
    rows.reduce((sum, [, list]) => sum + Math.ceil(list.length / perRow(width)) * height, 0)
  const size = CELLS.find((each) => heightWith(each) <= HEIGHT_MAX) ?? CELLS[CELLS.length - 1] ?? CELLS[0]
  const cells: Cell[] = []
  const labels: { text: string; y: number }[] = []
  let y = 3
  for (const [label, list] of rows) {
    if (label !== '') labels.push({ text: label.length > 11 ? `${label.slice(0, 10)}…` : label, y: y + 10 })
    const columns = perRow(size.width)
    for (const [index, node] of list.toSorted((a, b) => collator.compare(a.name, b.name)).entries())
      cells.push({ node, x: left + (index % columns) * size.width, y: y + Math.floor(index / columns) * size.height })
    y += Math.ceil(list.length / columns) * size.height
  }
  return { cells, labels, ...size, total: y + 2 }
}

type At = { readonly clientX: number; readonly clientY: number; readonly currentTarget: Element }

function cellAt({ cells, width, height }: Layout, { clientX, clientY, currentTarget }: At): Cell | null {
  const { left, top } = currentTarget.getBoundingClientRect()
  const [x, y] = [clientX - left, clientY - top]
  return cells.find((cell) => x >= cell.x && x < cell.x + width && y >= cell.y && y < cell.y + height) ?? null
}
