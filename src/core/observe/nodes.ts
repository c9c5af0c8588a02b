// The observe step for nodes: what a look says about the machines. An inventory is only raised; a node that is silent for
// `nodeLostAfter` is lost and its runs end, unless so many are silent at once that it is more likely us who cannot see.
import type { Attempt } from '../../domain/attempt.ts'
import type { Classify } from '../../domain/failure.ts'
import type { ClusterName, NodeId } from '../../domain/ids.ts'
import { nodeIdOf } from '../../domain/ids.ts'
import type { Expect, Item, Write } from '../../domain/item.ts'
import type { Node, NodeCondition, Place } from '../../domain/node.ts'
import type { Durations } from '../../domain/settings.ts'
import type { EpochMs } from '../../domain/units.ts'
import { gpuMs, later, plusMs } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'
import { endAttempt, paidGpuMs } from './ending.ts'

export type NodeFact = {
  readonly name: string
  readonly gpuModel: string
  readonly slots: number
  readonly declared: boolean
  readonly foreign: number
  readonly place?: Place
  readonly condition: Exclude<NodeCondition, { kind: 'lost' }>
}

/** Items for what changed; `heartbeats` are written only when the stored moment is older than `persistMs`. */
export function decideNodes(
  world: World,
  cluster: ClusterName,
  seen: readonly NodeFact[],
  observedAt: EpochMs,
  durations: Durations,
): Item[] {
  const last = lastIncarnations(world, cluster)
  const items: Item[] = []
  for (const fact of seen) {
    const node = last.get(fact.name)
    // One that has never had any GPUs is none of ours yet.
    if (fact.slots === 0 && (node === undefined || node.deletedAt !== null)) continue
    const item =
      node === undefined || node.deletedAt !== null
        ? registration(cluster, fact, observedAt, node ?? null)
        : isOtherMachine(node, fact)
          ? replacement(world, node, fact, observedAt, durations)
          : update(world, node, fact, observedAt, durations)
    if (item !== null) items.push(item)
  }
  return items
}

const placeOf = ({ place }: NodeFact): { place?: Place } => (place === undefined ? {} : { place })

function lastIncarnations(world: World, cluster: ClusterName): ReadonlyMap<string, Node> {
  const last = new Map<string, Node>()
  for (const node of world.nodes.values()) {
    if (node.cluster !== cluster) continue
    const other = last.get(node.name)
    if (other === undefined || node.incarnation > other.incarnation) last.set(node.name, node)
  }
  return last
}

function registration(cluster: ClusterName, fact: NodeFact, observedAt: EpochMs, last: Node | null): Item {
  const incarnation = (last?.incarnation ?? 0) + 1
  // What was observed before the last incarnation ended is booked there.
  const at = last?.deletedAt != null && last.deletedAt > observedAt ? last.deletedAt : observedAt
  const node: Node = {
    id: nodeIdOf(cluster, fact.name, incarnation),
    cluster,
    name: fact.name,
    incarnation,
    gpuModel: fact.gpuModel,
    declared: fact.declared,
    inventory: fact.slots,
    condition: withSince(null, fact.condition, at),
    cordon: null,
    foreign: fact.foreign,
    ...placeOf(fact),
    // By a list that is older than its end it was seen then, and not since.
    lastObserved: observedAt,
    bookedTo: at,
    registeredAt: at,
    deletedAt: null,
    version: 0,
  }
  return { about: `register ${node.id}`, expects: [], writes: [{ kind: 'node', node, heartbeat: false }] }
}

function update(world: World, node: Node, fact: NodeFact, at: EpochMs, durations: Durations): Item | null {
  // A lost node is not ready again while our old workers may still be on it.
  const stillOurs = node.condition.kind === 'lost' && world.claims.some((claim) => claim.node === node.id)
  const image: Node = {
    ...node,
    inventory: inventoryOf(world, node, fact),
    condition: stillOurs ? node.condition : withSince(node.condition, missingGpus(node, fact) ?? fact.condition, at),
    foreign: fact.foreign,
    ...placeOf(fact),
    lastObserved: at > node.lastObserved ? at : node.lastObserved,
  }
  if (!sameNode(node, image)) {
    return {
      about: `update ${node.id}`,
      expects: [{ kind: 'node', id: node.id, version: node.version }],
      writes: [{ kind: 'node', node: image, heartbeat: false }],
    }
  }
  if (at - node.lastObserved < durations.persistMs) return null
  return {
    about: `heartbeat ${node.id}`,
    expects: [{ kind: 'node', id: node.id, version: node.version }],
    writes: [{ kind: 'node', node: image, heartbeat: true }],
  }
}

