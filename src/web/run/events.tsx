// What happened to a run, newest first.
import { useQuery } from '@tanstack/react-query'
import { useNow } from '../api/clock.ts'
import { eventsQuery } from '../api/queries.ts'
import { counted } from '../../domain/words.ts'
import { durationShort } from '../format/numbers.ts'
import { day, hms, ms, utc } from '../format/times.ts'
import { Empty, Panel, Reading, Refusal } from '../parts/bits.tsx'
import { isAlive, useShow } from './use-run.ts'
import { visible } from '../format/visible.ts'

export function EventsTab() {
  const show = useShow()
  const now = useNow(10_000)
  const events = useQuery(eventsQuery(show.id, isAlive(show)))
  if (events.data === undefined) return events.isPending ? <Reading what="events" /> : <Refusal error={events.error} />
  const newest = events.data.events.toReversed()
  return (
    <div className="grid">
      <Panel id="h-events" title="Events" sub={`${counted(newest.length, 'event')}, newest first`}>
        {newest.length === 0 ? (
          <Empty title="Nothing happened yet">Submitting, placing, starting, failing and ending are events.</Empty>
        ) : (
          <div className="scroll" tabIndex={0} role="region" aria-label="Events by time">
            <table className="wrap events">
              <thead>
                <tr>
                  <th>At</th>
                  <th>Ago</th>
                  <th>Event</th>
                  <th>Says</th>
                </tr>
              </thead>
              <tbody>
                {newest.map((event, index) => {
                  const at = ms(event.at)
                  return (
                    <tr key={`${event.at} ${newest.length - index}`}>
                      <td className="nowrap">
                        <time dateTime={event.at} title={utc(at)}>
                          {day(at)} {hms(at)}
                        </time>
                      </td>
                      <td className="dim nowrap">{durationShort(now - at)}</td>
                      <td className="mono nowrap">{event.kind}</td>
                      <td>{visible(event.message)}</td>
                    </tr>
                  )
                })}
              </tbody>
            </table>
          </div>
        )}
      </Panel>
    </div>
  )
}
