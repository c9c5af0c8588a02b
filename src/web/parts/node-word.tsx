// The state of a machine: a shape of its own and the word. A ready node is quiet.
import type { ReactNode } from 'react'

const GLYPHS: Readonly<Record<string, ReactNode>> = {
  ready: <circle cx="6" cy="6" r="3.2" fill="none" stroke="currentColor" strokeWidth="1.5" />,
  suspect: (
    <>
      <path d="M6 1 11.3 10.6H.7Z" fill="none" stroke="currentColor" strokeWidth="1.4" />
      <path d="M6 4.4V7.3M6 8.2V9.3" stroke="currentColor" strokeWidth="1.3" />
    </>
  ),
  'not-ready': (
    <>
      <rect x="1.5" y="1.5" width="9" height="9" fill="none" stroke="currentColor" strokeWidth="1.4" />
      <path d="M3.8 3.8 8.2 8.2M8.2 3.8 3.8 8.2" stroke="currentColor" strokeWidth="1.4" />
    </>
  ),
  cordoned: (
    <>
      <path d="M1 3.5H11V8.5H1Z" fill="none" stroke="currentColor" strokeWidth="1.4" />
      <path d="M2.5 8.5 5.5 3.5M6.5 8.5 9.5 3.5" stroke="currentColor" strokeWidth="1.4" />
    </>
  ),
  draining: (
    <>
      <path d="M1 3.5H6.2M1 8.5H6.2M1 3.5V8.5" fill="none" stroke="currentColor" strokeWidth="1.4" />
      <path d="M4.2 6H10.6M8 3.3 10.8 6 8 8.7" fill="none" stroke="currentColor" strokeWidth="1.4" />
    </>
  ),
  lost: (
    <>
      <circle cx="6" cy="6" r="5.2" fill="none" stroke="currentColor" strokeWidth="1.3" strokeDasharray="2 1.6" />
      <path
        d="M4.3 4.6C4.3 2.4 7.8 2.5 7.7 4.7 7.6 6 6 6 6 7.3M6 8.4V9.4"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.3"
      />
    </>
  ),
}

const COLOURS: Readonly<Record<string, string>> = { suspect: 'warn', 'not-ready': 'warn', lost: 'bad', ready: 'faint' }

/** A state of a newer server has no glyph yet; its word is shown all the same. */
export function NodeWord({ state }: { readonly state: string }) {
  return (
    <span className={`st ${COLOURS[state] ?? ''}`}>
      <svg viewBox="0 0 12 12" aria-hidden="true">
        {GLYPHS[state] ?? GLYPHS.ready}
      </svg>
      <b>{state}</b>
    </span>
  )
}