/** Its GPUs are of another model, or devices where slots were declared: neither its slots nor its price are what they were. */
const isOtherMachine = (node: Node, fact: NodeFact): boolean =>
  node.gpuModel !== fact.gpuModel || node.declared !== fact.declared

/**
 * Registered anew, once nothing of it is held. Devices that became declared slots are not replaced by themselves: more likely their driver
 * is gone, and a run that was meant for GPUs would start without one.
 */
function replacement(world: World, node: Node, fact: NodeFact, at: EpochMs, durations: Durations): Item | null {
  const gone = fact.declared && !node.declared
  const held = world.claims.some((claim) => claim.node === node.id)
  const expects: Expect[] = [{ kind: 'node', id: node.id, version: node.version }]
  if (!gone && !held) {
    const ended: Write = { kind: 'node', node: { ...node, deletedAt: at }, heartbeat: false }
    const { writes } = registration(node.cluster, fact, at, { ...node, deletedAt: later(at, node.bookedTo) })
    return { about: `replace ${node.id}`, expects, writes: [ended, ...writes] }
  }
  const was = `${node.inventory} ${node.declared ? 'declared slots' : node.gpuModel}`
  const message = gone
    ? `it had ${was}, and none is found now: see that their driver works, or plimsoll nodes forget ${node.name} to go on without`
    : `it had ${was}, and has ${fact.slots} ${fact.gpuModel} now: it is registered anew once no run holds slots of it`
  const image: Node = {
    ...node,
    condition: withSince(node.condition, { kind: 'not-ready', reason: 'nodes-not-ready', message }, at),
    lastObserved: later(at, node.lastObserved),
  }
  if (sameNode(node, image) && at - node.lastObserved < durations.persistMs) return null
  return {
    about: `update ${node.id}`,
    expects,
    writes: [{ kind: 'node', node: image, heartbeat: sameNode(node, image) }],
  }
}

/** Raised by what is seen and never lowered by it, but where slots are declared: a setting is an operator's word, once none beyond it is held. */
function inventoryOf(world: World, node: Node, fact: NodeFact): number {
  if (fact.slots >= node.inventory || !fact.declared || !node.declared) return Math.max(node.inventory, fact.slots)
  const held = world.claims.some((claim) => claim.node === node.id && claim.slots.some((slot) => slot >= fact.slots))
  return held ? node.inventory : fact.slots
}

/** It is there and well, and offers fewer GPUs than it has had: one fell off, or what advertises them is not whole. */
function missingGpus(node: Node, fact: NodeFact): NodeCondition | null {
  if (fact.declared || fact.condition.kind !== 'ready' || fact.slots >= node.inventory) return null
  const message =
    `it offers ${fact.slots} GPUs and had ${node.inventory}: see what became of the others (dmesg, the device plugin); ` +
    `if they are gone for good, plimsoll nodes forget ${node.name} takes it as it is now`
  return { kind: 'not-ready', reason: 'nodes-not-ready', message, unhealthy: true }
}

/** Out of service is out of service: another reason for it is no new beginning. Where the beginning was not seen none is made up. */
function withSince(before: NodeCondition | null, condition: NodeCondition, at: EpochMs): NodeCondition {
  if (condition.kind !== 'not-ready') return condition
  const since = before === null || before.kind === 'ready' ? at : before.since
  return since === undefined ? condition : { ...condition, since }
}

function sameNode(a: Node, b: Node): boolean {
  return (
    a.gpuModel === b.gpuModel &&
    a.declared === b.declared &&
    a.inventory === b.inventory &&
    a.foreign === b.foreign &&
    a.place?.rack === b.place?.rack &&
    a.place?.block === b.place?.block &&
    sameCondition(a.condition, b.condition)
  )
}

/** The progress of a preparation changes twice a second; only its beginning and end are changes of the node. */
function sameCondition(a: NodeCondition, b: NodeCondition): boolean {
  if (a.kind === 'not-ready' && b.kind === 'not-ready') return a.reason === b.reason && a.unhealthy === b.unhealthy
  return a.kind === b.kind
}

/** A third of the nodes silent at once is more likely our own blindness than their death. */
const SILENT_SHARE_MAX = 1 / 3

export type LostNodes =
  | { readonly kind: 'none' }
  | { readonly kind: 'blind'; readonly silent: number; readonly of: number }
  | { readonly kind: 'lost'; readonly nodes: readonly Node[] }

