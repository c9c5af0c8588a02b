// What the machines come to: which slots are whose, which nodes come first, what is the way back. All of it follows from the document alone.
import type { MachineNode } from '../api/operate.ts'

/** Whose a slot is now, as the books say it: `held` by a run, or one of the pools. */
export const HOLDERS = ['held', 'free', 'maintenance', 'unhealthy', 'foreign', 'unknown'] as const
export type Holder = (typeof HOLDERS)[number]

/** In the order in which the books serve them; they sum to the GPUs of the node. */
export function slotsOf(node: Pick<MachineNode, 'state' | 'reason' | 'gpus' | 'held' | 'foreign'>): readonly Holder[] {
  const held = Math.min(node.held, node.gpus)
  // What others use of a node that is silent nobody knows.
  const foreign = node.state === 'suspect' ? 0 : Math.min(node.foreign, node.gpus - held)
  const rest = restOf(node)
  return Array.from({ length: node.gpus }, (_, slot) =>
    slot < held ? 'held' : slot < held + foreign ? 'foreign' : rest,
  )
}

function restOf({ state, reason }: Pick<MachineNode, 'state' | 'reason'>): Holder {
  switch (state) {
    case 'ready':
      return 'free'
    case 'suspect':
      return 'unknown'
    case 'cordoned':
    case 'draining':
      return reason === 'nodes-not-ready' ? 'unhealthy' : 'maintenance'
    case 'not-ready':
      return reason === 'preparing-environment' ? 'maintenance' : 'unhealthy'
    default:
      return 'unhealthy'
  }
}

export type Sums = {
  readonly nodes: number
  readonly gpus: number
  readonly by: Readonly<Record<Holder, number>>
  readonly states: Readonly<Record<string, number>>
}

export function sumsOf(nodes: readonly MachineNode[]): Sums {
  const by: Record<Holder, number> = { held: 0, free: 0, maintenance: 0, unhealthy: 0, foreign: 0, unknown: 0 }
  const states: Record<string, number> = {}
  let gpus = 0
  for (const node of nodes) {
    gpus += node.gpus
    states[node.state] = (states[node.state] ?? 0) + 1
    for (const holder of slotsOf(node)) by[holder] += 1
  }
  return { nodes: nodes.length, gpus, by, states }
}

const ORDER = ['lost', 'not-ready', 'suspect', 'draining', 'cordoned', 'ready']

/** A state of a newer server is no worse than what is known to be bad, and no better than ready. */
const rank = (state: string): number => (ORDER.includes(state) ? ORDER.indexOf(state) : 1)

export const isOut = (node: MachineNode): boolean => node.state !== 'ready'

/** Worst first, of those the one that has been out the shortest; then those that others use; then by name. */
export function worstFirst(nodes: readonly MachineNode[]): readonly MachineNode[] {
  const collator = new Intl.Collator('en', { numeric: true })
  return nodes.toSorted(
    (a, b) =>
      rank(a.state) - rank(b.state) ||
      Number(b.foreign > 0) - Number(a.foreign > 0) ||
      (b.since ?? '').localeCompare(a.since ?? '') ||
      collator.compare(a.name, b.name),
  )
}

export function matching(nodes: readonly MachineNode[], q: string, state: string): readonly MachineNode[] {
  const words = q
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  return nodes.filter((node) => {
    if (
      state === 'out' ? !isOut(node) : state === 'foreign' ? node.foreign === 0 : state !== '' && node.state !== state
    )
      return false
    const text = [
      node.name,
      node.cluster,
      node.gpuModel,
      node.rack,
      node.block,
      node.reason,
      ...node.holders.map((each) => `${each.project}/${each.name}`),
    ]
      .join(' ')
      .toLowerCase()
    return words.every((word) => text.includes(word))
  })
}

/** What brings a node back, one step after the other; empty: it is in service. */
export function wayBack(node: MachineNode): readonly string[] {
  const leaves = node.held > 0 ? ['What runs on it may finish; nothing new is placed.'] : []
  switch (node.state) {
    case 'suspect':
      return [
        'It is back by itself as soon as it is heard of again.',
        'Stays it silent, it is declared lost, and its runs restart on other nodes.',
      ]
    case 'not-ready':
      return node.reason === 'preparing-environment'
        ? ['Its environment is being prepared: it is ready by itself when that is done.']
        : [
            ...leaves,
            node.unhealthy
              ? 'Mend the machine: what is wrong stands above.'
              : 'Others keep it out of service: what they say stands above.',
            'It is ready by itself when the next look finds it well.',
            ...(node.unhealthy ? ['GPUs that are gone for good: forget it, and it is registered as it is then.'] : []),
          ]
    case 'draining':
      return [...leaves, 'Then it is cordoned and can be worked on.', 'Uncordon it to place on it again.']
    case 'cordoned':
      return ['Nothing is placed on it until a person uncordons it.']
    case 'lost':
      return [
        'Its runs have been restarted on other nodes.',
        'It is back by itself when it is heard of and none of their old workers is left on it.',
        'One that is gone for good: forget it.',
      ]
    default:
      return []
  }
}
