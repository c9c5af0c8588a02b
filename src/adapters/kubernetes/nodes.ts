// What the API server says of a machine: its GPUs, whether it takes pods, and how long ago it was heard. A node's word is its lease;
// its age is counted on our clock and only while we can see, so that our own blindness makes no node look lost.
import { catalogueName } from '../../domain/gpu-product.ts'
import type { NodeSeen } from '../../ports/cluster.ts'
import type { Toleration } from '../../domain/pod-options.ts'
import type { Lease, Node } from './objects.ts'

export type NodeOptions = {
  readonly gpuResource: string
  /** The label that has the product name of the GPUs. */
  readonly gpuLabel: string
  /** Slots of a node that advertises no GPUs: for tests and for machines without a device plugin. They are shown as declared. */
  readonly declaredSlots: number | null
  /** Conditions that, when true, take a node out of service: what node-problem-detector says of Xids and DCGM. */
  readonly badConditions: readonly string[]
  readonly tolerations: readonly Toleration[]
}

export type NodeRecord = {
  readonly name: string
  readonly gpuModel: string
  readonly slots: number
  readonly declared: boolean
  readonly condition: NodeSeen['condition']
}

const DECLARED = 'plimsoll.dev/declared-gpus'

/** Null: it has no GPUs. */
export function nodeRecord(node: Node, options: NodeOptions): NodeRecord | null {
  const { metadata, status } = node
  const capacity = numberOf(status?.capacity?.[options.gpuResource])
  const slots = capacity > 0 ? capacity : (options.declaredSlots ?? 0)
  if (slots === 0) return null
  const product = metadata.labels?.[options.gpuLabel]
  return {
    name: metadata.name,
    gpuModel: product === undefined ? 'unknown' : catalogueName(product),
    slots,
    declared:
      capacity === 0 || metadata.labels?.[DECLARED] !== undefined || metadata.annotations?.[DECLARED] !== undefined,
    condition: conditionOf(node, capacity, options),
  }
}

function conditionOf(node: Node, capacity: number, options: NodeOptions): NodeSeen['condition'] {
  const { spec, status } = node
  const bad = (message: string): NodeSeen['condition'] => ({ kind: 'not-ready', reason: 'nodes-not-ready', message })
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  if (ready?.status !== 'True')
    return bad(
      `Kubernetes says it is not ready: ${ready?.reason ?? 'no condition'}${ready?.message ? `, ${ready.message}` : ''}`,
    )
  const sick = status?.conditions?.find((each) => each.status === 'True' && options.badConditions.includes(each.type))
  if (sick !== undefined) return bad(`${sick.type}: ${sick.message ?? sick.reason ?? 'true'}`)
  const allocatable = numberOf(status?.allocatable?.[options.gpuResource])
  if (allocatable < capacity)
    return bad(
      `${capacity - allocatable} of its ${capacity} GPUs cannot be allocated: its device plugin calls them unhealthy`,
    )
  if (spec?.unschedulable === true) return bad('it is cordoned in Kubernetes (kubectl uncordon ends it)')
  const taint = spec?.taints?.find(
    (each) => each.effect !== 'PreferNoSchedule' && !isTolerated(each, options.tolerations),
  )
  if (taint !== undefined)
    return bad(
      `it has the taint ${taint.key}${taint.value ? `=${taint.value}` : ''}:${taint.effect}, which pods of this cluster do not tolerate`,
    )
  return { kind: 'ready' }
}

function isTolerated(
  taint: { readonly key: string; readonly value?: string; readonly effect: string },
  tolerations: readonly Toleration[],
): boolean {
  return tolerations.some(
    ({ key, operator, value, effect }) =>
      (key === null ? operator === 'Exists' : key === taint.key) &&
      (operator === 'Exists' || (value ?? '') === (taint.value ?? '')) &&
      (effect === null || effect === taint.effect),
  )
}

function numberOf(text: string | undefined): number {
  const value = Number(text ?? 0)
  return Number.isFinite(value) ? value : 0
}

/** Kubernetes' own. */
const LEASE_S = 40

/** When each node was heard last, by a monotonic clock of ours. */
export class Heard {
  readonly #renewed = new Map<string, { renewTime: string; age: number; leaseMs: number }>()
  #seenAt: number | null = null

  /** All leases, as they are at `now`; the time since the look before counts only when that look was recent. */
  look(leases: readonly Lease[], now: number, gapMsMax: number): void {
    const since = this.#seenAt === null ? 0 : now - this.#seenAt
    const passed = since > gapMsMax ? 0 : since
    this.#seenAt = now
    const names = new Set<string>()
    for (const { metadata, spec } of leases) {
      names.add(metadata.name)
      const known = this.#renewed.get(metadata.name)
      const renewTime = spec?.renewTime ?? ''
      const age = known === undefined || known.renewTime !== renewTime ? 0 : known.age + passed
      this.#renewed.set(metadata.name, { renewTime, age, leaseMs: (spec?.leaseDurationSeconds ?? LEASE_S) * 1000 })
    }
    for (const name of this.#renewed.keys()) if (!names.has(name)) this.#renewed.delete(name)
  }

  /** For how long its lease has not changed, at the last look; null: it has none. */
  silentMs(node: string): number | null {
    return this.#renewed.get(node)?.age ?? null
  }

  /** Whether it was heard within the time of its lease, of which it renews it in each quarter. */
  isHeard(node: string): boolean {
    const known = this.#renewed.get(node)
    return known !== undefined && known.age < known.leaseMs
  }

  seenAt(): number | null {
    return this.#seenAt
  }
}
