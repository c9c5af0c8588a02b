// A new token: for whom, as what, for which project, until when. Its secret is shown once, here, and is stored as a hash alone.
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { ROLES } from '../../domain/principal.ts'
import { changeFor, Refused } from '../api/ask.ts'
import { type Token, tokensQuery } from '../api/operate.ts'
import { queries } from '../api/queries.ts'
import { Mark } from '../parts/glyphs.tsx'

const DAY_MS = 86_400_000
const LIVES = [
  ['1 day', DAY_MS],
  ['7 days', 7 * DAY_MS],
  ['30 days', 30 * DAY_MS],
  ['90 days', 90 * DAY_MS],
  ['1 year', 365 * DAY_MS],
  ['never', null],
] as const

/** What a role is for, as a person who gives it must know. */
const ROLE_WORDS: Readonly<Record<(typeof ROLES)[number], string>> = {
  viewer: 'reads runs, queue, nodes, books and budgets',
  member: 'submits runs, and stops his own',
  lead: 'submits runs and stops those of his projects, reads policy and audit',
  operator: 'stops runs, pauses the queue, takes nodes out',
  payer: 'reads what it costs, policy and audit',
  admin: 'everything, tokens and policy too',
}

type Created = Token & { readonly secret: string }
type Props = { readonly user: string; readonly projects: readonly string[]; readonly onClose: () => void }

export function NewToken({ user, projects, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [created, setCreated] = useState<Created | null>(null)
  const [problem, setProblem] = useState<Refused | null>(null)
  const [busy, setBusy] = useState(false)
  useEffect(() => dialog.current?.showModal(), [])
  const make = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const text = (name: string): string => {
      const value = form.get(name)
      return typeof value === 'string' ? value.trim() : ''
    }
    const life = LIVES[Number(text('life'))]?.[1] ?? null
    setBusy(true)
    setProblem(null)
    try {
      const project = text('project')
      const body = {
        name: text('name'),
        subject: text('subject'),
        role: text('role'),
        project: project === '' ? null : project,
        ttlMs: life,
      }
      setCreated(await changeFor<Created>('POST', '/tokens', body))
      await queries.invalidateQueries({ queryKey: tokensQuery(true).queryKey })
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      setProblem(error)
    } finally {
      setBusy(false)
    }
  }
  return (
    <dialog ref={dialog} aria-labelledby="h-new-token" onClose={onClose}>
      {created === null ? (
        <form onSubmit={(event) => void make(event)}>
          <h2 id="h-new-token">New token</h2>
          <Field name="Name, for those who look">
            <input className="field" name="name" required maxLength={100} placeholder="ci of pretraining" />
          </Field>
          <Field name="Whose runs it submits">
            <input className="field" name="subject" required maxLength={100} defaultValue={user} />
          </Field>
          <Field name="Role">
            <select className="field" name="role" defaultValue="member">
              {ROLES.map((role) => (
                <option key={role} value={role}>
                  {role}: {ROLE_WORDS[role]}
                </option>
              ))}
            </select>
          </Field>
          <Field name="Project; empty: all of them">
            <input className="field" name="project" list="projects" maxLength={63} />
            <datalist id="projects">
              {projects.map((name) => (
                <option key={name} value={name} />
              ))}
            </datalist>
          </Field>
          <Field name="Ends after">
            <select className="field" name="life" defaultValue="3">
              {LIVES.map(([name], index) => (
                <option key={name} value={index}>
                  {name}
                </option>
              ))}
            </select>
          </Field>
          {problem === null ? null : (
            <p role="alert" className="callout bad-edge">
              <Mark severity="crit" /> {problem.message} <span className="dim">{problem.whatToDo}</span>
            </p>
          )}
          <div className="act">
            <button type="button" className="btn" onClick={() => dialog.current?.close()}>
              Leave it
            </button>
            <button type="submit" className="btn first" disabled={busy}>
              Make it
            </button>
          </div>
        </form>
      ) : (
        <Secret created={created} onClose={() => dialog.current?.close()} />
      )}
    </dialog>
  )
}

const Field = ({ name, children }: { readonly name: string; readonly children: ReactNode }) => (
  <label>
    {name}
    {children}
  </label>
)

function Secret({ created, onClose }: { readonly created: Created; readonly onClose: () => void }) {
  const [copied, setCopied] = useState(false)
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(created.secret)
    setCopied(true)
  }
  return (
    <>
      <h2 id="h-new-token">Token {created.name}</h2>
      <p>This is its secret. It is shown now and never again: it is stored as a hash alone.</p>
      <pre className="mono secret" tabIndex={0} aria-label="The secret">
        {created.secret}
      </pre>
      <p className="small dim">
        On the machine that uses it: <code className="mono">plimsoll login</code>, and paste it there.
      </p>
      <div className="act">
        {/* A browser gives the clipboard to https and to localhost alone. */}
        {(navigator as { readonly clipboard?: Clipboard }).clipboard === undefined ? null : (
          <button type="button" className="btn" onClick={() => void copy()}>
            {copied ? 'Copied' : 'Copy'}
          </button>
        )}
        <button type="button" className="btn first" onClick={onClose}>
          I have it
        </button>
      </div>
    </>
  )
}
