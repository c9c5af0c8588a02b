// Layer 1 of the books: who held the slots of a node. Conservation is had by construction: the claims are served in a fixed order,
// each taking what is left of the inventory, and `free` is the rest, so that the rows of any stretch sum to inventory x time.
import type { Claim } from './claim.ts'
import { isRestartHolder } from './claim.ts'
import type { NodeId } from './ids.ts'
import type { Node } from './node.ts'
import type { EpochMs } from './units.ts'
import { cellEnd, cellOf, earlier, epochMs, gpuMs, later } from './units.ts'

/** One row of layer 1: `holder` is a worker, `restart:<run>` or a pool. Never revised. */
export type Held = {
  readonly node: NodeId
  readonly from: EpochMs
  readonly to: EpochMs
  readonly holder: string
  readonly slots: number
}

export const heldGpuMs = (row: Held) => gpuMs(row.slots * (row.to - row.from))

export type Booking = {
  readonly node: Node
  readonly rows: readonly Held[]
  /** Claims that got fewer slots than they have: a finding, since two parties believe to hold the same slot. */
  readonly cutShort: readonly string[]
}

/**
 * Books `[node.bookedTo, to)` with the claims as they were all that time. A commit that changes the claims of a node calls this
 * first; the account loop calls it for every node at each end of a cell. A `to` before `bookedTo` books nothing.
 */
export function bookNode(node: Node, claims: readonly Claim[], to: EpochMs, blindAfterMs: number): Booking {
  const end = node.deletedAt === null ? to : earlier(to, node.deletedAt)
  if (end <= node.bookedTo) return { node, rows: [], cutShort: [] }
  const blindFrom = epochMs(node.lastObserved + blindAfterMs)
  const rows: Held[] = []
  const cutShort = new Set<string>()
  for (let from = node.bookedTo; from < end;) {
    const blind = from >= blindFrom
    const border = blind ? end : earlier(end, later(blindFrom, epochMs(from + 1)))
    const until = earlier(border, cellEnd(cellOf(from)))
    const served = serve(node, claims, blind)
    for (const share of served.shares)
      rows.push({ node: node.id, from, to: until, holder: share.holder, slots: share.slots })
    for (const holder of served.cutShort) cutShort.add(holder)
    from = until
  }
  return { node: { ...node, bookedTo: end }, rows, cutShort: [...cutShort] }
}

type Share = { readonly holder: string; readonly slots: number }

function serve(node: Node, claims: readonly Claim[], blind: boolean): { shares: Share[]; cutShort: string[] } {
  let rest = node.inventory
  const shares: Share[] = []
  const cutShort: string[] = []
  const take = (holder: string, wanted: number) => {
    const slots = Math.min(wanted, rest)
    if (slots < wanted && wanted !== Infinity) cutShort.push(holder)
    if (slots > 0) shares.push({ holder, slots })
    rest -= slots
  }
  const ours = claims.filter((claim) => !isRestartHolder(claim.holder)).toSorted(byHolder)
  for (const claim of ours) if (claim.boundAt !== null) take(claim.holder, claim.slots.length)
  if (node.foreign > 0 && !blind) take('foreign', node.foreign)
  for (const claim of ours) if (claim.boundAt === null) take(claim.holder, claim.slots.length)
  if (node.condition.kind === 'lost') take('unhealthy', Infinity)
  else if (!blind && node.condition.kind === 'not-ready') {
    // An environment that is being prepared is planned work on the node, not damage.
    take(node.condition.reason === 'preparing-environment' ? 'maintenance' : 'unhealthy', Infinity)
  } else if (!blind && node.cordon !== null) take('maintenance', Infinity)
  for (const claim of claims.filter((each) => isRestartHolder(each.holder)).toSorted(byHolder))
    take(claim.holder, claim.slots.length)
  take(blind ? 'unknown' : 'free', Infinity)
  return { shares, cutShort }
}

const byHolder = (a: Claim, b: Claim): number => (a.holder < b.holder ? -1 : a.holder > b.holder ? 1 : 0)
