// What the API server says of a machine: its GPUs, whether it takes pods, and how long ago it was heard. A node's word is its lease;
// its age is counted on our clock and only while we can see, so that our own blindness makes no node look lost.
import { catalogueName } from '../../domain/gpu-product.ts'
import type { Place } from '../../domain/node.ts'
import type { NodeSeen } from '../../ports/cluster.ts'
import { taintText } from '../../domain/taint.ts'
import type { Toleration } from '../../domain/pod-options.ts'
import { CORDONED, TAINTED } from './names.ts'
import type { KeptOff } from './keep-off.ts'
import type { Lease, Node, NodeTaint } from './objects.ts'

export type NodeOptions = {
  readonly gpuResource: string
  /** The label that has the product name of the GPUs. */
  readonly gpuLabel: string
  /** The labels that name the rack and the block of a node. */
  readonly rackLabel: string | null
  readonly blockLabel: string | null
  /** Slots of a node that advertises no GPUs: for tests and for machines without a device plugin. They are shown as declared. */
  readonly declaredSlots: number | null
  /** Conditions that, when true, take a node out of service: what node-problem-detector says of Xids and DCGM. */
  readonly badConditions: readonly string[]
  readonly tolerations: readonly Toleration[]
}

export type NodeRecord = {
  readonly name: string
  readonly resourceVersion: string
  readonly gpuModel: string
  readonly slots: number
  readonly declared: boolean
  readonly place: Place
  readonly condition: NodeSeen['condition']
  /** It is cordoned in Kubernetes, and that was us: then its condition says nothing of it, since we know. */
  readonly cordonedByUs: boolean
  readonly schedulable: boolean
  readonly taints: readonly NodeTaint[]
  /** The taint that we noted to have put on it: only that one is ours. */
  readonly noted: string | null
  /** Another control plane has: the node is its to taint. */
  readonly notedByOther: boolean
  /** Somebody who knows says that nothing runs on it any more. */
  readonly outOfService: boolean
}

/** What Kubernetes puts on a cordoned node by itself. */
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable'
/** Put on by hand, or by what powers machines off. */
export const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service'
const DECLARED = 'plimsoll.dev/declared-gpus'

/** Null: it has no GPUs. One whose label says that it should have some, and that advertises none, is a node out of order. */
export function nodeRecord(node: Node, options: NodeOptions, controlPlane = ''): NodeRecord | null {
  const { metadata, spec, status } = node
  const capacity = numberOf(status?.capacity?.[options.gpuResource])
  const slots = capacity > 0 ? capacity : (options.declaredSlots ?? 0)
  const labelOf = (label: string | null): string | null => (label === null ? null : (metadata.labels?.[label] ?? null))
  const product = metadata.labels?.[options.gpuLabel]
  if (slots === 0 && product === undefined) return null
  const note = metadata.annotations?.[TAINTED]
  const [taint = null, by] = note?.split(' ') ?? []
  const noted = by === controlPlane ? taint : null
  return {
    name: metadata.name,
    resourceVersion: metadata.resourceVersion,
    gpuModel: product === undefined ? 'unknown' : catalogueName(product),
    slots,
    declared:
      capacity === 0 || metadata.labels?.[DECLARED] !== undefined || metadata.annotations?.[DECLARED] !== undefined,
    place: { rack: labelOf(options.rackLabel), block: labelOf(options.blockLabel) },
    condition:
      slots === 0
        ? unhealthy(`it advertises no ${options.gpuResource}: see that its device plugin runs`)
        : conditionOf(node, capacity, options, noted),
    cordonedByUs: isCordonedByUs(node),
    schedulable: spec?.unschedulable !== true,
    taints: spec?.taints ?? [],
    noted,
    notedByOther: note !== undefined && noted === null,
    outOfService: isOutOfService(node),
  }
}

