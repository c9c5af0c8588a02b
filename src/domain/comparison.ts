// What runs made of their GPU-hours, beside runs of others that published theirs.
import type { EpochMs } from './units.ts'

export type Compared = {
  readonly name: string
  /** Of one GPU model, or of the several that its attempts ran on. */
  readonly gpuModels: readonly string[]
  readonly activeParameters: number
  readonly tokens: number
  readonly heldGpuMs: number
  readonly tokensPerGpuHour: number
  readonly gpuHoursPerBillionTokens: number
  /** Of the model, 6 for each active parameter and token, for each second of a GPU that was held. */
  readonly tflopsPerGpu: number
  /** Of the dense BF16 peak, whatever precision it ran in; null: its GPUs have none in the catalogue, or are of several models. */
  readonly ofPeak: number | null
}

export type ComparedRun = Compared & { readonly run: string; readonly project: string; readonly state: string }
export type ComparedPublished = Compared & Pick<PublishedRun, 'precision' | 'hoursAre' | 'source' | 'month'>

export type ComparisonDocument = {
  readonly from: EpochMs
  readonly to: EpochMs
  /** Those that held GPUs in the window, with all that they held since they began; the most in the window first. */
  readonly runs: readonly ComparedRun[]
  readonly published: readonly ComparedPublished[]
  readonly leftOut: {
    /** Runs whose spec has no `training.model`. */
    readonly withoutModel: number
    /** Runs of which no kept token was counted. */
    readonly withoutTokens: number
    /** Runs that held less than those that were looked at. */
    readonly heldLess: number
  }
}

export type PublishedRun = {
  readonly name: string
  readonly gpuModel: string
  readonly precision: string
  readonly activeParameters: number
  readonly tokens: number
  readonly gpuHours: number
  /** What its hours have in them, as far as whoever published them says. */
  readonly hoursAre: string
  readonly source: string
  /** When it was published. */
  readonly month: string
}

/** As printed there: rounded as their authors rounded. */
export const PUBLISHED_RUNS: readonly PublishedRun[] = [
  {
    name: 'DeepSeek-V3',
    gpuModel: 'h800-sxm',
    precision: 'FP8',
    activeParameters: 37e9,
    tokens: 14.8e12,
    gpuHours: 2_788_000,
    hoursAre: 'pre-training, context extension and post-training; earlier research and ablations are not in it',
    source: 'DeepSeek-V3 Technical Report, arXiv 2412.19437, table 1',
    month: '2024-12',
  },
  {
    name: 'Llama 3.1 405B',
    gpuModel: 'h100-sxm',
    precision: 'BF16',
    activeParameters: 405e9,
    tokens: 15.6e12,
    gpuHours: 30_840_000,
    hoursAre: 'as Meta reports them for the model, all phases of training',
    source: 'Llama 3.1 model card (hours); The Llama 3 Herd of Models, arXiv 2407.21783 (tokens)',
    month: '2024-07',
  },
]
