// What keeps others' pods off nodes that are out of service here: a cordon, a taint, or both. What we put on a node is noted on it, so that
// only that is taken off again, by whichever process; what is somebody else's is his.
import type { Taint, TaintPolicy } from '../../domain/taint.ts'
import { taintText } from '../../domain/taint.ts'
import type { Api } from './api.ts'
import { isGone, isStatus } from './api-error.ts'
import { CORDONED, TAINTED } from './names.ts'
import type { NodeRecord } from './nodes.ts'
import type { NodeTaint } from './objects.ts'

export type KeptOff = {
  /** Null: cordons are not ours to make. */
  readonly cordoned: ReadonlySet<string> | null
  readonly tainted: ReadonlyMap<string, Taint>
}

type NodePatch = { readonly name: string; readonly patch: object }

/** Whether others' pods are kept off a node that is cordoned here. */
export function cordonsOf({
  cordon,
  taint,
}: {
  readonly cordon: boolean
  readonly taint: TaintPolicy | null
}): boolean {
  return cordon || (taint !== null && taint.nodes.includes('cordoned') && taint.taint.effect !== 'PreferNoSchedule')
}

/** Of one turn: a policy that changes meets all nodes at once, and the next turn goes on. */
const PATCHES_MAX = 32

export async function keepOff(
  api: Api,
  controlPlane: string,
  nodes: Iterable<NodeRecord>,
  wanted: KeptOff,
): Promise<void> {
  for (const { patch, name } of patchesOf(controlPlane, nodes, wanted).slice(0, PATCHES_MAX))
    await api.patch(`/api/v1/nodes/${name}`, patch).catch((error: unknown) => {
      // Another writer was there before us: the next turn sees what he wrote.
      if (!isGone(error) && !isStatus(error, 409)) throw error
    })
}

/** What has to be patched so that these nodes are kept free, and no other by us. */
export function patchesOf(controlPlane: string, nodes: Iterable<NodeRecord>, wanted: KeptOff): NodePatch[] {
  return [...nodes].flatMap((node) => {
    const cordon = wanted.cordoned === null ? null : cordonPatch(node, wanted.cordoned.has(node.name))
    const taint = taintPatch(controlPlane, node, wanted.tainted.get(node.name) ?? null)
    if (cordon === null && taint === null) return []
    const annotations = { ...cordon?.annotations, ...taint?.annotations }
    // A list is written whole: whoever changed it since is looked at first.
    const version = taint?.spec === undefined ? {} : { resourceVersion: node.resourceVersion }
    return [
      { name: node.name, patch: { metadata: { annotations, ...version }, spec: { ...cordon?.spec, ...taint?.spec } } },
    ]
  })
}

type Part = { readonly annotations: Readonly<Record<string, string | null>>; readonly spec?: object }

function cordonPatch({ schedulable, cordonedByUs }: NodeRecord, wanted: boolean): Part | null {
  if (wanted && schedulable) return { annotations: { [CORDONED]: 'true' }, spec: { unschedulable: true } }
  if (!wanted && cordonedByUs) return { annotations: { [CORDONED]: null }, spec: { unschedulable: null } }
  return null
}

/**
 * Of a key and an effect there is one taint: where another has it already it stays, and the node is kept free by that. So it is where
 * another control plane has tainted the node.
 */
function taintPatch(controlPlane: string, node: NodeRecord, wanted: Taint | null): Part | null {
  const { taints, noted, notedByOther } = node
  if (notedByOther) return null
  const others = taints.filter((taint) => taintText(taint) !== noted)
  const ours = others.length < taints.length
  const isTaken = wanted !== null && others.some(({ key, effect }) => key === wanted.key && effect === wanted.effect)
  const next = wanted === null || isTaken ? null : wanted
  const note = next === null ? null : taintText(next)
  if (note === noted && ours === (next !== null)) return null
  const list: NodeTaint[] = next === null ? others : [...others, { ...next, value: next.value ?? '' }]
  const changed = ours || next !== null
  return {
    annotations: { [TAINTED]: note === null ? null : `${note} ${controlPlane}` },
    ...(changed ? { spec: { taints: list } } : {}),
  }
}
