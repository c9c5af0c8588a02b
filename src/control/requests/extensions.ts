// More than a budget's limit: who runs asks, who pays decides, both are in the audit log.
import { visibleProjects } from '../../core/authorise/authorise.ts'
import { amountText, LIMIT_MAX } from '../../domain/budget.ts'
import type { Budget } from '../../domain/budget.ts'
import type { ExtensionDocument } from '../../domain/budget-documents.ts'
import type { Extension } from '../../domain/extension.ts'
import type { BudgetId } from '../../domain/ids.ts'
import { isRowOfSeries, rowAt } from '../../domain/period.ts'
import type { Principal, Verb } from '../../domain/principal.ts'
import { actorOf } from '../../domain/principal.ts'
import type { Answer, Refusal } from '../../domain/refusal.ts'
import { accepted, refused } from '../../domain/refusal.ts'
import type { World } from '../../domain/world.ts'
import { noticeId } from '../tell.ts'
import { extensionDocument } from '../views/budgets.ts'
import type { RequestContext } from './context.ts'
import { mayNot } from './context.ts'

/** Of one budget. */
const EXTENSIONS_WAITING_MAX = 50

const LISTED = 'plimsoll budgets lists them'

/** `name` is of a budget or of one of its periods, such as `lab@2026-11`; `amount` is in the unit of the budget. */
export async function askExtension(
  context: RequestContext,
  who: Principal,
  name: string,
  amount: number,
  reason: string,
): Promise<Answer<ExtensionDocument>> {
  const { store, clock, chance, health } = context.control
  const world = await store.world(health)
  const found = findRow(world, name)
  if (found === null || !sees(who, 'budget.read', found.budget))
    return refused('not-found', `there is no budget ${name}`, LISTED)
  const { budget, row } = found
  if (!sees(who, 'budget.ask', budget)) return notAllowed(who, 'budget.ask', budget)
  if (row.period?.kind === 'window' && row.period.to <= world.now) return over(row)
  if (row.limit + amount > LIMIT_MAX)
    return refused('invalid', `the limit of budget ${row.id} would be beyond what can be counted`, null, '/amount')
  const known = await store.extensions([budget.id], EXTENSIONS_WAITING_MAX)
  const waiting = known.filter(({ decision }) => decision === null)
  // Who got no answer asks again, and means the same.
  const same = waiting.find(
    (each) =>
      each.amount === amount &&
      each.reason === reason &&
      each.askedBy === actorOf(who) &&
      rowAt(budget, each.at, (id) => world.budgets.get(id))?.id === row.id,
  )
  if (same !== undefined) return documentOf(world, same)
  if (waiting.length >= EXTENSIONS_WAITING_MAX)
    return refused(
      'too-many',
      `${EXTENSIONS_WAITING_MAX} extensions of budget ${budget.id} wait already`,
      'whoever pays decides those first',
    )
  const extension: Extension = {
    id: `x${noticeId(chance).slice(1, 13)}`,
    budget: budget.id,
    at: row.period?.kind === 'window' && row.period.from > world.now ? row.period.from : world.now,
    amount,
    reason,
    askedBy: actorOf(who),
    askedAt: clock.now(),
    decision: null,
  }
  await store.askExtension(extension, {
    at: extension.askedAt,
    actor: extension.askedBy,
    verb: 'budget.extension.ask',
    target: row.id,
    detail: { extension: extension.id, amount: amountText(row.unit, amount), reason },
  })
  return documentOf(world, extension)
}

export async function decideExtension(
  context: RequestContext,
  who: Principal,
  id: string,
  granted: boolean,
  answer: string,
): Promise<Answer<ExtensionDocument>> {
  const { store, clock, doorbell, health } = context.control
  const world = await store.world(health)
  const extension = await store.findExtension(id)
  const budget = extension === null ? undefined : world.budgets.get(extension.budget)
  if (extension === null || budget === undefined || !sees(who, 'budget.read', budget))
    return refused('not-found', `nobody asked for an extension ${id}`, 'plimsoll budgets extensions lists them')
  if (!sees(who, 'budget.extend', budget)) return notAllowed(who, 'budget.extend', budget)
  const row = rowAt(budget, extension.at, (each) => world.budgets.get(each)) ?? budget
  if (granted && row.period?.kind === 'window' && row.period.to <= world.now) return over(row)
  // It was within when it was asked for; another one was granted since.
  if (granted && row.limit + extension.amount > LIMIT_MAX)
    return refused('wrong-state', `the limit of budget ${row.id} would be beyond what can be counted`, 'refuse it')
  const at = clock.now()
  const decision = { granted, by: actorOf(who), at, answer }
  const decided = await store.decideExtension(id, decision, {
    at,
    actor: decision.by,
    verb: granted ? 'budget.extension.grant' : 'budget.extension.refuse',
    target: row.id,
    detail: { extension: id, amount: amountText(row.unit, extension.amount), askedBy: extension.askedBy, answer },
  })
  if (!decided) {
    const now = await store.findExtension(id)
    const by = now?.decision == null ? 'somebody' : now.decision.by
    return refused('wrong-state', `extension ${id} was decided already, by ${by}`, 'ask for another one')
  }
  if (granted) doorbell.ring('place')
  return documentOf(world, { ...extension, decision })
}

function findRow(world: World, name: string): { budget: Budget; row: Budget } | null {
  const [id] = name.split('@')
  const budget = world.budgets.get(id as BudgetId)
  if (budget === undefined) return null
  const now = rowAt(budget, world.now, (each) => world.budgets.get(each)) ?? budget
  if (name === budget.id || name === now.id) return { budget, row: now }
  // The next period may be asked for before anything opened it.
  const next = now.period?.kind === 'window' ? rowAt(budget, now.period.to, (each) => world.budgets.get(each)) : null
  if (name === next?.id) return { budget, row: next }
  const row = world.budgets.get(name as BudgetId)
  return row === undefined ? null : { budget, row }
}

/** A budget without a project is of all of them: a grant for one is not enough. */
function sees(who: Principal, verb: Verb, { project }: Budget): boolean {
  const visible = visibleProjects(who, verb)
  return visible === 'all' || (project !== null && visible.has(project))
}

const notAllowed = (who: Principal, verb: Verb, { project }: Budget): Refusal =>
  mayNot(who, verb, project) ??
  refused('not-allowed', `${verb} of a budget without a project needs a grant for all projects`)

const over = (row: Budget): Refusal =>
  isRowOfSeries(row)
    ? refused('wrong-state', `the period of budget ${row.id} is over`, 'ask for the period that runs')
    : refused('wrong-state', `the window of budget ${row.id} is over`, 'give it another window in the policy')

function documentOf(world: World, extension: Extension): Answer<ExtensionDocument> {
  const document = extensionDocument(world.budgets, extension)
  if (document === null) throw new Error(`bug: budget ${extension.budget} is not in the world that it was found in`)
  return accepted(document)
}
