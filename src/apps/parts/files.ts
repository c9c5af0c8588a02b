// The files of the checkout and of a home, read once at the start and refused whole where something in them is wrong.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Catalogue } from '../../contract/catalogue.ts'
import { parseGpus, parsePresets } from '../../contract/catalogue.ts'
import type { Config } from '../../contract/config.ts'
import { parseConfig } from '../../contract/config.ts'
import { parsePolicy } from '../../contract/policy.ts'
import { formatProblems } from '../../contract/problems.ts'
import { parseRunSpec } from '../../contract/run-spec.ts'
import { parseThresholds } from '../../contract/thresholds.ts'
import type { Policy } from '../../domain/policy.ts'
import type { RunSpec } from '../../domain/spec.ts'
import type { Thresholds } from '../../domain/thresholds.ts'

export const projectRoot = fileURLToPath(new URL('../../../', import.meta.url))

const read = (...path: string[]): string => readFileSync(join(projectRoot, ...path), 'utf8')

export const version = (JSON.parse(read('package.json')) as { version: string }).version

export type Files = {
  readonly config: Config
  readonly thresholds: Thresholds
  readonly policy: Policy
  readonly policyDocument: unknown
  readonly catalogue: Catalogue
  /** Peak dense TFLOP/s in BF16 by GPU model. */
  readonly peaks: ReadonlyMap<string, number | null>
}

/** A file that cannot be used: the message names every problem with its place. */
export class FileProblem extends Error {}

export const readSettings = (home: string): Files => readSettingsFile(join(home, 'config.yaml'))

/** The defaults, and over them a file if it is there. */
export function readSettingsFile(override: string): Files {
  const names = { default: 'config/default.yaml', override }
  const config = parseConfig(
    read('config', 'default.yaml'),
    existsSync(override) ? readFileSync(override, 'utf8') : null,
    names,
  )
  if (!config.ok) throw new FileProblem(formatProblems(config.file, config.problems))
  const { seed, file } = seedOf(config.config.deployment.policy, override)
  const policy = parsePolicy(seed)
  if (!policy.ok) throw new FileProblem(formatProblems(file, policy.problems))
  return {
    config: config.config,
    thresholds: thresholdsOf(config.config, override),
    policy: policy.policy,
    policyDocument: policy.document,
    catalogue: catalogue(),
    peaks: new Map(gpuModels().map((gpu) => [gpu.id, gpu.peakBf16Tflops])),
  }
}

function thresholdsOf({ alerts, durations }: Config, override: string): Thresholds {
  const file = alerts.thresholds === null ? null : resolve(dirname(override), alerts.thresholds)
  if (file !== null && !existsSync(file))
    throw new FileProblem(`${override}: there is no file ${file} (at /alerts/thresholds)`)
  const result = parseThresholds(
    read('config', 'alerts', 'thresholds.yaml'),
    file === null ? null : readFileSync(file, 'utf8'),
    { default: 'config/alerts/thresholds.yaml', override: file ?? '' },
    durations.blindAfterMs,
  )
  if (!result.ok) throw new FileProblem(formatProblems(result.file, result.problems))
  return result.value
}

function seedOf(policy: string | null, override: string): { readonly seed: string; readonly file: string } {
  if (policy === null) return { seed: read('config', 'policy', 'seed.yaml'), file: 'config/policy/seed.yaml' }
  const file = resolve(dirname(override), policy)
  if (!existsSync(file)) throw new FileProblem(`${override}: there is no file ${file} (at /deployment/policy)`)
  return { seed: readFileSync(file, 'utf8'), file }
}

const gpuModels = () => parseGpus(read('config', 'catalogue', 'gpus.json'))

/** What a spec may name. */
export const catalogue = (): Catalogue => ({
  presets: parsePresets(read('config', 'catalogue', 'models.json')),
  gpus: new Set(gpuModels().map((gpu) => gpu.id)),
})

/** A spec from a file; its folder is the working directory where it names none. */
export function readSpec(path: string, set: readonly string[] = []): RunSpec {
  const parsed = parseRunSpec(readFileSync(path, 'utf8'), { file: path, set, catalogue: catalogue() })
  if (!parsed.ok) throw new FileProblem(formatProblems(path, parsed.problems))
  const folder = resolve(dirname(path))
  const { workdir } = parsed.spec
  return { ...parsed.spec, folder, workdir: workdir === null ? null : resolve(folder, workdir) }
}
