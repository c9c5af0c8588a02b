import { workOf } from '../../core/account/due.ts'
import { capacityOf, ledgerRows, windowOf } from '../../core/account/ledger.ts'
import { openAccounts, unbooked } from '../../core/account/statement.ts'
import type { LedgerDocument, LedgerKey } from '../../domain/documents.ts'
import type { Held } from '../../domain/holdings.ts'
import type { EpochMs } from '../../domain/units.ts'
import { DAY_MS, earlier, epochMs, later } from '../../domain/units.ts'
import type { Control } from '../control.ts'
import { firstUnposted } from './statement.ts'

const DEFAULT_DAYS = 30

export async function ledgerOf(
  control: Control,
  window: { readonly from: EpochMs | null; readonly to: EpochMs | null },
  by: readonly LedgerKey[],
  projects: 'all' | ReadonlySet<string>,
): Promise<LedgerDocument> {
  const clock = control.clock.now()
  const asked = windowOf(window.from ?? epochMs(clock - DEFAULT_DAYS * DAY_MS), window.to ?? clock, clock)
  const read = await control.store.ledgerRead(asked.from, asked.to, firstUnposted)
  // The newer of the clock and the newest booked moment: the end of what can be said at all.
  const now = read.nodes.reduce((newest, node) => later(newest, node.bookedTo), control.clock.now())
  const to = asked.to >= clock ? now : asked.to
  const extra = clampTo(unbooked(read.nodes, read.claims, to, control.settings.durations.blindAfterMs), asked.from, to)
  const provisional = read.open.flatMap((books) => {
    const open = openAccounts(workOf.full(books), extra, asked.from, to)
    return Object.entries(open).map(([account, gpuMs]) => ({
      attempt: books.attempt.id as string,
      account,
      gpuMs: gpuMs ?? 0,
    }))
  })
  const input = {
    from: asked.from,
    to,
    nodes: read.nodes,
    inventory: read.inventory,
    held: read.held,
    unbooked: extra,
    holders: read.holders,
    runs: new Map(read.runs.map((run) => [run.id as string, run])),
    accounts: [...read.postings, ...provisional],
  }
  const rows = ledgerRows(input, by)
  return {
    from: asked.from,
    to,
    capacityGpuMs: capacityOf(input),
    rows: projects === 'all' ? rows : rows.filter((row) => row.project != null && projects.has(row.project)),
  }
}

function clampTo(rows: readonly Held[], from: EpochMs, to: EpochMs): Held[] {
  return rows.flatMap((row) => {
    const clamped = { ...row, from: later(row.from, from), to: earlier(row.to, to) }
    return clamped.from < clamped.to ? [clamped] : []
  })
}
