// Where the GPU-time of a window went: accounts over a double rule, then what nobody held, then all that there was.
import { MS_PER_HOUR } from '../../domain/units.ts'
import type { Ledger } from '../api/operate.ts'
import { addUp, dec, gpuHours, int } from '../format/numbers.ts'
import { hms, ms } from '../format/times.ts'
import { MEANING, SHOWN, SHOWN_POOLS } from '../parts/account-words.ts'
import { Swatch } from '../parts/accounts.tsx'
import { Panel } from '../parts/bits.tsx'
import { WASTE } from '../../domain/waste.ts'
import { OVERHEAD, paidText, poolsOf, type Spent } from './books.ts'

type Props = { readonly ledger: Ledger; readonly whole: Spent }

const PARTS = [
  { title: null, accounts: ['productive', 'evaluate'] },
  { title: 'overhead', accounts: OVERHEAD },
  { title: 'waste', accounts: WASTE },
  { title: null, accounts: ['unknown'] },
] as const

export function BooksOf({ ledger, whole }: Props) {
  const pools = poolsOf(ledger)
  const held = SHOWN.filter((account) => (whole.by[account] ?? 0) > 0)
  const digits = ledger.capacityGpuMs < 100 * MS_PER_HOUR ? 3 : 1
  const hours = addUp(
    held.map((account) => (whole.by[account] ?? 0) / MS_PER_HOUR),
    whole.heldGpuMs / MS_PER_HOUR,
    digits,
  )
  const shares = addUp(
    held.map((account) => (whole.heldGpuMs === 0 ? 0 : (100 * (whole.by[account] ?? 0)) / whole.heldGpuMs)),
    whole.heldGpuMs === 0 ? 0 : 100,
    2,
  )
  const of = (account: string): number => (held as readonly string[]).indexOf(account)
  const others = [
    ...(whole.reservedGpuMs > 0
      ? [{ key: 'kept', name: 'kept for a restart', swatch: 'reserved', gpuMs: whole.reservedGpuMs }]
      : []),
    ...[...SHOWN_POOLS, 'unknown' as const].flatMap((pool) => {
      const gpuMs = pools.by[pool] ?? 0
      return gpuMs === 0
        ? []
        : [{ key: pool, name: pool === 'unknown' ? 'unknown, not held' : pool, swatch: pool, gpuMs }]
    }),
    ...(pools.hidden > 0
      ? [{ key: 'hidden', name: 'of nobody, or not yours to see', swatch: null, gpuMs: pools.hidden }]
      : []),
  ]
  const otherHours = addUp(
    others.map(({ gpuMs }) => gpuMs / MS_PER_HOUR),
    dot(ledger.capacityGpuMs / MS_PER_HOUR, digits) - dot(whole.heldGpuMs / MS_PER_HOUR, digits),
    digits,
  )
  return (
    <Panel
      id="h-statement"
      title="Statement"
      sub="all that was there, in exactly one account"
      wide="c5"
      footer={<Checked ledger={ledger} whole={whole} />}
    >
      <div className="scroll" tabIndex={0} role="region" aria-label="Statement in numbers">
        <table className="books">
          <thead>
            <tr>
              <th>Went to</th>
              <th className="r">GPU-h</th>
              <th className="r">% of held</th>
            </tr>
          </thead>
          <tbody>
            {PARTS.map(({ title, accounts }) => {
              const shown = accounts.filter((account) => of(account) >= 0)
              if (shown.length === 0) return null
              const total = (values: readonly number[]): number =>
                shown.reduce((sum, account) => sum + (values[of(account)] ?? 0), 0)
              return [
                ...(title === null
                  ? []
                  : [
                      <tr key={title} className="part">
                        <td>{title}</td>
                        <td className="r">{dec(total(hours), digits)}</td>
                        <td className="r">{dec(total(shares), 2)}</td>
                      </tr>,
                    ]),
                ...shown.map((account) => (
                  <tr key={account} className={title === null ? '' : 'in'} title={MEANING[account]}>
                    <td>
                      <Swatch account={account} /> &nbsp;{account}
                    </td>
                    <td className="r">{dec(hours[of(account)] ?? 0, digits)}</td>
                    <td className="r">{dec(shares[of(account)] ?? 0, 2)}</td>
                  </tr>
                )),
              ]
            })}
            <tr className="sum">
              <td>held</td>
              <td className="r">{dec(whole.heldGpuMs / MS_PER_HOUR, digits)}</td>
              <td className="r">{whole.heldGpuMs === 0 ? '' : '100.00'}</td>
            </tr>
            {others.map(({ key, name, swatch }, index) => (
              <tr key={key} className="sub">
                <td>
                  {swatch === null ? null : (
                    <>
                      <Swatch account={swatch} /> &nbsp;
                    </>
                  )}
                  {name}
                </td>
                <td className="r">{dec(otherHours[index] ?? 0, digits)}</td>
                <td />
              </tr>
            ))}
            <tr className="sum">
              <td>capacity</td>
              <td className="r">{dec(ledger.capacityGpuMs / MS_PER_HOUR, digits)}</td>
              <td />
            </tr>
          </tbody>
        </table>
      </div>
    </Panel>
  )
}

/** As it is printed. */
const dot = (value: number, digits: number): number => Math.round(value * 10 ** digits) / 10 ** digits

function Checked({ ledger, whole }: Props) {
  const pools = poolsOf(ledger)
  const difference = whole.heldGpuMs + whole.reservedGpuMs + pools.gpuMs - ledger.capacityGpuMs
  return (
    <span className="eq">
      {pools.hidden > 0 ? (
        <>You see your projects: {gpuHours(whole.heldGpuMs)} GPU-h of all. </>
      ) : difference === 0 ? (
        <>
          <span className="ok">✓</span> accounts = capacity, difference <b>0 GPU-ms</b>, to {hms(ms(ledger.to))}.{' '}
        </>
      ) : (
        <span className="bad strong">The accounts differ from the capacity by {int(difference)} GPU-ms. </span>
      )}
      {whole.costs.length === 0 ? (
        'No price is set for what runs pay.'
      ) : (
        <>
          Runs pay <b>{paidText(whole)}</b>.
        </>
      )}{' '}
      Starts that failed lie in overhead: the books do not tell them apart.
    </span>
  )
}
