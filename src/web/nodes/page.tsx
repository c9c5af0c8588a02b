// Which machines cannot be used, since when and why, who holds the others, and what is the way back?
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useMemo } from 'react'
import { useNow } from '../api/clock.ts'
import { type Cluster, clustersQuery, type MachineNode, nodesQuery } from '../api/operate.ts'
import { live, sessionQuery } from '../api/queries.ts'
import { csv } from '../format/csv.ts'
import { countOf, int, percent } from '../format/numbers.ts'
import { visible } from '../format/visible.ts'
import { Swatch } from '../parts/accounts.tsx'
import { AsOf } from '../parts/as-of.tsx'
import { Empty, Figure, Panel, Reading, Refusal, Unit } from '../parts/bits.tsx'
import { Mark } from '../parts/glyphs.tsx'
import { saveAs } from '../parts/save.ts'
import { useWords } from '../parts/search.ts'
import { NodeList } from './list.tsx'
import { NodeMap } from './map.tsx'
import { HOLDERS, isOut, matching, type Sums, sumsOf, worstFirst } from './nodes.ts'
import { OneNode } from './one.tsx'

export function NodesPage() {
  const nodes = useQuery(nodesQuery)
  const clusters = useQuery(clustersQuery).data
  useEffect(() => live.follow(null), [])
  useEffect(() => {
    document.title = 'Nodes · Plimsoll'
  }, [])
  if (nodes.data === undefined) {
    return (
      <>
        <div className="head">
          <h1>Nodes</h1>
        </div>
        {nodes.error === null ? <Reading what="the machines" /> : <Refusal error={nodes.error} />}
      </>
    )
  }
  return <Machines nodes={nodes.data} readAt={nodes.dataUpdatedAt} clusters={clusters ?? []} />
}

type Props = {
  readonly nodes: readonly MachineNode[]
  readonly readAt: number
  readonly clusters: readonly Cluster[]
}

function Machines({ nodes, readAt, clusters }: Props) {
  const session = useQuery(sessionQuery)
  const now = useNow(5_000)
  const navigate = useNavigate()
  const { q = '', state = '', node: chosen = null } = useWords() as { q?: string; state?: string; node?: string }
  const sums = useMemo(() => sumsOf(nodes), [nodes])
  const shown = useMemo(() => worstFirst(matching(nodes, q, state)), [nodes, q, state])
  const one = nodes.find(({ id }) => id === chosen)
  const go = (words: { q?: string; state?: string; node?: string | null }): void => {
    const next = { q, state, node: chosen, ...words }
    const search = Object.fromEntries(Object.entries(next).filter(([, value]) => value !== '' && value !== null))
    void navigate({ to: '/nodes', search: search as Record<string, string>, replace: true })
  }
  const choose = (id: string): void => go({ node: id })
  if (nodes.length === 0) {
    return (
      <>
        <div className="head">
          <h1>Nodes</h1>
          <AsOf at={readAt} />
        </div>
        <Unreached clusters={clusters} />
        <div className="panel">
          <Empty title="No machine was seen yet">
            <p>
              Machines are not entered by hand: the controller looks at each cluster and registers what has GPUs. If a
              cluster should be here, <code className="mono">plimsoll doctor</code> says what keeps it from being seen.
            </p>
          </Empty>
        </div>
      </>
    )
  }
  return (
    <>
      <div className="head">
        <h1>Nodes</h1>
        <p className="dim">{sentence(nodes, sums)}</p>
        <AsOf at={readAt} />
        <div className="act">
          <button type="button" className="btn" onClick={() => saveAs('nodes.csv', nodesCsv(shown), 'text/csv')}>
            CSV
          </button>
        </div>
      </div>
      <Unreached clusters={clusters} />
      <Figures sums={sums} nodes={nodes} />
      <div className="grid">
        <Panel
          id="h-map"
          title="Every node"
          sub="a cell is a node, by whose its GPUs are; an outline: out of service"
          wide={one === undefined ? '' : 'c8 own-height'}
          footer={<Key sums={sums} />}
        >
          <NodeMap nodes={nodes} chosen={chosen} onChoose={choose} />
        </Panel>
        {one === undefined ? null : (
          <OneNode node={one} now={now} session={session.data} onClose={() => go({ node: null })} />
        )}
        <Panel
          id="h-list"
          title="Node by node"
          sub={`${countOf(shown.length, 'node')}, worst first`}
          to={<Filter q={q} state={state} sums={sums} onGo={go} />}
          footer="Cordoned: nothing new is placed, what runs may finish. Unknown is never counted as healthy, nor as failed."
        >
          {shown.length === 0 ? (
            <Empty title={state === 'out' && q === '' ? 'Every node is in service' : 'No node matches'}>
              {state === 'out' && q === '' ? (
                'There is nothing that a person has to bring back.'
              ) : (
                <button type="button" className="as-link" onClick={() => go({ q: '', state: '' })}>
                  Show all {int(nodes.length)}
                </button>
              )}
            </Empty>
          ) : (
            <NodeList nodes={shown} chosen={chosen} now={now} onChoose={choose} />
          )}
        </Panel>
      </div>
    </>
  )
}

