// Budgets that are used up in part, that will be soon at the rate of now, or that go faster than their time.
import { amountText } from '../../../domain/budget.ts'
import type { Subject } from '../../../domain/finding.ts'
import { MS_PER_HOUR, plusMs } from '../../../domain/units.ts'
import type { BudgetLook, Detector, Look } from '../look.ts'
import { FREE } from '../subject.ts'
import { durationText, percent } from '../words.ts'

export const budget: Detector = {
  rules: ['budget-used', 'budget-forecast', 'burn-above-plan'],
  detect: (look) => look.budgets.flatMap((each) => [...used(each, look), ...forecast(each, look), ...pace(each, look)]),
}

const subjectOf = ({ budget: { id, project } }: BudgetLook, part: string): Subject => ({
  project,
  run: null,
  attempt: null,
  budget: id,
  part,
})

const ask = ({ budget: { id } }: BudgetLook): string => `plimsoll budgets extend ${id} --by AMOUNT --reason TEXT`

/** Each threshold is a finding of its own, so that each is told. */
function used(each: BudgetLook, { now, thresholds }: Look): ReturnType<Detector['detect']> {
  const { limit, used: amount, unit, hard } = each.budget
  if (limit <= 0) return []
  return thresholds.budget.used
    .filter((part) => amount >= part * limit)
    .map((part) => ({
      rule: 'budget-used' as const,
      subject: subjectOf(each, percent(part)),
      severity: part >= (thresholds.budget.used.at(-1) ?? 1) ? ('critical' as const) : ('warning' as const),
      since: now,
      message: `${percent(amount / limit)} of budget ${each.budget.id} is used (told from ${percent(part)} on): ${amountText(unit, amount)} of ${amountText(unit, limit)}`,
      evidence: [
        { what: 'used', value: amountText(unit, amount), at: now, worker: null },
        { what: 'reserved by what runs', value: amountText(unit, each.budget.reserved), at: now, worker: null },
      ],
      ...FREE,
      whatToTry: hard
        ? `At its limit nothing that it covers is placed, and what runs stops at a checkpoint. Stop what is worth least, or ask for more: ${ask(each)}.`
        : `It is a soft budget: nothing stops. Stop what is worth least, or ask for more: ${ask(each)}.`,
    }))
}

function forecast(each: BudgetLook, { now, thresholds }: Look): ReturnType<Detector['detect']> {
  const { budget: of, burnPerHour, runs } = each
  const left = of.limit - of.used
  if (burnPerHour === null || burnPerHour <= 0 || left <= 0) return []
  const ms = Math.floor((left / burnPerHour) * MS_PER_HOUR)
  if (ms > thresholds.budget.goneWithin) return []
  // What its period does not see is the next one's.
  if (of.period?.kind === 'window' && plusMs(now, ms) >= of.period.to) return []
  return [
    {
      rule: 'budget-forecast',
      subject: subjectOf(each, ''),
      severity: of.hard && ms < thresholds.budget.goneWithin / 12 ? 'critical' : 'warning',
      since: now,
      message: `budget ${of.id} is used up in about ${durationText(ms)}, if what runs now goes on`,
      evidence: [
        { what: 'left', value: amountText(of.unit, left), at: now, worker: null },
        {
          what: `spent an hour by ${runs} runs`,
          value: amountText(of.unit, Math.round(burnPerHour)),
          at: now,
          worker: null,
        },
        { what: 'used up at', value: new Date(plusMs(now, ms)).toISOString(), at: null, worker: null },
      ],
      ...FREE,
      whatToTry: of.hard
        ? `Then its runs stop at a checkpoint and are suspended, those that lose least first. Ask for more before: ${ask(each)}.`
        : `It is a soft budget: nothing stops. Ask for more, or stop what is worth least: ${ask(each)}.`,
    },
  ]
}

/** An even share of the period is the plan: nobody said another. What is used up already is told by the rule for that. */
function pace(each: BudgetLook, { now, thresholds }: Look): ReturnType<Detector['detect']> {
  const { limit, used: amount, unit, period, id } = each.budget
  if (period?.kind !== 'window' || limit <= 0 || amount >= limit) return []
  const elapsed = (now - period.from) / (period.to - period.from)
  const part = amount / limit
  if (elapsed <= 0 || elapsed >= 1 || part < thresholds.budget.paceFrom || part <= elapsed * thresholds.budget.pace)
    return []
  const plan = Math.round(limit * elapsed)
  return [
    {
      rule: 'burn-above-plan',
      subject: subjectOf(each, ''),
      severity: 'warning',
      since: now,
      message: `${percent(part)} of budget ${id} is used in ${percent(elapsed)} of its time: ${amountText(unit, amount)}, where an even share would be ${amountText(unit, plan)}`,
      evidence: [
        { what: 'used', value: amountText(unit, amount), at: now, worker: null },
        { what: 'even share until now', value: amountText(unit, plan), at: now, worker: null },
        { what: 'its period ends', value: new Date(period.to).toISOString(), at: null, worker: null },
      ],
      ...FREE,
      whatToTry: `plimsoll budgets says when it is used up, plimsoll ledger --by run what spends it. Stop what is worth least, or ask for more in time: ${ask(each)}.`,
    },
  ]
}
