// The dearest waste: run by run, with the accounts that it lies in, and what would stop most of it.
import { MS_PER_HOUR } from '../../domain/units.ts'
import { dec, gpuHours, int, percent } from '../format/numbers.ts'
import { Swatch } from '../parts/accounts.tsx'
import { Empty, Panel } from '../parts/bits.tsx'
import { Go, RunLink } from '../parts/go.tsx'
import { STOPS, WASTE } from '../../domain/waste.ts'
import { paidText, type Spent, worstOf } from './books.ts'

const DEAREST = 8

type Props = { readonly runs: readonly Spent[]; readonly whole: Spent }

export function Causes({ runs, whole }: Props) {
  const wasteful = runs.filter(({ wasteGpuMs }) => wasteGpuMs > 0).toSorted((a, b) => b.wasteGpuMs - a.wasteGpuMs)
  const dearest = wasteful.slice(0, DEAREST)
  const most = dearest[0]?.wasteGpuMs ?? 1
  const digits = most < 10 * MS_PER_HOUR ? 3 : 1
  const sum = dearest.reduce((total, { wasteGpuMs }) => total + wasteGpuMs, 0)
  return (
    <Panel
      id="h-causes"
      title="Dearest waste"
      sub="run by run: lost, stalled, idle and recovery"
      footer={
        dearest.length === 0 ? undefined : (
          <>
            {dearest.length === 1 ? 'This one is' : `These ${dearest.length} are`}{' '}
            <b className="med">{gpuHours(sum)} GPU-h</b>, {percent(sum / whole.wasteGpuMs, 0)} of the waste of{' '}
            {int(wasteful.length)} {wasteful.length === 1 ? 'run' : 'runs'}. What a run paid is of all that it held.
          </>
        )
      }
    >
      {dearest.length === 0 ? (
        <Empty title="Nothing was wasted">
          Waste is GPU-time that a run held and that came to nothing: steps that were lost with a restart, silence, GPUs
          held after training was done, and the time between a failure and the end of its workers.
        </Empty>
      ) : (
        <div className="scroll" tabIndex={0} role="region" aria-label="The dearest waste in numbers">
          <table>
            <thead>
              <tr>
                <th>Run</th>
                <th>By account</th>
                {WASTE.map((account) => (
                  <th key={account} className="r">
                    <Swatch account={account} /> {account}
                  </th>
                ))}
                <th className="r">
                  Waste<span className="u">GPU-h</span>
                </th>
                <th className="r">Of its time</th>
                <th className="r">It paid</th>
                <th>What would stop most of it</th>
                <th>Evidence</th>
              </tr>
            </thead>
            <tbody>
              {dearest.map((run) => (
                <tr key={run.key}>
                  <td className="name">
                    <RunLink id={run.key ?? ''} project={run.project ?? ''} name={run.name ?? run.key ?? ''} />
                  </td>
                  <td>
                    <div className="stack waste" aria-hidden="true" style={{ width: (110 * run.wasteGpuMs) / most }}>
                      {WASTE.filter((account) => (run.by[account] ?? 0) > 0).map((account) => (
                        <i key={account} className={`a a-${account}`} style={{ flex: `${run.by[account] ?? 0} 1 0` }} />
                      ))}
                    </div>
                  </td>
                  {WASTE.map((account) => (
                    <td key={account} className={`r ${(run.by[account] ?? 0) === 0 ? 'na' : ''}`}>
                      {(run.by[account] ?? 0) === 0 ? '0' : dec((run.by[account] ?? 0) / MS_PER_HOUR, digits)}
                    </td>
                  ))}
                  <td className="r med">{gpuHours(run.wasteGpuMs, digits)}</td>
                  <td className="r">{percent(run.wasteGpuMs / Math.max(1, run.heldGpuMs))}</td>
                  <td className="r">{paidText(run) ?? <span className="faint">no price</span>}</td>
                  <td className="small dim stops">{STOPS[worstOf(run)]}</td>
                  <td className="small">
                    <Go to={`/runs/${encodeURIComponent(run.key ?? '')}/statement`}>Statement</Go>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  )
}
