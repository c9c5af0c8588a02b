// What needs a person: what, how much, since when, what to do, evidence; each with the page where it is seen.
import { useState } from 'react'
import { countOf, durationShort, gpuHours, int, money } from '../format/numbers.ts'
import { visible } from '../format/visible.ts'
import { Empty, Moment, Panel } from '../parts/bits.tsx'
import { Mark } from '../parts/glyphs.tsx'
import { Go, RunLink } from '../parts/go.tsx'
import type { Need } from './needs.ts'

const SHOWN_AT_FIRST = 8

type Props = { readonly needs: readonly Need[]; readonly more: boolean; readonly now: number }

export function NeedsPanel({ needs, more, now }: Props) {
  const [all, setAll] = useState(false)
  const shown = all ? needs : needs.slice(0, SHOWN_AT_FIRST)
  const left = needs.length - shown.length
  return (
    <Panel
      id="h-needs"
      title="Needs a person"
      sub="worst first"
      wide="c8 own-height"
      footer={
        left > 0 ? (
          <button type="button" className="as-link" onClick={() => setAll(true)}>
            Show {int(left)} more
          </button>
        ) : more ? (
          'There are more findings than this page reads: plimsoll findings lists all.'
        ) : undefined
      }
    >
      {needs.length === 0 ? (
        <Empty title="Nothing needs a person">
          Here stands what a detector found and is not over, what failed in the last 24 h, machines that are away,
          budgets near their wall and who asks for more: each with what it costs and what to do.
        </Empty>
      ) : (
        <ul className="needs">
          {shown.map((need) => (
            <NeedLine key={need.key} need={need} now={now} />
          ))}
        </ul>
      )}
    </Panel>
  )
}

function NeedLine({ need, now }: { readonly need: Need; readonly now: number }) {
  const { severity, what, rule, run, evidence, since, whatToDo, to } = need
  return (
    <li className="need">
      <Mark severity={severity} />
      <div className="said">
        <p>
          <span className="w">{visible(what)}</span> {run === null ? null : <RunLink {...run} />}
        </p>
        <p className="e">{visible(evidence)}</p>
        <p className="e">
          <span className="chip">{rule}</span>{' '}
          {since === null ? (
            <span className="faint">since when is not recorded</span>
          ) : (
            <>
              since <Moment at={since} now={now} />, {durationShort(now - since)}
            </>
          )}
        </p>
        <p className="e">
          {visible(whatToDo)}{' '}
          <Go className="nowrap" to={to.path}>
            {to.name}
          </Go>
        </p>
      </div>
      <p className="cost">
        <HowMuch need={need} />
      </p>
    </li>
  )
}

function HowMuch({ need: { gpuMs, money: cost, gpus, rule } }: { readonly need: Need }) {
  if (gpuMs !== null)
    return (
      <>
        <b>{gpuHours(gpuMs)} GPU-h</b>
        <br />
        {cost !== null ? money(cost) : rule === 'unheard' ? 'unknown so far' : 'no price is set'}
      </>
    )
  if (gpus === null) return null
  return (
    <>
      <b>{countOf(gpus, 'GPU')}</b>
      <br />
      {rule === 'queue-paused' ? 'wait' : 'away'}
    </>
  )
}
