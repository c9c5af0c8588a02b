// What is done at once by a button, and what is asked for in a dialog. Either way the answer of the server is the only success, and what it
// refuses is said in its words.
import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { Refused } from '../api/ask.ts'
import { Mark } from '../parts/glyphs.tsx'
import { readAgain } from './api.ts'

type Said = { readonly problem: Refused } | { readonly done: string } | null

export type Deeds = {
  readonly said: Said
  /** The one that is under way. */
  readonly busy: string | null
  readonly act: (name: string, deed: () => Promise<unknown>, done: string) => void
}

const DONE_MS = 15_000

export function useDeeds(): Deeds {
  const [said, setSaid] = useState<Said>(null)
  const [busy, setBusy] = useState<string | null>(null)
  // What was done a while ago need not be said any more; what was refused stays until the next try.
  useEffect(() => {
    if (said === null || 'problem' in said) return undefined
    const timer = setTimeout(() => setSaid(null), DONE_MS)
    return () => clearTimeout(timer)
  }, [said])
  const run = async (name: string, deed: () => Promise<unknown>, done: string): Promise<void> => {
    setBusy(name)
    setSaid(null)
    try {
      await deed()
      await readAgain()
      setSaid({ done })
      keepFocus()
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      setSaid({ problem: error })
    } finally {
      setBusy(null)
    }
  }
  return { said, busy, act: (name, deed, done) => void run(name, deed, done) }
}

export function SaidLine({ said }: { readonly said: Said }) {
  if (said === null) return null
  return (
    <div className="said-line">
      {'problem' in said ? (
        <Problem problem={said.problem} />
      ) : (
        <p role="status" className="small dim">
          {said.done}
        </p>
      )}
    </div>
  )
}

export function Problem({ problem }: { readonly problem: Refused }) {
  return (
    <p role="alert" className="callout bad-edge">
      <Mark severity="crit" /> {problem.message} <span className="dim">{problem.whatToDo}</span>
    </p>
  )
}

/** The button goes when the answer is read again, not when it was pressed. */
const KEEP_FOCUS_MS = 2_000

/** Who pressed a button that is gone soon would begin at the top of the page. */
export function keepFocus(): void {
  const until = performance.now() + KEEP_FOCUS_MS
  const look = (now: number): void => {
    if (document.activeElement === document.body) focusHeading('h-f')
    else if (now < until) requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
}

export function focusHeading(id: string): void {
  const heading = document.getElementById(id)
  if (heading === null) return
  heading.tabIndex = -1
  heading.focus({ preventScroll: true })
}

type Props = {
  readonly title: string
  readonly does: ReactNode
  readonly button: string
  readonly children: ReactNode
  readonly onClose: () => void
  readonly onDo: () => Promise<unknown>
}

/** Open as long as it is drawn. The browser keeps the focus in it, and gives it back. */
export function AskDialog({ title, does, button, children, onClose, onDo }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const heading = useId()
  const [problem, setProblem] = useState<Refused | null>(null)
  const [busy, setBusy] = useState(false)
  useEffect(() => {
    const shown = dialog.current
    if (shown?.open === false) shown.showModal()
  }, [])
  const act = async (): Promise<void> => {
    setBusy(true)
    try {
      await onDo()
      // Closing gives the focus back, and only then is the dialog drawn no more.
      dialog.current?.close()
      await readAgain()
      keepFocus()
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      setProblem(error)
      setBusy(false)
    }
  }
  return (
    <dialog ref={dialog} aria-labelledby={heading} onClose={onClose} className="ask">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void act()
        }}
      >
        <h2 id={heading}>{title}</h2>
        <p className="dim small">{does}</p>
        {children}
        {problem === null ? null : <Problem problem={problem} />}
        <div className="act">
          <button type="button" className="btn" onClick={() => dialog.current?.close()}>
            Leave it
          </button>
          <button type="submit" className="btn first" disabled={busy}>
            {button}
          </button>
        </div>
      </form>
    </dialog>
  )
}
