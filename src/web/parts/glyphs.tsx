// Every state and severity has a shape of its own, so that a page reads in black and white.
import type { ReactNode } from 'react'
import type { State } from '../runs/filters.ts'

const ring = <circle cx="6" cy="6" r="4.75" fill="none" stroke="currentColor" strokeWidth="1.5" />

const STATES: Readonly<Record<State, ReactNode>> = {
  queued: (
    <circle cx="6" cy="6" r="4.75" fill="none" stroke="currentColor" strokeWidth="1.5" strokeDasharray="2.2 1.9" />
  ),
  admitted: (
    <>
      {ring}
      <path d="M6 1.25A4.75 4.75 0 0 0 6 10.75Z" fill="currentColor" />
    </>
  ),
  starting: (
    <>
      {ring}
      <path d="M6 6V1.25A4.75 4.75 0 1 1 1.25 6Z" fill="currentColor" />
    </>
  ),
  running: <path d="M2.5 1.2 10.8 6 2.5 10.8Z" fill="currentColor" />,
  stopping: (
    <>
      <rect x="1.75" y="1.75" width="8.5" height="8.5" fill="none" stroke="currentColor" strokeWidth="1.5" />
      <path d="M1.75 6H10.25V10.25H1.75Z" fill="currentColor" />
    </>
  ),
  succeeded: (
    <>
      <circle cx="6" cy="6" r="5.5" fill="currentColor" />
      <path d="M3.4 6.2 5.3 8 8.7 4.2" fill="none" stroke="var(--panel)" strokeWidth="1.5" />
    </>
  ),
  failed: (
    <>
      <path d="M3.6.5H8.4L11.5 3.6V8.4L8.4 11.5H3.6L.5 8.4V3.6Z" fill="currentColor" />
      <path d="M4 4 8 8M8 4 4 8" stroke="var(--panel)" strokeWidth="1.5" />
    </>
  ),
  cancelled: (
    <>
      {ring}
      <path d="M2.8 9.2 9.2 2.8" stroke="currentColor" strokeWidth="1.5" />
    </>
  ),
  suspended: <path d="M2 1.5H5V10.5H2ZM7 1.5H10V10.5H7Z" fill="currentColor" />,
}

const SEVERITIES = {
  crit: {
    word: 'critical',
    drawing: (
      <>
        <path d="M6 .3 11.7 6 6 11.7.3 6Z" fill="currentColor" />
        <path d="M6 3V6.8M6 7.8V9.1" stroke="var(--panel)" strokeWidth="1.5" />
      </>
    ),
  },
  warn: {
    word: 'warning',
    drawing: (
      <>
        <path d="M6 .8 11.6 10.9H.4Z" fill="none" stroke="currentColor" strokeWidth="1.4" strokeLinejoin="round" />
        <path d="M6 4.3V7.5M6 8.3V9.5" stroke="currentColor" strokeWidth="1.4" />
      </>
    ),
  },
  info: {
    word: 'information',
    drawing: (
      <>
        <circle cx="6" cy="6" r="5" fill="none" stroke="currentColor" strokeWidth="1.3" />
        <path d="M6 5.2V9M6 3V4.2" stroke="currentColor" strokeWidth="1.4" />
      </>
    ),
  },
} as const

export type Severity = keyof typeof SEVERITIES

const glyph = (drawing: ReactNode) => (
  <svg viewBox="0 0 12 12" aria-hidden="true">
    {drawing}
  </svg>
)

/** A state of a newer server has no glyph yet; its word is shown all the same. */
export function StateWord({ state }: { readonly state: string }) {
  return (
    <span className={`st st-${state}`}>
      {glyph((STATES as Readonly<Record<string, ReactNode>>)[state] ?? ring)}
      <b>{state}</b>
    </span>
  )
}

export function Mark({ severity }: { readonly severity: Severity }) {
  return (
    <span className={`sev sev-${severity}`}>
      {glyph(SEVERITIES[severity].drawing)}
      <span className="vh">{SEVERITIES[severity].word}</span>
    </span>
  )
}

export function Logo() {
  return (
    <svg viewBox="0 0 26 18" aria-hidden="true">
      <circle cx="13" cy="9" r="7" fill="none" stroke="currentColor" strokeWidth="2" />
      <path d="M1 9H25" stroke="currentColor" strokeWidth="2" />
    </svg>
  )
}
