// The machines as a list. Only the lines in view exist, so that thousands of nodes scroll as ten do.
import { useVirtualizer } from '@tanstack/react-virtual'
import { type CSSProperties, useRef } from 'react'
import { Link } from '@tanstack/react-router'
import type { MachineNode } from '../api/operate.ts'
import { countOf, durationShort, int } from '../format/numbers.ts'
import { ms, when } from '../format/times.ts'
import { visible } from '../format/visible.ts'
import { Moment } from '../parts/bits.tsx'
import { NodeWord } from '../parts/node-word.tsx'

const ROW = 44
const LINES_MAX = 14
const COLUMNS = '108px minmax(150px,1fr) 104px minmax(220px,2fr) minmax(170px,1.4fr) 74px 74px 92px'
const WIDTH_MIN = 1000

type Props = {
  readonly nodes: readonly MachineNode[]
  readonly chosen: string | null
  readonly now: number
  readonly onChoose: (id: string) => void
}

export function NodeList({ nodes, chosen, now, onChoose }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({
    count: nodes.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: 6,
    useFlushSync: false,
  })
  return (
    <div
      ref={box}
      className="grid-scroll node-scroll"
      role="table"
      aria-label="Nodes"
      aria-rowcount={nodes.length + 1}
      tabIndex={0}
      style={{ maxHeight: ROW * LINES_MAX }}
    >
      <div className="grid-in" style={{ minWidth: WIDTH_MIN, '--columns': COLUMNS } as CSSProperties}>
        <div role="rowgroup" className="grid-head">
          <div role="row" aria-rowindex={1} className="gr">
            {['State', 'Node', 'Since', 'What', 'Held by'].map((head) => (
              <div key={head} role="columnheader">
                {head}
              </div>
            ))}
            {['Held', 'Others’', 'Of'].map((head) => (
              <div key={head} role="columnheader" className="r">
                {head} <span className="u">GPUs</span>
              </div>
            ))}
          </div>
        </div>
        <div role="rowgroup" className="grid-lines" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map(({ index, start }) => {
            const node = nodes[index]
            if (node === undefined) return null
            return (
              <div
                key={node.id}
                role="row"
                aria-rowindex={index + 2}
                className={`gr line two ${node.id === chosen ? 'sel' : ''}`}
                style={{ top: start, height: ROW }}
              >
                <Cells node={node} now={now} onChoose={onChoose} />
              </div>
            )
          })}
        </div>
      </div>
    </div>
  )
}

type CellsProps = { readonly node: MachineNode; readonly now: number; readonly onChoose: (id: string) => void }

function Cells({ node, now, onChoose }: CellsProps) {
  const since = node.since === null ? null : ms(node.since)
  return (
    <>
      <div role="cell">
        <NodeWord state={node.state} />
      </div>
      <div role="cell" className="cut">
        <button type="button" className="as-link med" onClick={() => onChoose(node.id)}>
          {node.name}
        </button>
        <div className="micro cut">{placeOf(node)}</div>
      </div>
      <div role="cell">
        {since === null ? (
          <span className="faint">{node.state === 'ready' ? '' : 'not recorded'}</span>
        ) : (
          <>
            <Moment at={since} now={now} />
            <div className="micro">{durationShort(now - since)}</div>
          </>
        )}
      </div>
      <div role="cell" className="cut">
        <What node={node} now={now} />
      </div>
      <div role="cell" className="cut">
        <Holders node={node} />
      </div>
      <div role="cell" className="r">
        {node.held === 0 ? <span className="faint">0</span> : int(node.held)}
      </div>
      <div role="cell" className={`r ${node.foreign > 0 ? 'warn strong' : ''}`}>
        {node.state === 'suspect' ? (
          <span className="stale">unknown</span>
        ) : node.foreign === 0 ? (
          <span className="faint">0</span>
        ) : (
          int(node.foreign)
        )}
      </div>
      <div role="cell" className="r">
        {int(node.gpus)}
        <div className="micro cut">{node.declared ? 'declared' : node.gpuModel}</div>
      </div>
    </>
  )
}

export const placeOf = ({ rack, block, cluster }: MachineNode): string =>
  [rack === null ? null : `rack ${rack}`, block === null ? null : `block ${block}`, `cluster ${cluster}`]
    .filter((part) => part !== null)
    .join(', ')

function What({ node, now }: { readonly node: MachineNode; readonly now: number }) {
  const { state, reason, message, cordonedBy, unhealthy, foreign } = node
  if (state === 'ready') {
    if (foreign === 0) return null
    return <span className="dim">{countOf(foreign, 'GPU')} used by others: Plimsoll places nothing there</span>
  }
  const text = state === 'lost' ? `not heard of since ${when(ms(node.observedAt), now)}` : visible(message ?? '')
  return (
    <>
      <div className="cut" title={text}>
        {text === '' ? <span className="faint">no reason was given</span> : text}
      </div>
      <div className="micro">
        {reason === null ? null : <span className="mono-s">{reason}</span>}
        {unhealthy && state !== 'lost' ? ' the machine itself' : ''}
        {cordonedBy === null ? '' : ` by ${cordonedBy.replace(/^user:/, '')}`}
      </div>
    </>
  )
}

export function Holders({ node, all = false }: { readonly node: MachineNode; readonly all?: boolean }) {
  const { holders, held } = node
  const named = holders.reduce((sum, { gpus }) => sum + gpus, 0)
  const shown = all ? holders : holders.slice(0, 2)
  if (held === 0) return <span className="faint">nobody</span>
  return (
    <>
      {shown.map((each) => (
        <div key={each.run} className="cut">
          <Link className="run" to="/runs/$run" params={{ run: each.run }} title={`${each.project}/${each.name}`}>
            <span className="p">{each.project}/</span>
            <b>{each.name}</b>
          </Link>
          {all ? <span className="dim"> {countOf(each.gpus, 'GPU')}</span> : null}
        </div>
      ))}
      {holders.length > shown.length ? <span className="micro">and {holders.length - shown.length} more</span> : null}
      {named < held ? <span className="micro">{countOf(held - named, 'GPU')} by runs that you may not see</span> : null}
    </>
  )
}
