// One machine: whose it is, why it is out, what brings it back, and what a person may do about it.
import { useEffect, useRef, useState } from 'react'
import { mayDo } from '../api/may.ts'
import type { Session } from '../api/documents.ts'
import { type MachineNode, nodesQuery } from '../api/operate.ts'
import { queries } from '../api/queries.ts'
import { countOf, durationShort } from '../format/numbers.ts'
import { ms } from '../format/times.ts'
import { visible } from '../format/visible.ts'
import { Moment } from '../parts/bits.tsx'
import { NodeWord } from '../parts/node-word.tsx'
import { type Deed, ReasonDialog } from '../parts/reason-dialog.tsx'
import { Holders, placeOf } from './list.tsx'
import { wayBack } from './nodes.ts'

type Props = {
  readonly node: MachineNode
  readonly now: number
  readonly session: Session | undefined
  readonly onClose: () => void
}

export function OneNode({ node, now, session, onClose }: Props) {
  const heading = useRef<HTMLHeadingElement>(null)
  // Who opened it by a key goes on from here.
  useEffect(() => heading.current?.focus({ preventScroll: true }), [node.id])
  const since = node.since === null ? null : ms(node.since)
  const message = visible(node.message ?? '')
  const way = wayBack(node)
  return (
    <section className="panel c4 side own-height" aria-labelledby="h-node">
      <div className="who">
        <h2 id="h-node" ref={heading} tabIndex={-1}>
          {node.name}
        </h2>
        <NodeWord state={node.state} />
        {since === null ? null : (
          <span className="dim small">
            since <Moment at={since} now={now} />, {durationShort(now - since)}
          </span>
        )}
        <button type="button" className="btn quiet low to" aria-label="Close" onClick={onClose}>
          ✕
        </button>
      </div>
      <div className="sec">
        <dl className="kv small">
          <dt>Place</dt>
          <dd>{placeOf(node)}</dd>
          <dt>GPUs</dt>
          <dd>
            {node.declared ? `${countOf(node.gpus, 'declared slot')}, no devices` : `${node.gpus} × ${node.gpuModel}`}
          </dd>
          <dt>Held by</dt>
          <dd>
            <Holders node={node} all />
          </dd>
          {node.state === 'ready' ? null : (
            <>
              <dt>Why</dt>
              <dd>
                {node.state === 'lost' ? (
                  'nothing was heard of it for too long'
                ) : message === '' ? (
                  <span className="faint">no reason was given</span>
                ) : (
                  <b className="med">{message}</b>
                )}
                {node.cordonedBy === null ? null : (
                  <span className="dim"> cordoned by {node.cordonedBy.replace(/^user:/, '')}</span>
                )}
              </dd>
            </>
          )}
          {node.foreign > 0 && node.state !== 'suspect' ? (
            <>
              <dt>Others use</dt>
              <dd>
                <span className="warn strong">{countOf(node.foreign, 'GPU')}</span>{' '}
                <span className="dim">that no run of Plimsoll holds</span>
              </dd>
            </>
          ) : null}
          {node.taint === null ? null : (
            <>
              <dt>Taint</dt>
              <dd className="mono">{node.taint}</dd>
            </>
          )}
          <dt>Heard of</dt>
          <dd>
            <Moment at={ms(node.observedAt)} now={now} />{' '}
            <span className="dim">{durationShort(now - ms(node.observedAt))} ago</span>
          </dd>
          <dt>Id</dt>
          <dd className="mono">{node.id}</dd>
        </dl>
      </div>
      <div className="sec">
        <h3>Way back</h3>
        {way.length === 0 ? (
          <p className="small dim">It is in service: nothing has to be done.</p>
        ) : (
          <ol className="way small">
            {way.map((step) => (
              <li key={step}>{step}</li>
            ))}
          </ol>
        )}
        <Deeds node={node} session={session} />
      </div>
    </section>
  )
}

const deedOf = (node: MachineNode, verb: 'cordon' | 'uncordon' | 'forget'): Deed => ({
  title: `${verb === 'cordon' ? 'Cordon' : verb === 'uncordon' ? 'Uncordon' : 'Forget'} ${node.name}?`,
  does: {
    cordon: 'Nothing new is placed on it; what runs there may finish.',
    uncordon: 'Runs are placed on it again.',
    forget: 'Its books end. If it is still there, the next look registers it as it is then.',
  }[verb],
  button: verb === 'cordon' ? 'Cordon' : verb === 'uncordon' ? 'Uncordon' : 'Forget',
  method: 'POST',
  path: `/nodes/${encodeURIComponent(node.id)}/${verb}`,
  reason: 'Reason, for those who look (it stands in the audit log)',
})

function Deeds({ node, session }: { readonly node: MachineNode; readonly session: Session | undefined }) {
  const [deed, setDeed] = useState<Deed | null>(null)
  if (!mayDo(session, 'node.cordon'))
    return <p className="micro">Operators and admins can cordon it: plimsoll nodes cordon {node.name}</p>
  return (
    <>
      <div className="deeds">
        {node.cordonedBy === null ? (
          <button type="button" className="btn" onClick={() => setDeed(deedOf(node, 'cordon'))}>
            Cordon…
          </button>
        ) : (
          <button type="button" className="btn first" onClick={() => setDeed(deedOf(node, 'uncordon'))}>
            Uncordon…
          </button>
        )}
        {node.held === 0 && node.state !== 'ready' ? (
          <button type="button" className="btn quiet" onClick={() => setDeed(deedOf(node, 'forget'))}>
            Forget…
          </button>
        ) : null}
      </div>
      <p className="micro">Each of these stands in the audit log.</p>
      <ReasonDialog
        deed={deed}
        onClose={() => setDeed(null)}
        onDone={() => queries.invalidateQueries({ queryKey: nodesQuery.queryKey })}
      />
    </>
  )
}
