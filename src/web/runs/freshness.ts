// When a number that was observed must say so. Older than `blindAfter`, or than three of its own steps where a step takes long, it reads
// "unknown since": a blind watcher never looks healthy.
const BLIND_AFTER_MS = 60_000
const STEPS = 3

export type Observed = {
  readonly state: string
  readonly observedAt: string | null
  readonly step: number | null
  readonly totalSteps: number | null
  readonly etaMs: number | null
}

/** Since when nothing is known of a run that should tell something; null: it is fresh, or it has nothing to tell. */
export function blindSince(run: Observed, now: number, stepMs: number | null = null): number | null {
  if (run.state !== 'running' || run.observedAt === null) return null
  const seen = Date.parse(run.observedAt)
  const left = run.totalSteps !== null && run.step !== null ? run.totalSteps - run.step : 0
  const guessed = stepMs ?? (run.etaMs !== null && left > 0 ? run.etaMs / left : 0)
  return now - seen > Math.max(BLIND_AFTER_MS, STEPS * guessed) ? seen : null
}

/** When it should end, by what was seen last; null: not known. */
export function endOf({ observedAt, etaMs }: Pick<Observed, 'observedAt' | 'etaMs'>): number | null {
  return observedAt === null || etaMs === null ? null : Date.parse(observedAt) + etaMs
}
