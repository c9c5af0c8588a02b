// What a person can do with a run. Each says first what it will do; the answer of the server is the only success there is.
import { useRef, useState } from 'react'
import { change, Refused } from '../api/ask.ts'
import type { Show } from '../api/documents.ts'
import { queries } from '../api/queries.ts'
import { Mark } from '../parts/glyphs.tsx'
import { isAlive } from './use-run.ts'

type Action = {
  readonly name: string
  readonly path: string
  readonly body?: object
  readonly says: string
}

const STOP: Action = {
  name: 'Stop',
  path: 'stop',
  body: { now: false },
  says: 'The run is asked for a checkpoint, then ended. Its GPUs become free, and it does not start again.',
}
const STOP_NOW: Action = {
  name: 'Stop now',
  path: 'stop',
  body: { now: true },
  says: 'The run is ended at once. Steps after its last durable checkpoint are lost.',
}
const SUSPEND: Action = {
  name: 'Suspend',
  path: 'suspend',
  says: 'The run is asked for a checkpoint and gives its GPUs back. It waits until a person resumes it.',
}
const RESUME: Action = {
  name: 'Resume',
  path: 'resume',
  says: 'The run goes back to the queue and starts again from its last checkpoint.',
}

export function Actions({ show }: { readonly show: Show }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [action, setAction] = useState<Action | null>(null)
  const [problem, setProblem] = useState<Refused | null>(null)
  const [busy, setBusy] = useState(false)
  if (!isAlive(show)) return null
  const open = (next: Action): void => {
    setAction(next)
    setProblem(null)
    dialog.current?.showModal()
  }
  const act = async (chosen: Action): Promise<void> => {
    setBusy(true)
    try {
      await change('POST', `/runs/${encodeURIComponent(show.id)}/${chosen.path}`, chosen.body ?? {})
      dialog.current?.close()
      await queries.invalidateQueries({ queryKey: ['show', show.id] })
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      setProblem(error)
    } finally {
      setBusy(false)
    }
  }
  const suspended = show.state === 'suspended'
  return (
    <div className="act">
      {suspended ? (
        <button type="button" className="btn first" onClick={() => open(RESUME)}>
          Resume…
        </button>
      ) : (
        <button type="button" className="btn" onClick={() => open(SUSPEND)}>
          Suspend…
        </button>
      )}
      <button type="button" className="btn" onClick={() => open(STOP)}>
        Stop…
      </button>
      <dialog ref={dialog} aria-labelledby="h-act">
        {action === null ? null : (
          <>
            <h2 id="h-act">
              {action.name} {show.project}/{show.name}?
            </h2>
            <p>{action.says}</p>
            {problem === null ? null : (
              <p role="alert" className="callout bad-edge">
                <Mark severity="crit" /> {problem.message} <span className="dim">{problem.whatToDo}</span>
              </p>
            )}
            <div className="act">
              {action === STOP ? (
                <button type="button" className="btn quiet" onClick={() => setAction(STOP_NOW)}>
                  Stop now instead…
                </button>
              ) : null}
              <button type="button" className="btn" onClick={() => dialog.current?.close()}>
                Leave it
              </button>
              <button type="button" className="btn first" disabled={busy} onClick={() => void act(action)}>
                {action.name}
              </button>
            </div>
          </>
        )}
      </dialog>
    </div>
  )
}
