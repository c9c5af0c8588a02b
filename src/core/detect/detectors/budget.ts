// Budgets that are used up in part, and budgets that will be soon at the rate of now.
import { amountText } from '../../../domain/budget.ts'
import type { Subject } from '../../../domain/finding.ts'
import { MS_PER_HOUR, plusMs } from '../../../domain/units.ts'
import type { BudgetLook, Detector, Look } from '../look.ts'
import { FREE } from '../subject.ts'
import { durationText, percent } from '../words.ts'

export const budget: Detector = {
  rules: ['budget-used', 'budget-forecast'],
  detect: (look) => look.budgets.flatMap((each) => [...used(each, look), ...forecast(each, look)]),
}

const subjectOf = ({ budget: { id, project } }: BudgetLook, part: string): Subject => ({
  project,
  run: null,
  attempt: null,
  budget: id,
  part,
})

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
      message: `${percent(amount / limit)} of budget ${each.budget.id} is used: ${amountText(unit, amount)} of ${amountText(unit, limit)}`,
      evidence: [
        { what: 'used', value: amountText(unit, amount), at: now, worker: null },
        { what: 'reserved by what runs', value: amountText(unit, each.budget.reserved), at: now, worker: null },
      ],
      ...FREE,
      whatToTry: hard
        ? 'At its limit nothing of the project is placed, and what runs stops at a checkpoint. Stop what is worth least, or raise it: plimsoll policy apply FILE.'
        : 'It is a soft budget: nothing stops. Stop what is worth least, or raise it: plimsoll policy apply FILE.',
    }))
}

function forecast(each: BudgetLook, { now, thresholds }: Look): ReturnType<Detector['detect']> {
  const { budget: of, burnPerHour, runs } = each
  const left = of.limit - of.used
  if (burnPerHour === null || burnPerHour <= 0 || left <= 0) return []
  const ms = Math.floor((left / burnPerHour) * MS_PER_HOUR)
  if (ms > thresholds.budget.goneWithin) return []
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
        ? 'Then its runs stop at a checkpoint and are suspended, those that lose least first. Raise it before: plimsoll policy apply FILE.'
        : 'It is a soft budget: nothing stops. Raise it, or stop what is worth least.',
    },
  ]
}
