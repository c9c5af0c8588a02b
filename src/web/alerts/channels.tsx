// Who is told of what: each channel with what it takes, how its last try went, and what waits for it.
import { change } from '../api/ask.ts'
import { countOf, durationShort, int } from '../format/numbers.ts'
import { ms, when } from '../format/times.ts'
import { visible } from '../format/visible.ts'
import { Empty, Moment, Panel } from '../parts/bits.tsx'
import type { Channel, Delivery } from './api.ts'
import { answerText, factsOf, KINDS, takesText, troubleOf } from './channels.ts'
import { type Deeds, SaidLine, useDeeds } from './deeds.tsx'
import { Glyph } from './glyphs.tsx'
import { type Grants, mayAnywhere, mayIn } from './may.ts'
import { Tries } from './tries.tsx'

type Props = {
  readonly channels: readonly Channel[]
  /** Null: not read yet, or not to be had. */
  readonly deliveries: readonly Delivery[] | null
  /** There are no others. */
  readonly all: boolean
  readonly session: Grants
  readonly now: number
  readonly onNew: () => void
  readonly onRemove: (channel: Channel) => void
}

export function Routes({ channels, deliveries, all, session, now, onNew, onRemove }: Props) {
  const deeds = useDeeds()
  const waits = channels.reduce((sum, { pending }) => sum + pending, 0)
  const facts = channels.map(({ name }) => factsOf(name, deliveries ?? [], deliveries !== null && all, now))
  const atLeast = facts.some((each) => each.atLeast)
  const may = mayAnywhere(session, 'channel.write')
  return (
    <Panel
      id="h-r"
      title="Routes"
      sub="each channel takes what it says, whatever others take"
      to={
        <>
          {waits > 0 ? (
            <span className="bad strong">
              {countOf(waits, 'message')} {waits === 1 ? 'waits' : 'wait'}
            </span>
          ) : null}
          {may ? (
            <button type="button" className="btn" onClick={onNew}>
              New channel…
            </button>
          ) : null}
        </>
      }
      footer={
        <>
          A message goes to the outbox in the transaction that notes that it was told: a restart neither loses nor
          repeats one. What fires is told again after 4 h while nobody has acknowledged it.
          {may ? '' : ' Leads make channels for their projects, admins for every project.'}
        </>
      }
    >
      <SaidLine said={deeds.said} />
      {channels.length === 0 ? (
        <Empty title="Nobody is told">
          A channel takes alerts to where people are: a webhook, Slack, e-mail or Alertmanager. Without one what fires
          stands on this page alone.{' '}
          {may ? 'Make one with “New channel…”, then test it.' : 'Ask a lead or an admin to make one.'}
        </Empty>
      ) : (
        <div className="scroll" tabIndex={0} role="region" aria-label="Channels">
          <table className="routes">
            <thead>
              <tr>
                <th>Route</th>
                <th>Takes</th>
                <th>Channel</th>
                <th className="r">Last try</th>
                <th>Answer</th>
                <th>Tries</th>
                <th className="r">Sent, 24 h</th>
                <th className="r">Waits</th>
                <th>
                  <span className="vh">Do</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {channels.map((channel, index) => (
                <Route
                  key={channel.id}
                  channel={channel}
                  facts={facts[index] ?? factsOf(channel.name, [], true, now)}
                  known={deliveries === null ? 'none' : all ? 'all' : 'newest'}
                  may={mayIn(session, 'channel.write', channel.project)}
                  now={now}
                  deeds={deeds}
                  onRemove={onRemove}
                />
              ))}
              <tr className="sum">
                <td>{countOf(channels.length, 'channel')}</td>
                <td colSpan={5} />
                <td className="r">
                  {deliveries === null
                    ? 'unknown'
                    : `${atLeast ? '≥ ' : ''}${int(facts.reduce((sum, { sent }) => sum + sent, 0))}`}
                </td>
                <td className="r">{int(waits)}</td>
                <td />
              </tr>
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}

type RouteProps = {
  readonly channel: Channel
  readonly facts: ReturnType<typeof factsOf>
  /** Of what was sent at all. */
  readonly known: 'none' | 'newest' | 'all'
  readonly may: boolean
  readonly now: number
  readonly deeds: Deeds
  readonly onRemove: (channel: Channel) => void
}

const NOTHING = {
  none: 'its deliveries were not read',
  newest: 'nothing among the newest deliveries',
  all: 'nothing was sent yet',
} as const

function Route({ channel, facts, known, may, now, deeds, onRemove }: RouteProps) {
  const { name, project, kind, shown, pending, createdAt, createdBy } = channel
  const trouble = troubleOf(channel)
  return (
    <tr>
      <th scope="row" className="wide-text">
        <span className="med">{name}</span>
        <div className="micro" title={`since ${when(ms(createdAt), now)}, by ${createdBy}`}>
          {project === null ? 'every project' : project}
        </div>
      </th>
      <td className="wide-text">{takesText(channel)}</td>
      <td className="wide-text">
        {KINDS[kind]}
        <div className="micro clamp" title={visible(shown)}>
          {visible(shown)}
        </div>
      </td>
      <td className="r dim">
        {facts.lastTry === null ? (
          <span className="faint">{known === 'all' ? 'never' : 'unknown'}</span>
        ) : (
          <>
            <Moment at={ms(facts.lastTry.at)} now={now} />
            <div className="micro">{durationShort(now - ms(facts.lastTry.at))} ago</div>
          </>
        )}
      </td>
      <td className="wide-text">
        {facts.lastTry === null ? (
          <span className="faint">{NOTHING[known]}</span>
        ) : (
          <span className={`code ${facts.lastTry.ok ? '' : 'bad'}`}>
            <Glyph of={facts.lastTry.ok ? 'done' : 'failed'} />
            <span className="clamp" title={visible(facts.lastTry.said)}>
              {visible(answerText(facts.lastTry.said))}
            </span>
          </span>
        )}
        {trouble === null ? null : (
          <div className="micro bad clamp" title={visible(trouble)}>
            {visible(trouble)}
          </div>
        )}
      </td>
      <td>
        <Tries tries={facts.tries} />
      </td>
      <td className="r">{known === 'none' ? 'unknown' : `${facts.atLeast ? '≥ ' : ''}${int(facts.sent)}`}</td>
      <td className={`r ${pending > 0 ? 'bad strong' : 'faint'}`}>{int(pending)}</td>
      <td className="r">{may ? <Buttons channel={channel} deeds={deeds} onRemove={onRemove} /> : null}</td>
    </tr>
  )
}

function Buttons({ channel, deeds, onRemove }: Pick<RouteProps, 'channel' | 'deeds' | 'onRemove'>) {
  const { name } = channel
  const post = (verb: 'test' | 'wake') => () =>
    change('POST', `/alerts/channels/${encodeURIComponent(name)}/${verb}`, {})
  const busy = deeds.busy === name
  const stuck = channel.off !== null || channel.failures > 0
  return (
    <span className="row-act">
      <button
        type="button"
        className="btn low"
        disabled={busy}
        aria-label={`Test ${name}`}
        onClick={() =>
          deeds.act(name, post('test'), `A test is on its way to ${name}: its answer stands in the deliveries.`)
        }
      >
        Test
      </button>
      {stuck ? (
        <button
          type="button"
          className="btn low"
          disabled={busy}
          aria-label={`Wake ${name}`}
          title="Tries at once what waits, and turns it on again"
          onClick={() => deeds.act(name, post('wake'), `What waits for ${name} is tried now.`)}
        >
          Wake
        </button>
      ) : null}
      <button type="button" className="btn low quiet" aria-label={`Remove ${name}`} onClick={() => onRemove(channel)}>
        Remove…
      </button>
    </span>
  )
}
