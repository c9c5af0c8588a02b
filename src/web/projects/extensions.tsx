// More than a limit: who runs asks here, who pays decides here.
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { changeFor, Refused } from '../api/ask.ts'
import { now as serverNow } from '../api/clock.ts'
import { mayIn } from '../api/may.ts'
import { type Budget, budgetsQuery, type Extension, extensionsQuery } from '../api/operate.ts'
import { sessionQuery } from '../api/queries.ts'
import { budgetText } from '../format/numbers.ts'
import { visible } from '../format/visible.ts'
import { when } from '../format/times.ts'
import { Empty, Panel, Reading, Refusal } from '../parts/bits.tsx'
import { Mark } from '../parts/glyphs.tsx'
import { type Deed, ReasonDialog } from '../parts/reason-dialog.tsx'
import { MS_PER_HOUR } from '../../domain/units.ts'

export function Extensions({ budgets }: { readonly budgets: readonly Budget[] }) {
  const session = useQuery(sessionQuery)
  const extensions = useQuery(extensionsQuery)
  const queries = useQueryClient()
  const [deed, setDeed] = useState<Deed | null>(null)
  const askable = budgets.filter(({ project }) => mayIn(session.data, 'budget.ask', project))
  const again = async (): Promise<void> => {
    await Promise.all([extensionsQuery, budgetsQuery].map(({ queryKey }) => queries.invalidateQueries({ queryKey })))
  }
  return (
    <Panel id="h-extensions" title="Extensions" sub="asked for beyond a limit; those that wait first">
      <ReasonDialog deed={deed} onClose={() => setDeed(null)} onDone={again} />
      {extensions.data === undefined ? (
        extensions.error === null ? (
          <Reading what="the extensions" />
        ) : (
          <Refusal error={extensions.error} />
        )
      ) : extensions.data.length === 0 ? (
        <Empty title="Nobody asked for more">
          Whoever may submit asks for more than a limit, with a reason; whoever pays grants or refuses it. A run that a
          hard budget stopped goes on by itself when there is money again.
        </Empty>
      ) : (
        <Rows
          extensions={extensions.data}
          mayDecide={({ project }) => mayIn(session.data, 'budget.extend', project)}
          onDecide={(extension, verb) => setDeed(deedOf(extension, verb))}
        />
      )}
      {askable.length === 0 ? null : <Ask budgets={askable} onDone={again} />}
    </Panel>
  )
}

const deedOf = (extension: Extension, verb: 'grant' | 'refuse'): Deed => ({
  title: verb === 'grant' ? `Raise ${extension.budget}?` : `Leave ${extension.budget} as it is?`,
  does: `${visible(extension.askedBy)} asks for ${budgetText(extension, extension.amount)}: ${visible(extension.reason)}`,
  button: verb === 'grant' ? 'Grant it' : 'Refuse it',
  method: 'POST',
  path: `/budgets/extensions/${encodeURIComponent(extension.id)}/${verb}`,
  reason: 'Answer, for whoever asked',
  field: 'answer',
})

type RowsProps = {
  readonly extensions: readonly Extension[]
  readonly mayDecide: (extension: Extension) => boolean
  readonly onDecide: (extension: Extension, verb: 'grant' | 'refuse') => void
}

function Rows({ extensions, mayDecide, onDecide }: RowsProps) {
  const now = serverNow()
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Extensions in numbers">
      <table>
        <thead>
          <tr>
            <th>Budget</th>
            <th className="r">Amount</th>
            <th>Asked by</th>
            <th>Reason</th>
            <th className="r">Asked</th>
            <th>State</th>
          </tr>
        </thead>
        <tbody>
          {extensions.map((extension) => (
            <tr key={extension.id}>
              <td className="name med">{extension.budget}</td>
              <td className="r">{budgetText(extension, extension.amount)}</td>
              <td className="name">{visible(extension.askedBy)}</td>
              <td className="name" title={visible(extension.reason)}>
                {visible(extension.reason)}
              </td>
              <td className="r">{when(Date.parse(extension.askedAt), now)}</td>
              <td>
                {extension.state !== 'waiting' ? (
                  <span title={visible(extension.answer ?? '')}>
                    {extension.state} by {visible(extension.decidedBy ?? '')}
                  </span>
                ) : mayDecide(extension) ? (
                  <span className="act">
                    <button type="button" className="btn" onClick={() => onDecide(extension, 'grant')}>
                      Grant
                    </button>
                    <button type="button" className="btn" onClick={() => onDecide(extension, 'refuse')}>
                      Refuse
                    </button>
                  </span>
                ) : (
                  'waits for whoever pays'
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

type AskProps = { readonly budgets: readonly Budget[]; readonly onDone: () => Promise<void> }

function Ask({ budgets, onDone }: AskProps) {
  const [id, setId] = useState('')
  const [amount, setAmount] = useState('')
  const [reason, setReason] = useState('')
  const [problem, setProblem] = useState<string | null>(null)
  const budget = budgets.find((each) => each.id === id) ?? budgets[0]
  if (budget === undefined) return null
  const units = Number(amount) * (budget.unit === 'gpu-ms' ? MS_PER_HOUR : 1_000_000)
  const send = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    try {
      const path = `/budgets/${encodeURIComponent(budget.id)}/extensions`
      await changeFor<Extension>('POST', path, { amount: Math.ceil(units), reason })
      setAmount('')
      setReason('')
      setProblem(null)
      await onDone()
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      setProblem(`${error.message} ${error.whatToDo ?? ''}`)
    }
  }
  return (
    <form className="row ask-more" onSubmit={(event) => void send(event)}>
      <label>
        Ask for more of
        <select className="field" value={budget.id} onChange={(event) => setId(event.target.value)}>
          {budgets.map((each) => (
            <option key={each.id}>{each.id}</option>
          ))}
        </select>
      </label>
      <label>
        {budget.unit === 'gpu-ms' ? 'GPU-hours' : (budget.currency ?? 'money')}
        <input
          className="field"
          inputMode="decimal"
          value={amount}
          onChange={(event) => setAmount(event.target.value)}
        />
      </label>
      <label>
        Reason, for whoever decides
        <input className="field" maxLength={500} value={reason} onChange={(event) => setReason(event.target.value)} />
      </label>
      <button type="submit" className="btn" disabled={!(units > 0) || reason.trim() === ''}>
        Ask
      </button>
      {problem === null ? null : (
        <p role="alert" className="callout bad-edge">
          <Mark severity="crit" /> {problem}
        </p>
      )}
    </form>
  )
}
