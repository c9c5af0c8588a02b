// Where each day went: a bar for each day of the books, by account; what was held by nobody is hollow above it.
import { useQueries } from '@tanstack/react-query'
import type { AttemptAccount } from '../../domain/reasons.ts'
import { MS_PER_HOUR } from '../../domain/units.ts'
import { type Ledger, ledgerQuery } from '../api/operate.ts'
import { gpuHours, int } from '../format/numbers.ts'
import { SHOWN } from '../parts/account-words.ts'
import { fillOf, Swatch } from '../parts/accounts.tsx'
import { Panel } from '../parts/bits.tsx'
import { useWidth } from '../parts/width.ts'
import { spentBy, together, WASTE } from './books.ts'

export type DayWindow = { readonly from: number; readonly to: number | null }

const HEIGHT = 230
const WASTE_HEIGHT = 150
const TOP = 12
const BOTTOM = 20

type Day = { readonly from: number; readonly ledger: Ledger | undefined }

export function Days({ days, cut }: { readonly days: readonly DayWindow[]; readonly cut: boolean }) {
  const answers = useQueries({ queries: days.map((day) => ledgerQuery('project,account', day)) })
  const [box, width] = useWidth<HTMLDivElement>()
  const shown = days.map(({ from }, index): Day => ({ from, ledger: answers[index]?.data }))
  const failed = answers.filter(({ error, data }) => error !== null && data === undefined).length
  const missing = shown.filter(({ ledger }) => ledger === undefined).length - failed
  const accounts = SHOWN.filter((account) => shown.some(({ ledger }) => (heldOf(ledger)?.by[account] ?? 0) > 0))
  const held = shown.reduce((sum, { ledger }) => sum + (heldOf(ledger)?.heldGpuMs ?? 0), 0)
  return (
    <Panel
      id="h-days"
      title="Where each day went"
      sub={`GPU-hours by day of UTC, by account${cut ? `; the newest ${days.length} days` : ''}`}
      wide="c7"
      footer={
        <div className="legend">
          {accounts.map((account) => (
            <span key={account}>
              <Swatch account={account} />
              {account}
            </span>
          ))}
          <span>
            <Swatch account="free" />
            held by nobody
          </span>
          {missing > 0 ? <span className="faint">reading {missing} more…</span> : null}
          {failed > 0 ? <span className="bad">{failed} days could not be read</span> : null}
          <span className="eq">
            <b>{gpuHours(held)}</b> GPU-h held
          </span>
        </div>
      }
    >
      <div className="body" ref={box}>
        {width === 0 ? null : held === 0 && missing === 0 ? (
          <p className="small dim">No run held a GPU on any of these days.</p>
        ) : (
          <>
            <Bars days={shown} width={width} accounts={SHOWN} capacity height={HEIGHT} label="GPU-hours held" />
            {accounts.some((account) => (WASTE as readonly string[]).includes(account)) ? (
              <>
                <p className="small dim waste-title">Waste alone, on a scale of its own</p>
                <Bars
                  days={shown}
                  width={width}
                  accounts={SHOWN.filter((account) => (WASTE as readonly string[]).includes(account))}
                  capacity={false}
                  height={WASTE_HEIGHT}
                  label="GPU-hours wasted"
                />
              </>
            ) : null}
          </>
        )}
      </div>
    </Panel>
  )
}

const heldOf = (ledger: Ledger | undefined) =>
  ledger === undefined ? null : together(spentBy(ledger.rows, ({ project }) => project ?? null))

type BarsProps = {
  readonly days: readonly Day[]
  readonly width: number
  readonly accounts: readonly AttemptAccount[]
  /** What nobody held is hollow above, up to the edge: an empty cluster would make a line of all else. */
  readonly capacity: boolean
  readonly height: number
  readonly label: string
}

