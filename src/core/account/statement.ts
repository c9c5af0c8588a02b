// What a run cost and what it got for it. Posted cells count as they were posted; what is not posted yet is computed by the same
// function that will post it, and says so.
import type { Balance, CellSummary } from '../../domain/books.ts'
import type { Claim } from '../../domain/claim.ts'
import type { Held } from '../../domain/holdings.ts'
import { bookNode } from '../../domain/holdings.ts'
import type { AttemptId } from '../../domain/ids.ts'
import type { Node } from '../../domain/node.ts'
import type { AttemptAccount, Outcome } from '../../domain/reasons.ts'
import type { Cell, EpochMs } from '../../domain/units.ts'
import { addKnown, cellStart, later } from '../../domain/units.ts'
import { balanceOf, tokensOf } from './cell.ts'
import { keepBounds } from './keep.ts'
import type { AttemptWork } from './post.ts'
import { classifyAll, difference, progressWith } from './post.ts'

export type AttemptAccounts = {
  readonly attempt: AttemptId
  readonly outcome: Outcome | null
  readonly heldGpuMs: number
  readonly byAccount: Balance
  readonly provisionalGpuMs: number
  readonly tokens: number | null
  /** The cells in which saves stopped training, and for how much. */
  readonly checkpointCells: readonly { readonly cell: Cell; readonly gpuMs: number }[]
}

/** Layer 1 from where a node is booked to `now`, as it would be booked now. */
export function unbooked(nodes: readonly Node[], claims: readonly Claim[], now: EpochMs, blindAfterMs: number): Held[] {
  const byNode = Map.groupBy(claims, (claim) => claim.node)
  return nodes.flatMap((node) => bookNode(node, byNode.get(node.id) ?? [], now, blindAfterMs).rows)
}

/** What the cells of `[from, to)` that are read again would add to what is posted. `extra` is layer 1 that is not booked yet. */
export function openAccounts(work: AttemptWork, extra: readonly Held[], from: EpochMs, to: EpochMs): Balance {
  const { fresh, keep } = freshCells(work, extra, to)
  const lines: Partial<Record<AttemptAccount, number>> = {}
  for (const { cell, summary } of fresh) {
    if (cellStart(cell) < from || cellStart(cell) >= to) continue
    const posted = work.cells.find((record) => record.cell === cell)?.balance ?? {}
    addTo(lines, difference(balanceOf(summary, keep), posted))
  }
  return lines
}

/** The accounts of one attempt: its posted cells, which `work.cells` must all have, and the open ones as they stand. */
export function attemptAccounts(work: AttemptWork, extra: readonly Held[], now: EpochMs): AttemptAccounts {
  const { fresh, keep } = freshCells(work, extra, now)
  const posted = work.cells.filter((record) => record.cell < work.readFrom)
  const byAccount: Partial<Record<AttemptAccount, number>> = {}
  const provisional: Partial<Record<AttemptAccount, number>> = {}
  for (const record of posted) addTo(byAccount, record.balance)
  for (const { cell, summary } of fresh) {
    const balance = balanceOf(summary, keep)
    addTo(byAccount, balance)
    if (work.books.postedTo === null || cell > work.books.postedTo) addTo(provisional, balance)
  }
  // No step that is kept or lost moves what a save took: the summary has it as it is posted.
  const checkpointCells = [...posted, ...fresh].flatMap(({ cell, summary }) => {
    const gpuMs = summary.accounts.checkpoint ?? 0
    return gpuMs === 0 ? [] : [{ cell, gpuMs }]
  })
  let tokens: number | null = 0
  for (const { summary } of [...posted, ...fresh]) tokens = addKnown(tokens, tokensOf(summary, keep))
  return {
    attempt: work.attempt,
    outcome: work.outcome,
    heldGpuMs: total(byAccount),
    byAccount: withoutZeros(byAccount),
    provisionalGpuMs: total(provisional),
    tokens,
    checkpointCells,
  }
}

function freshCells(work: AttemptWork, extra: readonly Held[], now: EpochMs) {
  const holders = new Set<string>(work.workers.map((claim) => claim.holder))
  const held = [...work.held, ...extra.filter((row) => holders.has(row.holder))]
  const bookedTo = held.reduce((newest, row) => later(newest, row.to), work.bookedTo)
  const fresh: { readonly cell: Cell; readonly summary: CellSummary }[] = classifyAll({ ...work, held, bookedTo }, now)
  const carry = fresh.at(-1)?.summary.carry ?? work.cells.at(-1)?.summary.carry
  const own = work.siblings.findIndex((each) => each.attempt === work.attempt)
  const keep = carry === undefined ? [] : (keepBounds(progressWith(work, carry))[own] ?? [])
  return { fresh, keep }
}

function addTo(sum: Partial<Record<AttemptAccount, number>>, balance: Balance): void {
  for (const [account, amount] of Object.entries(balance) as [AttemptAccount, number][])
    sum[account] = (sum[account] ?? 0) + amount
}

const total = (balance: Balance): number => Object.values(balance).reduce((sum, amount) => sum + amount, 0)

const withoutZeros = (balance: Balance): Balance =>
  Object.fromEntries(Object.entries(balance).filter(([, amount]) => amount !== 0))

/** GPU-ms between two moments that a claim's rows cover. */
export function heldBetween(rows: readonly Held[], from: EpochMs, to: EpochMs): number {
  return rows.reduce((sum, row) => {
    const overlap = Math.min(row.to, to) - Math.max(row.from, from)
    return overlap > 0 ? sum + overlap * row.slots : sum
  }, 0)
}
