// The statement of a run: attempts by account, with sums both ways.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { Statement } from '../api/documents.ts'
import { statementQuery } from '../api/queries.ts'
import { WHY_UNKNOWN } from '../../domain/efficiency.ts'
import { MS_PER_HOUR } from '../../domain/units.ts'
import { counted } from '../../domain/words.ts'
import { dec, duration, gpuHours, int, money, percent, si } from '../format/numbers.ts'
import { SHOWN } from '../parts/account-words.ts'
import { Swatch } from '../parts/accounts.tsx'
import { Empty, Estimate, Panel, Provisional, Reading, Refusal } from '../parts/bits.tsx'
import { isAlive, useShow } from './use-run.ts'

export function StatementTab() {
  const show = useShow()
  const statement = useQuery(statementQuery(show.id, isAlive(show)))
  if (statement.data === undefined) {
    return statement.isPending ? <Reading what="the statement" /> : <Refusal error={statement.error} />
  }
  const { data } = statement
  return (
    <div className="grid">
      <Panel
        id="h-statement"
        title="Statement"
        sub="GPU-hours held, by attempt and account"
        footer={<Foot statement={data} />}
      >
        {data.heldGpuMs === 0 ? (
          <Empty title="Nothing was held">There is nothing to account for yet.</Empty>
        ) : (
          <Books statement={data} />
        )}
      </Panel>
      <Panel id="h-measures" title="What came of it">
        <div className="body">
          <dl className="kv">
            <dt>Goodput</dt>
            <dd>{data.goodput === null ? 'unknown' : `${percent(data.goodput)} of held was productive and kept`}</dd>
            <dt>ETTR</dt>
            <dd>{data.ettr === null ? 'unknown' : `${percent(data.ettr)} of the time since its first start`}</dd>
            <dt>Tokens</dt>
            <dd>
              {data.tokens === null ? 'unknown: the spec names no sequenceLength' : `${int(data.tokens)} in kept steps`}
            </dd>
            <dt>Tokens per GPU-hour</dt>
            <dd>{data.tokensPerGpuHour === null ? 'unknown' : si(data.tokensPerGpuHour)}</dd>
            <dt>MFU</dt>
            <dd>
              <Mfu efficiency={data.efficiency} />
            </dd>
            <dt>Checkpoints</dt>
            <dd>
              <Checkpoints checkpoints={data.efficiency.checkpoints} />
            </dd>
            <dt>Best interval</dt>
            <dd>
              <BestInterval checkpoints={data.efficiency.checkpoints} />
            </dd>
            {data.experts === null ? null : (
              <>
                <dt>Experts</dt>
                <dd>
                  <Balance run={data.run} experts={data.experts} />
                </dd>
              </>
            )}
            <dt>Alerts</dt>
            <dd>
              {int(data.alerts.sent)} sent, {int(data.alerts.failed)} failed
            </dd>
          </dl>
        </div>
      </Panel>
    </div>
  )
}

type Efficiency = Statement['efficiency']
type Parts = { readonly checkpoints: Efficiency['checkpoints'] }

function Mfu({ efficiency }: { readonly efficiency: Efficiency }) {
  const { mfuProductive, mfuHeld, mfuUnknown } = efficiency
  return mfuProductive === null || mfuHeld === null
    ? `unknown${mfuUnknown === null ? '' : `: ${WHY_UNKNOWN[mfuUnknown]}`}`
    : `${percent(mfuProductive)} of peak in productive time, ${percent(mfuHeld)} in all that was held`
}

/** What of it is known, and nothing where none was seen. */
function Checkpoints({ checkpoints }: Parts) {
  const { saves, saveMs, intervalMs, intervalSteps } = checkpoints
  if (saves === 0) return 'none was seen'
  const every =
    intervalSteps === null || intervalMs === null
      ? 'interval unknown'
      : `one every ${counted(intervalSteps, 'step')} (${duration(intervalMs)} of training)`
  const stops = saveMs === null ? 'unknown how long each stops training' : `each stops training for ${duration(saveMs)}`
  return `${int(saves)} durable, ${every}; ${stops}`
}

