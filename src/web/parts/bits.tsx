// Small pieces that every page uses: a moment, a figure, a panel, an empty state, a refusal.
import type { ReactNode } from 'react'
import { Refused } from '../api/ask.ts'
import { utc, when } from '../format/times.ts'
import { Mark } from './glyphs.tsx'

export const Unit = ({ children }: { readonly children: string }) => <span className="u">{children}</span>

export function Moment({ at, now, text }: { readonly at: number; readonly now: number; readonly text?: string }) {
  return (
    <time dateTime={utc(at)} title={utc(at)}>
      {text ?? when(at, now)}
    </time>
  )
}

export const Estimate = ({ children }: { readonly children: ReactNode }) => <span className="est">{children}</span>
export const Provisional = ({ children }: { readonly children: ReactNode }) => (
  <span className="prov" title="provisional: not posted yet, may still change">
    {children}
  </span>
)

export function UnknownSince({ at, now }: { readonly at: number; readonly now: number }) {
  return (
    <span className="stale" title={utc(at)}>
      unknown since {when(at, now)}
    </span>
  )
}

export function Progress({ share, wide = 56 }: { readonly share: number; readonly wide?: number }) {
  return (
    <span
      className="prog"
      style={{ width: wide, backgroundSize: `${Math.min(100, Math.max(0, 100 * share))}% 100%` }}
      aria-hidden="true"
    />
  )
}

export function Figure(props: { readonly name: string; readonly children: ReactNode; readonly under?: ReactNode }) {
  return (
    <div className="fig">
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
      <dd className="under">{props.under ?? '\u00a0'}</dd>
    </div>
  )
}

export function Panel(props: {
  readonly id: string
  readonly title: ReactNode
  readonly sub?: ReactNode
  readonly to?: ReactNode
  readonly wide?: string
  readonly footer?: ReactNode
  readonly children: ReactNode
}) {
  return (
    <section className={`panel ${props.wide ?? ''}`} aria-labelledby={props.id}>
      <header>
        <h2 id={props.id}>{props.title}</h2>
        {props.sub === undefined ? null : <span className="sub">{props.sub}</span>}
        {props.to === undefined ? null : <span className="to">{props.to}</span>}
      </header>
      {props.children}
      {props.footer === undefined ? null : <footer>{props.footer}</footer>}
    </section>
  )
}

/** Says why there is nothing and what comes next. */
export function Empty({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <div className="empty">
      <p className="med">{title}</p>
      <div className="dim small">{children}</div>
    </div>
  )
}

export function Refusal({ error }: { readonly error: unknown }) {
  const whatToDo = error instanceof Refused ? error.whatToDo : 'Reload the page.'
  return (
    <div className="empty" role="alert">
      <p className="med">
        <Mark severity="crit" /> {error instanceof Error ? error.message : String(error)}
      </p>
      <p className="dim small">{whatToDo}</p>
    </div>
  )
}

export const Reading = ({ what }: { readonly what: string }) => (
  <p className="reading faint small" role="status">
    Reading {what}…
  </p>
)
