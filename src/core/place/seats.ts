// Where a gang could sit now, or the one thing that is missing.
import { restartHolder } from '../../domain/claim.ts'
import type { AvoidedNode } from '../../domain/failure.ts'
import { avoidedAt, avoidedText } from '../../domain/failure.ts'
import type { Node } from '../../domain/node.ts'
import type { Run } from '../../domain/run.ts'
import type { Durations } from '../../domain/settings.ts'
import { counted } from '../../domain/words.ts'
import type { Blocked, World } from '../../domain/world.ts'
import type { FreeNode, Seat } from './fit.ts'
import { freeSlots, seatGang } from './fit.ts'
import type { Turn } from './turn.ts'

/** A node that was not heard since is suspect: whoever is placed there waits until it is lost. */
const heardSince = ({ now }: World, { blindAfterMs }: Durations): number => now - blindAfterMs

export function findSeats(world: World, turn: Turn, run: Run, durations: Durations): Seat[] | Blocked {
  const heard = heardSince(world, durations)
  const nodes = (turn.nodesOf.get(run.cluster) ?? []).filter(
    (node) => run.resources.gpu.length === 0 || run.resources.gpu.includes(node.gpuModel),
  )
  const { topology } = run.resources
  const { within, mode } = topology ?? {}
  if (
    mode === 'required' &&
    within !== undefined &&
    within !== 'node' &&
    nodes.every((node) => !node.place?.[within])
  ) {
    return {
      reason: 'topology',
      message: `no node of ${run.cluster} says in which ${within} it is`,
      until: null,
    }
  }
  const mine = restartHolder(run.id)
  const seat = (free: readonly FreeNode[]): Seat[] | null => {
    if (mode !== 'required' || within !== 'node') return seatGang(run.resources, free)
    for (const each of free) {
      const seats = seatGang(run.resources, [each])
      if (seats !== null) return seats
    }
    return null
  }
  const usable = nodes.filter(
    (node) => node.condition.kind === 'ready' && node.cordon === null && node.lastObserved >= heard,
  )
  const seatIn = (each: readonly Node[]): Seat[] | null =>
    seat(each.map((node) => ({ node, slots: freeSlots(node, turn.held, mine) })))
  const avoided = avoidedAt(run.avoided, world.now)
  const others = usable.filter(({ id }) => !avoided.some(({ node }) => node === id))
  const elsewhere = others.length < usable.length ? seatIn(others) : null
  if (elsewhere !== null) return elsewhere
  const seats = seatIn(usable)
  if (seats === null) return whyNoSeats(run, nodes, usable, seat, topology !== null)
  const couldWait = others.length < usable.length && seat(emptied(run, others)) !== null
  return couldWait ? avoids(avoided) : seats
}

/** Others hold what it could have instead, and end; the nodes that it avoids it may use again once their time is over. */
const avoids = (avoided: readonly AvoidedNode[]): Blocked => ({
  reason: 'avoiding-node',
  message: `kept off ${avoidedText(avoided)}, and other runs hold the slots elsewhere`,
  until: null,
})

/** As if nobody else held anything. */
const emptied = (run: Run, nodes: readonly Node[]): FreeNode[] =>
  nodes.map((node) => ({ node, slots: freeSlots(node, new Map(), restartHolder(run.id)) }))

/** In the words of the first that has any: what to do is in them. */
function becauseOf(nodes: readonly Node[]): string {
  const words = ({ condition }: Node): string | null => (condition.kind === 'not-ready' ? condition.message : null)
  const first = nodes.find((node) => words(node) !== null)
  if (first === undefined) return ''
  const because = words(first)
  return `; ${nodes.every((node) => words(node) === because) ? 'each' : first.name}: ${because}`
}

/** Empties the nodes step by step, to find the one thing that is missing. */
function whyNoSeats(
  run: Run,
  nodes: readonly Node[],
  usable: readonly Node[],
  seat: (free: readonly FreeNode[]) => Seat[] | null,
  hasTopology: boolean,
): Blocked {
  const whole = (each: readonly Node[]) => seat(emptied(run, each))
  const { gpu, nodes: workers, gpusPerNode } = run.resources
  const asked = `${workers} x ${gpusPerNode} GPUs`
  if (nodes.length === 0) {
    const message =
      gpu.length > 0 ? `no node of ${run.cluster} has ${gpu.join(' or ')}` : `cluster ${run.cluster} has no nodes yet`
    return { reason: gpu.length > 0 ? 'gpu-model-absent' : 'nodes-not-ready', message, until: null }
  }
  if (whole(usable) !== null) {
    return { reason: 'capacity', message: `${asked} are wanted, and other runs hold the slots`, until: null }
  }
  if (whole(nodes) !== null) {
    const preparing = nodes.find(
      (node) => node.condition.kind === 'not-ready' && node.condition.reason === 'preparing-environment',
    )
    if (preparing?.condition.kind === 'not-ready') {
      return {
        reason: 'preparing-environment',
        message: `node ${preparing.name}: ${preparing.condition.message}`,
        until: null,
      }
    }
    const missing = nodes.filter((node) => !usable.includes(node))
    const names = missing.slice(0, 5).map((node) => node.name)
    return {
      reason: 'nodes-not-ready',
      message: `not in service: ${names.join(', ')}${becauseOf(missing)}`,
      until: null,
    }
  }
  if (whole(nodes.map((node) => ({ ...node, foreign: 0 }))) !== null) {
    const shared = nodes.filter(({ foreign }) => foreign > 0)
    const gpus = shared.reduce((sum, { foreign }) => sum + foreign, 0)
    const names = shared.slice(0, 5).map(({ name }) => name)
    const message = `${asked} are wanted, and others than Plimsoll use ${counted(gpus, 'GPU')} of ${names.join(', ')}`
    return { reason: 'capacity', message, until: null }
  }
  const most = Math.max(...nodes.map((node) => node.inventory))
  const { topology } = run.resources
  if (topology?.mode === 'required' && topology.within !== 'node') {
    const message = `${asked} are wanted in one ${topology.within}, and none of ${run.cluster} is so large: it can never start there`
    return { reason: 'topology', message, until: null }
  }
  return {
    reason: hasTopology ? 'topology' : 'capacity',
    message: `${asked} are wanted, and ${run.cluster} has ${counted(nodes.length, 'node')} with at most ${counted(most, 'GPU')} each: it can never start there`,
    until: null,
  }
}
