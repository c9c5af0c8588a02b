// A budget in its period: what was used day by day, an even share as the plan, and the forecast with its interval up to the end.
import type { Budget } from '../api/operate.ts'
import { now as serverNow } from '../api/clock.ts'
import { day } from '../format/times.ts'

const WIDTH = 320
const HEIGHT = 84
const DAY_MS = 86_400_000

export function BudgetFan({ budget }: { readonly budget: Budget }) {
  const { forecast, period, limit, used, hard } = budget
  if (period === null || forecast === null || forecast.expected === null) return null
  const { expected, low, high } = forecast
  const [from, to] = [Date.parse(period.from), Date.parse(period.to)]
  const now = Math.min(Math.max(serverNow(), from), to)
  const top = Math.max(limit, expected, high ?? 0, used, 1) * 1.08
  const x = (at: number): number => ((at - from) / (to - from)) * WIDTH
  const y = (amount: number): number => HEIGHT - (amount / top) * HEIGHT
  const line = (points: readonly (readonly [number, number])[]): string =>
    points
      .map(([at, amount], index) => `${index === 0 ? 'M' : 'L'}${x(at).toFixed(1)} ${y(amount).toFixed(1)}`)
      .join('')
  const above = forecast.exhaustedAt !== null
  return (
    <div className="budget-fan">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <path
          d={line([
            [from, 0],
            [to, limit],
          ])}
          className="plan"
        />
        {low === null || high === null ? null : (
          <path
            d={`${line([
              [now, used],
              [to, high],
              [to, low],
            ])}Z`}
            fill={above ? 'var(--fan-warn)' : 'var(--band)'}
          />
        )}
        <path d={line(usedByDay(budget, from, now))} className="was" />
        <path
          d={line([
            [now, used],
            [to, expected],
          ])}
          className={above ? 'will above' : 'will'}
        />
        <path
          d={line([
            [from, limit],
            [to, limit],
          ])}
          className={hard ? 'limit' : 'limit soft'}
        />
      </svg>
      <div className="micro l">
        <span>{day(from)}</span>
        <span>{day(to)}</span>
      </div>
    </div>
  )
}

/** Back from now: the days that are known end with what is used. */
function usedByDay({ used, forecast }: Budget, from: number, now: number): readonly (readonly [number, number])[] {
  const points: (readonly [number, number])[] = [[now, used]]
  let left = used
  for (const { at, amount } of (forecast?.spent ?? []).toReversed()) {
    const begin = Date.parse(at)
    if (begin + DAY_MS <= from) break
    left = Math.max(0, left - amount)
    points.push([Math.max(begin, from), left])
  }
  return points.toReversed()
}
