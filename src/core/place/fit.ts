// Which nodes a gang gets. Whole or not at all; best fit: the node that is left with the least, so that large gangs find whole
// nodes later; ties by name, so that the same world always gives the same placement.
import type { Holder } from '../../domain/claim.ts'
import type { Node } from '../../domain/node.ts'
import type { NodeId } from '../../domain/ids.ts'
import type { Resources } from '../../domain/spec.ts'

/** A node and its slots that nobody holds, or that the run itself holds while it is being restarted. */
export type FreeNode = { readonly node: Node; readonly slots: readonly number[] }

export type Seat = { readonly node: Node; readonly slots: readonly number[] }

/** Seats for each worker, ordered by rank: workers of one node are neighbours. Null when the gang does not fit whole. */
export function seatGang(resources: Resources, free: readonly FreeNode[]): Seat[] | null {
  for (const model of modelsInOrder(resources, free)) {
    const seats = seatOn(
      resources,
      free.filter((each) => each.node.gpuModel === model),
    )
    if (seats !== null) return seats
  }
  return null
}

/** All workers of a gang get the same GPU model: a mixed gang runs at the pace of its slowest. */
function modelsInOrder(resources: Resources, free: readonly FreeNode[]): readonly string[] {
  if (resources.gpu.length > 0) return resources.gpu
  return [...new Set(free.map((each) => each.node.gpuModel))].toSorted()
}

function seatOn(resources: Resources, free: readonly FreeNode[]): Seat[] | null {
  const each = resources.gpusPerNode
  const order = free
    .filter((candidate) => candidate.slots.length >= each)
    .toSorted((a, b) => a.slots.length - b.slots.length || (a.node.name < b.node.name ? -1 : 1))
  const seats: Seat[] = []
  for (const { node, slots } of order) {
    for (let at = 0; at + each <= slots.length && seats.length < resources.nodes; at += each) {
      seats.push({ node, slots: slots.slice(at, at + each) })
    }
    if (seats.length === resources.nodes) return seats
  }
  return null
}

/** Slots of a node by index that no claim holds; `foreign` slots have no index of their own and are the last ones of those. */
export function freeSlots(node: Node, held: ReadonlyMap<NodeId, ReadonlyMap<number, Holder>>, mine: Holder): number[] {
  const taken = held.get(node.id)
  const free: number[] = []
  for (let slot = 0; slot < node.inventory; slot += 1) {
    const holder = taken?.get(slot)
    if (holder === undefined || holder === mine) free.push(slot)
  }
  return free.slice(0, Math.max(0, free.length - node.foreign))
}
