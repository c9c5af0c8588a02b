// Acknowledging an alert, and holding messages back.
import { useState } from 'react'
import { RULES } from '../../domain/finding.ts'
import { change } from '../api/ask.ts'
import { visible } from '../format/visible.ts'
import type { Alert } from './api.ts'
import { AskDialog } from './deeds.tsx'
import type { Grants } from './may.ts'
import { DURATIONS, ruleOf, type Scope, scopesOf, scopeText, silenceBody } from './silence.ts'

const NOTE_MAX = 500

type OfAlert = { readonly alert: Alert; readonly onClose: () => void }

export const nameOf = ({ project, runName, run }: Pick<Alert, 'project' | 'runName' | 'run'>): string =>
  visible(run === null ? (project ?? '') : `${project ?? ''}/${runName ?? run}`)

export function Acknowledge({ alert, onClose }: OfAlert) {
  const [note, setNote] = useState('')
  return (
    <AskDialog
      title={`Acknowledge ${alert.rule}?`}
      does={`${visible(alert.message)} Your name stands beside it, and nobody is told again for a day, unless it gets worse.`}
      button="Acknowledge"
      onClose={onClose}
      onDo={() => change('POST', '/alerts/acknowledgements', { finding: alert.id, note })}
    >
      <label>
        Note, for whoever looks next
        <input
          className="field"
          value={note}
          maxLength={NOTE_MAX}
          placeholder="looking at node 7"
          onChange={(event) => setNote(event.target.value)}
        />
      </label>
    </AskDialog>
  )
}

/** Of an alert: what of it. */
export function SilenceAlert({ alert, session, onClose }: OfAlert & { readonly session: Grants }) {
  const scopes = scopesOf(alert, session)
  const [chosen, setChosen] = useState(0)
  const scope = scopes[chosen]
  return (
    <SilenceDialog scope={scope ?? null} onClose={onClose}>
      <fieldset className="choices">
        <legend>Hold back</legend>
        {scopes.map((each, index) => {
          const text = scopeText(each, nameOf(alert))
          return (
            <label key={text} className="choice">
              <input type="radio" name="scope" checked={index === chosen} onChange={() => setChosen(index)} />
              <span>{text}</span>
            </label>
          )
        })}
      </fieldset>
    </SilenceDialog>
  )
}

type NewProps = { readonly projects: readonly string[]; readonly everywhere: boolean; readonly onClose: () => void }

/** Of whatever fires later. */
export function NewSilence({ projects, everywhere, onClose }: NewProps) {
  const [project, setProject] = useState('')
  const [rule, setRule] = useState('')
  const [run, setRun] = useState('')
  const scope: Scope = {
    project: project === '' ? null : project,
    rule: ruleOf(rule),
    run: run.trim() === '' ? null : run.trim(),
  }
  return (
    <SilenceDialog scope={scope} onClose={onClose}>
      <ProjectField
        value={project}
        projects={projects}
        everywhere={everywhere}
        optional={run.trim() !== ''}
        onChange={setProject}
      />
      <label>
        Rule
        <select className="field" value={rule} onChange={(event) => setRule(event.target.value)}>
          <option value="">every rule</option>
          {RULES.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      <label>
        Run, if it is about one
        <input
          className="field"
          value={run}
          maxLength={200}
          placeholder="its id, or project/name"
          onChange={(event) => setRun(event.target.value)}
        />
      </label>
      <p className="small">
        Holds back <b className="med">{scopeText(scope, null)}</b>.
      </p>
    </SilenceDialog>
  )
}

type FieldProps = {
  readonly value: string
  readonly projects: readonly string[]
  readonly everywhere: boolean
  readonly optional?: boolean
  readonly onChange: (project: string) => void
}

/** Projects that the page has heard of are offered; any other may be written. */
export function ProjectField({ value, projects, everywhere, optional = false, onChange }: FieldProps) {
  return (
    <label>
      Project, with those below it
      <input
        className="field"
        value={value}
        maxLength={63}
        list="known-projects"
        required={!everywhere && !optional}
        placeholder={everywhere ? 'every project' : 'one of yours'}
        onChange={(event) => onChange(event.target.value.trim())}
      />
      <datalist id="known-projects">
        {projects.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
    </label>
  )
}

type SilenceProps = {
  readonly scope: Scope | null
  readonly onClose: () => void
  readonly children: React.ReactNode
}

function SilenceDialog({ scope, onClose, children }: SilenceProps) {
  const [forMs, setForMs] = useState<number>(DURATIONS[1][0])
  const [reason, setReason] = useState('')
  return (
    <AskDialog
      title="Silence"
      does="Nobody is told while it lasts. What is found stays on this page, and what still fires at its end is told then."
      button="Silence"
      onClose={onClose}
      onDo={async () => {
        if (scope !== null) await change('POST', '/alerts/silences', silenceBody(scope, forMs, reason))
      }}
    >
      {children}
      <label>
        For
        <select className="field" value={forMs} onChange={(event) => setForMs(Number(event.target.value))}>
          {DURATIONS.map(([ms, name]) => (
            <option key={ms} value={ms}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Reason
        <input
          className="field"
          value={reason}
          maxLength={NOTE_MAX}
          required
          pattern=".*\S.*"
          title="some words"
          placeholder="new learning rate, until it has settled"
          onChange={(event) => setReason(event.target.value)}
        />
      </label>
    </AskDialog>
  )
}
