// What holds messages back now, until when, by whom and why.
import { countOf, durationShort } from '../format/numbers.ts'
import { ms } from '../format/times.ts'
import { visible } from '../format/visible.ts'
import { Empty, Moment, Panel } from '../parts/bits.tsx'
import type { Alert, Silence } from './api.ts'
import { type Grants, mayIn } from './may.ts'
import { heldBack, scopeText } from './silence.ts'

type Props = {
  readonly silences: readonly Silence[]
  readonly alerts: readonly Alert[]
  readonly session: Grants
  readonly now: number
  readonly onUnsilence: (silence: Silence) => void
}

export function Silences({ silences, alerts, session, now, onUnsilence }: Props) {
  const held = heldBack(silences, alerts)
  const names = new Map(
    alerts.flatMap(({ run, project, runName }) => (run === null ? [] : [[run, `${project ?? ''}/${runName ?? run}`]])),
  )
  return (
    <Panel id="h-s" title="Silences" sub="a silence hides messages, never findings, and always ends" wide="c5">
      {silences.length === 0 ? (
        <Empty title="Nothing is silenced">
          Where something is known, or is being changed, a silence keeps its messages back for a while: press Silence…
          beside an alert, or New silence… above.
        </Empty>
      ) : (
        <div className="scroll" tabIndex={0} role="region" aria-label="Silences, soonest end first">
          <table className="silences">
            <thead>
              <tr>
                <th>What it holds back</th>
                <th>By, why</th>
                <th>Ends</th>
                <th>
                  <span className="vh">Do</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {silences
                .toSorted((a, b) => ms(a.endsAt) - ms(b.endsAt))
                .map((silence) => (
                  <tr key={silence.id}>
                    <th scope="row" className="wide-text">
                      {visible(scopeText(silence, silence.run === null ? null : (names.get(silence.run) ?? null)))}
                      <div className="micro">now {countOf(held.get(silence.id) ?? 0, 'alert')}</div>
                    </th>
                    <td className="wide-text">
                      {visible(silence.by.replace(/^user:/, ''))}
                      <div className="micro clamp" title={visible(silence.reason)}>
                        {visible(silence.reason)}
                      </div>
                    </td>
                    <td>
                      <Moment at={ms(silence.endsAt)} now={now} />
                      <div className="micro">in {durationShort(ms(silence.endsAt) - now)}</div>
                    </td>
                    <td className="r">
                      {mayIn(session, 'alert.handle', silence.project) ? (
                        <button type="button" className="btn low" onClick={() => onUnsilence(silence)}>
                          Unsilence…
                        </button>
                      ) : null}
                    </td>
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}