/** By its key alone, as Kubernetes itself looks for it. */
export const isOutOfService = ({ spec }: Node): boolean =>
  spec?.taints?.some(({ key }) => key === OUT_OF_SERVICE) === true

const isCordonedByUs = ({ metadata, spec }: Node): boolean =>
  spec?.unschedulable === true && metadata.annotations?.[CORDONED] !== undefined

const outOfOrder = (message: string): NodeSeen['condition'] => ({
  kind: 'not-ready',
  reason: 'nodes-not-ready',
  message,
})

/** The machine itself, whatever Kubernetes makes of it: by a policy it is tainted. */
const unhealthy = (message: string): NodeSeen['condition'] => ({
  kind: 'not-ready',
  reason: 'nodes-not-ready',
  message,
  unhealthy: true,
})

function conditionOf(node: Node, capacity: number, options: NodeOptions, noted: string | null): NodeSeen['condition'] {
  const { spec, status } = node
  const bad = outOfOrder
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  if (ready?.status !== 'True')
    return bad(
      `Kubernetes says it is not ready: ${ready?.reason ?? 'no condition'}${ready?.message ? `, ${ready.message}` : ''}`,
    )
  const sick = status?.conditions?.find((each) => each.status === 'True' && options.badConditions.includes(each.type))
  if (sick !== undefined) return unhealthy(`${sick.type}: ${sick.message ?? sick.reason ?? 'true'}`)
  const allocatable = numberOf(status?.allocatable?.[options.gpuResource])
  if (allocatable < capacity)
    return unhealthy(
      `${capacity - allocatable} of its ${capacity} GPUs cannot be allocated: its device plugin calls them unhealthy`,
    )
  const ours = isCordonedByUs(node)
  if (spec?.unschedulable === true && !ours) return bad('it is cordoned in Kubernetes (kubectl uncordon ends it)')
  const taint = spec?.taints?.find(
    (each) =>
      each.effect !== 'PreferNoSchedule' &&
      !(ours && each.key === UNSCHEDULABLE) &&
      // Else a node that we tainted would never be in service again.
      taintText(each) !== noted &&
      !isTolerated(each, options.tolerations),
  )
  if (taint !== undefined)
    return bad(`it has the taint ${taintText(taint)}, which pods of this cluster do not tolerate`)
  return { kind: 'ready' }
}

/** As it is told. `blind`: pods of others cannot be seen. `keptOff`: what nodes are to be kept free by; null: nobody has said yet. */
export function nodeSeen(
  record: NodeRecord,
  about: { readonly blind: boolean; readonly foreign: number; readonly keptOff: KeptOff | null },
): NodeSeen {
  const { name, gpuModel, slots, declared, place, condition } = record
  const seen = { name, gpuModel, slots, declared, place, foreign: Math.min(slots, about.foreign) }
  if (condition.kind !== 'ready') return { ...seen, condition }
  if (about.blind) return { ...seen, condition: BLIND }
  return { ...seen, condition: isKeptYet(record, about.keptOff) ? RETURNING : condition }
}

function isKeptYet({ name, cordonedByUs, taints, noted }: NodeRecord, keptOff: KeptOff | null): boolean {
  const isTainted = taints.some((taint) => taint.effect !== 'PreferNoSchedule' && taintText(taint) === noted)
  return (cordonedByUs && keptOff?.cordoned?.has(name) === false) || (isTainted && keptOff?.tainted.has(name) === false)
}

const BLIND: NodeSeen['condition'] = {
  kind: 'not-ready',
  reason: 'nodes-not-ready',
  message:
    'pods of others cannot be seen, so its free GPUs are unknown: grant list and watch on pods, or say dedicated: true for a cluster that only plimsoll uses',
}

const RETURNING: NodeSeen['condition'] = {
  kind: 'not-ready',
  reason: 'nodes-not-ready',
  message: 'it is taken back into service: Kubernetes has it cordoned or tainted for a moment yet',
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
