// One run on a narrow screen.
import { memo } from 'react'
import type { TableRow } from '../api/documents.ts'
import { gpuHours, int, money } from '../format/numbers.ts'
import { day, hm } from '../format/times.ts'
import { Estimate, UnknownSince } from '../parts/bits.tsx'
import { StateWord } from '../parts/glyphs.tsx'
import { RunName, Says } from './columns.tsx'
import { blindSince, endOf } from './freshness.ts'

export const Card = memo(function Card({ row, now }: { readonly row: TableRow | undefined; readonly now: number }) {
  if (row === undefined) return <div className="card faint small">reading…</div>
  const end = endOf(row)
  const blind = blindSince(row, now)
  return (
    <div className="card">
      <div className="l">
        <RunName row={row} />
        <StateWord state={row.state} />
      </div>
      <div className="l small dim">
        <span>
          {int(row.gpus)} GPUs · {row.heldGpuMs === 0 ? '0' : gpuHours(row.heldGpuMs)} GPU-h
          {row.money === null ? '' : ` · ${money(row.money)}`}
        </span>
        <span>
          {blind !== null ? (
            <UnknownSince at={blind} now={now} />
          ) : row.endedAt !== null ? (
            row.user
          ) : end !== null ? (
            <>
              ends <Estimate>{end - now > 86_400_000 ? day(end) : hm(end)}</Estimate>
            </>
          ) : (
            row.user
          )}
        </span>
      </div>
      {(row.message ?? row.reason ?? '') === '' && row.finding === null ? null : (
        <div className="small says">
          <Says row={row} />
        </div>
      )}
    </div>
  )
})
