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
  const { nodes: workers, topology } = resources
  if (workers === 1 || topology?.within === 'node') return take(resources, order)
  const only = topology?.mode === 'required' ? topology.within : null
  for (const level of only === null ? LEVELS : [only]) {
    const near = smallest(groups(order, level), each, workers)
    if (near !== null) return take(resources, near)
  }
  return only === null ? take(resources, fewest(order, each)) : null
}

/** The nearest first: a gang of several nodes gets neighbours whether it asks or not, since its collectives are as fast as its worst link. */
const LEVELS = ['rack', 'block'] as const

function take({ nodes, gpusPerNode: each }: Resources, order: readonly FreeNode[]): Seat[] | null {
  const seats: Seat[] = []
  for (const { node, slots } of order) {
    for (let at = 0; at + each <= slots.length && seats.length < nodes; at += each) {
      seats.push({ node, slots: slots.slice(at, at + each) })
    }
    if (seats.length === nodes) return seats
  }
  return null
}

/** Nodes by where they stand, in their order; nodes of which nobody says it are in none. Names of racks may repeat in other blocks. */
function groups(order: readonly FreeNode[], level: 'rack' | 'block'): FreeNode[][] {
  const found = new Map<string, FreeNode[]>()
  for (const free of order) {
    const { rack = null, block = null } = free.node.place ?? {}
    const name = level === 'block' ? block : rack === null ? null : `${block ?? ''}/${rack}`
    if (name === null) continue
    const group = found.get(name)
    if (group === undefined) found.set(name, [free])
    else group.push(free)
  }
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group)
}

const room = (group: readonly FreeNode[], each: number): number =>
  group.reduce((sum, { slots }) => sum + Math.floor(slots.length / each), 0)

/** The group that is left with the least, of those that hold the whole gang. */
function smallest(all: readonly FreeNode[][], each: number, workers: number): FreeNode[] | null {
  let best: { readonly group: FreeNode[]; readonly room: number } | null = null
  for (const group of all) {
    const seats = room(group, each)
    if (seats >= workers && (best === null || seats < best.room)) best = { group, room: seats }
  }
  return best?.group ?? null
}

/** Rack by rack, the roomiest first, so that as few as possible are used; then the nodes of which nobody says it. */
function fewest(order: readonly FreeNode[], each: number): FreeNode[] {
  const racks = groups(order, 'rack').toSorted((a, b) => room(b, each) - room(a, each))
  const placed = new Set(racks.flat())
  return [...racks.flat(), ...order.filter((free) => !placed.has(free))]
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
