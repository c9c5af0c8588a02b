// The books of a window: layer 1 of everything that is not an attempt, layer 2 of the attempts, and what is not posted yet as it
// stands. The rows over all accounts sum to the capacity, which is computed from the inventory alone.
import type { Claim } from '../../domain/claim.ts'
import { isRestartHolder } from '../../domain/claim.ts'
import type { LedgerKey, LedgerRow } from '../../domain/documents.ts'
import type { Held } from '../../domain/holdings.ts'
import { heldGpuMs } from '../../domain/holdings.ts'
import type { NodeId } from '../../domain/ids.ts'
import type { Node } from '../../domain/node.ts'
import type { Account } from '../../domain/reasons.ts'
import type { Run } from '../../domain/run.ts'
import type { EpochMs, Price } from '../../domain/units.ts'
import { cellOf, micros } from '../../domain/units.ts'
import type { Priced } from './money.ts'
import { currencyOf, moneyOfEach } from './money.ts'

export type LedgerInput = {
  readonly from: EpochMs
  readonly to: EpochMs
  readonly nodes: readonly Node[]
  readonly inventory: readonly { readonly node: NodeId; readonly since: EpochMs; readonly slots: number }[]
  /** Layer 1 that is booked, by node and holder. */
  readonly held: readonly { readonly node: NodeId; readonly holder: string; readonly gpuMs: number }[]
  /** Layer 1 from where each node is booked to the end of the window. */
  readonly unbooked: readonly Held[]
  readonly holders: readonly Claim[]
  readonly runs: ReadonlyMap<string, Run>
  /** Layer 2, posted and provisional, by attempt and account, of this window. */
  readonly accounts: readonly { readonly attempt: string; readonly account: string; readonly gpuMs: number }[]
}

/** A grain of the books: what one holder did with slots of one GPU model. */
type Grain = {
  readonly run: Run | null
  readonly gpu: string
  readonly account: Account
  readonly gpuMs: number
  /** `gpuMs` where the run pays, else 0: no grain is paid in part. */
  readonly paidMs: number
  readonly price: Price | null
}

export function ledgerRows(input: LedgerInput, by: readonly LedgerKey[]): LedgerRow[] {
  const groups = new Map<string, Group>()
  for (const grain of rounded(merged(grains(input)))) {
    const row = keysOf(grain, by)
    const key = JSON.stringify(row)
    const group = groups.get(key) ?? { row, gpuMs: 0, micros: 0n, paid: [] }
    group.gpuMs += grain.gpuMs
    group.micros += grain.micros
    if (grain.paidMs !== 0) group.paid.push({ gpuMs: grain.paidMs, price: grain.price })
    groups.set(key, group)
  }
  return [...groups.values()]
    .filter((group) => group.gpuMs !== 0)
    .map(({ row, gpuMs, micros: sum, paid }) => {
      const currency = currencyOf(paid)
      return { ...row, gpuMs, money: currency === null ? null : { micros: micros(Number(sum)), currency } }
    })
    .toSorted((a, b) => b.gpuMs - a.gpuMs)
}

type Group = {
  readonly row: Omit<LedgerRow, 'gpuMs' | 'money'>
  gpuMs: number
  micros: bigint
  readonly paid: Priced[]
}

/** What is posted and what is to come of one thing are one grain: a correction that takes back is no grain of its own. */
function merged(all: Iterable<Grain>): Grain[] {
  const byKey = new Map<string, Grain>()
  for (const grain of all) {
    const { run, gpu, account, price } = grain
    const key = JSON.stringify([run?.id, gpu, account, grain.paidMs !== 0, price])
    const old = byKey.get(key)
    byKey.set(key, {
      ...grain,
      gpuMs: grain.gpuMs + (old?.gpuMs ?? 0),
      paidMs: grain.paidMs + (old?.paidMs ?? 0),
    })
  }
  return [...byKey.values()]
}

/** Rounded within a run, so that its rows add up to what it pays, by whatever keys they are asked for. */
function rounded(all: readonly Grain[]): (Grain & { readonly micros: bigint })[] {
  const byRun = Map.groupBy(all, ({ run, price }) => JSON.stringify([run?.id, price?.currency]))
  return [...byRun.values()].flatMap((some) => {
    const each = moneyOfEach(some.map(({ paidMs, price }) => ({ gpuMs: paidMs, price })))
    return some.map((grain, index) => ({ ...grain, micros: each[index] ?? 0n }))
  })
}

