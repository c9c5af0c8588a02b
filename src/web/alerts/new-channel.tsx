// Makes a channel. The secret of a webhook is in the answer alone: it is shown once, to be copied.
import { useEffect, useId, useRef, useState } from 'react'
import { RULES, type Rule } from '../../domain/finding.ts'
import { changeFor } from '../api/ask.ts'
import { countOf } from '../format/numbers.ts'
import type { Channel } from './api.ts'
import { channelBody, type Draft, KINDS, NEW_DRAFT } from './channels.ts'
import { AskDialog } from './deeds.tsx'
import { ProjectField } from './dialogs.tsx'
import { RULE_WORDS } from './rules.ts'

export type Made = { readonly name: string; readonly secret: string }

type Props = {
  readonly projects: readonly string[]
  readonly everywhere: boolean
  readonly onClose: () => void
  readonly onSecret: (made: Made) => void
}

export function NewChannel({ projects, everywhere, onClose, onSecret }: Props) {
  const [draft, setDraft] = useState<Draft>(NEW_DRAFT)
  const set = (change: Partial<Draft>): void => setDraft((before) => ({ ...before, ...change }))
  return (
    <AskDialog
      title="New channel"
      does="Where alerts are told. An address is sealed where it is stored, and only its host is ever shown."
      button="Make it"
      onClose={onClose}
      onDo={async () => {
        const { name, secret } = await changeFor<Channel & { readonly secret: string | null }>(
          'POST',
          '/alerts/channels',
          channelBody(draft),
        )
        if (secret !== null) onSecret({ name, secret })
      }}
    >
      <label>
        Name
        <input
          className="field"
          value={draft.name}
          required
          maxLength={63}
          pattern="[a-z0-9]([\-a-z0-9]*[a-z0-9])?"
          title="lower-case letters, digits and dashes"
          placeholder="oncall"
          onChange={(event) => set({ name: event.target.value })}
        />
      </label>
      <label>
        Kind
        <select
          className="field"
          value={draft.kind}
          onChange={(event) => set({ kind: event.target.value as Channel['kind'] })}
        >
          {Object.entries(KINDS).map(([kind, name]) => (
            <option key={kind} value={kind}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <AddressFields draft={draft} set={set} />
      <ProjectField
        value={draft.project}
        projects={projects}
        everywhere={everywhere}
        onChange={(project) => set({ project })}
      />
      <label>
        At least so severe
        <select
          className="field"
          value={draft.severity}
          onChange={(event) => set({ severity: event.target.value === 'critical' ? 'critical' : 'warning' })}
        >
          <option value="warning">warning: look at it today</option>
          <option value="critical">critical: GPUs burn now</option>
        </select>
      </label>
      <RuleFields chosen={draft.rules} onChange={(rules) => set({ rules })} />
      <label className="choice">
        <input type="checkbox" checked={draft.digest} onChange={(event) => set({ digest: event.target.checked })} />
        <span>What the week has cost, on Mondays at 08:00 UTC</span>
      </label>
    </AskDialog>
  )
}

type Fields = { readonly draft: Draft; readonly set: (change: Partial<Draft>) => void }

const HINTS: Readonly<Record<Channel['kind'], string>> = {
  webhook: 'A CloudEvent in JSON is sent there, signed; the secret to check it with is shown once.',
  slack: 'The address of an incoming webhook of Slack, or of what speaks like it.',
  email: 'By the mail server of the operator (alerts.smtp of config.yaml).',
  alertmanager: 'Its own address, without /api/v2: Alertmanager groups, routes and silences by itself.',
}

function AddressFields({ draft, set }: Fields) {
  const hint = useId()
  return (
    <>
      {draft.kind === 'email' ? (
        <label>
          Recipients
          <input
            className="field"
            value={draft.to}
            required
            autoComplete="off"
            placeholder="ada@lab.org, grace@lab.org"
            aria-describedby={hint}
            onChange={(event) => set({ to: event.target.value })}
          />
        </label>
      ) : (
        <label>
          Address
          <input
            className="field"
            type="url"
            value={draft.url}
            required
            maxLength={2048}
            autoComplete="off"
            placeholder="https://"
            aria-describedby={hint}
            onChange={(event) => set({ url: event.target.value })}
          />
        </label>
      )}
      <p id={hint} className="micro">
        {HINTS[draft.kind]}
      </p>
      {draft.kind === 'alertmanager' ? (
        <label>
          Bearer token, where it asks for one
          <input
            className="field"
            type="password"
            value={draft.bearer}
            maxLength={4096}
            autoComplete="off"
            onChange={(event) => set({ bearer: event.target.value })}
          />
        </label>
      ) : null}
    </>
  )
}

function RuleFields({
  chosen,
  onChange,
}: {
  readonly chosen: readonly Rule[]
  readonly onChange: (rules: readonly Rule[]) => void
}) {
  const all = chosen.length === RULES.length
  return (
    <details className="of-rules">
      <summary>
        {all ? 'Every rule, those to come too' : `${countOf(chosen.length, 'rule')} of ${RULES.length}`}
      </summary>
      <fieldset className="choices">
        <legend className="vh">Rules</legend>
        {RULES.map((rule) => (
          <label key={rule} className="choice" title={RULE_WORDS[rule].looksFor}>
            <input
              type="checkbox"
              checked={chosen.includes(rule)}
              onChange={({ target: { checked } }) =>
                onChange(RULES.filter((each) => (each === rule ? checked : chosen.includes(each))))
              }
            />
            <span className="mono">{rule}</span>
          </label>
        ))}
      </fieldset>
    </details>
  )
}

export function Secret({ made, onClose }: { readonly made: Made; readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const field = useRef<HTMLInputElement>(null)
  const heading = useId()
  const [copied, setCopied] = useState<'yes' | 'by hand' | null>(null)
  useEffect(() => {
    if (dialog.current?.open === false) dialog.current.showModal()
  }, [])
  const copy = async (): Promise<void> => {
    field.current?.select()
    try {
      await navigator.clipboard.writeText(made.secret)
      setCopied('yes')
    } catch {
      // Browsers give no clipboard to a page that is not served safely.
      setCopied('by hand')
    }
  }
  return (
    <dialog ref={dialog} aria-labelledby={heading} onClose={onClose} className="ask">
      <h2 id={heading}>The secret of {made.name}</h2>
      <p className="small">
        The receiver checks with it that a message is ours (Standard Webhooks). It is shown{' '}
        <b className="strong">once</b>: copy it now. Who has lost it removes the channel and makes another.
      </p>
      <label>
        Secret
        <input
          ref={field}
          className="field mono"
          readOnly
          value={made.secret}
          onFocus={(event) => event.target.select()}
        />
      </label>
      <p role="status" className="small dim">
        {copied === 'yes' ? 'Copied.' : copied === 'by hand' ? 'It is selected: copy it with Ctrl C.' : '\u00a0'}
      </p>
      <div className="act">
        <button type="button" className="btn" onClick={() => dialog.current?.close()}>
          I have it
        </button>
        <button type="button" className="btn first" onClick={() => void copy()}>
          Copy
        </button>
      </div>
    </dialog>
  )
}
