// A node: a machine with GPUs of one model. What it has is registered and never follows what a device plugin says at the moment:
// the inventory is raised when more is seen, and lowered only when the node is deleted or an operator says so.
import type { ClusterName, NodeId } from './ids.ts'
import type { Taint } from './taint.ts'
import type { EpochMs } from './units.ts'

export type NodeCondition =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'not-ready'
      readonly reason: 'preparing-environment' | 'nodes-not-ready'
      readonly message: string
      /** When it was first seen out of service, whatever the reason since; absent: that was not written down. */
      readonly since?: EpochMs
      /** It is the machine itself: its GPUs, its kernel, what is left on it. Else others keep it out of service, or nobody can see. */
      readonly unhealthy?: true
    }
  /** Nothing was heard of it for `nodeLostAfter`. */
  | { readonly kind: 'lost'; readonly since: EpochMs }

/** Where a machine stands; null: nobody says. A block is some racks below one switch. */
export type Place = { readonly rack: string | null; readonly block: string | null }

export type Node = {
  readonly id: NodeId
  readonly cluster: ClusterName
  readonly name: string
  readonly incarnation: number
  readonly gpuModel: string
  /** Slots without a device behind them. */
  readonly declared: boolean
  /** Absent: nobody says. */
  readonly place?: Place
  readonly inventory: number
  readonly condition: NodeCondition
  /** Who took it out of service, and why. A cordoned node's run may finish. */
  readonly cordon: { readonly by: string; readonly reason: string; readonly at?: EpochMs } | null
  /** The taint that it is to have where others place work too, by the policy of its cluster; absent: none. */
  readonly taint?: Taint
  /** Slots that somebody else uses. */
  readonly foreign: number
  readonly lastObserved: EpochMs
  /** The books of this node are written up to here, and never backwards. */
  readonly bookedTo: EpochMs
  readonly registeredAt: EpochMs
  readonly deletedAt: EpochMs | null
  readonly version: number
}

export type NodeState = 'ready' | 'not-ready' | 'suspect' | 'draining' | 'cordoned' | 'lost'

/** One word for people. `holds` says whether a run of ours still uses it. */
export function nodeState(node: Node, holds: boolean, now: EpochMs, blindAfterMs: number): NodeState {
  if (node.condition.kind === 'lost') return 'lost'
  if (now - node.lastObserved > blindAfterMs) return 'suspect'
  if (node.cordon !== null) return holds ? 'draining' : 'cordoned'
  return node.condition.kind === 'ready' ? 'ready' : 'not-ready'
}
