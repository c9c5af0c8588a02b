// A run spec after parsing and defaults: frozen at submit, never read again with other defaults.
import type { ClusterName, ProjectName } from './ids.ts'
import type { PodOptions } from './pod-options.ts'
import type { Priority } from './reasons.ts'
import type { DurationMs, GpuMs } from './units.ts'

export const FRAMEWORKS = ['auto', 'megatron', 'torchtitan', 'huggingface', 'deepspeed', 'nemo', 'custom'] as const
export type Framework = (typeof FRAMEWORKS)[number]

export type Topology = { readonly within: 'node' | 'rack' | 'block'; readonly mode: 'preferred' | 'required' }

export type Resources = {
  /** How many workers. */
  readonly nodes: number
  readonly gpusPerNode: number
  /** GPU models in order of preference; empty: any. */
  readonly gpu: readonly string[]
  readonly topology: Topology | null
  readonly parallelism: Readonly<Record<string, number>>
}

export type ModelSize = {
  readonly parameters: number
  /** Per token, for a mixture of experts; equal to `parameters` for a dense model. */
  readonly activeParameters: number
}

export type RunSpec = {
  readonly version: 1
  readonly name: string
  readonly project: ProjectName
  readonly priority: Priority
  readonly cluster: ClusterName | null
  readonly workdir: string | null
  /** Where the file of this spec lay, added by the command line: the working directory on a cluster that is this machine. */
  readonly folder?: string | null
  readonly labels: Readonly<Record<string, string>>
  readonly image: string | null
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly secrets: readonly string[]
  readonly resources: Resources
  /** For clusters of Kubernetes; null, or absent in specs that are older than it: the cluster's defaults. */
  readonly kubernetes?: PodOptions | null
  readonly training: {
    readonly framework: Framework
    readonly tokens: number | null
    readonly sequenceLength: number | null
    readonly model: ModelSize | null
  }
  readonly checkpoints: { readonly path: string | null; readonly everySteps: number | null }
  readonly limits: { readonly timeMs: DurationMs | null; readonly gpuMs: GpuMs | null }
  /** How often a run is started again after a failure of each class. */
  readonly restart: { readonly infrastructure: number; readonly unknown: number; readonly user: number }
  readonly watch: { readonly stall: 'auto' | 'off'; readonly loss: 'auto' | 'off'; readonly experts: 'auto' | 'off' }
  readonly notify: readonly string[]
  /** Where the working directory came from, added by the command line. */
  readonly source: { readonly remote: string | null; readonly commit: string; readonly dirty: boolean } | null
}

export const gpusOf = (resources: Resources): number => resources.nodes * resources.gpusPerNode