export function lostNodes(
  world: World,
  cluster: ClusterName,
  seen: ReadonlySet<string>,
  now: EpochMs,
  durations: Durations,
): LostNodes {
  // One that has been lost for long says nothing about our eyes.
  const nodes = [...world.nodes.values()].filter(
    ({ cluster: of, deletedAt, condition }) =>
      of === cluster &&
      deletedAt === null &&
      (condition.kind !== 'lost' || now - condition.since < durations.nodeLostAfterMs),
  )
  const silentFor = (ms: number): Node[] => nodes.filter((node) => !seen.has(node.name) && now - node.lastObserved > ms)
  const fresh = silentFor(durations.nodeLostAfterMs).filter((node) => node.condition.kind !== 'lost')
  if (fresh.length === 0) return { kind: 'none' }
  // They fall silent one after the other, however they do: those that are about to be lost count too.
  const silent = silentFor(durations.blindAfterMs)
  if (silent.length > nodes.length * SILENT_SHARE_MAX) return { kind: 'blind', silent: silent.length, of: nodes.length }
  return { kind: 'lost', nodes: fresh }
}

/** Declares nodes lost together with the attempts that had workers there: their slots are released where the books know them last. */
export function decideLost(
  world: World,
  lost: readonly Node[],
  now: EpochMs,
  classify: Classify,
  durations: Durations,
): Item[] {
  const ids = new Set<NodeId>(lost.map((node) => node.id))
  const items: Item[] = []
  for (const attempt of world.attempts.values()) {
    const item = attemptOnLost(world, attempt, ids, now, classify, durations)
    if (item !== null) items.push(item)
  }
  for (const node of lost) {
    items.push({
      about: `lost ${node.id}`,
      expects: [{ kind: 'node', id: node.id, version: node.version }],
      writes: [
        { kind: 'node', node: { ...node, condition: { kind: 'lost', since: now } }, heartbeat: false },
        {
          kind: 'audit',
          entry: {
            at: now,
            actor: 'rule:node-lost',
            verb: 'lose',
            target: node.id,
            detail: { lastObserved: node.lastObserved },
          },
        },
      ],
    })
  }
  return items
}

/** Workers on lost nodes count as ended when their node was last observed; the others are ended by launch, and then the attempt is. */
function attemptOnLost(
  world: World,
  attempt: Attempt,
  lost: ReadonlySet<NodeId>,
  now: EpochMs,
  classify: Classify,
  durations: Durations,
): Item | null {
  const run = world.runs.get(attempt.run)
  const claims = world.claims.filter((claim) => claim.attempt === attempt.id)
  if (run === undefined || !claims.some((claim) => lost.has(claim.node))) return null
  const ended = claims.map((claim) => {
    const node = world.nodes.get(claim.node)
    if (!lost.has(claim.node) || claim.endedAt !== null || node === undefined) return claim
    const endedAt = claim.placedAt > node.lastObserved ? claim.placedAt : node.lastObserved
    return {
      ...claim,
      endedAt,
      exit: { kind: 'gone', code: 0, signal: null, cause: 'unknown', message: `node ${node.name} is lost` } as const,
    }
  })
  const writes: Write[] = ended.map((claim) => ({ kind: 'claim', claim }))
  for (const claim of ended) {
    if (!lost.has(claim.node)) continue
    writes.push({
      kind: 'release',
      node: claim.node,
      holder: claim.holder,
      paidUntil: plusMs(claim.endedAt ?? now, durations.graceMs),
    })
  }
  const stopping: Attempt = {
    ...attempt,
    failureAt: attempt.failureAt ?? now,
    state:
      attempt.state.kind === 'stopping'
        ? attempt.state
        : { kind: 'stopping', cause: 'node-lost', since: now, graceMs: durations.graceMs },
  }
  if (ended.every((claim) => claim.endedAt !== null)) {
    writes.push(...endAttempt({ run, attempt: stopping, claims: ended, at: now, lostNodes: lost }, classify, durations))
  } else {
    writes.push({ kind: 'attempt', attempt: stopping })
    const released = ended.filter((claim) => lost.has(claim.node))
    writes.push({
      kind: 'run',
      run: {
        ...run,
        state: { kind: 'stopping', attempt: attempt.id, cause: 'node-lost' },
        paidGpuMs: gpuMs(run.paidGpuMs + paidGpuMs(released, now, durations)),
      },
    })
  }
  return { about: `lose ${attempt.id}`, expects: [{ kind: 'run', id: run.id, version: run.version }], writes }
}
