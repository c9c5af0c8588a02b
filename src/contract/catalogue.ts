// The catalogue: GPU models with their peaks, and sizes of known models.
import { z } from 'zod'
import type { ModelSize } from '../domain/spec.ts'
import { gpuName } from './fields.ts'

const gpu = z.strictObject({
  id: gpuName,
  name: z.string().min(1),
  vendor: z.string().min(1).nullable(),
  /** Of one slot: of one die where a driver shows each die of a package as a device. */
  memoryGB: z.number().positive().nullable(),
  /**
   * Dense, without sparsity: the figure with sparsity is twice as high and the most common error of published MFUs. Null where it
   * has no BF16 or nobody knows: utilisation is then null too, never a guess.
   */
  peakBf16Tflops: z.number().positive().nullable(),
  /** Names that its driver prints (nvidia-smi, rocm-smi). */
  products: z.array(z.string().min(1)),
  /** Values of the node label that names the GPU on Kubernetes. */
  labels: z.array(z.string().min(1).max(63)),
  source: z.string().min(1),
})
const model = z
  .strictObject({
    name: z.string().min(1),
    parameters: z.int().positive(),
    activeParameters: z.int().positive(),
    source: z.string().min(1),
  })
  .refine((each) => each.activeParameters <= each.parameters, 'more active parameters than parameters')

/** What a spec may name. */
export type Catalogue = {
  readonly presets: ReadonlyMap<string, ModelSize>
  readonly gpus: ReadonlySet<string>
}

export type GpuModel = Readonly<z.output<typeof gpu>>

/** Throws where the file is not what it should be: it is ours. */
export function parseGpus(text: string): readonly GpuModel[] {
  const gpus = z.array(gpu).parse(JSON.parse(text))
  unique(gpus.map((each) => each.id))
  // One name for two models would give a node whichever comes first.
  unique(gpus.flatMap((each) => each.products))
  unique(gpus.flatMap((each) => each.labels))
  return gpus
}

export function parsePresets(text: string): ReadonlyMap<string, ModelSize> {
  const models = z.array(model).parse(JSON.parse(text))
  unique(models.map((each) => each.name))
  return new Map(models.map(({ name, parameters, activeParameters }) => [name, { parameters, activeParameters }]))
}

function unique(names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new Error(`bug: the catalogue has ${twice} twice`)
}
