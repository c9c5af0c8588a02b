// How often a run should save. The expected ETTR of a gang with the mean time to failure M, restarts of u, saves of w and training of d
// between two of them is (Kokolis et al., HPCA 2025):
//
//   E(d) = (1 - (u + d / 2) / M) / (1 + w / d)
//
// Its maximum lies where d^2 + 2wd = 2w(M - u), so that d = sqrt(w^2 + 2w(M - u)) - w. While w and u are small against M that is the
// interval of Daly, sqrt(2wM) - w, and nearly that of Young, sqrt(2wM).
import { MS_PER_HOUR } from '../../domain/units.ts'

/**
 * Failures of one GPU in a day are Gamma(1, 2,000) before anything is known: mean 4e-3 for each node of eight, as published fleets have
 * them (2.34e-3 to 6.5e-3). It is a weak prior in failures and a strong one in time: each failure of the run's own counts as much as
 * the whole prior. Small runs fail for other reasons than large ones, and more often than it says.
 */
const PRIOR_FAILURES = 1
const PRIOR_GPU_DAYS = (PRIOR_FAILURES * 8) / 4e-3
const MS_PER_DAY = 24 * MS_PER_HOUR

/** Of all GPUs of a gang together, by the mean of the posterior. */
export function meanMsToFailure(gpus: number, failures: number, heldGpuMs: number): number {
  const gpuDays = PRIOR_GPU_DAYS + heldGpuMs / MS_PER_DAY
  return (gpuDays / (PRIOR_FAILURES + failures) / gpus) * MS_PER_DAY
}

export type Saving = {
  readonly meanToFailureMs: number
  readonly saveMs: number
  readonly restartMs: number
}

/** Linear in what fails: 0 where it expects more than one failure between two saves, which it does not describe any more. */
export function expectedEttr(intervalMs: number, { meanToFailureMs, saveMs, restartMs }: Saving): number {
  return Math.max(0, 1 - (restartMs + intervalMs / 2) / meanToFailureMs) / (1 + saveMs / intervalMs)
}

export type BestInterval = {
  readonly intervalMs: number
  readonly ettrNow: number
  readonly ettrBest: number
  readonly savedGpuMs: number
}

/**
 * Null where a restart takes as long as the next failure. What was productive and kept would have been held for 1 / E of itself, so
 * that what E does not describe, such as the first start, is not counted; and no more is saved than was held for anything else.
 */
export function bestInterval(
  saving: Saving,
  intervalMs: number,
  held: { readonly gpuMs: number; readonly productiveGpuMs: number },
): BestInterval | null {
  const { meanToFailureMs, saveMs, restartMs } = saving
  if (restartMs >= meanToFailureMs) return null
  const both = 2 * saveMs * (meanToFailureMs - restartMs)
  // sqrt(w^2 + both) - w, without the difference of two numbers that may be nearly the same.
  const best = both / (Math.sqrt(saveMs ** 2 + both) + saveMs)
  const ettrNow = expectedEttr(intervalMs, saving)
  const ettrBest = expectedEttr(best, saving)
  const rest = held.gpuMs - held.productiveGpuMs
  const less = ettrNow === 0 ? rest : held.productiveGpuMs * (1 / ettrNow - 1 / ettrBest)
  return { intervalMs: best, ettrNow, ettrBest, savedGpuMs: Math.max(0, Math.min(rest, Math.round(less))) }
}
