// Which nodes are to have the taint of their cluster's policy. What is decided stands in the books, with its audit row, before anything is
// done; the cluster then makes it so, as often as it takes. So each change is told once, whoever crashes between the two.
import type { ClusterName } from '../../domain/ids.ts'
import type { Item } from '../../domain/item.ts'
import type { Node } from '../../domain/node.ts'
import type { Taint, TaintPolicy, TaintReason } from '../../domain/taint.ts'
import { taintText } from '../../domain/taint.ts'
import type { EpochMs } from '../../domain/units.ts'
import type { World } from '../../domain/world.ts'

/** `policy` null: there is none, or none any more. */
export function decideTaints(world: World, cluster: ClusterName, policy: TaintPolicy | null): Item[] {
  const items: Item[] = []
  for (const node of world.nodes.values()) {
    if (node.cluster !== cluster) continue
    const why = policy === null ? null : reasonOf(node, policy)
    const wanted = why === null ? null : (policy?.taint ?? null)
    if (textOf(wanted) !== textOf(node.taint ?? null)) items.push(itemOf(node, wanted, why, world.now))
  }
  return items
}

/** The taints that nodes of a cluster are to have, by their names. */
export function taintsOf(world: World, cluster: ClusterName): ReadonlyMap<string, Taint> {
  const living = [...world.nodes.values()].filter((node) => node.cluster === cluster && node.deletedAt === null)
  return new Map(living.flatMap(({ name, taint }) => (taint === undefined ? [] : [[name, taint] as const])))
}

function reasonOf(node: Node, { nodes }: TaintPolicy): TaintReason | null {
  if (node.deletedAt !== null) return null
  if (node.cordon !== null && nodes.includes('cordoned')) return 'cordoned'
  return isUnhealthy(node) && nodes.includes('unhealthy') ? 'unhealthy' : null
}

/** Something is wrong with the machine itself. What others keep out of service is theirs to taint, and what we cannot see is no reason. */
const isUnhealthy = ({ condition }: Node): boolean =>
  condition.kind === 'lost' || (condition.kind === 'not-ready' && condition.unhealthy === true)

const textOf = (taint: Taint | null): string | null => (taint === null ? null : taintText(taint))

function itemOf(node: Node, wanted: Taint | null, why: TaintReason | null, at: EpochMs): Item {
  const { taint: before, ...rest } = node
  const audit = (verb: 'node.taint' | 'node.untaint', taint: Taint, detail: Readonly<Record<string, unknown>>) =>
    ({
      kind: 'audit',
      entry: { at, actor: 'rule:taint', verb, target: node.id, detail: { taint: taintText(taint), ...detail } },
    }) as const
  return {
    about: `taint ${node.id}`,
    expects: [{ kind: 'node', id: node.id, version: node.version }],
    writes: [
      { kind: 'node', node: wanted === null ? rest : { ...rest, taint: wanted }, heartbeat: false },
      ...(before === undefined ? [] : [audit('node.untaint', before, {})]),
      ...(wanted === null ? [] : [audit('node.taint', wanted, { why, ...becauseOf(node, why) })]),
    ],
  }
}

function becauseOf({ cordon, condition }: Node, why: TaintReason | null): Readonly<Record<string, unknown>> {
  if (why === 'cordoned') return { by: cordon?.by, reason: cordon?.reason }
  return { condition: condition.kind === 'not-ready' ? condition.message : condition.kind }
}
