// One cell of one attempt: the timeline laid over what its workers held. Layer 1 is divided, never measured again, so the accounts
// sum to it whatever the facts say.
import type { Balance, CellSummary, MarkShare } from '../../domain/books.ts'
import type { Held } from '../../domain/holdings.ts'
import type { AttemptAccount } from '../../domain/reasons.ts'
import type { EpochMs } from '../../domain/units.ts'
import { addKnown } from '../../domain/units.ts'
import { lostOf } from './keep.ts'
import type { Piece, TimelineInput } from './timeline.ts'
import { timelineOf } from './timeline.ts'

export type WorkerLife = {
  readonly holder: string
  readonly startedAt: EpochMs | null
  readonly endedAt: EpochMs | null
}

export type CellInput = Omit<TimelineInput, 'from' | 'to'> & {
  /** Rows of layer 1 of the workers of the attempt, clamped to the cell. */
  readonly held: readonly Held[]
  readonly workers: readonly WorkerLife[]
  readonly from: EpochMs
  readonly to: EpochMs
}

/** Divides layer 1 of `[from, to)`. The summary's `accounts` have productive time as if every step were kept. */
export function classifyCell(input: CellInput): CellSummary {
  const timeline = timelineOf(input)
  const accounts = new Map<AttemptAccount, number>()
  const add = (account: AttemptAccount, amount: number) => {
    if (amount > 0) accounts.set(account, (accounts.get(account) ?? 0) + amount)
  }
  const lives = new Map(input.workers.map((worker) => [worker.holder, worker]))
  const steps: { at: EpochMs; slots: number }[] = []
  for (const row of input.held) {
    const life = lives.get(row.holder)
    const startedAt = clamp(life?.startedAt ?? row.to, row)
    const endedAt = clamp(life?.endedAt ?? row.to, { ...row, from: startedAt })
    add('provision', row.slots * (startedAt - row.from))
    add('teardown', row.slots * (row.to - endedAt))
    if (startedAt < endedAt) steps.push({ at: startedAt, slots: row.slots }, { at: endedAt, slots: -row.slots })
  }
  const perMark = new Array<number>(timeline.marks.length).fill(0)
  for (const share of overlay(timeline.pieces, steps)) {
    add(share.piece.account, share.gpuMs)
    if (share.piece.mark !== null) perMark[share.piece.mark] = (perMark[share.piece.mark] ?? 0) + share.gpuMs
  }
  const marks: MarkShare[] = []
  for (const [index, mark] of timeline.marks.entries()) {
    const gpuMs = perMark[index] ?? 0
    if (gpuMs === 0 && mark.tokens === 0) continue
    marks.push({ segment: mark.segment, step: mark.step, steps: mark.steps, gpuMs, tokens: mark.tokens })
  }
  return { accounts: Object.fromEntries(accounts), marks, carry: timeline.carry }
}

const clamp = (at: EpochMs, row: { readonly from: EpochMs; readonly to: EpochMs }): EpochMs =>
  at < row.from ? row.from : at > row.to ? row.to : at

/** The slots of living workers are a step function of time; each piece takes the area below it. Both are walked once. */
function overlay(
  pieces: readonly Piece[],
  changes: { readonly at: EpochMs; readonly slots: number }[],
): { piece: Piece; gpuMs: number }[] {
  changes.sort((a, b) => a.at - b.at)
  const shares: { piece: Piece; gpuMs: number }[] = []
  let slots = 0
  let next = 0
  for (const piece of pieces) {
    let at = piece.from
    let gpuMs = 0
    for (; next < changes.length; next += 1) {
      const change = changes[next]
      if (change === undefined || change.at >= piece.to) break
      if (change.at > at) {
        gpuMs += slots * (change.at - at)
        at = change.at
      }
      slots += change.slots
    }
    gpuMs += slots * (piece.to - at)
    shares.push({ piece, gpuMs })
  }
  return shares
}

/** What the accounts are once it is known which steps are kept. `keep` has one bound for each segment. */
export function balanceOf(summary: CellSummary, keep: readonly (number | null)[]): Balance {
  const lost = summary.marks.reduce((sum, mark) => sum + lostOf(mark, mark.gpuMs, keep[mark.segment] ?? null), 0)
  if (lost === 0) return summary.accounts
  return {
    ...summary.accounts,
    productive: (summary.accounts.productive ?? 0) - lost,
    lost: (summary.accounts.lost ?? 0) + lost,
  }
}

/** Tokens of kept steps; null as soon as one kept step's tokens are not known. */
export function tokensOf(summary: CellSummary, keep: readonly (number | null)[]): number | null {
  let tokens: number | null = 0
  for (const mark of summary.marks) {
    if (mark.tokens === null) return null
    tokens = addKnown(tokens, mark.tokens - lostOf(mark, mark.tokens, keep[mark.segment] ?? null))
  }
  return tokens
}
