import { efficiencyOf, hasFailed } from '../../core/account/efficiency.ts'
import { moneyOf } from '../../core/account/money.ts'
import { attemptAccounts, heldBetween, unbooked } from '../../core/account/statement.ts'
import { workOf } from '../../core/account/due.ts'
import { firstCellToRead } from '../../core/account/post.ts'
import type { StatementDocument } from '../../domain/documents.ts'
import type { Held } from '../../domain/holdings.ts'
import type { Account } from '../../domain/reasons.ts'
import type { Run } from '../../domain/run.ts'
import { gpusOf } from '../../domain/spec.ts'
import type { EpochMs, Price } from '../../domain/units.ts'
import { addKnown, MS_PER_HOUR } from '../../domain/units.ts'
import type { BooksLight } from '../../ports/store.ts'
import type { Control } from '../control.ts'
import type { RequestContext } from '../requests/context.ts'
import { balanceOfExperts } from './experts.ts'

export const firstUnposted = (light: BooksLight) => firstCellToRead(light.books, workOf.light(light))

/** The statement of a run as it stands now: what is posted, and what is not posted yet computed by the same function. */
export async function statementOf(
  { control, peaks }: Pick<RequestContext, 'control' | 'peaks'>,
  run: Run,
): Promise<StatementDocument> {
  const { books, attempts, failed } = await look(control, run)
  const read = await control.store.efficiencyRead(run.id)
  const specs = await control.store.specs([run.id])
  const efficiency = efficiencyOf({
    ...read,
    gpus: gpusOf(run.resources),
    model: specs.get(run.id)?.training.model ?? null,
    tokens: books.tokens,
    attempts,
    failed,
    peaks,
  })
  const { sent, failed: lost } = (await control.alerting?.store.alertsOf(run.id)) ?? { sent: 0, failed: 0 }
  return {
    ...books,
    efficiency,
    experts: await balanceOfExperts(control.store, run),
    alerts: { sent, failed: lost },
  }
}

type Books = Omit<StatementDocument, 'efficiency' | 'experts' | 'alerts'>

/** Without what takes reading facts or frames: what is looked at twice a second. */
export const booksOf = async (control: Control, run: Run): Promise<Books> => (await look(control, run)).books

async function look(control: Control, run: Run) {
  const read = await control.store.statementRead(run.id, firstUnposted)
  const now = control.clock.now()
  const extra = unbooked(read.nodes, read.claims, now, control.settings.durations.blindAfterMs)
  const attempts = read.books.map((books) => attemptAccounts(workOf.full(books), extra, now))
  const byAccount: Partial<Record<Account, number>> = {}
  for (const attempt of attempts) {
    for (const [account, amount] of Object.entries(attempt.byAccount) as [Account, number][]) {
      byAccount[account] = (byAccount[account] ?? 0) + amount
    }
  }
  const heldGpuMs = attempts.reduce((sum, attempt) => sum + attempt.heldGpuMs, 0)
  const paid = paidParts(read, extra)
  const paidGpuMs = paid.reduce((sum, part) => sum + part.gpuMs, 0)
  const productive = byAccount.productive ?? 0
  const wall = run.startedAt === null ? 0 : (run.endedAt ?? now) - run.startedAt
  const tokens = attempts.reduce<number | null>((sum, each) => addKnown(sum, each.tokens), 0)
  // Nothing counted them: that is not none.
  const known = run.sequenceLength === null && tokens === 0 ? null : tokens
  const books: Books = {
    run: run.id,
    project: run.project,
    name: run.name,
    state: run.state.kind,
    attempts: attempts.map((each) => ({
      id: each.attempt,
      outcome: each.outcome,
      heldGpuMs: each.heldGpuMs,
      byAccount: each.byAccount,
    })),
    heldGpuMs,
    paidGpuMs,
    byAccount,
    provisionalGpuMs: attempts.reduce((sum, attempt) => sum + attempt.provisionalGpuMs, 0),
    money: moneyOf(paid),
    goodput: heldGpuMs === 0 ? null : productive / heldGpuMs,
    ettr: wall <= 0 ? null : productive / (wall * gpusOf(run.resources)),
    tokens: known,
    tokensPerGpuHour: known === null || heldGpuMs === 0 ? null : Math.round(known / (heldGpuMs / MS_PER_HOUR)),
  }
  const failed = read.books.flatMap(({ attempt }) => (hasFailed(attempt) ? [attempt.id] : []))
  return { books, attempts, failed }
}

/** What the run pays: its workers until `paidUntil`, and its restart holds. */
function paidParts(
  read: Awaited<ReturnType<Control['store']['statementRead']>>,
  extra: readonly Held[],
): { gpuMs: number; price: Price | null }[] {
  const parts: { gpuMs: number; price: Price | null }[] = []
  const forever = Number.MAX_SAFE_INTEGER as EpochMs
  for (const books of read.books) {
    const rows = Map.groupBy([...books.held, ...extra], (row) => row.holder)
    for (const claim of books.claims) {
      parts.push({
        gpuMs: heldBetween(rows.get(claim.holder) ?? [], claim.placedAt, claim.paidUntil ?? forever),
        price: claim.price,
      })
    }
  }
  for (const claim of read.holdClaims) {
    const rows = [...read.holds, ...extra].filter((row) => row.holder === claim.holder && row.node === claim.node)
    parts.push({ gpuMs: heldBetween(rows, claim.placedAt, claim.paidUntil ?? forever), price: claim.price })
  }
  return parts
}
