// A budget on its load line: used is solid, reserved is ruled, the limit is a line with a ring where it is hard and dashed where it is soft.
import { MS_PER_HOUR } from '../../domain/units.ts'
import type { Budget } from '../api/operate.ts'
import { gpuHours, int, money, percent } from '../format/numbers.ts'

/** In the unit of the budget, with its sign or its unit. */
export function budgetText({ unit, currency }: Pick<Budget, 'unit' | 'currency'>, amount: number): string {
  if (unit === 'micros') return money({ micros: amount, currency: currency ?? '' })
  const hours = amount / MS_PER_HOUR
  const text = Math.abs(hours) < 100 && !Number.isInteger(hours) ? gpuHours(Math.abs(amount)) : int(Math.abs(hours))
  return `${amount < 0 ? '−' : ''}${text} GPU-h`
}

export function BudgetLine({ budget }: { readonly budget: Budget }) {
  const { limit, used, reserved, hard } = budget
  const most = Math.max(limit * 1.12, used + reserved, 1)
  const at = (amount: number): string => `${((100 * amount) / most).toFixed(2)}%`
  const share = (amount: number): string => (limit === 0 ? 'all' : percent(amount / limit))
  return (
    <div className="gauge" role="img" aria-label={`used ${share(used)}, reserved ${share(reserved)} of the limit`}>
      <div className="tr">
        <i className="used" style={{ width: at(used) }} />
        <i className="resv" style={{ width: at(reserved) }} />
      </div>
      <i className={`ll ${hard ? 'hard' : 'soft'}`} style={{ left: at(limit) }} />
    </div>
  )
}

export function BudgetPanelLine({ budget }: { readonly budget: Budget }) {
  const { id, project, hard, limit, used, reserved, left, over } = budget
  const near = limit === 0 || left / limit < 0.1
  return (
    <li className="budget">
      <div className="l">
        <span className="med">{id}</span>
        <span className="micro">
          {project}, {hard ? 'hard' : 'soft'}
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
        </span>
      </div>
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
  </span>
)

/** The fullest first: that is the wall that somebody runs into next. */
export const fullestFirst = (budgets: readonly Budget[]): readonly Budget[] =>
  budgets.toSorted((a, b) => share(b) - share(a) || (a.id < b.id ? -1 : 1))

const share = ({ used, reserved, limit }: Budget): number => (limit === 0 ? 2 : (used + reserved) / limit)
