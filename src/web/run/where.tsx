// Where the GPU-time of a run went. The parts stand over a double rule and add up to what is printed under it.
import type { Show, Statement } from '../api/documents.ts'
import { MS_PER_HOUR } from '../../domain/units.ts'
import { csv } from '../format/csv.ts'
import { addUp, dec, gpuHours, int, money } from '../format/numbers.ts'
import { MEANING, SHOWN } from '../parts/account-words.ts'
import { Stack, Swatch } from '../parts/accounts.tsx'
import { Empty, Panel, Provisional, Reading, Refusal } from '../parts/bits.tsx'
import { saveAs } from '../parts/save.ts'

type Props = { readonly show: Show; readonly statement: Statement | null; readonly error: Error | null }

export function WhereItWent({ show, statement, error }: Props) {
  const has = statement !== null && statement.heldGpuMs > 0
  return (
    <Panel
      id="h-where"
      title="Where the GPU-time went"
      sub="GPU-hours, all attempts"
      wide="c6 own-height"
      to={
        has ? (
          <button
            type="button"
            className="as-link"
            onClick={() => saveAs(`${show.name}-accounts.csv`, accountsCsv(statement), 'text/csv')}
          >
            CSV
          </button>
        ) : undefined
      }
      footer={has ? <Checked statement={statement} /> : undefined}
    >
      {statement === null ? (
        error === null ? (
          <Reading what="the books" />
        ) : (
          <Refusal error={error} />
        )
      ) : has ? (
        <Accounts statement={statement} />
      ) : (
        <Empty title="It holds nothing yet">
          From the moment that its workers have GPUs, each GPU-millisecond is in exactly one account.
        </Empty>
      )}
    </Panel>
  )
}

const heldAccounts = (statement: Statement) => SHOWN.filter((account) => (statement.byAccount[account] ?? 0) > 0)

function Accounts({ statement }: { readonly statement: Statement }) {
  const { byAccount, heldGpuMs } = statement
  const accounts = heldAccounts(statement)
  const amounts = accounts.map((account) => byAccount[account] ?? 0)
  const digits = heldGpuMs < 10 * MS_PER_HOUR ? 4 : 1
  const hours = addUp(
    amounts.map((amount) => amount / MS_PER_HOUR),
    heldGpuMs / MS_PER_HOUR,
    digits,
  )
  const shares = addUp(
    amounts.map((amount) => (100 * amount) / heldGpuMs),
    100,
    2,
  )
  const label = accounts.map((account, index) => `${account} ${dec(shares[index] ?? 0, 1)} %`).join(', ')
  return (
    <>
      <div className="body">
        <Stack by={byAccount} total={heldGpuMs} label={label} />
      </div>
      <div className="scroll" tabIndex={0} role="region" aria-label="Accounts in numbers">
        <table>
          <thead>
            <tr>
              <th>Account</th>
              <th className="wide-only">Meaning</th>
              <th className="r">GPU-h</th>
              <th className="r">%</th>
            </tr>
          </thead>
          <tbody>
            {accounts.map((account, index) => (
              <tr key={account}>
                <td>
                  <Swatch account={account} /> &nbsp;{account}
                </td>
                <td className="cut small dim wide-only">{MEANING[account]}</td>
                <td className="r">{dec(hours[index] ?? 0, digits)}</td>
                <td className="r">{dec(shares[index] ?? 0, 2)}</td>
              </tr>
            ))}
            <tr className="sum">
              <td>held</td>
              <td className="wide-only" />
              <td className="r">{dec(heldGpuMs / MS_PER_HOUR, digits)}</td>
              <td className="r">100.00</td>
            </tr>
          </tbody>
        </table>
      </div>
    </>
  )
}

function Checked({ statement }: { readonly statement: Statement }) {
  const { byAccount, heldGpuMs, paidGpuMs, provisionalGpuMs, money: cost } = statement
  const difference = Object.values(byAccount).reduce((sum, amount) => sum + amount, 0) - heldGpuMs
  return (
    <span className="eq">
      {difference === 0 ? (
        <>
          <span className="ok">✓</span> accounts = held to the GPU-millisecond.
        </>
      ) : (
        <span className="bad strong">The accounts differ from what was held by {int(difference)} GPU-ms.</span>
      )}{' '}
      {provisionalGpuMs > 0 ? (
        <>
          <Provisional>{gpuHours(provisionalGpuMs)} GPU-h</Provisional> are provisional.{' '}
        </>
      ) : null}
      The run pays <b>{gpuHours(paidGpuMs)} GPU-h</b>
      {cost === null ? (
        ', for which no price is set.'
      ) : (
        <>
          : <b>{money(cost)}</b>.
        </>
      )}
    </span>
  )
}

const accountsCsv = (statement: Statement): string =>
  csv([
    ['attempt', 'account', 'gpu_ms'],
    ...statement.attempts.flatMap((attempt) =>
      Object.entries(attempt.byAccount).map(([account, gpuMs]) => [attempt.id, account, gpuMs] as const),
    ),
  ])
