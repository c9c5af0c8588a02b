// What fires, how much is it, what should be done, and did the message arrive?
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { mayDo } from '../api/may.ts'
import { policyQuery } from '../api/operate.ts'
import { live, sessionQuery } from '../api/queries.ts'
import { useNow } from '../api/clock.ts'
import { countOf, int } from '../format/numbers.ts'
import { AsOf } from '../parts/as-of.tsx'
import { Reading, Refusal } from '../parts/bits.tsx'
import { type Deed, ReasonDialog } from '../parts/reason-dialog.tsx'
import './alerts.css'
import {
  type Alert,
  type Alerts,
  alertsQuery,
  type Channel,
  deliveriesQuery,
  endedFindingsQuery,
  readAgain,
  type Silence,
} from './api.ts'
import { Routes } from './channels.tsx'
import { focusHeading, keepFocus } from './deeds.tsx'
import { Sent } from './deliveries.tsx'
import { Acknowledge, NewSilence, SilenceAlert } from './dialogs.tsx'
import { groupsOf, sentenceOf } from './groups.ts'
import { AlertList } from './list.tsx'
import { type Grants, mayAnywhere, mayIn } from './may.ts'
import { type Made, NewChannel, Secret } from './new-channel.tsx'
import { Rules } from './rules-panel.tsx'
import { heldBack, scopeText } from './silence.ts'
import { Silences } from './silences.tsx'

type Asking =
  | { readonly kind: 'acknowledge' | 'silence'; readonly alert: Alert }
  | { readonly kind: 'new-silence' | 'new-channel' }
  | { readonly kind: 'secret'; readonly made: Made }
/** Each is a dialog of its own, also when it is of the same kind as the one before. */
type Turn = { readonly turn: number; readonly asking: Asking }

export function AlertsPage() {
  const alerts = useQuery(alertsQuery)
  const ended = useQuery(endedFindingsQuery)
  useEffect(() => live.follow(null), [])
  useEffect(() => {
    document.title = 'Alerts · Plimsoll'
  }, [])
  if (alerts.data === undefined)
    return (
      <>
        <div className="head">
          <h1>Alerts</h1>
        </div>
        {alerts.isPending ? <Reading what="what fires" /> : <Refusal error={alerts.error} />}
      </>
    )
  return (
    <Whole
      alerts={alerts.data}
      at={alerts.dataUpdatedAt}
      ended={ended.data?.findings ?? null}
      moreEnded={(ended.data?.next ?? null) !== null}
    />
  )
}

type Props = {
  readonly alerts: Alerts
  readonly at: number
  /** Null: not read yet, or not to be had. */
  readonly ended: Parameters<typeof groupsOf>[1] | null
  readonly moreEnded: boolean
}

function Whole({ alerts: { alerts, channels, silences }, at, ended, moreEnded }: Props) {
  const now = useNow(5_000)
  const minute = Math.floor(now / 60_000) * 60_000
  const session = useQuery(sessionQuery).data
  const sent = useInfiniteQuery(deliveriesQuery)
  const deliveries = useMemo(() => sent.data?.pages.flatMap((page) => page.deliveries) ?? null, [sent.data])
  const groups = useMemo(() => groupsOf(alerts, ended ?? [], minute), [alerts, ended, minute])
  const [turn, setTurn] = useState<Turn | null>(null)
  const ask = (asking: Asking): void => setTurn((before) => ({ turn: (before?.turn ?? 0) + 1, asking }))
  const [deed, setDeed] = useState<Deed | null>(null)
  const onUnsilence = (silence: Silence): void =>
    setDeed(unsilence(silence, heldBack(silences, alerts).get(silence.id) ?? 0))
  const [says, rest] = sentenceOf(groups, ended !== null)
  const shared = { session, now }
  return (
    <div className="alerts">
      <div className="head">
        <h1>Alerts</h1>
        <p className="dim">
          <b className="strong">{says}</b>
          {rest}
        </p>
        <AsOf at={at} />
        <div className="act">
          {mayAnywhere(session, 'alert.handle') ? (
            <button type="button" className="btn" onClick={() => ask({ kind: 'new-silence' })}>
              New silence…
            </button>
          ) : null}
        </div>
      </div>
      <Parts
        counts={[groups.firing.length, channels.length, deliveries?.length, silences.length]}
        more={sent.hasNextPage}
      />
      <div className="grid">
        <AlertList
          {...shared}
          groups={groups}
          channels={channels}
          silences={silences}
          moreEnded={moreEnded}
          onAcknowledge={(alert) => ask({ kind: 'acknowledge', alert })}
          onSilence={(alert) => ask({ kind: 'silence', alert })}
          onUnsilence={onUnsilence}
        />
        <Routes
          {...shared}
          channels={channels}
          deliveries={deliveries}
          all={!sent.hasNextPage}
          onNew={() => ask({ kind: 'new-channel' })}
          onRemove={(channel) => setDeed(removal(channel))}
        />
        <Sent
          deliveries={deliveries}
          channels={channels}
          error={sent.error}
          more={sent.hasNextPage}
          reading={sent.isFetchingNextPage}
          now={now}
          onMore={() => void sent.fetchNextPage()}
        />
        <Silences {...shared} silences={silences} alerts={alerts} onUnsilence={onUnsilence} />
        <Rules open={alerts} ended={ended === null ? null : groups.ended} />
      </div>
      <Dialogs
        key={turn?.turn}
        asking={turn?.asking ?? null}
        session={session}
        alerts={alerts}
        channels={channels}
        onAsk={ask}
        // The word that a dialog has closed may come when the next one stands: that stays, with the secret that is shown once.
        onClose={() => setTurn((shown) => (shown?.turn === turn?.turn ? null : shown))}
      />
      <ReasonDialog
        deed={deed}
        onClose={() => setDeed(null)}
        onDone={async () => {
          await readAgain()
          keepFocus()
        }}
      />
    </div>
  )
}

