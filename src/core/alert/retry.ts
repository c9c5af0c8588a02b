// When a channel that did not take a message is tried again.

/** 5 s, then longer and longer, as Standard Webhooks suggest; at most an hour, so that a receiver that is back is noticed. */
const WAITS_MS = [5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000] as const
/** Whatever a receiver asks for. */
const ASKED_MS_MAX = 6 * 3_600_000

/** `failures` in a row, at least 1; `asked`: Retry-After; `fraction` of chance in [0, 1) spreads receivers that failed together by a fifth. */
export function retryMs(failures: number, asked: number | null, fraction: number): number {
  const wait = WAITS_MS[Math.min(failures, WAITS_MS.length) - 1] ?? 0
  const spread = Math.round(wait * (0.9 + 0.2 * fraction))
  return Math.max(spread, Math.min(asked ?? 0, ASKED_MS_MAX))
}