/** Inventory integrated over the window, incarnation by incarnation. */
export function capacityOf(input: Pick<LedgerInput, 'from' | 'to' | 'nodes' | 'inventory'>): number {
  const ends = new Map(input.nodes.map((node) => [node.id, node.deletedAt]))
  const byNode = Map.groupBy(input.inventory, (row) => row.node)
  let capacity = 0
  for (const [node, rows] of byNode) {
    for (const [index, row] of rows.entries()) {
      const until = Math.min(rows[index + 1]?.since ?? Infinity, ends.get(node) ?? Infinity, input.to)
      capacity += row.slots * Math.max(0, until - Math.max(row.since, input.from))
    }
  }
  return capacity
}

function* grains(input: LedgerInput): Generator<Grain> {
  const nodes = new Map(input.nodes.map((node) => [node.id, node]))
  const holders = new Map(input.holders.map((claim) => [claim.holder as string, claim]))
  const layer1 = [
    ...input.held,
    ...input.unbooked.map((row) => ({ node: row.node, holder: row.holder, gpuMs: heldGpuMs(row) as number })),
  ]
  const ofAttempt = new Map<string, { gpu: string; price: Price | null; run: Run | null }>()
  for (const row of layer1) {
    const claim = holders.get(row.holder)
    const gpu = nodes.get(row.node)?.gpuModel ?? 'unknown'
    const run = claim === undefined ? null : (input.runs.get(claim.run) ?? null)
    const price = claim?.price ?? null
    if (claim?.attempt != null) ofAttempt.set(claim.attempt, { gpu, price, run })
    else if (isRestartHolder(row.holder))
      yield { run, gpu, account: 'reserved', gpuMs: row.gpuMs, paidMs: row.gpuMs, price }
    else yield { run: null, gpu, account: row.holder as Account, gpuMs: row.gpuMs, paidMs: 0, price: null }
  }
  const unpaid = unpaidOf(input)
  for (const { attempt: id, account, gpuMs } of input.accounts) {
    const attempt = ofAttempt.get(id)
    if (attempt === undefined) continue
    // A worker has ended before its run stops paying, and after its end its slots are teardown.
    const free = account === 'teardown' ? Math.max(0, Math.min(gpuMs, unpaid.get(id) ?? 0)) : 0
    unpaid.set(id, (unpaid.get(id) ?? 0) - free)
    if (free > 0) yield { ...attempt, account: 'teardown', gpuMs: free, paidMs: 0 }
    yield { ...attempt, account: account as Account, gpuMs: gpuMs - free, paidMs: gpuMs - free }
  }
}

/** GPU-ms of the window that attempts held after their runs stopped paying: the platform's. */
function unpaidOf(input: LedgerInput): Map<string, number> {
  const unpaid = new Map<string, number>()
  for (const { attempt, paidUntil, releasedAt, slots } of input.holders) {
    if (attempt === null || paidUntil === null || releasedAt === null) continue
    const overlap = Math.min(releasedAt, input.to) - Math.max(paidUntil, input.from)
    if (overlap > 0) unpaid.set(attempt, (unpaid.get(attempt) ?? 0) + overlap * slots.length)
  }
  return unpaid
}

function keysOf(grain: Grain, by: readonly LedgerKey[]): Omit<LedgerRow, 'gpuMs' | 'money'> {
  const row: Record<string, unknown> = { account: by.includes('account') || by.length === 0 ? grain.account : null }
  for (const key of by) {
    if (key === 'project') row.project = grain.run?.project ?? null
    else if (key === 'user') row.user = grain.run?.user ?? null
    else if (key === 'run') {
      row.run = grain.run?.id ?? null
      row.runName = grain.run?.name ?? null
    } else if (key === 'gpu') row.gpu = grain.gpu
    else if (key === 'payer') row.payer = grain.paidMs !== 0 ? 'run' : 'platform'
    else if (key !== 'account') row.label = grain.run?.labels[key.slice('label:'.length)] ?? null
  }
  return row as Omit<LedgerRow, 'gpuMs' | 'money'>
}

/** A window is widened to whole cells; its end is at most now. */
export function windowOf(from: EpochMs, to: EpochMs, now: EpochMs): { readonly from: EpochMs; readonly to: EpochMs } {
  const end = to >= now ? now : ((Math.ceil(to / 300_000) * 300_000) as EpochMs)
  return { from: cellOf(from) as number as EpochMs, to: end <= now ? end : now }
}