function Bars({ days, width, accounts, capacity, height, label }: BarsProps) {
  const left = 58
  const sums = days.map(({ ledger }) => {
    const held = heldOf(ledger)
    return held === null ? null : accounts.reduce((sum, account) => sum + (held.by[account] ?? 0), 0)
  })
  const most = Math.max(1, ...sums.map((sum) => sum ?? 0))
  const top = capacity ? most * 1.15 : most
  const each = (width - left) / Math.max(1, days.length)
  const y = (gpuMs: number): number => TOP + (1 - Math.min(1, gpuMs / top)) * (height - TOP - BOTTOM)
  const bar = Math.min(48, Math.max(2, each - 3))
  const words = days.map(({ from }, index) => {
    const sum = sums[index]
    return `${dayOf(from)} ${sum === null || sum === undefined ? 'unknown' : gpuHours(sum)}`
  })
  const every = Math.max(1, Math.ceil(46 / each))
  return (
    <svg
      className="chart"
      viewBox={`0 0 ${width} ${height}`}
      height={height}
      role="img"
      aria-label={`${label}, by day: ${words.join(', ')}`}
    >
      {[0, 0.5, 1].map((share) => (
        <g key={share}>
          <line x1={left} x2={width} y1={y(most * share)} y2={y(most * share)} stroke="var(--grid)" />
          <text x={left - 6} y={y(most * share) + 4} textAnchor="end">
            {axisOf(most * share)}
          </text>
        </g>
      ))}
      {days.map(({ from, ledger }, index) => {
        const x = left + index * each + (each - bar) / 2
        return (
          <g key={from}>
            {index % every === 0 ? (
              <text x={x + bar / 2} y={height - 5} textAnchor="middle">
                {dayOf(from)}
              </text>
            ) : null}
            {ledger === undefined ? null : (
              <Bar
                ledger={ledger}
                accounts={accounts}
                capacity={capacity ? Math.min(top, ledger.capacityGpuMs) : 0}
                x={x}
                width={bar}
                y={y}
                day={dayOf(from)}
              />
            )}
          </g>
        )
      })}
    </svg>
  )
}

type BarProps = {
  readonly ledger: Ledger
  readonly accounts: readonly AttemptAccount[]
  readonly capacity: number
  readonly x: number
  readonly width: number
  readonly y: (gpuMs: number) => number
  readonly day: string
}

function Bar({ ledger, accounts, capacity, x, width, y, day }: BarProps) {
  const held = heldOf(ledger)
  if (held === null) return null
  let below = 0
  return (
    <>
      {capacity > held.heldGpuMs ? (
        <rect
          x={x}
          y={y(capacity)}
          width={width}
          height={y(held.heldGpuMs) - y(capacity)}
          fill="none"
          stroke="var(--line-2)"
          strokeWidth=".7"
        >
          <title>{`${day}: ${gpuHours(ledger.capacityGpuMs - held.heldGpuMs)} GPU-h held by nobody`}</title>
        </rect>
      ) : null}
      {accounts.map((account) => {
        const gpuMs = held.by[account] ?? 0
        if (gpuMs === 0) return null
        const from = below
        below += gpuMs
        return (
          <rect
            key={account}
            x={x}
            y={y(below)}
            width={width}
            height={Math.max(0.5, y(from) - y(below))}
            fill={fillOf(account)}
          >
            <title>{`${day}: ${account} ${gpuHours(gpuMs)} GPU-h`}</title>
          </rect>
        )
      })}
    </>
  )
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/** Days of the books are those of UTC, whatever the zone of the viewer. */
const dayOf = (at: number): string => `${new Date(at).getUTCDate()} ${MONTHS[new Date(at).getUTCMonth()] ?? ''}`

const axisOf = (gpuMs: number): string =>
  gpuMs / MS_PER_HOUR >= 10_000
    ? `${int(gpuMs / MS_PER_HOUR / 1_000)} k`
    : gpuMs / MS_PER_HOUR >= 100
      ? int(gpuMs / MS_PER_HOUR)
      : gpuHours(gpuMs)
