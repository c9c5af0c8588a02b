// What a project had in a window: what it held by account, what it paid, and the dearest causes of waste. Of rows of the ledger by project, run,
// account and payer; every sum is that of its rows.
import { ATTEMPT_ACCOUNTS } from '../../domain/reasons.ts'
import type { Waste } from '../../domain/waste.ts'
import { isWaste, STOPS } from '../../domain/waste.ts'

export type ReportRow = {
  readonly project?: string | null
  readonly user?: string | null
  readonly run?: string | null
  readonly runName?: string | null
  readonly account: string | null
  /** What the platform pays costs no run anything, and that is known. */
  readonly payer?: 'run' | 'platform'
  readonly gpuMs: number
  readonly money: { readonly micros: number; readonly currency: string } | null
}
export type Cost = { readonly micros: number; readonly currency: string } | null

export type Report = {
  /** What runs held, and what was kept for their restarts; money null: a part has no price. */
  readonly heldGpuMs: number
  readonly wasteGpuMs: number
  readonly money: Cost
  readonly accounts: { readonly account: string; readonly gpuMs: number; readonly money: Cost }[]
  /** Of one run and account each, the dearest first; where there are no prices, the longest. */
  readonly causes: {
    readonly run: string
    readonly runName: string | null
    readonly project: string | null
    readonly user: string | null
    readonly account: Waste
    readonly gpuMs: number
    readonly money: Cost
    readonly whatWouldStopIt: string
  }[]
}

const CAUSES_MAX = 5

export function reportOf(rows: readonly ReportRow[]): Report {
  const ours = rows.filter((row) => row.project != null)
  const accounts = [...Map.groupBy(ours, ({ account }) => account ?? 'unknown')]
    .map(([account, of]) => ({ account, gpuMs: sumOf(of), money: costOf(of) }))
    .toSorted((a, b) => orderOf(a.account) - orderOf(b.account))
  const causes = [
    ...Map.groupBy(
      ours.filter(({ account, run }) => isWaste(account) && run != null),
      ({ run, account }) => `${run} ${account}`,
    ),
  ]
    .flatMap(([, of]) => {
      const [first] = of
      const account = first?.account ?? null
      if (first === undefined || !isWaste(account)) return []
      const { run, runName = null, project: owner = null, user = null } = first
      return [
        {
          run: run ?? '',
          runName,
          project: owner,
          user,
          account,
          gpuMs: sumOf(of),
          money: costOf(of),
          whatWouldStopIt: STOPS[account],
        },
      ]
    })
    .filter(({ gpuMs }) => gpuMs > 0)
    .toSorted((a, b) => (b.money?.micros ?? 0) - (a.money?.micros ?? 0) || b.gpuMs - a.gpuMs)
    .slice(0, CAUSES_MAX)
  return {
    heldGpuMs: sumOf(ours),
    wasteGpuMs: sumOf(ours.filter(({ account }) => isWaste(account))),
    money: costOf(ours),
    accounts,
    causes,
  }
}

const sumOf = (rows: readonly ReportRow[]): number => rows.reduce((sum, { gpuMs }) => sum + gpuMs, 0)

/** Null as soon as a part that was held has no price, or another currency: unknown is never 0. */
function costOf(rows: readonly ReportRow[]): Cost {
  const paid = rows.filter(({ payer, gpuMs, money }) => payer !== 'platform' && (gpuMs !== 0 || money !== null))
  const currency = paid[0]?.money?.currency
  if (currency === undefined || paid.some(({ money }) => money?.currency !== currency)) return null
  return { micros: paid.reduce((sum, { money }) => sum + (money?.micros ?? 0), 0), currency }
}

function orderOf(account: string): number {
  const at = (ATTEMPT_ACCOUNTS as readonly string[]).indexOf(account)
  return at === -1 ? ATTEMPT_ACCOUNTS.length : at
}
