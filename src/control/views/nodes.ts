// The machines as a caller sees them: what each is, since when and why it takes nothing, and whose runs hold it.
import type { ClusterDocument, NodeDocument } from '../../domain/documents.ts'
import type { Claim } from '../../domain/claim.ts'
import type { NodeId } from '../../domain/ids.ts'
import { nodeState } from '../../domain/node.ts'
import type { Node, NodeState } from '../../domain/node.ts'
import { taintText } from '../../domain/taint.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'

export const clustersOf = ({ clusters }: World): ClusterDocument[] =>
  [...clusters].map(([name, health]) => ({
    name,
    health: health.kind,
    message: health.kind === 'unknown' ? health.message : null,
  }))

/** `visible`: the projects whose runs may be named. Of others only the sum of the slots is said. */
export function nodesOf(world: World, visible: 'all' | ReadonlySet<string>, blindAfterMs: number): NodeDocument[] {
  const held = heldSlots(world)
  const claims = Map.groupBy(world.claims, (claim) => claim.node)
  const nodes = [...world.nodes.values()]
    .filter((node) => node.deletedAt === null)
    .map((node) => nodeDocument(world, node, held.get(node.id) ?? 0, claims.get(node.id) ?? [], visible, blindAfterMs))
  return visible === 'all' ? nodes : nodes.map(withoutRuns)
}

const NAMED = /(?:attempt |run )?\br[0-9a-hjkmnp-tv-z]{16}(?:-\d+)*/g

/** Nodes are for everybody, but whose processes were left on one is not: an operator, who ends them, sees every run. */
const withoutRuns = (node: NodeDocument): NodeDocument =>
  node.message === null ? node : { ...node, message: node.message.replace(NAMED, 'some run') }

export function heldSlots(world: World): ReadonlyMap<NodeId, number> {
  const held = new Map<NodeId, number>()
  for (const { node, slots } of world.claims) held.set(node, (held.get(node) ?? 0) + slots.length)
  return held
}

/** What was known of it is old: that is what there is to say. */
function unseenMessage({ clusters, now }: World, { cluster, lastObserved }: Node): string {
  const health = clusters.get(cluster)
  const since = `nothing was heard of it for ${Math.round((now - lastObserved) / 1000)} s`
  return health?.kind === 'unknown' ? `${since}: ${health.message}` : since
}

function nodeDocument(
  world: World,
  node: Node,
  held: number,
  claims: readonly Claim[],
  visible: 'all' | ReadonlySet<string>,
  blindAfterMs: number,
): NodeDocument {
  const { condition } = node
  const state = nodeState(node, held > 0, world.now, blindAfterMs)
  const said = condition.kind === 'not-ready' ? condition.message : (node.cordon?.reason ?? null)
  return {
    id: node.id,
    cluster: node.cluster,
    name: node.name,
    state,
    reason: condition.kind === 'not-ready' ? condition.reason : node.cordon === null ? null : 'cordoned',
    message: named(state === 'suspect' ? unseenMessage(world, node) : said, visible),
    since: sinceOf(node, state),
    cordonedBy: node.cordon?.by ?? null,
    unhealthy: condition.kind === 'lost' || (condition.kind === 'not-ready' && condition.unhealthy === true),
    taint: node.taint === undefined ? null : taintText(node.taint),
    rack: node.place?.rack ?? null,
    block: node.place?.block ?? null,
    gpuModel: node.gpuModel,
    declared: node.declared,
    gpus: node.inventory,
    held,
    foreign: node.foreign,
    holders: holdersOf(world, claims, visible),
    observedAt: node.lastObserved,
  }
}

const RUN = /(?:attempt |run )?\br[0-9a-hjkmnp-tv-z]{16}(?:-\d+)*/g

/** Nodes are for everybody, but whose processes were left on one is not: an operator, who ends them, sees every run. */
const named = (message: string | null, visible: 'all' | ReadonlySet<string>): string | null =>
  message === null || visible === 'all' ? message : message.replace(RUN, 'some run')

function sinceOf({ condition, cordon, lastObserved }: Node, state: NodeState): EpochMs | null {
  switch (state) {
    case 'ready':
      return null
    // The last that was heard of it is when the silence began.
    case 'suspect':
      return lastObserved
    case 'lost':
    case 'not-ready':
      return condition.kind === 'ready' ? null : (condition.since ?? null)
    case 'draining':
    case 'cordoned':
      return cordon?.at ?? null
  }
}

function holdersOf(
  world: World,
  claims: readonly Claim[],
  visible: 'all' | ReadonlySet<string>,
): NodeDocument['holders'] {
  // Slots that are kept for a restart are held by that run, too.
  const slots = new Map<string, NodeDocument['holders'][number]>()
  for (const claim of claims) {
    const run = world.runs.get(claim.run)
    if (run === undefined || !(visible === 'all' || visible.has(run.project))) continue
    const gpus = (slots.get(run.id)?.gpus ?? 0) + claim.slots.length
    slots.set(run.id, { run: run.id, project: run.project, name: run.name, gpus })
  }
  return [...slots.values()]
}
