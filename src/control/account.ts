// Books nodes at each end of a cell, extends reserves before they are spent, lets runs go on whose money is back, and posts the cells that
// are due.
import { decideBudgets } from '../core/account/budgets.ts'
import { bookItems, workOf } from '../core/account/due.ts'
import { firstCellToRead, planPostings } from '../core/account/post.ts'
import { resumptions } from '../core/account/resume.ts'
import { endItem } from '../core/launch/launch.ts'
import type { AttemptId } from '../domain/ids.ts'
import { commitAll } from './commit.ts'
import type { Control } from './control.ts'
import { epochNow } from './control.ts'

/**
 * The last attempt whose books were looked at. Many are due and not settled, turn after turn: those behind them must be looked at as well,
 * so each turn goes on after the one before it.
 */
const lookedAt = new WeakMap<Control, AttemptId>()

export async function accountTurn(control: Control): Promise<void> {
  const epoch = epochNow(control)
  if (epoch === null) return
  const { durations } = control.settings
  const world = await control.store.world(control.health)
  const budgets = decideBudgets(world, durations)
  const stops = budgets.stop.map(({ run, attempt }) => endItem(world, run, attempt, 'budget', durations))
  const resumed = resumptions(world, durations)
  const committed = await commitAll(control, epoch, [...bookItems(world), ...budgets.items, ...stops, ...resumed])
  if (committed.deposed) return
  if (stops.length > 0 || budgets.items.length > 0) control.doorbell.ring('launch')
  if (resumed.length > 0) control.doorbell.ring('place')

  const due = await control.store.booksDue(control.clock.now(), lookedAt.get(control) ?? null)
  const last = due.at(-1)
  if (last !== undefined) lookedAt.set(control, last)
  for (const read of await control.store.readBooks(due, (light) => firstCellToRead(light.books, workOf.light(light)))) {
    const plan = planPostings(workOf.full(read), control.clock.now(), durations.cellSettleMs)
    // Another writer was first, or we do not lead: the next turn reads again.
    if (plan !== null && !(await control.store.writeBooks(epoch, plan))) return
  }
}
