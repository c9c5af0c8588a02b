// The admit step: in which order waiting runs are looked at, and who is refused before nodes are looked at. Whether the rest gets
// its quota is decided while placing, since each placement uses some of it up.
import { restartHolder } from '../../domain/claim.ts'
import { fenceAt, fenceText } from '../../domain/fence.ts'
import { PRIORITIES } from '../../domain/reasons.ts'
import type { Run } from '../../domain/run.ts'
import type { Blocked, Candidate, World } from '../../domain/world.ts'

/** Waiting runs in their order: class, then those that are being restarted, then the oldest. Nothing depends on the order of maps. */
export function candidatesOf(world: World): Candidate[] {
  const holds = new Set(world.claims.map((claim) => claim.holder))
  const restarting = (run: Run): boolean => holds.has(restartHolder(run.id))
  return [...world.runs.values()]
    .filter((run) => run.state.kind === 'queued' && run.wish === 'run')
    .toSorted(
      (a, b) =>
        PRIORITIES.indexOf(b.priority) - PRIORITIES.indexOf(a.priority) ||
        Number(restarting(b)) - Number(restarting(a)) ||
        a.createdAt - b.createdAt ||
        (a.id < b.id ? -1 : 1),
    )
    .map((run) => ({ run: run.id, blocked: blockedBeforePlacing(world, run) }))
}

function blockedBeforePlacing(world: World, run: Run): Blocked | null {
  // First, since it is the one that somebody can end: by what he knows of a node.
  const fence = fenceAt(run, world.now)
  if (fence !== null) return { reason: 'fence', message: fenceText(fence), until: fence.until }
  if (run.state.kind === 'queued' && run.state.notBefore !== null && world.now < run.state.notBefore)
    return {
      reason: 'backoff',
      message: 'it failed a short while ago and waits before the next attempt',
      until: run.state.notBefore,
    }
  if (world.now < world.newestBookedTo) {
    return {
      reason: 'clock-behind-books',
      message: `the clock is ${world.newestBookedTo - world.now} ms behind the books; nothing is placed until it has caught up`,
      until: world.newestBookedTo,
    }
  }
  if (world.queue.paused) {
    return {
      reason: 'paused',
      message: `the queue is paused: ${world.queue.reason || 'no reason was given'}`,
      until: null,
    }
  }
  const cluster = world.clusters.get(run.cluster)
  if (cluster === undefined || cluster.kind === 'unknown') {
    const why = cluster === undefined ? 'it is not configured' : cluster.message
    return { reason: 'cluster-unreachable', message: `cluster ${run.cluster} cannot be asked: ${why}`, until: null }
  }
  return null
}
