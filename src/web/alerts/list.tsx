// What a person should know: what fires, what is in somebody's hands, what is silenced, what is over.
import { type ReactNode, useState } from 'react'
import { change } from '../api/ask.ts'
import type { Finding } from '../api/operate.ts'
import { durationShort, int, money } from '../format/numbers.ts'
import { hm, ms, when } from '../format/times.ts'
import { visible } from '../format/visible.ts'
import { Empty, Moment, Panel } from '../parts/bits.tsx'
import { Mark } from '../parts/glyphs.tsx'
import { Go, RunLink } from '../parts/go.tsx'
import type { Alert, Channel, Silence } from './api.ts'
import { type Deeds, SaidLine, useDeeds } from './deeds.tsx'
import { Evidence } from './evidence.tsx'
import { Glyph } from './glyphs.tsx'
import { type Groups, hoursText, placeOf, sumText, toldText } from './groups.ts'
import { type Grants, mayAnywhere, mayIn } from './may.ts'

export type ListProps = {
  readonly groups: Groups
  readonly channels: readonly Channel[]
  readonly silences: readonly Silence[]
  readonly session: Grants
  readonly now: number
  /** Some that are over were not read. */
  readonly moreEnded: boolean
  readonly onAcknowledge: (alert: Alert) => void
  readonly onSilence: (alert: Alert) => void
  readonly onUnsilence: (silence: Silence) => void
}

export function AlertList(props: ListProps) {
  const { groups, now, session, moreEnded } = props
  const { firing, acknowledged, silenced, ended } = groups
  const deeds = useDeeds()
  const line = { ...props, deeds }
  const foot = [
    ...(firing.length + acknowledged.length + silenced.length + ended.length === 0
      ? []
      : ['A sum adds what each alert says of itself: two about one run may count the same GPU-hours.']),
    ...(mayAnywhere(session, 'alert.handle')
      ? []
      : ['You may read these; members of a project, its lead, operators and admins acknowledge and silence them.']),
    ...(moreEnded ? ['Of what is over the newest were read: plimsoll findings --all lists the rest.'] : []),
  ].join(' ')
  return (
    <Panel
      id="h-f"
      title="What a person should know"
      sub="worst first; each with what it costs, what to do and the evidence"
      {...(foot === '' ? {} : { footer: foot })}
    >
      <SaidLine said={deeds.said} />
      {firing.length > 0 ? (
        <Group
          mark={<Mark severity={firing[0]?.severity === 'critical' ? 'crit' : 'warn'} />}
          name="Firing"
          sub="nobody has said that they look at it"
          all={firing}
          draw={(alert) => <Firing key={alert.id} {...line} alert={alert} />}
        />
      ) : (
        <Empty title="Nothing fires">
          A rule that finds something puts it here within seconds, with what it costs, what to do and the evidence; the
          rules stand below. Whom it is told is up to the channels.
        </Empty>
      )}
      {acknowledged.length === 0 ? null : (
        <Group
          mark={<Glyph of="seen" />}
          name="Acknowledged"
          sub="fires again when it gets worse, or after a day"
          all={acknowledged}
          draw={(alert) => <Acknowledged key={alert.id} {...line} alert={alert} />}
        />
      )}
      {silenced.length === 0 ? null : (
        <Group
          mark={<Glyph of="mute" />}
          name="Silenced"
          sub="still found, nobody is told"
          all={silenced}
          draw={(alert) => <Silenced key={alert.id} {...line} alert={alert} />}
        />
      )}
      {ended.length === 0 ? null : (
        <Group
          mark={<Glyph of="done" word="resolved" />}
          name="Resolved in the last 24 h"
          sub="whoever was told of it was told that it is over"
          first={OVER_AT_FIRST}
          all={ended}
          draw={(finding) => <Ended key={finding.id} finding={finding} now={now} />}
        />
      )}
    </Panel>
  )
}

const SHOWN_AT_FIRST = 30
/** Of what is over: whoever looks for it presses once. */
const OVER_AT_FIRST = 8

type GroupProps<Each> = {
  readonly mark: ReactNode
  readonly name: string
  readonly sub: string
  readonly first?: number
  readonly all: readonly Each[]
  readonly draw: (each: Each) => ReactNode
}

function Group<Each extends Finding>({ mark, name, sub, first = SHOWN_AT_FIRST, all, draw }: GroupProps<Each>) {
  const [open, setOpen] = useState(false)
  const shown = open ? all : all.slice(0, first)
  const left = all.length - shown.length
  const sum = sumText(all)
  return (
    <section aria-label={name}>
      <h3 className="gh">
        {mark}
        <b>
          {name} · {int(all.length)}
        </b>
        <span className="wide-only">{sub}</span>
        {sum === '' ? null : <span className="sum">{sum}</span>}
      </h3>
      {shown.length === 0 ? null : <ul>{shown.map(draw)}</ul>}
      {left > 0 ? (
        <p className="more">
          <button type="button" className="btn" onClick={() => setOpen(true)}>
            Show {int(left)} more
          </button>
        </p>
      ) : null}
    </section>
  )
}

type LineProps = ListProps & { readonly alert: Alert; readonly deeds: Deeds }