const PARTS = [
  ['h-f', 'Alerts'],
  ['h-r', 'Routes'],
  ['h-d', 'Deliveries'],
  ['h-s', 'Silences'],
  ['h-u', 'Rules'],
] as const

function Parts({ counts, more }: { readonly counts: readonly (number | undefined)[]; readonly more: boolean }) {
  return (
    <nav className="tabs" aria-label="Parts of alerts">
      {PARTS.map(([id, name], index) => {
        const count = counts[index]
        return (
          <a key={id} href={`#${id}`} onClick={() => focusHeading(id)}>
            {name}
            {count === undefined ? null : (
              <span className={`n ${index === 0 && count > 0 ? 'bad' : ''}`}>
                {int(count)}
                {index === 2 && more ? '+' : ''}
              </span>
            )}
          </a>
        )
      })}
    </nav>
  )
}

type DialogsProps = {
  readonly asking: Asking | null
  readonly session: Grants
  readonly alerts: readonly Alert[]
  readonly channels: readonly Channel[]
  readonly onAsk: (next: Asking) => void
  readonly onClose: () => void
}

function Dialogs({ asking, session, alerts, channels, onAsk, onClose }: DialogsProps) {
  const policy = useQuery(policyQuery(asking !== null && mayDo(session, 'policy.read'))).data
  const projects = useMemo(
    () =>
      [
        ...new Set([
          ...(policy?.projects ?? []).map(({ name }) => name),
          ...(session?.grants ?? []).flatMap(({ project }) => project ?? []),
          ...[...alerts, ...channels].flatMap(({ project }) => project ?? []),
        ]),
      ].toSorted(),
    [policy, session, alerts, channels],
  )
  if (asking === null) return null
  switch (asking.kind) {
    case 'acknowledge':
      return <Acknowledge alert={asking.alert} onClose={onClose} />
    case 'silence':
      return <SilenceAlert alert={asking.alert} session={session} onClose={onClose} />
    case 'new-silence':
      return <NewSilence projects={projects} everywhere={mayIn(session, 'alert.handle', null)} onClose={onClose} />
    case 'new-channel':
      return (
        <NewChannel
          projects={projects}
          everywhere={mayIn(session, 'channel.write', null)}
          onClose={onClose}
          onSecret={(made) => onAsk({ kind: 'secret', made })}
        />
      )
    case 'secret':
      return <Secret made={asking.made} onClose={onClose} />
  }
}

const unsilence = (silence: Silence, hides: number): Deed => ({
  title: 'End this silence?',
  does: `It holds back ${scopeText(silence, null)}, now ${countOf(hides, 'alert')}. What still fires is told at once, unless somebody has acknowledged it.`,
  button: 'Unsilence',
  method: 'DELETE',
  path: `/alerts/silences/${encodeURIComponent(silence.id)}`,
  reason: null,
})

const removal = ({ name, pending }: Channel): Deed => ({
  title: `Remove channel ${name}?`,
  does: `Nobody is told by it any more. ${pending === 0 ? 'Nothing waits for it.' : `${countOf(pending, 'message')} that ${pending === 1 ? 'waits' : 'wait'} for it ${pending === 1 ? 'is' : 'are'} not sent.`}`,
  button: 'Remove',
  method: 'DELETE',
  path: `/alerts/channels/${encodeURIComponent(name)}`,
  reason: null,
})
