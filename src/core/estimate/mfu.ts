// Model FLOPs utilisation: what the kept tokens took in FLOPs of the model, over what the GPUs could have done. Work that was lost,
// recomputation and whatever else the GPUs did are no FLOPs of the model. The tokens of a run are those of kept steps, so the time is
// what was productive and kept, or all that was held: the second is the first times the goodput, where all GPUs are of one model.
import type { MfuUnknown } from '../../domain/efficiency.ts'
import type { ModelSize } from '../../domain/spec.ts'

/** Six for each active parameter: attention is left out, so that long sequences have a little more than this says. */
export const flopsPerToken = (model: ModelSize): number => 6 * model.activeParameters

/** All GPUs of an attempt are of one model. */
export type Worked = {
  readonly productiveGpuMs: number
  readonly heldGpuMs: number
  /** Of one GPU; null: nobody knows, or the slots have no device. */
  readonly peakTflops: number | null
}

export type Mfu =
  | { readonly kind: 'known'; readonly productive: number; readonly held: number }
  | { readonly kind: 'unknown'; readonly why: MfuUnknown }

export function mfuOf(model: ModelSize | null, tokens: number | null, attempts: readonly Worked[]): Mfu {
  if (model === null) return { kind: 'unknown', why: 'no-model' }
  if (attempts.every((each) => each.productiveGpuMs === 0)) return { kind: 'unknown', why: 'nothing-kept' }
  if (tokens === null) return { kind: 'unknown', why: 'no-tokens' }
  let [productive, held] = [0, 0]
  for (const { productiveGpuMs, heldGpuMs, peakTflops } of attempts) {
    if (heldGpuMs === 0) continue
    if (peakTflops === null) return { kind: 'unknown', why: 'no-peak' }
    productive += (productiveGpuMs / 1_000) * peakTflops * 1e12
    held += (heldGpuMs / 1_000) * peakTflops * 1e12
  }
  const flops = tokens * flopsPerToken(model)
  return { kind: 'known', productive: flops / productive, held: flops / held }
}
