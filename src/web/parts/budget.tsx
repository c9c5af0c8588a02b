// A budget on its load line: used is solid, reserved is ruled, the limit is a line with a ring where it is hard and dashed where it is soft.
import { scopeText } from '../../domain/budget.ts'
import { now as serverNow } from '../api/clock.ts'
import type { Budget } from '../api/operate.ts'
import { budgetText, percent } from '../format/numbers.ts'
import { utc, when } from '../format/times.ts'
import { BudgetFan } from './budget-fan.tsx'

/** What a budget is likely to have used when its period ends, and when it reaches its limit, in words. */
export function forecastText(budget: Budget, now: number) {
  const { forecast, period, limit } = budget
  const { basis = 'none', expected = null, low = null, high = null, exhaustedAt = null } = forecast ?? {}
  const interval = low === null || high === null ? null : `${budgetText(budget, low)} to ${budgetText(budget, high)}`
  const by = basis === 'trend' ? 'by the trend of its last whole days' : 'at the rate of what runs now'
  return {
    end: expected === null ? null : budgetText(budget, expected),
    interval,
    usedUp: exhaustedAt === null ? null : when(Date.parse(exhaustedAt), now),
    above: expected !== null && expected > limit,
    title:
      expected === null || period === null
        ? 'no period, or nothing to forecast from'
        : `${by}${interval === null ? '' : `; four times of five ${interval}`}; the period ends ${utc(Date.parse(period.to))}`,
    by,
  }
}

export function BudgetLine({ budget }: { readonly budget: Budget }) {
  const { limit, used, reserved, hard } = budget
  const expected = budget.forecast?.expected ?? null
  const most = Math.max(limit * 1.12, used + reserved, expected ?? 0, 1)
  const at = (amount: number): string => `${((100 * amount) / most).toFixed(2)}%`
  const share = (amount: number): string => (limit === 0 ? 'all' : percent(amount / limit))
  return (
    <div className="gauge" role="img" aria-label={`used ${share(used)}, reserved ${share(reserved)} of the limit`}>
      <div className="tr">
        <i className="used" style={{ width: at(used) }} />
        <i className="resv" style={{ width: at(reserved) }} />
      </div>
      <i className={`ll ${hard ? 'hard' : 'soft'}`} style={{ left: at(limit) }} />
      {expected === null ? null : <i className="fc" style={{ left: at(expected) }} />}
    </div>
  )
}

export function BudgetPanelLine({ budget }: { readonly budget: Budget }) {
  const { id, hard, limit, used, reserved, left, over, extended } = budget
  const forecast = forecastText(budget, serverNow())
  const near = limit === 0 || left / limit < 0.1
  return (
    <li className="budget">
      <div className="l">
        <span className="med">{id}</span>
        <span className="micro">
          {scopeText(budget)}, {hard ? 'hard' : 'soft'}
        </span>
        <span className="small num">
          {budgetText(budget, used)}
          <span className="faint"> of {budgetText(budget, limit)}</span>
        </span>
      </div>
      <BudgetLine budget={budget} />
      <div className="micro l">
        <span>
          {left < 0 ? (
            <span className="bad strong">{budgetText(budget, -left)} too much is promised</span>
          ) : (
            <span className={near ? 'warn strong' : ''}>{budgetText(budget, left)} left after reserves</span>
          )}
        </span>
        <span>
          {reserved === 0 ? 'nothing reserved' : `${budgetText(budget, reserved)} reserved`}
          {over > 0 ? `, ${budgetText(budget, over)} beyond a reserve` : ''}
          {extended > 0 ? `, limit extended by ${budgetText(budget, extended)}` : ''}
        </span>
      </div>
      <BudgetFan budget={budget} />
      {forecast.end === null && forecast.usedUp === null ? null : (
        <div className="micro l" title={forecast.title}>
          {forecast.usedUp === null ? (
            <span>
              stays below: <span className="est">{forecast.end}</span> at its end
            </span>
          ) : (
            <span className="warn strong">
              ▲ reaches its {hard ? 'wall' : 'line'} <span className="est">{forecast.usedUp}</span>
            </span>
          )}
          <span>{forecast.interval === null ? forecast.by : `80 %: ${forecast.interval}`}</span>
        </div>
      )}
    </li>
  )
}

export const BudgetKey = () => (
  <span className="legend micro">
    <span>
      <i className="sw sw-held" />
      used
    </span>
    <span>
      <i className="sw sw-reserved" />
      reserved
    </span>
    <span>
      <svg viewBox="0 0 12 12" className="gl" aria-hidden="true">
        <path d="M6 0V12" stroke="var(--limit)" strokeWidth="2" />
        <circle cx="6" cy="6" r="3.6" fill="var(--panel)" stroke="var(--limit)" strokeWidth="1.8" />
      </svg>
      hard: a wall
    </span>
    <span>
      <svg viewBox="0 0 12 12" className="gl" aria-hidden="true">
        <path d="M6 0V12" stroke="var(--limit)" strokeWidth="2" strokeDasharray="3 2" />
      </svg>
      soft: tells
    </span>
    <span>
      <svg viewBox="0 0 12 12" className="gl" aria-hidden="true">
        <path d="M6 2 10 6 6 10 2 6Z" fill="none" stroke="var(--warn)" strokeWidth="1.5" />
      </svg>
      forecast of the period’s end
    </span>
  </span>
)

/** The fullest first: that is the wall that somebody runs into next. */
export const fullestFirst = (budgets: readonly Budget[]): readonly Budget[] =>
  budgets.toSorted((a, b) => share(b) - share(a) || (a.id < b.id ? -1 : 1))

const share = ({ used, reserved, limit }: Budget): number => (limit === 0 ? 2 : (used + reserved) / limit)
