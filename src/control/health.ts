// How each cluster was at the leader's last look, told through the store to processes that look at none themselves. What was told long
// ago is not true any more: a blind watcher never looks healthy.
import type { ClusterName } from '../domain/ids.ts'
import type { DurationMs, EpochMs } from '../domain/units.ts'
import type { ClusterHealth } from '../domain/world.ts'
import type { SeenHealth, Store } from '../ports/store.ts'
import type { Control } from './control.ts'
import { epochNow } from './control.ts'

/** What was told last by this process. */
const told = new WeakMap<Control, Map<ClusterName, SeenHealth>>()

/** After a look of the leader. Written on change, and unchanged as seldom as a node's last look is. */
export async function tellHealth(control: Control): Promise<void> {
  const epoch = epochNow(control)
  if (epoch === null) return
  const before = told.get(control) ?? new Map<ClusterName, SeenHealth>()
  told.set(control, before)
  const observedAt = control.clock.now()
  for (const [cluster, health] of control.health) {
    const known = before.get(cluster)
    const due = known === undefined || observedAt - known.observedAt >= control.settings.durations.persistMs
    if (!due && same(known.health, health)) continue
    await control.store.saveHealth(epoch, cluster, { health, observedAt })
    before.set(cluster, { health, observedAt })
  }
}

const same = (a: ClusterHealth, b: ClusterHealth): boolean =>
  a.kind === 'unknown' ? b.kind === 'unknown' && a.message === b.message : b.kind === 'reachable'

/** A store whose worlds have the clusters as the leader told of them, whatever the caller says that it knows. */
export function withToldHealth(
  store: Store,
  clusters: readonly ClusterName[],
  now: () => EpochMs,
  blindAfterMs: DurationMs,
): Store {
  return {
    ...store,
    async world() {
      const seen = await store.health()
      return store.world(new Map(clusters.map((name) => [name, healthOf(seen.get(name), now(), blindAfterMs)])))
    },
  }
}

/** As it is to be taken now. */
export function healthOf(seen: SeenHealth | undefined, now: EpochMs, blindAfterMs: DurationMs): ClusterHealth {
  if (seen === undefined) return { kind: 'unknown', message: 'no controller has looked at it yet' }
  if (now - seen.observedAt <= blindAfterMs) return seen.health
  return {
    kind: 'unknown',
    message: `no controller has looked at it for ${Math.round((now - seen.observedAt) / 1000)} s`,
  }
}