/** A sentence of a detector is shorter; the whole stands in the title. */
const MESSAGE_MAX = 300
const cut = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max)}…` : text)

const person = (by: string): string => visible(by.replace(/^user:/, ''))

function Firing({ alert, channels, session, now, onAcknowledge, onSilence }: LineProps) {
  const may = mayIn(session, 'alert.handle', alert.project)
  return (
    <li className="al">
      <Mark severity={alert.severity === 'critical' ? 'crit' : 'warn'} />
      <div className="said">
        <What finding={alert} />
        <Evidence evidence={alert.evidence} />
        <p className="do2" title={visible(alert.whatToTry)}>
          {cut(visible(alert.whatToTry), MESSAGE_MAX)}
        </p>
      </div>
      <Cost finding={alert} />
      <div className="who">
        since{' '}
        <b>
          <Moment at={ms(alert.since)} now={now} />
        </b>
        , {durationShort(now - ms(alert.since))}
        <i className="sep" />
        {visible(toldText(alert, channels))}
        <i className="sep" />
        <span className="mono faint">{alert.rule}</span>
      </div>
      <div className="act">
        <Place finding={alert} first />
        {may ? (
          <>
            <button type="button" className="btn" onClick={() => onAcknowledge(alert)}>
              Acknowledge…
            </button>
            <button type="button" className="btn" onClick={() => onSilence(alert)}>
              Silence…
            </button>
          </>
        ) : null}
      </div>
    </li>
  )
}

function Acknowledged({ alert, session, now, deeds, onSilence }: LineProps) {
  const by = alert.acknowledged
  const letGo = () => change('POST', '/alerts/acknowledgements/end', { finding: alert.id })
  return (
    <Mini finding={alert} mark={<Glyph of="seen" />}>
      <div className="who">
        since <Moment at={ms(alert.since)} now={now} />
        <i className="sep" />
        {by === null ? null : (
          <>
            <b>{person(by.by)}</b>, {when(ms(by.at), now)}
            {by.note === '' ? '' : `: ${visible(by.note)}`}
          </>
        )}
        {alert.silence === null ? '' : ' · silenced'}
      </div>
      <div className="act">
        <Place finding={alert} />
        {mayIn(session, 'alert.handle', alert.project) ? (
          <>
            <button
              type="button"
              className="btn"
              disabled={deeds.busy === alert.id}
              title="It fires again, and whoever is told of it is told again"
              onClick={() => deeds.act(alert.id, letGo, `Nobody looks at ${alert.rule} any more: it fires again.`)}
            >
              Let go
            </button>
            <button type="button" className="btn" onClick={() => onSilence(alert)}>
              Silence…
            </button>
          </>
        ) : null}
      </div>
    </Mini>
  )
}

function Silenced({ alert, silences, session, now, onAcknowledge, onUnsilence }: LineProps) {
  const silence = silences.find(({ id }) => id === alert.silence)
  return (
    <Mini finding={alert} mark={<Glyph of="mute" />}>
      <div className="who">
        since <Moment at={ms(alert.since)} now={now} />
        <i className="sep" />
        {silence === undefined ? (
          'by a silence of every project'
        ) : (
          <>
            <b>{person(silence.by)}</b>, until {when(ms(silence.endsAt), now)}: {visible(silence.reason)}
          </>
        )}
      </div>
      <div className="act">
        <Place finding={alert} />
        {mayIn(session, 'alert.handle', alert.project) ? (
          <button type="button" className="btn" onClick={() => onAcknowledge(alert)}>
            Acknowledge…
          </button>
        ) : null}
        {silence !== undefined && mayIn(session, 'alert.handle', silence.project) ? (
          <button type="button" className="btn" onClick={() => onUnsilence(silence)}>
            Unsilence…
          </button>
        ) : null}
      </div>
    </Mini>
  )
}

function Ended({ finding, now }: { readonly finding: Finding; readonly now: number }) {
  const [from, to] = [ms(finding.since), ms(finding.resolvedAt ?? finding.seenAt)]
  return (
    <Mini finding={finding} mark={<Glyph of="done" word="resolved" />}>
      <div className="who">
        <Moment at={from} now={now} /> to <Moment at={to} now={now} text={hm(to)} />
        <i className="sep" />
        it lasted {durationShort(to - from)}
      </div>
      <div className="act">
        <Place finding={finding} />
      </div>
    </Mini>
  )
}

type MiniProps = {
  readonly finding: Finding
  readonly mark: ReactNode
  readonly children: ReactNode
}

function Mini({ finding, mark, children }: MiniProps) {
  return (
    <li className="al mini">
      {mark}
      <div className="said">
        <What finding={finding} rule />
        <Evidence evidence={finding.evidence} whatToTry={finding.whatToTry} />
      </div>
      <Cost finding={finding} />
      {children}
    </li>
  )
}

function What({ finding, rule = false }: { readonly finding: Finding; readonly rule?: boolean }) {
  const { message, run, project, runName, severity } = finding
  return (
    <p>
      <span className="w" title={visible(message)}>
        {cut(visible(message), MESSAGE_MAX)}
      </span>{' '}
      {run === null ? (
        project === null ? null : (
          <span className="faint">{project}</span>
        )
      ) : (
        <RunLink id={run} project={project ?? ''} name={visible(runName ?? run)} />
      )}
      {rule ? (
        <span className="small faint">
          {' '}
          · {severity} · <span className="mono">{finding.rule}</span>
        </span>
      ) : null}
    </p>
  )
}

function Cost({ finding: { gpuMs, money: paid } }: { readonly finding: Finding }) {
  return (
    <div className="cost">
      {gpuMs === null ? (
        <span className="faint">no GPU-h counted</span>
      ) : (
        <>
          <b>{hoursText(gpuMs)}</b>
          <i className="sep" />
          {paid === null ? 'no price is set' : money(paid)}
        </>
      )}
    </div>
  )
}

function Place({ finding, first = false }: { readonly finding: Finding; readonly first?: boolean }) {
  const place = placeOf(finding)
  if (place === null) return null
  return (
    <Go className={`btn ${first ? 'first' : 'quiet'}`} to={place.path}>
      {place.name}
    </Go>
  )
}
