// The fence of a run: put up when an attempt ends of which workers were on lost nodes, and taken down by proof or by time. What a look
// does not show proves nothing: a node or a worker is gone only where its cluster says so.
import type { Claim } from '../../domain/claim.ts'
import type { Fence, FencedWorker } from '../../domain/fence.ts'
import type { Attempt } from '../../domain/attempt.ts'
import type { ClusterName, NodeId, WorkerId } from '../../domain/ids.ts'
import type { Item } from '../../domain/item.ts'
import { MESSAGE_CHARS_MAX } from '../../domain/limits.ts'
import type { Run } from '../../domain/run.ts'
import { livingAttempt, withoutFence } from '../../domain/run.ts'
import type { EpochMs } from '../../domain/units.ts'
import { counted } from '../../domain/words.ts'
import type { World } from '../../domain/world.ts'

/** Workers of an ended attempt that nobody saw end, since their node was lost. */
export function fencedWorkers(
  attempt: Attempt,
  claims: readonly Claim[],
  lostNodes: ReadonlySet<NodeId>,
): FencedWorker[] {
  const byHolder = new Map<string, Claim>(claims.map((claim) => [claim.holder, claim]))
  const mayLive = ({ id, node }: Attempt['placement']['workers'][number]): boolean => {
    const claim = byHolder.get(id)
    // It gave its slots up before the rest ended, because its node was lost then; whatever became of the node since.
    if (claim === undefined) return true
    return lostNodes.has(node) && (claim.exit === null || claim.exit.kind === 'gone')
  }
  return attempt.placement.workers.filter(mayLive).map(({ id, nodeName }) => ({ worker: id, nodeName }))
}

/** What holds runs of a cluster back. */
export function fenced(world: World, cluster: ClusterName): readonly FencedWorker[] {
  return [...world.runs.values()].flatMap((run) => (run.cluster === cluster ? (run.fence?.workers ?? []) : []))
}

export type Proofs = {
  /** Workers that were seen to have ended. */
  readonly ended: ReadonlySet<WorkerId>
  /** Nodes on which nothing can run any more, each with how that is known. Of a worker that was to start there, once it was asked to end. */
  readonly nodes: ReadonlyMap<string, string>
}

/** What was proven is written down: a node that is deleted now may have come back as another by the next look. */
export function decideFences(world: World, cluster: ClusterName, proofs: Proofs, now: EpochMs): Item[] {
  const items: Item[] = []
  for (const run of world.runs.values()) {
    const { fence } = run
    // One that has an attempt is decided by what is seen of it, and an item more would write over that.
    if (run.cluster !== cluster || fence === undefined || livingAttempt(run.state) !== null) continue
    const item = now >= fence.until ? passed(run, fence) : reduced(run, fence, proofs, now)
    if (item !== null) items.push(item)
  }
  return items
}

function passed(run: Run, fence: Fence): Item {
  const which = counted(fence.workers.length, 'old worker')
  return itemOf(run, null, fence.until, `what may be left of ${which} is waited for no longer: fenceAfter has passed`)
}

function reduced(run: Run, fence: Fence, proofs: Proofs, now: EpochMs): Item | null {
  const left: FencedWorker[] = []
  const gone: string[] = []
  for (const each of fence.workers) {
    const node = proofs.nodes.get(each.nodeName)
    if (proofs.ended.has(each.worker)) gone.push(`worker ${each.worker} has ended`)
    else if (node === undefined) left.push(each)
    else gone.push(`worker ${each.worker} is gone, since node ${each.nodeName} ${node}`)
  }
  if (gone.length === 0) return null
  const rest = left.length === 0 ? 'no old worker is waited for any more' : `${left.length} more are waited for`
  return itemOf(run, left.length === 0 ? null : { ...fence, workers: left }, now, `${rest}: ${gone.join(', ')}`)
}

function itemOf(run: Run, fence: Fence | null, at: EpochMs, text: string): Item {
  const free = withoutFence(run)
  const message = text.slice(0, MESSAGE_CHARS_MAX)
  return {
    about: `fence ${run.id}`,
    expects: [{ kind: 'run', id: run.id, version: run.version }],
    writes: [
      { kind: 'run', run: fence === null ? free : { ...free, fence } },
      { kind: 'event', event: { run: run.id, at, kind: fence === null ? 'fence-ended' : 'fence-reduced', message } },
    ],
  }
}
