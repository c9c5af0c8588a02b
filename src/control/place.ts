// admit and place are one turn: nobody holds quota or budget without nodes.
import { candidatesOf } from '../core/admit/admit.ts'
import type { PlaceReport } from '../core/place/place.ts'
import { planPlacements } from '../core/place/place.ts'
import type { ClusterName } from '../domain/ids.ts'
import { commitAll } from './commit.ts'
import type { Control } from './control.ts'
import { epochNow } from './control.ts'

export async function placeTurn(control: Control): Promise<PlaceReport | null> {
  const epoch = epochNow(control)
  if (epoch === null) return null
  const world = await control.store.world(control.health)
  const plan = planPlacements(world, candidatesOf(world), placeSettings(control))
  const committed = await commitAll(control, epoch, plan.items)
  if (plan.report.placed.length > 0 && committed.applied > 0) control.doorbell.ring('launch')
  if (committed.stale > 0) control.doorbell.ring('place')
  return plan.report
}

export function placeSettings(control: Pick<Control, 'settings' | 'chance' | 'clusters'>) {
  return {
    durations: control.settings.durations,
    draw: () => control.chance.fraction(),
    masterAddress: (cluster: ClusterName, attempt: string) =>
      control.clusters.get(cluster)?.masterAddress(attempt) ?? '127.0.0.1',
  }
}
