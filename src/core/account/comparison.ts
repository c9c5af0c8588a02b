// Tokens for a GPU-hour, and what hides behind it: a sparse model takes fewer FLOPs for a token, so that FLOPs for a second of a GPU stand beside.
// FLOPs are those of the model, 6 for each active parameter and token (Kaplan et al., 2020, without attention): recomputation is none, and
// what was lost is in the hours alone.
import type { Compared, ComparedPublished } from '../../domain/comparison.ts'
import { PUBLISHED_RUNS } from '../../domain/comparison.ts'
import { MS_PER_HOUR } from '../../domain/units.ts'
import { flopsPerToken } from '../estimate/mfu.ts'

export type ToCompare = Pick<Compared, 'name' | 'gpuModels' | 'activeParameters' | 'tokens' | 'heldGpuMs'>

/** Null where nothing was held, or nothing was made of it: there is no rate of nothing. `peaks` in TFLOP/s, dense BF16, by GPU model. */
export function compared(run: ToCompare, peaks: ReadonlyMap<string, number | null>): Compared | null {
  const { activeParameters, tokens, heldGpuMs, gpuModels } = run
  if (heldGpuMs <= 0 || tokens <= 0 || activeParameters <= 0) return null
  const hours = heldGpuMs / MS_PER_HOUR
  const flops = flopsPerToken({ parameters: activeParameters, activeParameters }) * tokens
  const tflopsPerGpu = flops / (heldGpuMs / 1_000) / 1e12
  const [only, other] = gpuModels
  const peak = only === undefined || other !== undefined ? null : (peaks.get(only) ?? null)
  return {
    ...run,
    tokensPerGpuHour: Math.round(tokens / hours),
    gpuHoursPerBillionTokens: hours / (tokens / 1e9),
    tflopsPerGpu,
    ofPeak: peak === null ? null : tflopsPerGpu / peak,
  }
}

export function comparedPublished(peaks: ReadonlyMap<string, number | null>): readonly ComparedPublished[] {
  return PUBLISHED_RUNS.flatMap(({ gpuModel, gpuHours, precision, hoursAre, source, month, ...run }) => {
    const figures = compared({ ...run, gpuModels: [gpuModel], heldGpuMs: gpuHours * MS_PER_HOUR }, peaks)
    return figures === null ? [] : [{ ...figures, precision, hoursAre, source, month }]
  })
}
