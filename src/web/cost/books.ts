// The books of a window, put together for people: by whom, by account, what was wasted. Integers of GPU-milliseconds in, sums out; every sum is
// that of its parts. Pure.
import { ATTEMPT_ACCOUNTS } from '../../domain/reasons.ts'
import type { Waste } from '../../domain/waste.ts'
import { WASTE } from '../../domain/waste.ts'
import type { Ledger, LedgerLine } from '../api/operate.ts'
import { money as moneyText } from '../format/numbers.ts'
import { isHeld } from '../now/slots.ts'

export const OVERHEAD = ['checkpoint', 'restore', 'startup', 'provision', 'teardown'] as const

export type Cost = { readonly micros: number; readonly currency: string }
export type By = Readonly<Partial<Record<string, number>>>

export type Spent = {
  /** null: without a label. */
  readonly key: string | null
  readonly name: string | null
  readonly project: string | null
  readonly user: string | null
  /** Of what its runs held, by account. */
  readonly by: By
  readonly heldGpuMs: number
  readonly wasteGpuMs: number
  /** Kept for a restart: paid, and held by no worker. */
  readonly reservedGpuMs: number
  /** What is known of what they pay. */
  readonly costs: readonly Cost[]
  /** In rows whose cost is not known, since a GPU model has no price: `costs` lack all of those. Asked by payer, or it is too much. */
  readonly unpricedGpuMs: number
}

const sum = (by: By, accounts: readonly string[]): number =>
  accounts.reduce((total, account) => total + (by[account] ?? 0), 0)

export const overheadOf = ({ by }: Pick<Spent, 'by'>): number => sum(by, OVERHEAD)

/** What runs held, by a key of their rows; the largest first. */
export function spentBy(rows: readonly LedgerLine[], keyOf: (row: LedgerLine) => string | null): readonly Spent[] {
  const groups = Map.groupBy(rows.filter(isOfRun), keyOf)
  return [...groups]
    .map(([key, list]) => spentOf(key, list))
    .filter(({ heldGpuMs, reservedGpuMs }) => heldGpuMs + reservedGpuMs > 0)
    .toSorted((a, b) => b.heldGpuMs - a.heldGpuMs)
}

const isOfRun = ({ project }: LedgerLine): boolean => project !== null && project !== undefined

function spentOf(key: string | null, list: readonly LedgerLine[]): Spent {
  const by: Record<string, number> = {}
  const held = list.filter(isHeld)
  for (const { account, gpuMs } of held) if (account !== null) by[account] = (by[account] ?? 0) + gpuMs
  const [first] = list
  return {
    key,
    name: first?.runName ?? null,
    project: first?.project ?? null,
    user: first?.user ?? null,
    by,
    heldGpuMs: sum(by, ATTEMPT_ACCOUNTS),
    wasteGpuMs: sum(by, WASTE),
    reservedGpuMs: list.reduce((total, row) => total + (isHeld(row) ? 0 : row.gpuMs), 0),
    costs: costsOf(list.map(({ money }) => money)),
    unpricedGpuMs: list.reduce(
      (total, row) => total + (row.money === null && row.payer !== 'platform' ? row.gpuMs : 0),
      0,
    ),
  }
}

export function costsOf(monies: readonly (Cost | null)[]): readonly Cost[] {
  const sums = new Map<string, number>()
  for (const money of monies)
    if (money !== null) sums.set(money.currency, (sums.get(money.currency) ?? 0) + money.micros)
  return [...sums].map(([currency, micros]) => ({ currency, micros })).toSorted((a, b) => b.micros - a.micros)
}

/** `€12`, or `≥ €12` where a part has no price; null: nothing is known. */
export function paidText({ costs, unpricedGpuMs }: Pick<Spent, 'costs' | 'unpricedGpuMs'>): string | null {
  if (costs.length === 0) return null
  return `${unpricedGpuMs > 0 ? '≥ ' : ''}${costs.map(moneyText).join(' + ')}`
}

/** Several as one, such as what is not shown one by one. */
export function together(list: readonly Spent[]): Spent {
  const by: Record<string, number> = {}
  for (const each of list)
    for (const [account, gpuMs] of Object.entries(each.by)) by[account] = (by[account] ?? 0) + (gpuMs ?? 0)
  return {
    key: null,
    name: null,
    project: null,
    user: null,
    by,
    heldGpuMs: list.reduce((total, { heldGpuMs }) => total + heldGpuMs, 0),
    wasteGpuMs: list.reduce((total, { wasteGpuMs }) => total + wasteGpuMs, 0),
    reservedGpuMs: list.reduce((total, { reservedGpuMs }) => total + reservedGpuMs, 0),
    costs: costsOf(list.flatMap(({ costs }) => costs)),
    unpricedGpuMs: list.reduce((total, { unpricedGpuMs }) => total + unpricedGpuMs, 0),
  }
}

/** What nobody's run had, by pool; `hidden` is of projects that the caller may not see, with the pools. */
export function poolsOf(ledger: Ledger): { readonly by: By; readonly gpuMs: number; readonly hidden: number } {
  const by: Record<string, number> = {}
  for (const row of ledger.rows)
    if (!isOfRun(row) && row.account !== null) by[row.account] = (by[row.account] ?? 0) + row.gpuMs
  const gpuMs = Object.values(by).reduce((total, each) => total + each, 0)
  const all = ledger.rows.reduce((total, row) => total + row.gpuMs, 0)
  return { by, gpuMs, hidden: ledger.capacityGpuMs - all }
}

export const PERIODS = ['month', 'last-month', '7d', '30d', '90d'] as const
export type Period = (typeof PERIODS)[number]

export const isPeriod = (word: string | undefined): word is Period =>
  (PERIODS as readonly (string | undefined)[]).includes(word)

const DAY_MS = 86_400_000

/** Days and months of the books are those of UTC. `to` null: now. */
export function windowOf(period: Period, now: number): { readonly from: number; readonly to: number | null } {
  const date = new Date(now)
  const month = (back: number): number => Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - back)
  const midnight = Math.floor(now / DAY_MS) * DAY_MS
  switch (period) {
    case 'month':
      return { from: month(0), to: null }
    case 'last-month':
      return { from: month(1), to: month(0) }
    case '7d':
      return { from: midnight - 6 * DAY_MS, to: null }
    case '30d':
      return { from: midnight - 29 * DAY_MS, to: null }
    case '90d':
      return { from: midnight - 89 * DAY_MS, to: null }
  }
}

/** The days of a window, the last one as far as it has come; at most `most` of them, the newest. */
export function daysOf(
  { from, to }: { readonly from: number; readonly to: number | null },
  now: number,
  most: number,
): readonly { readonly from: number; readonly to: number | null }[] {
  const end = to ?? now
  const days: { from: number; to: number | null }[] = []
  for (let at = Math.floor(from / DAY_MS) * DAY_MS; at < end; at += DAY_MS)
    days.push({ from: at, to: at + DAY_MS <= end ? at + DAY_MS : null })
  return days.slice(-most)
}

export function worstOf({ by }: Pick<Spent, 'by'>): Waste {
  return WASTE.reduce((worst, account) => ((by[account] ?? 0) > (by[worst] ?? 0) ? account : worst), WASTE[0])
}
