// Where do messages go? Each channel with what it takes and whether it is well; they are made and tried on Alerts, beside what they sent.
import { useQuery } from '@tanstack/react-query'
import { alertsQuery, type Channel } from '../alerts/api.ts'
import { KINDS, takesText, troubleOf } from '../alerts/channels.ts'
import { mayAnywhere, type Grants } from '../alerts/may.ts'
import { visible } from '../format/visible.ts'
import { Empty, Panel, Reading, Refusal } from '../parts/bits.tsx'
import { Go } from '../parts/go.tsx'

export function Channels({ session }: { readonly session: Grants }) {
  const alerts = useQuery(alertsQuery)
  const channels = alerts.data?.channels
  const may = mayAnywhere(session, 'channel.write')
  return (
    <Panel
      id="h-channels"
      title="Channels"
      sub="where alerts go"
      wide="own-height"
      to={<Go to="/alerts#h-r">{may ? 'Make, test, remove' : 'What they sent'}</Go>}
    >
      {channels === undefined ? (
        alerts.error === null ? (
          <Reading what="the channels" />
        ) : (
          <Refusal error={alerts.error} />
        )
      ) : channels.length === 0 ? (
        <Empty title="Nobody is told">
          A channel takes alerts to where people are: a webhook, Slack, e-mail or Alertmanager.{' '}
          {may ? 'They are made on Alerts.' : 'Ask a lead or an admin to make one.'}
        </Empty>
      ) : (
        <div className="scroll" tabIndex={0} role="region" aria-label="Channels in a table">
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th>Kind</th>
                <th>To</th>
                <th>Project</th>
                <th>Takes</th>
                <th>State</th>
              </tr>
            </thead>
            <tbody>
              {channels.map((channel) => (
                <Line key={channel.id} channel={channel} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}

function Line({ channel }: { readonly channel: Channel }) {
  const { name, kind, shown, project } = channel
  const trouble = troubleOf(channel)
  return (
    <tr>
      <td className="name med">{name}</td>
      <td>{KINDS[kind]}</td>
      <td className="name" title={visible(shown)}>
        {visible(shown)}
      </td>
      <td className="name">{project ?? <span className="dim">all</span>}</td>
      <td>{takesText(channel)}</td>
      <td className="name" title={trouble === null ? undefined : visible(trouble)}>
        {trouble === null ? 'well' : <span className="bad">{visible(trouble)}</span>}
      </td>
    </tr>
  )
}
