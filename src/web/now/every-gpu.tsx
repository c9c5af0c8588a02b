// Does the rest train? Every GPU by account, over the last minutes of the books, and the same for each project.
import type { Ledger } from '../api/operate.ts'
import { dec, duration, int } from '../format/numbers.ts'
import { hm, ms } from '../format/times.ts'
import { MEANING } from '../parts/account-words.ts'
import { Stack, Swatch } from '../parts/accounts.tsx'
import { Empty, Panel } from '../parts/bits.tsx'
import { amountsOf, isHeld, slotsByAccount } from './slots.ts'

export function EveryGpu({ ledger, gpus }: { readonly ledger: Ledger; readonly gpus: number | null }) {
  const slots = slotsByAccount(ledger, gpus)
  const { accounts, total, hidden } = slots
  const by = Object.fromEntries(accounts.map(({ account, gpuMs }) => [account, gpuMs]))
  const label = accounts.map(({ account, gpus: count }) => `${account} ${int(count)}`).join(', ')
  return (
    <Panel
      id="h-every"
      title="Every GPU"
      sub={`by account, mean of the ${duration(slots.ms)} to ${hm(ms(ledger.to))}`}
      footer={
        <div className="legend">
          {accounts.map(({ account, gpus: count }) => (
            <span key={account} title={MEANING[account]}>
              <Swatch account={account} />
              {account} <b>{count === 0 ? '<1' : int(count)}</b>
            </span>
          ))}
          {hidden > 0 ? (
            <span>
              free, or of projects that you may not see <b>{int(hidden)}</b>
            </span>
          ) : null}
          <span className="eq">
            = <b>{int(total)}</b> {total === 1 ? 'GPU' : 'GPUs'}
          </span>
        </div>
      }
    >
      {accounts.length === 0 ? (
        <Empty title="No GPU is booked yet">
          From the moment that a machine is registered, each of its GPU-milliseconds stands in exactly one account.
        </Empty>
      ) : (
        <div className="body">
          <div className="every">
            <Stack by={by} total={ledger.capacityGpuMs} label={label} />
          </div>
          <Projects ledger={ledger} msEach={slots.msEach} />
        </div>
      )}
    </Panel>
  )
}

const PROJECTS_MAX = 8

function Projects({ ledger, msEach }: { readonly ledger: Ledger; readonly msEach: number }) {
  const groups = [...Map.groupBy(ledger.rows.filter(isHeld), ({ project }) => project ?? '')]
    .map(([project, rows]) => ({
      project,
      by: amountsOf({ rows }),
      gpuMs: rows.reduce((sum, { gpuMs }) => sum + gpuMs, 0),
    }))
    .toSorted((a, b) => b.gpuMs - a.gpuMs)
  if (groups.length < 2) return null
  const most = groups[0]?.gpuMs ?? 1
  const shown = groups.slice(0, PROJECTS_MAX)
  const rest = groups.slice(PROJECTS_MAX).reduce((sum, { gpuMs }) => sum + gpuMs, 0)
  return (
    <dl className="by-project">
      {shown.map(({ project, by, gpuMs }) => (
        <div key={project}>
          <dt title={project}>{project}</dt>
          <dd>
            <div style={{ width: `${Math.max(2, (100 * gpuMs) / most)}%` }}>
              <Stack by={by} total={gpuMs} label={`${project} by account`} />
            </div>
          </dd>
          <dd className="num r">
            {gpusOf(gpuMs / msEach)}
            <span className="u">GPUs</span>
          </dd>
        </div>
      ))}
      {rest > 0 ? (
        <div>
          <dt className="faint">{int(groups.length - PROJECTS_MAX)} more</dt>
          <dd />
          <dd className="num r">
            {gpusOf(rest / msEach)}
            <span className="u">GPUs</span>
          </dd>
        </div>
      ) : null}
    </dl>
  )
}

/** A little is not nothing. */
const gpusOf = (mean: number): string =>
  mean < 0.05 ? '<0.1' : mean < 10 && Math.abs(mean - Math.round(mean)) > 0.05 ? dec(mean, 1) : int(mean)
