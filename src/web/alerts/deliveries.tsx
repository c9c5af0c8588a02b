// What was sent, the newest first: each message with its tries and what the receiver said.
import { countOf, dec } from '../format/numbers.ts'
import { day, hms, ms, utc } from '../format/times.ts'
import { visible } from '../format/visible.ts'
import { Empty, Panel, Reading, Refusal } from '../parts/bits.tsx'
import type { Channel, Delivery } from './api.ts'
import { answerText } from './channels.ts'
import { Glyph } from './glyphs.tsx'
import { Tries } from './tries.tsx'

type Props = {
  /** Null: not read yet, or not to be had. */
  readonly deliveries: readonly Delivery[] | null
  readonly channels: readonly Channel[]
  readonly error: unknown
  readonly more: boolean
  readonly reading: boolean
  readonly now: number
  readonly onMore: () => void
}

export function Sent({ deliveries, channels, error, more, reading, now, onMore }: Props) {
  const waiting = channels.filter(({ pending, retryAt }) => pending > 0 && retryAt !== null)
  return (
    <Panel
      id="h-d"
      title="Deliveries"
      sub="newest first"
      wide="c7"
      footer={
        waiting.length > 0 || more ? (
          <>
            {waiting.map(({ name, retryAt }) => (
              <span key={name}>
                {name}: again at <b className="med">{hms(ms(retryAt ?? ''))}</b>, with the same id: a repeat does no
                harm.{' '}
              </span>
            ))}
            {more ? (
              <button type="button" className="btn low" disabled={reading} onClick={onMore}>
                Load more
              </button>
            ) : null}
          </>
        ) : undefined
      }
    >
      {deliveries === null ? error === null ? <Reading what="deliveries" /> : <Refusal error={error} /> : null}
      {deliveries?.length === 0 ? (
        <Empty title="Nothing was sent yet">
          {channels.length === 0
            ? 'There is no channel that anything could be sent to.'
            : 'Press Test beside a channel: the message, each try and what the receiver answered stand here.'}
        </Empty>
      ) : null}
      {deliveries === null || deliveries.length === 0 ? null : (
        <div className="scroll deliveries" tabIndex={0} role="region" aria-label="Deliveries by time">
          <table>
            <thead>
              <tr>
                <th className="r">At</th>
                <th>What</th>
                <th>Route</th>
                <th>Answer</th>
                <th>Tries</th>
              </tr>
            </thead>
            <tbody>
              {deliveries.map((each) => (
                <Line key={`${each.notice} ${each.channel}`} delivery={each} now={now} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}

function Line({ delivery, now }: { readonly delivery: Delivery; readonly now: number }) {
  const { at, title, kind, items, channel, tries } = delivery
  const made = ms(at)
  const today = new Date(made).toDateString() === new Date(now).toDateString()
  return (
    <tr>
      <td className="r dim">
        <time dateTime={at} title={utc(made)}>
          {hms(made)}
        </time>
        {today ? null : <div className="micro">{day(made)}</div>}
      </td>
      <td className="wide-text what">
        <span className="clamp" title={visible(title)}>
          {visible(title)}
        </span>
        {kind === 'alert' && items === 1 ? null : (
          <div className="micro">{kind === 'alert' ? countOf(items, 'alert') : kind}</div>
        )}
      </td>
      <td className="dim wide-text narrow">{channel}</td>
      <td className="wide-text">
        <Answer delivery={delivery} />
      </td>
      <td>
        <Tries tries={tries} />
      </td>
    </tr>
  )
}

const STATES: Readonly<Record<Delivery['state'], string>> = {
  pending: 'waits',
  delivered: 'delivered',
  failed: 'given up',
}

function Answer({ delivery: { state, tries } }: { readonly delivery: Delivery }) {
  const last = tries.at(-1)
  if (last === undefined)
    return <span className="faint">{state === 'pending' ? 'waits for its first try' : STATES[state]}</span>
  return (
    <details className="answer">
      <summary>
        <span className={`code ${last.ok ? '' : 'bad'}`}>
          <Glyph of={last.ok ? 'done' : 'failed'} word={STATES[state]} />
          <span className="clamp">
            {state === 'failed' ? 'given up: ' : ''}
            {visible(answerText(last.said))} <span className="u nowrap">in {dec(last.tookMs / 1000, 2)} s</span>
          </span>
        </span>
      </summary>
      <ol>
        {tries.map((each) => (
          <li key={each.try} className="micro">
            try {each.try} at {hms(ms(each.at))}, {dec(each.tookMs / 1000, 2)} s: {visible(answerText(each.said))}
          </li>
        ))}
      </ol>
    </details>
  )
}
