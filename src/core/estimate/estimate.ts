// GPU-hours before a run starts, from its spec alone: FLOPs = 6 x active parameters x tokens, divided by what GPUs of that model
// reach in whole runs. The prior is one factor wide on purpose: on 60 published runs it was off by 1.5 or less in eight of ten cases
// (log-normal, median MFU 0.30). A GPU model without a peak, such as a declared slot, has no estimate.
import type { RunSpec } from '../../domain/spec.ts'
import { flopsPerToken } from './mfu.ts'

export const MFU_PRIOR = 0.3
/** The 80 % interval is the median divided and multiplied by this. */
export const PRIOR_FACTOR_80 = 1.5

export type Estimate = {
  readonly flops: number
  readonly method: string
  readonly gpuMs: { readonly p10: number; readonly p50: number; readonly p90: number } | null
  /** P80 of the same log-normal: what is reserved. */
  readonly p80: number | null
}

/** z of the 90th and the 80th percentile of a normal distribution. */
const Z90 = 1.2816
const Z80 = 0.8416

const SIGMA = Math.log(PRIOR_FACTOR_80) / Z90
/** The median and the 90th percentile of the same log-normal, where only its P80 is kept. */
export const ESTIMATE_P50_OF_P80 = Math.exp(-SIGMA * Z80)
export const ESTIMATE_P90_OF_P80 = ESTIMATE_P50_OF_P80 * PRIOR_FACTOR_80

export function estimateRun(spec: RunSpec, peakTflops: number | null): Estimate | null {
  const { tokens, model } = spec.training
  if (tokens === null || model === null) return null
  const flops = flopsPerToken(model) * tokens
  const method = '6 x active parameters x tokens'
  if (peakTflops === null) return { flops, method, gpuMs: null, p80: null }
  const p50 = (flops / (peakTflops * 1e12 * MFU_PRIOR)) * 1_000
  const whole = (value: number): number => Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(value))
  return {
    flops,
    method,
    gpuMs: { p10: whole(p50 / PRIOR_FACTOR_80), p50: whole(p50), p90: whole(p50 * PRIOR_FACTOR_80) },
    p80: whole(p50 / ESTIMATE_P50_OF_P80),
  }
}
