// Asks before something is done to the whole installation, with a reason that others will read. The answer of the server is the only success.
import { useEffect, useId, useRef, useState } from 'react'
import { change, Refused } from '../api/ask.ts'
import { Mark } from './glyphs.tsx'

export type Deed = {
  readonly title: string
  readonly does: string
  readonly button: string
  readonly method: 'POST' | 'DELETE'
  readonly path: string
  /** Who is asked for a reason, and by what words; null: none is asked for. */
  readonly reason: string | null
  /** As what it is sent; a reason, where nothing is said. */
  readonly field?: 'answer'
}

type Props = { readonly deed: Deed | null; readonly onClose: () => void; readonly onDone: () => Promise<unknown> }

export function ReasonDialog({ deed, onClose, onDone }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const heading = useId()
  const [reason, setReason] = useState('')
  const [problem, setProblem] = useState<Refused | null>(null)
  const [busy, setBusy] = useState(false)
  useEffect(() => {
    setReason('')
    setProblem(null)
    if (deed === null) dialog.current?.close()
    else if (dialog.current?.open === false) dialog.current.showModal()
  }, [deed])
  const act = async ({ method, path, reason: asked, field }: Deed): Promise<void> => {
    setBusy(true)
    try {
      await change(method, path, asked === null ? undefined : { [field ?? 'reason']: reason })
      await onDone()
      onClose()
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      setProblem(error)
    } finally {
      setBusy(false)
    }
  }
  return (
    // The word that it was closed may come when it is open again, for something else.
    <dialog
      ref={dialog}
      aria-labelledby={heading}
      onClose={() => {
        if (dialog.current?.open !== true) onClose()
      }}
    >
      {deed === null ? null : (
        <form
          onSubmit={(event) => {
            event.preventDefault()
            void act(deed)
          }}
        >
          <h2 id={heading}>{deed.title}</h2>
          <p>{deed.does}</p>
          {deed.reason === null ? null : (
            <label>
              {deed.reason}
              <input
                className="field"
                value={reason}
                maxLength={500}
                onChange={(event) => setReason(event.target.value)}
              />
            </label>
          )}
          {problem === null ? null : (
            <p role="alert" className="callout bad-edge">
              <Mark severity="crit" /> {problem.message} <span className="dim">{problem.whatToDo}</span>
            </p>
          )}
          <div className="act">
            <button type="button" className="btn" onClick={onClose}>
              Leave it
            </button>
            <button type="submit" className="btn first" disabled={busy}>
              {deed.button}
            </button>
          </div>
        </form>
      )}
    </dialog>
  )
}
