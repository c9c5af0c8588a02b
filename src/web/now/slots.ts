// Whose the slots are, as the books of the last minutes say it: GPU-time over time is GPUs. A machine that came within these minutes counts
// whole, by the share of its own time. What is not yours to see is said as that.
import { ATTEMPT_ACCOUNTS, type Account } from '../../domain/reasons.ts'
import type { Ledger } from '../api/operate.ts'
import { addUp } from '../format/numbers.ts'
import { SHOWN_ALL } from '../parts/account-words.ts'

export type Slots = {
  readonly accounts: readonly { readonly account: Account; readonly gpuMs: number; readonly gpus: number }[]
  /** GPUs that are there, over all. */
  readonly total: number
  /** Those of projects that the caller may not see, with what nobody holds. */
  readonly hidden: number
  readonly ms: number
  /** GPU-milliseconds that stand for one GPU. */
  readonly msEach: number
}

/** `gpus`: those that there are now, where that is known. */
export function slotsByAccount(ledger: Ledger, gpus: number | null): Slots {
  const ms = Math.max(1, Date.parse(ledger.to) - Date.parse(ledger.from))
  const by = amountsOf(ledger)
  const accounts = SHOWN_ALL.filter((account) => (by[account] ?? 0) > 0)
  const seen = accounts.reduce((sum, account) => sum + (by[account] ?? 0), 0)
  const hidden = Math.max(0, ledger.capacityGpuMs - seen)
  const total = gpus === null || ledger.capacityGpuMs === 0 ? Math.round(ledger.capacityGpuMs / ms) : gpus
  const each = total === 0 ? ms : ledger.capacityGpuMs / total
  const parts = addUp([...accounts.map((account) => (by[account] ?? 0) / each), hidden / each], total, 0)
  return {
    accounts: accounts.map((account, index) => ({ account, gpuMs: by[account] ?? 0, gpus: parts[index] ?? 0 })),
    total,
    hidden: parts[accounts.length] ?? 0,
    ms,
    msEach: each,
  }
}

/** GPU-milliseconds by account, over all that the document says. */
export function amountsOf({ rows }: Pick<Ledger, 'rows'>): Readonly<Partial<Record<string, number>>> {
  const by: Record<string, number> = {}
  for (const { account, gpuMs } of rows) if (account !== null) by[account] = (by[account] ?? 0) + gpuMs
  return by
}

/** Held by a run: what is kept for its restart is not. `unknown` is of nobody where no project is named. */
export const isHeld = ({ account, project }: Ledger['rows'][number]): boolean =>
  project !== null && project !== undefined && (ATTEMPT_ACCOUNTS as readonly (string | null)[]).includes(account)

/** What runs hold of it, and how much of that trained and was kept; null: nothing was held. */
export function goodputOf(ledger: Ledger): {
  readonly heldGpuMs: number
  readonly productiveGpuMs: number
  readonly goodput: number | null
} {
  const held = ledger.rows.filter(isHeld)
  const heldGpuMs = held.reduce((sum, { gpuMs }) => sum + gpuMs, 0)
  const productiveGpuMs = held
    .filter(({ account }) => account === 'productive')
    .reduce((sum, { gpuMs }) => sum + gpuMs, 0)
  return { heldGpuMs, productiveGpuMs, goodput: heldGpuMs === 0 ? null : productiveGpuMs / heldGpuMs }
}

/** What runs pay, by currency. */
export function costsOf({
  rows,
}: Pick<Ledger, 'rows'>): readonly { readonly micros: number; readonly currency: string }[] {
  const sums = new Map<string, number>()
  for (const { money } of rows)
    if (money !== null) sums.set(money.currency, (sums.get(money.currency) ?? 0) + money.micros)
  return [...sums].map(([currency, micros]) => ({ currency, micros }))
}