function BestInterval({ checkpoints }: Parts) {
  const { best, bestUnknown, failures, meanToFailureMs } = checkpoints
  if (best === null) return `unknown${bestUnknown === null ? '' : `: ${WHY_UNKNOWN[bestUnknown]}`}`
  return (
    <>
      {counted(best.intervalSteps, 'step')} ({duration(best.intervalMs)}): would have saved{' '}
      <Estimate>{gpuHours(best.savedGpuMs)} GPU-h</Estimate> so far, expected ETTR {percent(best.ettrBest)} instead of{' '}
      {percent(best.ettrNow)}; after {counted(failures, 'failure')}, mean time to the next {duration(meanToFailureMs)}
    </>
  )
}

/** How even the experts were at its end. */
function Balance({ run, experts }: { readonly run: string; readonly experts: NonNullable<Statement['experts']> }) {
  const { layers, experts: each, maxVio, dead } = experts
  return (
    <>
      {maxVio === null ? 'MaxVio unknown' : `MaxVio ${dec(maxVio, 2)} in the worst layer, mean of the last steps`};{' '}
      {int(dead)} of {int(layers * each)} experts dead, in {counted(layers, 'layer')} of {int(each)}:{' '}
      <Link to="/runs/$run/experts" params={{ run }}>
        by layer and step
      </Link>
    </>
  )
}

function Books({ statement }: { readonly statement: Statement }) {
  const { attempts, byAccount, heldGpuMs } = statement
  const accounts = SHOWN.filter((account) => (byAccount[account] ?? 0) > 0)
  // Not rounded to add up here: each figure is its own, and the last digit may differ by one.
  const digits = heldGpuMs < 100 * MS_PER_HOUR ? 4 : 1
  const hours = (gpuMs: number): string => (gpuMs === 0 ? '0' : dec(gpuMs / MS_PER_HOUR, digits))
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Statement in numbers">
      <table>
        <thead>
          <tr>
            <th>Account</th>
            {attempts.map((attempt, index) => (
              <th key={attempt.id} className="r" title={attempt.id}>
                Attempt {index + 1}
              </th>
            ))}
            <th className="r">All</th>
            <th className="r">Share</th>
          </tr>
        </thead>
        <tbody>
          {accounts.map((account) => (
            <tr key={account}>
              <td>
                <Swatch account={account} /> &nbsp;{account}
              </td>
              {attempts.map((attempt) => (
                <td key={attempt.id} className="r">
                  {hours(attempt.byAccount[account] ?? 0)}
                </td>
              ))}
              <td className="r">{hours(byAccount[account] ?? 0)}</td>
              <td className="r">{percent((byAccount[account] ?? 0) / heldGpuMs, 2)}</td>
            </tr>
          ))}
          <tr className="sum">
            <td>held</td>
            {attempts.map((attempt) => (
              <td key={attempt.id} className="r">
                {hours(attempt.heldGpuMs)}
              </td>
            ))}
            <td className="r">{hours(heldGpuMs)}</td>
            <td className="r">{percent(1, 2)}</td>
          </tr>
        </tbody>
      </table>
    </div>
  )
}

function Foot({ statement }: { readonly statement: Statement }) {
  const { heldGpuMs, paidGpuMs, provisionalGpuMs, money: cost } = statement
  return (
    <span className="eq">
      Held <b>{int(heldGpuMs)} GPU-ms</b>, paid <b>{int(paidGpuMs)} GPU-ms</b>
      {cost === null ? ', no price is set' : `: ${money(cost)}`}.{' '}
      {provisionalGpuMs > 0 ? (
        <>
          <Provisional>{gpuHours(provisionalGpuMs)} GPU-h</Provisional> of it are not posted yet.
        </>
      ) : (
        'All of it is posted.'
      )}
    </span>
  )
}
