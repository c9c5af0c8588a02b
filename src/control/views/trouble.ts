// What a page must not hide: the cluster of a run cannot be asked, so that what is told of the run is what was seen last.
import type { ClusterName } from '../../domain/ids.ts'
import type { Run } from '../../domain/run.ts'
import type { Control } from '../control.ts'
import { healthOf } from '../health.ts'

/** Why each cluster that cannot be asked cannot be, as this process or the one that leads saw it last. */
export async function troubles(control: Control): Promise<ReadonlyMap<ClusterName, string>> {
  const told = control.health.size > 0 ? null : await control.store.health()
  const { blindAfterMs } = control.settings.durations
  const found = new Map<ClusterName, string>()
  for (const name of control.clusters.keys()) {
    // Nobody has looked at it since the start: the first look is under way.
    const seen = told?.get(name)
    const health = seen === undefined ? control.health.get(name) : healthOf(seen, control.clock.now(), blindAfterMs)
    if (health?.kind === 'unknown') found.set(name, health.message)
  }
  return found
}

const ON_CLUSTER = new Set<Run['state']['kind']>(['admitted', 'starting', 'running', 'stopping'])

/** Null where nothing of the run is on a cluster, or its cluster answers. */
export function troubleOf({ state, cluster }: Run, found: ReadonlyMap<ClusterName, string>): string | null {
  const trouble = ON_CLUSTER.has(state.kind) ? found.get(cluster) : undefined
  return trouble === undefined ? null : `what it does now is unknown: ${trouble}`
}
