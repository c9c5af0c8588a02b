// Marks of what is not firing: somebody looks, nobody is told, it is over.
import type { ReactNode } from 'react'

const GLYPHS = {
  seen: {
    word: 'acknowledged',
    className: 'sev-info',
    drawing: (
      <>
        <path d="M.8 6C3 2.4 9 2.4 11.2 6 9 9.6 3 9.6.8 6Z" fill="none" stroke="currentColor" strokeWidth="1.3" />
        <circle cx="6" cy="6" r="1.7" fill="currentColor" />
      </>
    ),
  },
  mute: {
    word: 'silenced',
    className: 'faint',
    drawing: (
      <>
        <path
          d="M1.2 4.4H3.6L6.4 2V10L3.6 7.6H1.2Z"
          fill="none"
          stroke="currentColor"
          strokeWidth="1.3"
          strokeLinejoin="round"
        />
        <path d="M8.2 4.2 11.2 7.8M11.2 4.2 8.2 7.8" stroke="currentColor" strokeWidth="1.3" />
      </>
    ),
  },
  done: {
    word: 'well',
    className: 'sev-done',
    drawing: <path d="M1.5 6.4 4.6 9.4 10.5 2.8" fill="none" stroke="currentColor" strokeWidth="1.7" />,
  },
  failed: {
    word: 'failed',
    className: 'sev-crit',
    drawing: (
      <>
        <path d="M3.6.5H8.4L11.5 3.6V8.4L8.4 11.5H3.6L.5 8.4V3.6Z" fill="currentColor" />
        <path d="M4 4 8 8M8 4 4 8" stroke="var(--panel)" strokeWidth="1.5" />
      </>
    ),
  },
} as const satisfies Readonly<Record<string, { word: string; className: string; drawing: ReactNode }>>

export function Glyph({ of, word }: { readonly of: keyof typeof GLYPHS; readonly word?: string }) {
  const { className, drawing, word: usual } = GLYPHS[of]
  return (
    <span className={`sev ${className}`}>
      <svg viewBox="0 0 12 12" aria-hidden="true">
        {drawing}
      </svg>
      <span className="vh">{word ?? usual}</span>
    </span>
  )
}
