// The catalogue: GPU models with their peaks, and sizes of known models.
import { z } from 'zod'
import type { ModelSize } from '../domain/spec.ts'

const gpus = z.array(
  z.strictObject({
    id: z.string(),
    name: z.string(),
    vendor: z.string().nullable(),
    memoryGB: z.number().nullable(),
    /** Dense, without sparsity: the figure with sparsity is twice as high and the most common error of published MFUs. */
    peakBf16Tflops: z.number().nullable(),
    source: z.string(),
  }),
)
const models = z.array(
  z.strictObject({ name: z.string(), parameters: z.int(), activeParameters: z.int(), source: z.string() }),
)

export type GpuModel = z.output<typeof gpus>[number]

/** Throws where the file is not what it should be: it is ours. */
export const parseGpus = (text: string): readonly GpuModel[] => gpus.parse(JSON.parse(text))

export function parsePresets(text: string): ReadonlyMap<string, ModelSize> {
  return new Map(
    models
      .parse(JSON.parse(text))
      .map(({ name, parameters, activeParameters }) => [name, { parameters, activeParameters }]),
  )
}