/** Not an empty one: what is there is not known. */
function Unreached({ clusters }: { readonly clusters: readonly Cluster[] }) {
  const unknown = clusters.filter(({ health }) => health === 'unknown')
  if (unknown.length === 0) return null
  return (
    <>
      {unknown.map(({ name, message }) => (
        <p key={name} className="callout bad-edge paused" role="status">
          <Mark severity="crit" /> <b className="med">Cluster {visible(name)} cannot be asked</b>
          {message === null ? '.' : `: ${visible(message)}.`}{' '}
          <span className="dim">
            What runs there runs on, and nothing new is started.{' '}
            <code className="mono">plimsoll doctor --cluster {visible(name)}</code> says what is in the way.
          </span>
        </p>
      ))}
    </>
  )
}

const out = ({ by }: Sums): number => by.maintenance + by.unhealthy

function sentence(nodes: readonly MachineNode[], sums: Sums): string {
  const away = nodes.filter(isOut).length
  const ready = `${int(sums.states.ready ?? 0)} of ${int(sums.nodes)} are ready.`
  if (away === 0) return `${ready} Nothing is out of service.`
  const parts = [
    ...(out(sums) > 0 ? [`${countOf(out(sums), 'GPU')} out of service`] : []),
    ...(sums.by.unknown > 0 ? [`${countOf(sums.by.unknown, 'GPU')} unknown`] : []),
    ...((sums.states.draining ?? 0) > 0 ? [`${countOf(sums.states.draining ?? 0, 'node')} draining`] : []),
  ]
  return `${ready} ${parts.join(', ')}.`
}

function Figures({ sums, nodes }: { readonly sums: Sums; readonly nodes: readonly MachineNode[] }) {
  const of = (state: string): number => sums.states[state] ?? 0
  const named = (state: string, none: string): string => {
    const names = nodes.filter((node) => node.state === state).map(({ name }) => name)
    return names.length === 0 ? none : names.length <= 2 ? names.join(', ') : `${names[0]} and ${names.length - 1} more`
  }
  const count = (value: number) => (
    <>
      {int(value)}
      <Unit>{value === 1 ? 'node' : 'nodes'}</Unit>
    </>
  )
  const foreign = nodes.filter((node) => node.foreign > 0 && node.state !== 'suspect').length
  return (
    <dl className="figs">
      <Figure name="Ready" under={`${percent(of('ready') / sums.nodes)}, ${countOf(sums.by.held, 'GPU')} held`}>
        {int(of('ready'))}
        <Unit>{`of ${int(sums.nodes)}`}</Unit>
      </Figure>
      <Figure name="Not ready" under={named('not-ready', 'no machine fails')}>
        {count(of('not-ready'))}
      </Figure>
      <Figure name="Silent" under={named('suspect', 'all are heard of')}>
        {count(of('suspect'))}
      </Figure>
      <Figure
        name="Cordoned"
        under={of('draining') > 0 ? `${int(of('draining'))} of them still drain` : named('cordoned', 'by nobody')}
      >
        {count(of('cordoned') + of('draining'))}
      </Figure>
      <Figure name="Lost" under={named('lost', 'none')}>
        {count(of('lost'))}
      </Figure>
      <Figure name="Used by others" under={foreign === 0 ? 'on no node' : `on ${countOf(foreign, 'node')}`}>
        {int(sums.by.foreign)}
        <Unit>{sums.by.foreign === 1 ? 'GPU' : 'GPUs'}</Unit>
      </Figure>
    </dl>
  )
}

function Key({ sums }: { readonly sums: Sums }) {
  return (
    <div className="legend">
      {HOLDERS.filter((holder) => sums.by[holder] > 0).map((holder) => (
        <span key={holder}>
          {holder === 'held' ? <i className="sw sw-held" /> : <Swatch account={holder} />}
          {holder} <b>{int(sums.by[holder])}</b>
        </span>
      ))}
      <span className="eq">
        = <b>{int(sums.gpus)}</b> {sums.gpus === 1 ? 'GPU' : 'GPUs'}
      </span>
    </div>
  )
}

const FILTERS = [
  ['', 'All'],
  ['out', 'Out of service'],
  ['ready', 'Ready'],
  ['foreign', 'Used by others'],
] as const

function Filter(props: {
  readonly q: string
  readonly state: string
  readonly sums: Sums
  readonly onGo: (words: { q?: string; state?: string }) => void
}) {
  return (
    <>
      <fieldset className="seg" aria-label="Which nodes">
        {FILTERS.map(([key, name]) => (
          <button key={key} type="button" aria-pressed={props.state === key} onClick={() => props.onGo({ state: key })}>
            {name}
          </button>
        ))}
      </fieldset>
      <input
        type="search"
        className="field low-field"
        placeholder="Name, rack, model, run"
        aria-label="Find nodes"
        value={props.q}
        onChange={(event) => props.onGo({ q: event.target.value })}
      />
    </>
  )
}

const nodesCsv = (nodes: readonly MachineNode[]): string =>
  csv([
    ['node', 'cluster', 'state', 'since', 'reason', 'message', 'gpu_model', 'gpus', 'held', 'foreign', 'held_by'],
    ...nodes.map((node) => [
      node.name,
      node.cluster,
      node.state,
      node.since,
      node.reason,
      node.message,
      node.gpuModel,
      node.gpus,
      node.held,
      node.foreign,
      node.holders.map((each) => `${each.project}/${each.name}`).join(' '),
    ]),
  ])
