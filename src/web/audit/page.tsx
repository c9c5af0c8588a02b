// Who did what, when, to what? The newest first; nothing is ever taken out of it.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useNow } from '../api/clock.ts'
import { mayDo } from '../api/may.ts'
import { auditQuery, type AuditEntry } from '../api/operate.ts'
import { live, sessionQuery } from '../api/queries.ts'
import { csv } from '../format/csv.ts'
import { int } from '../format/numbers.ts'
import { hms, ms, utc, when } from '../format/times.ts'
import { visible } from '../format/visible.ts'
import { Empty, Panel, Reading, Refusal } from '../parts/bits.tsx'
import { saveAs } from '../parts/save.ts'

export function AuditPage() {
  const session = useQuery(sessionQuery)
  const may = mayDo(session.data, 'audit.read')
  const audit = useInfiniteQuery(auditQuery(may))
  const now = useNow(30_000)
  const [q, setQ] = useState('')
  useEffect(() => live.follow(null), [])
  useEffect(() => {
    document.title = 'Audit · Plimsoll'
  }, [])
  const entries = audit.data?.pages.flatMap((page) => page.entries) ?? []
  const words = q.toLowerCase().split(/\s+/)
  const shown = entries.filter((entry) => {
    const text = `${entry.actor} ${entry.verb} ${entry.target} ${detailOf(entry)}`.toLowerCase()
    return words.every((word) => text.includes(word))
  })
  return (
    <>
      <div className="head">
        <h1>Audit</h1>
        <p className="dim">Who did what. Each change stands here with the change itself, or not at all.</p>
        <div className="act">
          {shown.length === 0 ? null : (
            <button type="button" className="btn" onClick={() => saveAs('audit.csv', auditCsv(shown), 'text/csv')}>
              CSV
            </button>
          )}
          {may ? (
            <button type="button" className="btn" onClick={() => void audit.refetch()}>
              Read again
            </button>
          ) : null}
        </div>
      </div>
      <Panel
        id="h-audit"
        title="Entries"
        sub={entries.length === 0 ? undefined : `${int(shown.length)} of the newest ${int(entries.length)}`}
        to={
          entries.length === 0 ? undefined : (
            <input
              type="search"
              className="field low-field"
              placeholder="Actor, verb, target"
              aria-label="Find among the entries that were read"
              value={q}
              onChange={(event) => setQ(event.target.value)}
            />
          )
        }
        footer={
          audit.hasNextPage ? (
            <button
              type="button"
              className="as-link"
              disabled={audit.isFetchingNextPage}
              onClick={() => void audit.fetchNextPage()}
            >
              {audit.isFetchingNextPage ? 'Reading older ones…' : 'Show older ones'}
            </button>
          ) : entries.length > 0 ? (
            'That is all, from the first entry on.'
          ) : undefined
        }
      >
        {!may ? (
          <Empty title="The audit log is not yours to read">
            Leads, operators, payers and admins of the whole installation may read it. What happened to a run stands on
            its own page, under Events.
          </Empty>
        ) : audit.data === undefined ? (
          audit.error === null ? (
            <Reading what="the audit log" />
          ) : (
            <Refusal error={audit.error} />
          )
        ) : entries.length === 0 ? (
          <Empty title="Nothing was done yet">Each change by a person or a rule will stand here.</Empty>
        ) : shown.length === 0 ? (
          <Empty title="No entry matches">
            Only what was read is looked through: show older ones, or look for something else.
          </Empty>
        ) : (
          <Entries entries={shown} now={now} />
        )}
      </Panel>
    </>
  )
}

function Entries({ entries, now }: { readonly entries: readonly AuditEntry[]; readonly now: number }) {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Entries of the audit log">
      <table className="wrap audit">
        <thead>
          <tr>
            <th>At</th>
            <th>Actor</th>
            <th>Verb</th>
            <th>Target</th>
            <th>Detail</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <tr key={entry.id}>
              <td className="nowrap num">
                <time dateTime={entry.at} title={utc(ms(entry.at))}>
                  {sameDay(ms(entry.at), now) ? hms(ms(entry.at)) : when(ms(entry.at), now)}
                </time>
              </td>
              <td className="nowrap">
                {entry.actor.startsWith('rule:') ? <span className="chip">rule</span> : null}{' '}
                {visible(entry.actor.replace(/^(user|rule):/, ''))}
              </td>
              <td className="mono nowrap">{entry.verb}</td>
              <td className="mono">{visible(entry.target)}</td>
              <td className="small dim">{visible(detailOf(entry))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const sameDay = (a: number, b: number): boolean => new Date(a).toDateString() === new Date(b).toDateString()

/** As words where it is flat, as JSON where it is not. */
export function detailOf({ detail }: Pick<AuditEntry, 'detail'>): string {
  if (detail === null || typeof detail !== 'object') return ''
  return Object.entries(detail)
    .filter(([, value]) => value !== null && value !== '')
    .map(([key, value]) => `${key}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(', ')
}

const auditCsv = (entries: readonly AuditEntry[]): string =>
  csv([
    ['id', 'at', 'actor', 'verb', 'target', 'detail'],
    ...entries.map((entry) => [
      entry.id,
      entry.at,
      entry.actor,
      entry.verb,
      entry.target,
      JSON.stringify(entry.detail ?? null),
    ]),
  ])
