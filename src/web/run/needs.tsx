// What detectors found and is not over: what, since when, what it has cost so far, what to try.
import type { Show } from '../api/documents.ts'
import { counted } from '../../domain/words.ts'
import { gpuHours, money } from '../format/numbers.ts'
import { ms } from '../format/times.ts'
import { visible } from '../format/visible.ts'
import { Moment, Panel } from '../parts/bits.tsx'
import { Mark } from '../parts/glyphs.tsx'

export function NeedsALook({ show, now }: { readonly show: Show; readonly now: number }) {
  if (show.findings.length === 0) return null
  return (
    <Panel id="h-needs" title="Needs a look" wide="own-height" sub={counted(show.findings.length, 'finding')}>
      <ul className="needs">
        {show.findings.map((each) => (
          <li className="need" key={`${each.kind} ${each.attempt} ${each.since ?? ''} ${each.text}`}>
            <Mark severity={each.severity === 'critical' ? 'crit' : 'warn'} />
            <div>
              <p className="w">{visible(each.text)}</p>
              <p className="e">
                <span className="chip">{each.kind}</span> attempt {each.attempt}
                {each.since === null ? null : (
                  <>
                    , since <Moment at={ms(each.since)} now={now} />
                  </>
                )}
              </p>
              <p className="e">{visible(each.whatToDo)}</p>
            </div>
            <p className="cost">
              {each.gpuMs === null ? null : (
                <>
                  <b>{gpuHours(each.gpuMs)} GPU-h</b>
                  <br />
                  {each.money === null ? 'no price is set' : money(each.money)}
                </>
              )}
            </p>
          </li>
        ))}
      </ul>
    </Panel>
  )
}
